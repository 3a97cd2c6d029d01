//! Which tests ran and how they ended, read from the plain lines of the standard test harness.

use std::collections::BTreeMap;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Passed,
    Failed,
    Ignored,
}

/// Tests by `binary::path`, for example `outside::replay::of_two_uses_at_once_exactly_one_wins`.
#[derive(Debug, Default)]
pub struct Results {
    pub tests: BTreeMap<String, Ending>,
}

impl Results {
    /// Adds what a `cargo test` printed, both its outputs in one text.
    pub fn read(&mut self, output: &str) {
        let mut binary = String::new();
        for line in output.lines() {
            let line = line.trim();
            if let Some(name) = binary_of(line) {
                binary = name;
            } else if let Some((path, ending)) = test_of(line) {
                self.tests.insert(format!("{binary}::{path}"), ending);
            }
        }
    }

    pub fn count(&self, ending: Ending) -> usize {
        self.tests.values().filter(|&&known| known == ending).count()
    }
}

/// `Running unittests src/lib.rs (target/debug/deps/mfa_host-0123456789abcdef)` or `Doc-tests mfa_sdk`.
fn binary_of(line: &str) -> Option<String> {
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(name.to_owned());
    }
    let path = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?.1;
    let file = path.rsplit('/').next()?;
    let (name, _hash) = file.rsplit_once('-')?;
    Some(name.to_owned())
}

/// `test store::tests::opens ... ok`.
fn test_of(line: &str) -> Option<(&str, Ending)> {
    let (path, word) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let ending = match word {
        "ok" => Ending::Passed,
        "FAILED" => Ending::Failed,
        word if word.starts_with("ignored") => Ending::Ignored,
        _ => return None,
    };
    Some((path.strip_suffix(" - should panic").unwrap_or(path), ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
     Running unittests src/lib.rs (target/debug/deps/mfa_host-8de0123456789abc)

running 3 tests
test store::tests::opens ... ok
test store::tests::closes ... FAILED
test flow::tests::later ... ignored, not now
test flow::tests::bursts - should panic ... ok

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

     Running src/main.rs (target/debug/deps/outside-fb706a853f31b9b9)
test replay::twice ... ok
   Doc-tests mfa_sdk
test sdk/src/lib.rs - (line 12) ... ok
";

    #[test]
    fn plain_lines_tell_which_tests_ran() {
        let mut results = Results::default();
        results.read(OUTPUT);
        assert_eq!(results.tests["mfa_host::store::tests::opens"], Ending::Passed);
        assert_eq!(results.tests["mfa_host::store::tests::closes"], Ending::Failed);
        assert_eq!(results.tests["mfa_host::flow::tests::later"], Ending::Ignored);
        assert_eq!(results.tests["mfa_host::flow::tests::bursts"], Ending::Passed);
        assert_eq!(results.tests["outside::replay::twice"], Ending::Passed);
        assert_eq!(results.tests["mfa_sdk::sdk/src/lib.rs - (line 12)"], Ending::Passed);
        assert_eq!((results.count(Ending::Passed), results.count(Ending::Failed)), (4, 1));
    }
}
