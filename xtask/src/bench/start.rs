//! From the start of the process to its first answer, modules loaded.

use std::time::Instant;

use super::{
    Failure, Place,
    client::{Client, Factors},
    directory::{self, Directory},
    rounds::Rounds,
    server::Server,
    table::Table,
};

const ROW: &str = "start with 10,000 users";
const USERS: usize = 10_000;
const ROUNDS: usize = 7;

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(ROW) {
        return Ok(());
    }
    let directory = Directory::make(place, "start", USERS)?;
    let runtime = directory::runtime()?;
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let host = Server::host(place, &directory)?;
        runtime.block_on(async { Client::connect(host.address, Factors::VOUCHED_AND_PIN).await?.begin().await })?;
        // The first brings the files into memory.
        if round > 0 {
            rounds.add(began.elapsed().as_secs_f64() * 1000.0);
        }
    }
    table.add(ROW, "ms", &rounds);
    Ok(())
}
