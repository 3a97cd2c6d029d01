//! `docs/coverage.md` tells for every row of the requirements which test proves it. This check makes it true: each
//! row is there once, and each test it names ran and passed in this very run.

use std::collections::BTreeMap;

use crate::{
    Failure,
    results::{Ending, Results},
};

/// Letters of the rows and how many each has.
const ROWS: [(&str, usize); 5] = [("H", 17), ("E", 7), ("M", 14), ("P", 11), ("G", 9)];

/// What stands where no test does yet.
const NOT_YET: &str = "not yet";

/// Compares the table with what ran.
pub fn check(results: &Results) -> Result<(), Failure> {
    let path = crate::root().join("docs/coverage.md");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mistakes = mistakes(&text, results);
    let proved = table(&text).0.values().filter(|tests| !tests.is_empty()).count();
    if mistakes.is_empty() {
        println!("   {proved} of {} rows are proved, the others say so", expected_rows().len());
        Ok(())
    } else {
        Err(format!("docs/coverage.md:\n  {}", mistakes.join("\n  ")).into())
    }
}

fn expected_rows() -> Vec<String> {
    ROWS.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}-{number}"))).collect()
}

/// Rows with the tests they name, and what is wrong with the table itself.
fn table(text: &str) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let (mut rows, mut mistakes) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [row, proof, ..] = cells[..] else { continue };
        if !expected_rows().iter().any(|expected| expected == row) {
            if row.split_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok()) {
                mistakes.push(format!("{row} is no row of the requirements"));
            }
            continue;
        }
        let mut tests: Vec<String> = proof.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if proof.starts_with(NOT_YET) {
            // "not yet (the page is not there)" may name in words what is there already; it claims nothing.
            tests.clear();
        } else if tests.is_empty() {
            mistakes.push(format!("{row} names neither a test nor \"{NOT_YET}\""));
        }
        if rows.insert(row.to_owned(), tests).is_some() {
            mistakes.push(format!("{row} stands there twice"));
        }
    }
    (rows, mistakes)
}

fn mistakes(text: &str, results: &Results) -> Vec<String> {
    let (rows, mut mistakes) = table(text);
    for row in expected_rows() {
        let Some(tests) = rows.get(&row) else {
            mistakes.push(format!("{row} is missing"));
            continue;
        };
        for test in tests {
            match results.tests.get(test) {
                Some(Ending::Passed) => {}
                Some(Ending::Failed) => mistakes.push(format!("{row}: {test} failed")),
                Some(Ending::Ignored) => mistakes.push(format!("{row}: {test} is ignored")),
                None => mistakes.push(format!("{row}: {test} does not exist or did not run")),
            }
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let tests = [("outside::a", Ending::Passed), ("outside::b", Ending::Ignored), ("outside::c", Ending::Failed)];
        Results { tests: tests.into_iter().map(|(name, ending)| (name.to_owned(), ending)).collect() }
    }

    /// A table in which every row says "not yet" but H-1.
    fn with_first_row(proof: &str) -> String {
        let rows: Vec<String> = expected_rows()
            .iter()
            .map(|row| format!("| {row} | {} |", if row == "H-1" { proof } else { NOT_YET }))
            .collect();
        format!("# Coverage\n\n| row | proof |\n|---|---|\n{}\n", rows.join("\n"))
    }

    #[test]
    fn a_full_table_of_passed_tests_is_right() {
        assert_eq!(mistakes(&with_first_row("`outside::a`"), &results()), Vec::<String>::new());
        assert_eq!(mistakes(&with_first_row("not yet (the page is not there)"), &results()), Vec::<String>::new());
    }

    #[test]
    fn a_missing_row_is_found() {
        let text = with_first_row("`outside::a`").replace("| G-9 | not yet |\n", "");
        assert_eq!(mistakes(&text, &results()), ["G-9 is missing"]);
    }

    #[test]
    fn ignored_failed_and_invented_tests_are_found() {
        for (proof, words) in [
            ("`outside::b`", "is ignored"),
            ("`outside::c`", "failed"),
            ("`outside::a`, `outside::nothing`", "does not exist or did not run"),
            ("surely", "names neither a test"),
            ("", "names neither a test"),
        ] {
            let found = mistakes(&with_first_row(proof), &results());
            assert!(found.len() == 1 && found[0].contains(words), "{proof}: {found:?}");
        }
    }

    #[test]
    fn doubled_and_unknown_rows_are_found() {
        let doubled = format!("{}| H-1 | `outside::a` |\n", with_first_row("`outside::a`"));
        assert_eq!(mistakes(&doubled, &results()), ["H-1 stands there twice"]);
        let unknown = format!("{}| H-18 | not yet |\n", with_first_row("`outside::a`"));
        assert_eq!(mistakes(&unknown, &results()), ["H-18 is no row of the requirements"]);
    }
}
