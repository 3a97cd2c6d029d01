//! Memory of a host that waits, and of one worker: resident for the host, proportional for the worker, which shares its
//! program with the host.

use std::{fs, time::Duration};

use super::{Failure, Place, directory::Directory, rounds::Rounds, server::Server, table::Table};

const HOST: &str = "memory of the host";
const WORKER: &str = "memory of a worker";
const USERS: usize = 100;
const ROUNDS: usize = 3;
/// After the start, until what the start needed is given back.
const SETTLE: Duration = Duration::from_millis(500);

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(HOST) && !table.wants(WORKER) {
        return Ok(());
    }
    let directory = Directory::make(place, "idle", USERS)?;
    let (mut host_rounds, mut worker_rounds) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        let host = Server::host(place, &directory)?;
        std::thread::sleep(SETTLE);
        host_rounds.add(mebibytes(&format!("/proc/{}/status", host.id()), "VmRSS:")?);
        let worker = host.workers()?.first().copied().ok_or("the host has no worker")?;
        worker_rounds.add(mebibytes(&format!("/proc/{worker}/smaps_rollup"), "Pss:")?);
    }
    table.add(HOST, "MiB", &host_rounds);
    table.add(WORKER, "MiB", &worker_rounds);
    Ok(())
}

fn mebibytes(path: &str, field: &str) -> Result<f64, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).ok_or_else(|| format!("no {field} in {path}"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024.0)
}
