//! The mutations that change nothing anybody could see, each with its reason.

use std::collections::BTreeMap;

use crate::{Failure, root};

pub const FILE: &str = "xtask/mutants.accepted";
/// Stands between a mutation and its reason.
const REASON: &str = " // ";

/// Reasons by the name of the mutation.
pub fn read() -> Result<BTreeMap<String, String>, Failure> {
    let text = std::fs::read_to_string(root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut accepted = BTreeMap::new();
    for (place, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_once(REASON).map(|(name, reason)| (name.trim(), reason.trim()));
        let (name, reason) = parts
            .filter(|(name, reason)| !name.is_empty() && !reason.is_empty())
            .ok_or_else(|| format!("{FILE}:{}: a mutation, two slashes, and the reason", place + 1))?;
        if accepted.insert(name.to_owned(), reason.to_owned()).is_some() {
            return Err(format!("{FILE}:{}: stands there twice", place + 1).into());
        }
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_a_reason() {
        let accepted = parse("# heading\n\na.rs: replace < with <= in f (a < b) // a never equals b\n").unwrap();
        assert_eq!(accepted["a.rs: replace < with <= in f (a < b)"], "a never equals b");
        for wrong in ["a.rs: replace", "a.rs: replace // ", "a // b\na // c"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
