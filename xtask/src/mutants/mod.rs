//! `cargo xtask mutants`: makes `host/src/flow` wrong in every way cargo-mutants knows, one at a time, and wants each
//! to be noticed by a test. All mutations sleep in one build of the host; a number wakes one of them.

mod accepted;
mod list;
mod notes;
mod process;
mod tree;
mod trial;
mod weave;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use list::Mutant;
use tree::Tree;
use trial::{Ending, Trials};

use crate::{Failure, root, stage, test};

const FILES: &str = "host/src/flow/**/*.rs";

/// What is asked for.
pub struct Wanted {
    /// Only files whose path contains one of these; none means all.
    pub files: Vec<String>,
    /// The how manieth of how many parts, from 1.
    pub shard: (usize, usize),
    /// At most so many outside tests for each, the closest first; with 0 the unit tests alone.
    pub closest: usize,
    /// So many processes of tests at once.
    pub at_once: usize,
    /// Only those that no earlier run of this very text of their file has caught.
    pub open: bool,
    /// Say what there is and try nothing.
    pub list: bool,
}

/// Tries what is wanted; a survivor that is not accepted is a failure.
pub fn run(wanted: &Wanted) -> Result<(), Failure> {
    let mutants = list::of(FILES)?;
    let names = names(&mutants)?;
    let chosen: Vec<usize> = chosen(&mutants, wanted);
    if wanted.list {
        chosen.iter().for_each(|number| println!("{}", names[number]));
        return Ok(());
    }
    let accepted = accepted::read()?;
    println!("   {} mutations, {} to be tried; building them into one host", mutants.len(), chosen.len());
    let tree = Tree::copy(&mutants)?;
    let compiled = tree.weave_all(&mutants)?;
    let outside_tests = if wanted.closest > 0 {
        tree.build_host()?;
        test::build_outside()?;
        tree.keep(&tree::executable(&mut stage::cargo(&["test", "--quiet", "--package", "mfa-tests"]))?)?
    } else {
        PathBuf::new()
    };
    let mut trials = Trials {
        unit_tests: tree.unit_tests()?,
        outside_tests,
        environment: vec![
            ("MFA_TEST_BIN_DIR", tree.binaries().into()),
            ("MFA_TEST_OUTSIDE_DIR", test::outside_target().join("debug").into()),
        ],
        closest: wanted.closest,
        at_once: wanted.at_once,
        unit_reach: BTreeMap::new(),
        reach: BTreeMap::new(),
        catchers: Mutex::default(),
    };
    trials.explore(&tree.reach(), &names)?;
    let results = Results {
        caught: notes::read_caught(&tree.caught()),
        path: tree.caught(),
        file_hashes: tree::file_hashes(&mutants)?,
        survivors: BTreeSet::new(),
    };
    let is_open = |number: &usize| !wanted.open || !results.has_caught(&mutants[*number].file, &names[number]);
    let chosen: Vec<usize> = chosen.into_iter().filter(|number| compiled.contains(number)).filter(is_open).collect();
    println!("   {} compile and are tried", chosen.len());
    let survivors = try_all(&trials, &mutants, &chosen, &names, &accepted, results)?;
    close(&chosen, &names, &accepted, &survivors)
}

/// What came of the trials so far.
struct Results {
    caught: notes::Caught,
    path: PathBuf,
    file_hashes: BTreeMap<String, String>,
    survivors: BTreeSet<usize>,
}

impl Results {
    fn has_caught(&self, file: &str, name: &str) -> bool {
        self.caught.get(name).is_some_and(|(_, hash)| *hash == self.file_hashes[file])
    }

    fn note_caught(&mut self, file: &str, name: &str, by: &str) -> Result<(), Failure> {
        self.caught.insert(name.to_owned(), (by.to_owned(), self.file_hashes[file].clone()));
        notes::write_caught(&self.path, &self.caught)
    }
}

fn chosen(mutants: &[Mutant], wanted: &Wanted) -> Vec<usize> {
    let (part, parts) = wanted.shard;
    let is_wanted = |mutant: &Mutant| {
        wanted.files.is_empty() || wanted.files.iter().any(|part| mutant.file.contains(part.as_str()))
    };
    let in_files = mutants.iter().enumerate().filter(|(_, mutant)| is_wanted(mutant)).map(|(number, _)| number);
    in_files.enumerate().filter(|(place, _)| place % parts == part - 1).map(|(_, number)| number).collect()
}

/// Names that outlive line numbers: file, what is done, and to which code.
fn names(mutants: &[Mutant]) -> Result<BTreeMap<usize, String>, Failure> {
    let mut names = BTreeMap::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (file, own) in tree::by_file(mutants) {
        let text = std::fs::read_to_string(root().join(file))?;
        let subjects: BTreeMap<usize, String> = weave::subjects(&text, &own)?.into_iter().collect();
        for (number, mutant) in own {
            let subject = subjects.get(&number).filter(|subject| !subject.is_empty());
            let subject = subject.map(|subject| format!(" ({subject})")).unwrap_or_default();
            let name = format!("{file}: {}{subject}", mutant.what);
            let namesakes = seen.entry(name.clone()).or_insert(0);
            *namesakes += 1;
            let name = if *namesakes > 1 { format!("{name} no. {namesakes}") } else { name };
            names.insert(number, name);
        }
    }
    Ok(names)
}

fn try_all(
    trials: &Trials,
    mutants: &[Mutant],
    chosen: &[usize],
    names: &BTreeMap<usize, String>,
    accepted: &BTreeMap<String, String>,
    results: Results,
) -> Result<BTreeSet<usize>, Failure> {
    let results = Mutex::new(results);
    trial::side_by_side(trials.at_once, chosen, |place, number| {
        let began = Instant::now();
        let (file, name, of) = (&mutants[*number].file, &names[number], chosen.len());
        let ending = trials.of(*number, file)?;
        let took_s = began.elapsed().as_secs_f64();
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        let said = match ending {
            Ending::Caught { by } => {
                results.note_caught(file, name, &by)?;
                format!("caught by {by}")
            }
            Ending::Survived { tests } => {
                results.survivors.insert(*number);
                let word = if accepted.contains_key(name) { "survived, as accepted" } else { "SURVIVED" };
                format!("{word} ({tests} outside tests came by)")
            }
        };
        println!("{}/{of} ({took_s:.1} s) {name}: {said}", place + 1);
        Ok(())
    })?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner).survivors)
}

fn close(
    chosen: &[usize],
    names: &BTreeMap<usize, String>,
    accepted: &BTreeMap<String, String>,
    survivors: &BTreeSet<usize>,
) -> Result<(), Failure> {
    let caught: Vec<&String> =
        chosen.iter().filter(|number| !survivors.contains(number)).map(|number| &names[number]).collect();
    for name in caught.iter().filter(|name| accepted.contains_key(**name)) {
        println!("accepted, and caught all the same: {name}");
    }
    let open: Vec<&String> =
        survivors.iter().map(|number| &names[number]).filter(|name| !accepted.contains_key(*name)).collect();
    println!("\n{} tried, {} caught, {} accepted", chosen.len(), caught.len(), survivors.len() - open.len());
    if open.is_empty() {
        return Ok(());
    }
    open.iter().for_each(|name| println!("survived: {name}"));
    Err(format!("{} survivors; write a test, or accept one with its reason in {}", open.len(), accepted::FILE).into())
}
