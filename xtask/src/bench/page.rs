//! The page people sign in with, from the request to its last byte, one at a time on a kept connection.

use std::time::{Duration, Instant};

use super::{
    Failure, Place,
    client::{Client, Factors},
    directory::{self, Directory},
    rounds::Rounds,
    server::Server,
    table::Table,
};

const ROW: &str = "page to sign in";
const USERS: usize = 100;
const ROUNDS: usize = 7;
const REQUESTS: usize = 500;

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(ROW) {
        return Ok(());
    }
    let directory = Directory::make(place, "page", USERS)?;
    let host = Server::host(place, &directory)?;
    let runtime = directory::runtime()?;
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let median = runtime.block_on(async {
            let mut client = Client::connect(host.address, Factors::VOUCHED_AND_PIN).await?;
            let mut times = Vec::with_capacity(REQUESTS);
            for _ in 0..REQUESTS {
                let began = Instant::now();
                client.sign_in_page(host.address).await?;
                times.push(began.elapsed());
            }
            times.sort_unstable();
            Ok::<Duration, Failure>(times.get(REQUESTS / 2).copied().unwrap_or_default())
        })?;
        // The first warms up.
        if round > 0 {
            rounds.add(median.as_secs_f64() * 1e6);
        }
    }
    table.add(ROW, "µs", &rounds);
    Ok(())
}
