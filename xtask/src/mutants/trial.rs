//! Tries mutations: which outside test comes by which one, and whether a test fails once it is awake.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::tree::{CALLED, SEEN, numbers_in};
use crate::Failure;

/// Tests of one process of the outside tests.
const TESTS_AT_ONCE: usize = 8;
/// What a test may take beyond its usual time before its mutation counts as one that hangs.
const PATIENCE: Duration = Duration::from_secs(40);
/// The unit tests of the flow; those of other rooms do not come by it.
const UNIT_FILTER: &str = "flow::";

/// The tests, and what they come by.
pub struct Trials {
    pub unit_tests: PathBuf,
    pub outside_tests: PathBuf,
    pub environment: Vec<(&'static str, OsString)>,
    pub reach: BTreeMap<String, Reach>,
    /// At most so many outside tests for each mutation.
    pub closest: usize,
}

/// What one test comes by when nothing is mutated.
#[derive(Clone)]
pub struct Reach {
    pub took: Duration,
    pub numbers: BTreeSet<usize>,
}

/// How a mutation ended.
pub enum Ending {
    Caught { by: String },
    Survived { tests: usize },
}

impl Trials {
    /// Runs each outside test alone and notes which mutations it comes by; what an earlier run noted stands.
    pub fn explore(&mut self, notes: &Path) -> Result<(), Failure> {
        let known = read_notes(notes);
        let tests = self.tests()?;
        for (place, test) in tests.iter().enumerate() {
            if let Some(reach) = known.get(test) {
                self.reach.insert(test.clone(), reach.clone());
                continue;
            }
            let scratch = tempfile::tempdir()?;
            let seen = scratch.path().join("seen");
            let began = Instant::now();
            let run = self.outside(&[test], scratch.path(), &[(SEEN, seen.clone().into())]);
            if let Some(failed) = run.failure(Duration::from_secs(600))? {
                println!("   {failed} FAILS with nothing mutated and is not used");
                continue;
            }
            let numbers = fs::read_to_string(&seen).unwrap_or_default();
            let numbers = numbers_in(&numbers);
            println!("   {}/{} {test}: comes by {}", place + 1, tests.len(), numbers.len());
            self.reach.insert(test.clone(), Reach { took: began.elapsed(), numbers });
            write_notes(notes, &self.reach)?;
        }
        Ok(())
    }

    /// Wakes a mutation and runs all tests that come by it until one fails.
    pub fn of(&self, number: usize) -> Result<Ending, Failure> {
        let mut unit = Command::new(&self.unit_tests);
        unit.arg(UNIT_FILTER).env(CALLED, number.to_string());
        if let Some(by) = (Run { command: unit }).failure(PATIENCE)? {
            return Ok(Ending::Caught { by });
        }
        let mut tests: Vec<(&String, &Reach)> =
            self.reach.iter().filter(|(_, reach)| reach.numbers.contains(&number)).collect();
        // A test that comes by little looks at that little closely; the quick ones come first.
        tests.sort_by_key(|(_, reach)| reach.took.as_millis() * (100 + reach.numbers.len() as u128));
        tests.truncate(self.closest);
        for chunk in tests.chunks(TESTS_AT_ONCE) {
            let names: Vec<&str> = chunk.iter().map(|(name, _)| name.as_str()).collect();
            let usual: Duration = chunk.iter().map(|(_, reach)| reach.took).sum();
            let scratch = tempfile::tempdir()?;
            let run = self.outside(&names, scratch.path(), &[(CALLED, number.to_string().into())]);
            if let Some(by) = run.failure(PATIENCE + usual * 3)? {
                return Ok(Ending::Caught { by });
            }
        }
        Ok(Ending::Survived { tests: tests.len() })
    }

    fn tests(&self) -> Result<Vec<String>, Failure> {
        let output = Command::new(&self.outside_tests).args(["--list", "--format", "terse"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    fn outside(&self, tests: &[&str], scratch: &Path, more: &[(&str, OsString)]) -> Run {
        let mut command = Command::new(&self.outside_tests);
        command.arg("--exact").args(tests).envs(self.environment.iter().cloned());
        command.envs(more.iter().cloned()).env("TMPDIR", scratch);
        Run { command }
    }
}

/// One process of tests.
struct Run {
    command: Command,
}

impl Run {
    /// The first test that fails, or why the process did; none if all pass. Ends with the first.
    fn failure(mut self, patience: Duration) -> Result<Option<String>, Failure> {
        // In a group of its own, so that the hosts it started end with it.
        let mut child = self.command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        child = child.stderr(Stdio::null());
        let mut child = child.spawn()?;
        let stdout = child.stdout.take().ok_or("a pipe")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let end = Instant::now() + patience;
        let failed = loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let failed = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"));
                    if let Some(failed) = failed {
                        break Some(failed.to_owned());
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break Some("the time limit".to_owned()),
                Err(mpsc::RecvTimeoutError::Disconnected) => break None,
            }
        };
        if failed.is_some() {
            kill_process_group(Pid::from_child(&child), Signal::KILL)?;
        }
        let status = child.wait()?;
        Ok(failed.or_else(|| (!status.success()).then(|| format!("the tests' end, {status}"))))
    }
}

fn read_notes(path: &Path) -> BTreeMap<String, Reach> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let Ok(Value::Object(noted)) = serde_json::from_str(&text) else { return BTreeMap::new() };
    let reach = |noted: &Value| Reach {
        took: Duration::from_millis(noted["took_ms"].as_u64().unwrap_or_default()),
        numbers: noted["numbers"].as_array().into_iter().flatten().filter_map(as_number).collect(),
    };
    noted.iter().map(|(test, noted)| (test.clone(), reach(noted))).collect()
}

fn as_number(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}

fn write_notes(path: &Path, reach: &BTreeMap<String, Reach>) -> Result<(), Failure> {
    let noted: serde_json::Map<String, Value> = reach
        .iter()
        .map(|(test, reach)| {
            (test.clone(), json!({"took_ms": reach.took.as_millis() as u64, "numbers": reach.numbers}))
        })
        .collect();
    Ok(fs::write(path, Value::Object(noted).to_string())?)
}
