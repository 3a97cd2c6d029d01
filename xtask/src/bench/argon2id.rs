//! Full logins with a password, beside checking as many passwords and nothing else.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use super::{
    Failure, Place,
    client::{Factors, FirstFactor},
    directory::{Directory, PASSWORD, SALT},
    login::Crowd,
    rounds::Rounds,
    server::Server,
    table::Table,
};

const ROW: &str = "login by argon2id";
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(800);
const USERS: usize = 100;
const CLIENTS: usize = 16;
/// As many as the host computes at once.
const AT_ONCE: usize = 2;

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(ROW) {
        return Ok(());
    }
    let directory = Directory::make(place, "argon2id", USERS)?;
    let host = Server::host(place, &directory)?;
    let hash =
        Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), SALT).map_err(|error| error.to_string())?;
    let factors = Factors { first: FirstFactor::Local, ..Factors::VOUCHED_AND_PIN };
    let crowd = Crowd { clients: CLIENTS, users: 0..USERS, factors };
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let bare = checks(&hash);
        let passed = crowd.logins(&host, ROUND)?;
        // The first warms up.
        if round > 0 {
            rounds.add_beside(passed.per_second, bare);
        }
    }
    table.add(ROW, "/s", &rounds);
    Ok(())
}

fn checks(hash: &PasswordHash) -> f64 {
    let count = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while began.elapsed() < ROUND {
                    if Argon2::default().verify_password(PASSWORD.as_bytes(), hash).is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}
