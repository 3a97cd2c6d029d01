//! What is kept from run to run: which outside test comes by which mutations, and which mutations were caught. Kept by
//! name, so that it outlives a change of the code elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::Failure;

/// What one test comes by when nothing is mutated.
pub struct Reach {
    pub took: Duration,
    pub numbers: BTreeSet<usize>,
}

/// By test. A mutation nothing is known of counts as come by wherever another of its file is.
pub fn read_reach(path: &Path, names: &BTreeMap<usize, String>) -> BTreeMap<String, Reach> {
    let noted = object(path);
    let known: Vec<&str> =
        noted.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let is_known: BTreeSet<&str> = known.iter().copied().collect();
    let numbers: BTreeMap<&str, usize> = names.iter().map(|(number, name)| (name.as_str(), *number)).collect();
    let unknown: Vec<(usize, &str)> = names
        .iter()
        .filter(|(_, name)| !is_known.contains(name.as_str()))
        .map(|(number, name)| (*number, file_of(name)))
        .collect();
    let reach = |noted: &Value| {
        let indices = noted["comes_by"].as_array().into_iter().flatten().filter_map(as_number);
        let come_by: Vec<&str> = indices.filter_map(|index| known.get(index).copied()).collect();
        let files: BTreeSet<&str> = come_by.iter().map(|name| file_of(name)).collect();
        let likely = unknown.iter().filter(|(_, file)| files.contains(file)).map(|(number, _)| *number);
        Reach {
            took: Duration::from_millis(noted["took_ms"].as_u64().unwrap_or_default()),
            numbers: come_by.iter().filter_map(|name| numbers.get(name).copied()).chain(likely).collect(),
        }
    };
    let tests = noted.get("tests").and_then(Value::as_object).into_iter().flatten();
    tests.map(|(test, noted)| (test.clone(), reach(noted))).collect()
}

pub fn write_reach(
    path: &Path,
    names: &BTreeMap<usize, String>,
    reach: &BTreeMap<String, Reach>,
) -> Result<(), Failure> {
    let places: BTreeMap<usize, usize> = names.keys().enumerate().map(|(place, number)| (*number, place)).collect();
    let noted = |reach: &Reach| {
        let comes_by: Vec<usize> = reach.numbers.iter().filter_map(|number| places.get(number).copied()).collect();
        json!({"took_ms": u64::try_from(reach.took.as_millis()).ok(), "comes_by": comes_by})
    };
    let tests: Map<String, Value> = reach.iter().map(|(test, reach)| (test.clone(), noted(reach))).collect();
    let names: Vec<&String> = names.values().collect();
    Ok(fs::write(path, json!({"names": names, "tests": tests}).to_string())?)
}

/// What a mutation was caught by, and the hash of the text of its file then: by its name.
pub type Caught = BTreeMap<String, (String, String)>;

pub fn read_caught(path: &Path) -> Caught {
    let text = |noted: &Value, name: &str| noted[name].as_str().unwrap_or_default().to_owned();
    let caught = object(path);
    caught.iter().map(|(name, noted)| (name.clone(), (text(noted, "by"), text(noted, "file_hash")))).collect()
}

pub fn write_caught(path: &Path, caught: &Caught) -> Result<(), Failure> {
    let noted: Map<String, Value> = caught
        .iter()
        .map(|(name, (by, file_hash))| (name.clone(), json!({"by": by, "file_hash": file_hash})))
        .collect();
    Ok(fs::write(path, serde_json::to_string_pretty(&noted)?)?)
}

/// What stands before the first colon of a name.
fn file_of(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

fn object(path: &Path) -> Map<String, Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn as_number(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_comes_by_outlives_other_numbers_and_new_mutations() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).enumerate().collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reach.json");
        let reach = Reach { took: Duration::from_millis(7), numbers: BTreeSet::from([0, 2]) };
        let before = BTreeMap::from([("test".to_owned(), reach)]);
        write_reach(&path, &names(&["a.rs: first", "a.rs: second", "b.rs: third"]), &before).unwrap();
        let now = names(&["b.rs: third", "c.rs: new", "a.rs: second", "a.rs: first", "a.rs: new"]);
        let read = read_reach(&path, &now);
        assert_eq!(read["test"].took, Duration::from_millis(7));
        assert_eq!(read["test"].numbers, BTreeSet::from([0, 3, 4]), "the new one of a.rs may be come by");
        assert!(read_reach(&directory.path().join("none"), &now).is_empty());
    }
}
