//! Full logins of three requests over kept connections, beside a stateless server that gives the same answers.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Failure, Place,
    client::{Client, FirstFactor},
    directory::Directory,
    rounds::Rounds,
    server::Server,
    table::Table,
};

const USERS: [(usize, &str); 2] = [(100, "100"), (100_000, "100,000")];
const CLIENTS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1200);
const BARE_ROUND: Duration = Duration::from_millis(500);

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    for (users, shown) in USERS {
        let row = |clients: usize| format!("login, {shown} users, {clients} clients");
        let wanted: Vec<usize> = CLIENTS.into_iter().filter(|clients| table.wants(&row(*clients))).collect();
        if wanted.is_empty() {
            continue;
        }
        let directory = Directory::make(place, &format!("login-{users}"), users)?;
        let host = Server::host(place, &directory)?;
        let bare = Server::bare(&answers(place, host.address)?)?;
        for clients in wanted {
            let mut rounds = Rounds::default();
            for round in 0..=ROUNDS {
                let crowd = Crowd { clients, users, first_factor: FirstFactor::Service };
                let echoed = crowd.logins(bare.address, BARE_ROUND)?;
                let passed = crowd.logins(host.address, ROUND)?;
                // The first warms up.
                if round > 0 {
                    rounds.add_beside(passed, echoed);
                }
            }
            table.add(&row(clients), "/s", &rounds);
        }
    }
    Ok(())
}

/// What the host answers to one login, for the bare server to answer with.
fn answers(place: &Place, host: SocketAddr) -> Result<PathBuf, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = runtime.block_on(async { Client::connect(host, FirstFactor::Service).await?.login(0).await })?;
    let path = place.scratch.path().join("answers.json");
    std::fs::write(&path, format!("[{}]", answers.join(",")))?;
    Ok(path)
}

/// So many clients at once, each with users of its own.
pub struct Crowd {
    pub clients: usize,
    pub users: usize,
    pub first_factor: FirstFactor,
}

impl Crowd {
    /// Logins a second. All clients share one thread, to leave the processors to the server.
    pub fn logins(&self, address: SocketAddr, length: Duration) -> Result<f64, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let count = Arc::new(AtomicU64::new(0));
            let began = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for place in 0..self.clients {
                let mut client = Client::connect(address, self.first_factor).await?;
                let (first, behind) = (place * self.users / self.clients, (place + 1) * self.users / self.clients);
                let count = count.clone();
                tasks.spawn(async move {
                    for user in (first..behind).cycle() {
                        client.login(user).await?;
                        count.fetch_add(1, Ordering::Relaxed);
                        if began.elapsed() >= length {
                            break;
                        }
                    }
                    Ok::<_, Failure>(())
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            Ok(count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
        })
    }
}
