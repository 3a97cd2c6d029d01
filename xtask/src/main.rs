//! The project's own commands: `cargo xtask demo`, `test`, `bench`, and what belongs to them.

mod coverage;
mod demo;
mod fixture;
mod host;
mod mail;
mod measure;
mod mutants;
mod node;
mod once;
mod packages;
mod python;
mod results;
mod screenshots;
mod skew;
mod stage;
mod test;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Where a host listens whose settings say nothing.
const DEFAULT_LISTEN: &str = "127.0.0.1:8126";

/// Why a command failed, for a person.
type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Commands of the mfa-host project")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build, make a demo configuration directory, start the host and say what to type next
    Demo {
        /// Walk through set-up, login, a kill -9 and the same login going on, then end
        #[arg(long)]
        once: bool,
        /// Set up a second factor by mail and log in with it, with a mail server beside the host
        #[arg(long, conflicts_with = "fresh")]
        mail: bool,
        /// Throw the demo directory away and begin anew
        #[arg(long)]
        fresh: bool,
        /// Address and port to listen on
        #[arg(long, default_value = DEFAULT_LISTEN)]
        listen: String,
    },
    /// Format, lints, all tests, documentation, tidiness and coverage; installs by name what it lacks
    Test {
        /// Only tests whose name contains this; no lints, no coverage
        #[arg(long)]
        only: Option<String>,
    },
    /// Check folder lines, dangers, documents (a part of `test`)
    Tidy,
    /// Speed beside bare baselines of the same run, as a table; takes up to four minutes
    Bench {
        /// End with 1 if a target is missed
        #[arg(long)]
        check: bool,
        /// Only rows whose name contains this
        #[arg(long)]
        only: Option<String>,
    },
    /// Make host/src/flow wrong in every way cargo-mutants knows and want a test to notice each; takes hours
    Mutants {
        /// Only files whose path contains this; may be given several times
        #[arg(long)]
        file: Vec<String>,
        /// Only one part of several, for example 2/4
        #[arg(long, default_value = "1/1", value_parser = shard)]
        shard: (usize, usize),
        /// At most so many outside tests for each, the closest first: quick, and what survives may not survive them all;
        /// with 0 the unit tests alone
        #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
        closest: usize,
        /// So many processes of tests at once; a test waits more than it computes
        #[arg(long, default_value_t = 3)]
        at_once: usize,
        /// Only those that no earlier run of the same text of their file has caught
        #[arg(long)]
        open: bool,
        /// Only say what would be tried
        #[arg(long)]
        list: bool,
    },
    /// Keep a configuration directory with a login in progress for later versions to open
    Fixture {
        /// Name of the directory under tests/fixtures/
        name: String,
    },
    /// Pictures of every page at three widths, light and dark, into target/screenshots/
    Screenshots,
    /// Write docs/settings.md anew from the settings' types
    SettingsDoc,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo { mail: true, once, listen, .. } => mail::run(once, &listen),
        Command::Demo { once: true, .. } => once::run(),
        Command::Demo { once: false, mail: false, fresh, listen } => demo::run(fresh, &listen),
        Command::Test { only } => test::run(only.as_deref()),
        Command::Bench { check, only } => measure::run(check, only.as_deref()),
        Command::Mutants { file, shard, closest, at_once, open, list } => {
            mutants::run(&mutants::Wanted { files: file, shard, closest, at_once, open, list })
        }
        Command::Tidy => tidy::run(),
        Command::Fixture { name } => fixture::run(&name),
        Command::Screenshots => screenshots::run(),
        Command::SettingsDoc => settings_doc(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// `2/4`: the second of four parts.
fn shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    let is_part = |(part, parts): &(usize, usize)| (1..=*parts).contains(part);
    numbers.filter(is_part).ok_or_else(|| "write it as 1/4, 2/4, 3/4 or 4/4".to_owned())
}

/// The test that compares the document with the code writes it when it is asked to.
fn settings_doc() -> Result<(), Failure> {
    let arguments = ["test", "-p", "mfa-host", "--lib", "settings::document_tests::the_document_is"];
    stage::check(stage::cargo(&arguments).env("MFA_SETTINGS_DOC", "write"))
}

/// The repository's root.
fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(PathBuf::from).unwrap_or(package)
}

/// Where cargo puts what it builds.
fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}
