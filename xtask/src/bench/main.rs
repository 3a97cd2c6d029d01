//! What `cargo xtask bench` runs, built as users get it: every figure beside a bare one of the same run, as a table.

mod argon2id;
mod baseline;
mod client;
mod commit;
mod compaction;
mod directory;
mod idle;
mod login;
mod module_call;
mod page;
mod rounds;
mod second_factor;
mod server;
mod sink;
mod start;
mod table;
mod targets;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use mfa_host::module_host::worker;

use table::Table;

/// Why a measurement failed, for a person.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Arguments {
    /// Ends with 1 if a target is missed
    #[arg(long)]
    check: bool,
    /// Only rows whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // This program is also the worker of the modules it measures, and the bare server beside the host.
    if std::env::args_os().take(2).any(|argument| argument == worker::ARGUMENT) {
        return worker::run();
    }
    let outcome = match std::env::args().nth(1).as_deref() {
        Some(baseline::HTTP_ARGUMENT) => baseline::http::serve().map(|()| ExitCode::SUCCESS),
        Some(baseline::SOCKET_ARGUMENT) => baseline::socket::answer().map(|()| ExitCode::SUCCESS),
        _ => measure(&Arguments::parse()),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("bench: {failure}");
        ExitCode::FAILURE
    })
}

fn measure(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let built = std::env::var_os("MFA_BENCH_BIN_DIR").ok_or("run `cargo xtask bench`")?;
    let place = Place::new(PathBuf::from(built))?;
    let mut table = Table::new(&arguments.only);
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let processors = std::thread::available_parallelism()?;
    println!("{processors} processors; load before this began: {}", load.split(' ').next().unwrap_or_default());
    start::measure(&place, &mut table)?;
    idle::measure(&place, &mut table)?;
    module_call::measure(&place, &mut table)?;
    commit::measure(&place, &mut table)?;
    compaction::measure(&place, &mut table)?;
    argon2id::measure(&place, &mut table)?;
    argon2id::measure_backup_code(&place, &mut table)?;
    login::measure(&place, &mut table)?;
    login::measure_sent_code(&place, &mut table)?;
    login::measure_totp(&place, &mut table)?;
    page::measure(&place, &mut table)?;
    if table.is_empty() {
        return Err(format!("no row has {:?} in its name", arguments.only).into());
    }
    println!("\n{table}");
    let missed = table.missed();
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("missed: {}", missed.join(", "));
    Ok(if arguments.check { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where the built files are, and a directory on the disk that is measured.
struct Place {
    built: PathBuf,
    scratch: tempfile::TempDir,
}

impl Place {
    /// Beside what was built: the system's temporary directory may be in memory, where a sync costs nothing.
    fn new(built: PathBuf) -> Result<Self, Failure> {
        let scratch = tempfile::Builder::new().prefix("bench-").tempdir_in(&built)?;
        Ok(Self { built, scratch })
    }

    fn host(&self) -> PathBuf {
        self.built.join("mfa-host")
    }
}
