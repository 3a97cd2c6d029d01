//! Full logins with a password or a backup code, beside checking as many hashes and nothing else.

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
    login::{Crowd, Passed},
    rounds::Rounds,
    second_factor::SecondFactor,
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
const BACKUP_CODE_ROW: &str = "login by backup code";
/// A code is right once, and each user has one that the benchmark knows.
const BACKUP_CODE_USERS: usize = 10_000;
/// As many calls as a module answers at once.
const CALLS_AT_ONCE: usize = 4;

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(ROW) {
        return Ok(());
    }
    let directory = Directory::make(place, "argon2id", USERS)?;
    let host = Server::host(place, &directory)?;
    let factors = Factors { first: FirstFactor::Local, ..Factors::VOUCHED_AND_PIN };
    let crowd = |_| Crowd { clients: CLIENTS, users: 0..USERS, factors: factors.clone() };
    let (speed, cost) = in_turn(AT_ONCE, &host, crowd)?;
    table.add(ROW, "/s", &speed);
    table.add("  its processor time, argon2id", "µs", &cost);
    Ok(())
}

/// However many codes a batch has, an attempt costs one hash: the module's parameters are those of a password.
pub fn measure_backup_code(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(BACKUP_CODE_ROW) {
        return Ok(());
    }
    let factors = Factors { second: SecondFactor::backup_code()?, ..Factors::VOUCHED_AND_PIN };
    let directory = Directory::make_with(place, "backup-code", BACKUP_CODE_USERS, &factors.second)?;
    let host = Server::host(place, &directory)?;
    let each = BACKUP_CODE_USERS / (ROUNDS + 1);
    let (speed, cost) = in_turn(CALLS_AT_ONCE, &host, |round| Crowd {
        clients: CLIENTS,
        users: round * each..(round + 1) * each,
        factors: factors.clone(),
    })?;
    table.add(BACKUP_CODE_ROW, "/s", &speed);
    table.add("  its processor time, backup code", "µs", &cost);
    Ok(())
}

/// The speed of the host beside so many threads that only check hashes, and what one costs either.
fn in_turn(at_once: usize, host: &Server, crowd: impl Fn(usize) -> Crowd) -> Result<(Rounds, Rounds), Failure> {
    let hash =
        Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), SALT).map_err(|error| error.to_string())?;
    let (mut speed, mut cost) = (Rounds::default(), Rounds::default());
    for round in 0..=ROUNDS {
        let (checked, passed) = (checks(&hash, at_once), crowd(round).logins(host, ROUND)?);
        // The first warms up.
        if round > 0 {
            speed.add_beside(passed.per_second, checked.per_second);
            cost.add_beside(passed.processor_us_each, checked.processor_us_each);
        }
    }
    Ok((speed, cost))
}

fn checks(hash: &PasswordHash, at_once: usize) -> Passed {
    let count = AtomicU64::new(0);
    let (began, worked) = (Instant::now(), own_processor_time());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while began.elapsed() < ROUND {
                    if Argon2::default().verify_password(PASSWORD.as_bytes(), hash).is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let checks = count.load(Ordering::Relaxed) as f64;
    Passed {
        per_second: checks / began.elapsed().as_secs_f64(),
        processor_us_each: (own_processor_time() - worked).as_secs_f64() * 1e6 / checks,
    }
}

/// What this program has had of the processors since it started.
fn own_processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
