//! Runs one command of a check, shows what it says as it says it, and keeps it for whoever wants to read it.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::Failure;

/// How a stage ended.
pub struct Stage {
    pub name: String,
    pub passed: bool,
    pub took: Duration,
}

/// All stages of one run.
#[derive(Default)]
pub struct Stages {
    done: Vec<Stage>,
}

impl Stages {
    /// Runs a stage and prints how it ended and how long it took.
    pub fn run(&mut self, name: &str, work: impl FnOnce() -> Result<(), Failure>) -> bool {
        println!("── {name}");
        let start = Instant::now();
        let outcome = work();
        let took = start.elapsed();
        let passed = outcome.is_ok();
        if let Err(failure) = outcome {
            println!("{failure}");
        }
        println!("   {} {name} ({:.1} s)", if passed { "ok" } else { "FAILED" }, took.as_secs_f64());
        self.done.push(Stage { name: name.to_owned(), passed, took });
        passed
    }

    /// Names of the stages that failed.
    pub fn failed(&self) -> Vec<&str> {
        self.done.iter().filter(|stage| !stage.passed).map(|stage| stage.name.as_str()).collect()
    }

    /// One line a stage.
    pub fn summary(&self) -> String {
        let line = |stage: &Stage| {
            let word = if stage.passed { "ok" } else { "FAILED" };
            format!("{word:>6}  {:>7.1} s  {}", stage.took.as_secs_f64(), stage.name)
        };
        self.done.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// A `cargo` command in the repository's root, by the very cargo that runs this.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root()).args(arguments);
    command
}

/// Runs a command; its output goes where ours goes.
pub fn check(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command)).into()) }
}

/// Runs a command and shows and keeps both its outputs, in the order of their lines.
pub fn check_and_keep(command: &mut Command) -> (String, Result<(), Failure>) {
    let mut kept = String::new();
    let outcome = run_and_keep(command, &mut kept);
    (kept, outcome)
}

fn run_and_keep(command: &mut Command, kept: &mut String) -> Result<(), Failure> {
    let (reader, writer) = std::io::pipe()?;
    let name = shown(command);
    let mut child = command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command still holds the writing ends; only without them does the reading end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        kept.push_str(&line);
        kept.push('\n');
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}").into()) }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
