//! Full logins of three requests over kept connections, beside a stateless server that gives the same answers.

use std::{
    net::SocketAddr,
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    Failure, Place,
    client::{Client, Factors},
    directory::Directory,
    rounds::Rounds,
    second_factor::SecondFactor,
    server::Server,
    table::Table,
};

const USERS: [(usize, &str); 2] = [(100, "100"), (100_000, "100,000")];
const CLIENTS: [usize; 3] = [1, 16, 64];
const TOTP_ROW: &str = "login with TOTP, 300,000 users, 64 at once";
/// And one more, whose login gives the bare server its answers.
const TOTP_USERS: usize = 300_000;
const TOTP_CLIENTS: usize = 64;
const SENT_CODE_ROW: &str = "login with a sent code, 64 at once";
/// So many that nobody is sent many more messages than an hour usually allows: the host keeps when each was sent.
const SENT_CODE_USERS: usize = 10_000;
const SENT_CODE_CLIENTS: usize = 64;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(1000);
const BARE_ROUND: Duration = Duration::from_millis(400);

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    for (users, shown) in USERS {
        let row = |clients: usize| format!("login, {shown} users, {clients} at once");
        let wanted: Vec<usize> = CLIENTS.into_iter().filter(|clients| table.wants(&row(*clients))).collect();
        if wanted.is_empty() {
            continue;
        }
        let directory = Directory::make(place, &format!("login-{users}"), users)?;
        let host = Server::host(place, &directory)?;
        let bare = Server::bare(&answers(place, host.address, Factors::VOUCHED_AND_PIN, 0)?)?;
        for clients in wanted {
            let crowd = |_| Crowd { clients, users: 0..users, factors: Factors::VOUCHED_AND_PIN };
            let (speed, cost) = in_turn(&bare, &host, crowd)?;
            table.add(&row(clients), "/s", &speed);
            table.add(&format!("  its processor time, {shown} users, {clients} at once"), "µs", &cost);
        }
    }
    Ok(())
}

/// Every second request makes a message, and its answer comes when the gateway has taken it.
pub fn measure_sent_code(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(SENT_CODE_ROW) {
        return Ok(());
    }
    let factors = Factors { second: SecondFactor::sent_code()?, ..Factors::VOUCHED_AND_PIN };
    let directory = Directory::make_with(place, "login-sent-code", SENT_CODE_USERS + 1, &factors.second)?;
    let host = Server::host(place, &directory)?;
    let bare = Server::bare(&answers(place, host.address, factors.clone(), SENT_CODE_USERS)?)?;
    let each = SENT_CODE_USERS / (ROUNDS + 1);
    let (speed, cost) = in_turn(&bare, &host, |round| Crowd {
        clients: SENT_CODE_CLIENTS,
        users: round * each..(round + 1) * each,
        factors: factors.clone(),
    })?;
    table.add(SENT_CODE_ROW, "/s", &speed);
    table.add("  its processor time, sent code", "µs", &cost);
    Ok(())
}

/// A code lets its user in once, so each user logs in once: each round has users of its own.
pub fn measure_totp(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(TOTP_ROW) {
        return Ok(());
    }
    let directory = Directory::make_with(place, "login-totp", TOTP_USERS + 1, &SecondFactor::Totp)?;
    let host = Server::host(place, &directory)?;
    let factors = Factors { second: SecondFactor::Totp, ..Factors::VOUCHED_AND_PIN };
    let bare = Server::bare(&answers(place, host.address, factors.clone(), TOTP_USERS)?)?;
    let each = TOTP_USERS / (ROUNDS + 1);
    let (speed, cost) = in_turn(&bare, &host, |round| Crowd {
        clients: TOTP_CLIENTS,
        users: round * each..(round + 1) * each,
        factors: factors.clone(),
    })?;
    table.add(TOTP_ROW, "/s", &speed);
    table.add("  its processor time, TOTP", "µs", &cost);
    Ok(())
}

/// The speed of the host beside the bare server, and what a login costs either; `crowd` says who logs in in a round.
fn in_turn(bare: &Server, host: &Server, crowd: impl Fn(usize) -> Crowd) -> Result<(Rounds, Rounds), Failure> {
    let (mut speed, mut cost) = (Rounds::default(), Rounds::default());
    for round in 0..=ROUNDS {
        let crowd = crowd(round);
        let (echoed, passed) = (crowd.logins(bare, BARE_ROUND)?, crowd.logins(host, ROUND)?);
        // The first warms up.
        if round > 0 {
            speed.add_beside(passed.per_second, echoed.per_second);
            cost.add_beside(passed.processor_us_each, echoed.processor_us_each);
        }
    }
    Ok((speed, cost))
}

/// What the host answers to one login, for the bare server to answer with.
fn answers(place: &Place, host: SocketAddr, factors: Factors, user: usize) -> Result<PathBuf, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = runtime.block_on(async { Client::connect(host, factors).await?.login(user).await })?;
    let path = place.scratch.path().join("answers.json");
    std::fs::write(&path, format!("[{}]", answers.join(",")))?;
    Ok(path)
}

/// So many clients at once, each with users of its own.
pub struct Crowd {
    pub clients: usize,
    pub users: Range<usize>,
    pub factors: Factors,
}

/// What a crowd achieved.
pub struct Passed {
    pub per_second: f64,
    /// What the server and its workers had of the processors for one login. Unlike the speed, it hardly depends on what
    /// else the machine does.
    pub processor_us_each: f64,
}

impl Crowd {
    /// Lets the crowd log in. All clients share one thread, to leave the processors to the server.
    pub fn logins(&self, server: &Server, length: Duration) -> Result<Passed, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let worked = server.processor_time()?;
        let began = Instant::now();
        let logins = runtime.block_on(self.until(server.address, began + length))?;
        let took = began.elapsed();
        let worked = server.processor_time()? - worked;
        Ok(Passed {
            per_second: logins as f64 / took.as_secs_f64(),
            processor_us_each: worked.as_secs_f64() * 1e6 / logins as f64,
        })
    }

    async fn until(&self, address: SocketAddr, end: Instant) -> Result<u64, Failure> {
        let mut tasks = tokio::task::JoinSet::new();
        for place in 0..self.clients {
            let mut client = Client::connect(address, self.factors.clone()).await?;
            let user_at = |place: usize| self.users.start + place * self.users.len() / self.clients;
            let (first, behind) = (user_at(place), user_at(place + 1));
            tasks.spawn(async move {
                let mut logins = 0;
                for user in (first..behind).cycle() {
                    client.login(user).await?;
                    logins += 1;
                    if Instant::now() >= end {
                        break;
                    }
                }
                Ok::<_, Failure>(logins)
            });
        }
        let mut logins = 0;
        while let Some(ended) = tasks.join_next().await {
            logins += ended??;
        }
        Ok(logins)
    }
}
