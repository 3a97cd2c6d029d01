//! Tries mutations: which test comes by which one, and whether a test fails once it is awake.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    notes::{self, Reach},
    process::Run,
    tree::{CALLED, SEEN, numbers_in},
};
use crate::Failure;

/// Tests of the first process of the outside tests, and of each further one.
const FIRST_TESTS: usize = 2;
const FURTHER_TESTS: usize = 8;
/// What a test may take beyond its usual time before its mutation counts as one that hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Patience with a test that is run with nothing mutated.
const EXPLORING: Duration = Duration::from_secs(600);
/// The unit tests of the flow; those of other rooms do not come by it.
const UNIT_FILTER: &str = "flow::";
/// Tests that go first because they caught another mutation of the same file.
const CATCHERS_MAX: usize = 3;

/// The tests, and what they come by.
pub struct Trials {
    pub unit_tests: PathBuf,
    pub outside_tests: PathBuf,
    pub environment: Vec<(&'static str, OsString)>,
    /// At most so many outside tests for each mutation; with 0 they are not even looked at.
    pub closest: usize,
    /// Processes of tests at once.
    pub at_once: usize,
    /// What each unit test and each outside test comes by.
    pub unit_reach: BTreeMap<String, Reach>,
    pub reach: BTreeMap<String, Reach>,
    /// Outside tests that caught a mutation of a file, the latest first.
    pub catchers: Mutex<BTreeMap<String, VecDeque<String>>>,
}

/// How a mutation ended.
pub enum Ending {
    Caught { by: String },
    Survived { tests: usize },
}

impl Trials {
    /// Runs each test alone and notes which mutations it comes by; what an earlier run noted of an outside test stands.
    pub fn explore(&mut self, path: &Path, names: &BTreeMap<usize, String>) -> Result<(), Failure> {
        let unit_tests = tests_of(&self.unit_tests, UNIT_FILTER)?;
        let found = Mutex::new(BTreeMap::new());
        side_by_side(self.at_once, &unit_tests, |_, test| {
            let reach = reach_of(|seen| self.unit(&[test], &[(SEEN, seen)]))?;
            let reach = reach.ok_or_else(|| format!("{test} fails with nothing mutated"))?;
            found.lock().unwrap_or_else(PoisonError::into_inner).insert(test.clone(), reach);
            Ok(())
        })?;
        self.unit_reach = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.closest == 0 {
            return Ok(());
        }
        let mut known = notes::read_reach(path, names);
        let tests = tests_of(&self.outside_tests, "")?;
        let unknown: Vec<&String> = tests.iter().filter(|test| !known.contains_key(*test)).collect();
        let found = Mutex::new(&mut known);
        side_by_side(self.at_once, &unknown, |place, test| {
            let scratch = tempfile::tempdir()?;
            let Some(reach) = reach_of(|seen| self.outside(&[test], scratch.path(), &[(SEEN, seen)]))? else {
                println!("   {test} FAILS with nothing mutated and is not used");
                return Ok(());
            };
            println!("   {}/{} {test}: comes by {}", place + 1, unknown.len(), reach.numbers.len());
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert((*test).clone(), reach);
            notes::write_reach(path, names, &found)
        })?;
        known.retain(|test, _| tests.contains(test));
        self.reach = known;
        Ok(())
    }

    /// Wakes a mutation and runs all tests that come by it until one fails.
    pub fn of(&self, number: usize, file: &str) -> Result<Ending, Failure> {
        let called = [(CALLED, number.to_string().into())];
        let unit_tests: Vec<(&String, &Reach)> =
            self.unit_reach.iter().filter(|(_, reach)| reach.numbers.contains(&number)).collect();
        if !unit_tests.is_empty() {
            let names: Vec<&str> = unit_tests.iter().map(|(name, _)| name.as_str()).collect();
            let usual: Duration = unit_tests.iter().map(|(_, reach)| reach.took).sum();
            if let Some(by) = self.unit(&names, &called).failure(PATIENCE + usual * 3)? {
                return Ok(Ending::Caught { by });
            }
        }
        let tests = self.closest(number, file);
        let (first, further) = tests.split_at(FIRST_TESTS.min(tests.len()));
        for chunk in first.chunks(FIRST_TESTS).chain(further.chunks(FURTHER_TESTS)) {
            let usual: Duration = chunk.iter().map(|test| self.reach[*test].took).sum();
            let scratch = tempfile::tempdir()?;
            let run = self.outside(chunk, scratch.path(), &called);
            if let Some(by) = run.failure(PATIENCE + usual * 3)? {
                self.remember(file, &by);
                return Ok(Ending::Caught { by });
            }
        }
        Ok(Ending::Survived { tests: tests.len() })
    }

    /// Outside tests that come by it, those first that most likely catch it.
    fn closest(&self, number: usize, file: &str) -> Vec<&str> {
        let mut tests: Vec<(&String, &Reach)> =
            self.reach.iter().filter(|(_, reach)| reach.numbers.contains(&number)).collect();
        // A test that comes by little looks at that little closely; the quick ones come first.
        tests.sort_by_key(|(_, reach)| reach.took.as_millis() * (100 + reach.numbers.len() as u128));
        let mut names: Vec<&str> = tests.into_iter().map(|(name, _)| name.as_str()).collect();
        let catchers = self.catchers.lock().unwrap_or_else(PoisonError::into_inner);
        let catchers = catchers.get(file).into_iter().flatten();
        let place = |name: &&str| catchers.clone().position(|catcher| catcher == name).unwrap_or(usize::MAX);
        names.sort_by_key(place);
        names.truncate(self.closest);
        names
    }

    fn remember(&self, file: &str, by: &str) {
        let mut catchers = self.catchers.lock().unwrap_or_else(PoisonError::into_inner);
        let own = catchers.entry(file.to_owned()).or_default();
        own.retain(|catcher| catcher != by);
        own.push_front(by.to_owned());
        own.truncate(CATCHERS_MAX);
    }

    fn unit(&self, tests: &[&str], more: &[(&str, OsString)]) -> Run {
        let mut command = Command::new(&self.unit_tests);
        command.arg("--exact").args(tests).envs(more.iter().cloned());
        Run::of(command)
    }

    fn outside(&self, tests: &[&str], scratch: &Path, more: &[(&str, OsString)]) -> Run {
        let mut command = Command::new(&self.outside_tests);
        command.arg("--exact").args(tests).envs(self.environment.iter().cloned());
        command.envs(more.iter().cloned()).env("TMPDIR", scratch);
        Run::of(command)
    }
}

fn tests_of(binary: &Path, filter: &str) -> Result<Vec<String>, Failure> {
    let output = Command::new(binary).args(["--list", "--format", "terse", filter]).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// What a run comes by, if it passes.
fn reach_of(run: impl FnOnce(OsString) -> Run) -> Result<Option<Reach>, Failure> {
    let scratch = tempfile::tempdir()?;
    let seen = scratch.path().join("seen");
    let began = Instant::now();
    if run(seen.clone().into()).failure(EXPLORING)?.is_some() {
        return Ok(None);
    }
    let numbers = numbers_in(&fs::read_to_string(&seen).unwrap_or_default());
    Ok(Some(Reach { took: began.elapsed(), numbers }))
}

/// Does the same with each, so many at once; the first failure ends it.
pub fn side_by_side<T: Sync>(
    at_once: usize,
    all: &[T],
    act: impl Fn(usize, &T) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let left = Mutex::new(all.iter().enumerate());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((place, one)) = next() {
            act(place, one).map_err(|failure| failure.to_string())?;
        }
        Ok::<(), String>(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let ends =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err("a trial panicked".to_owned())));
        ends.collect::<Result<(), String>>()
    })
    .map_err(Failure::from)
}
