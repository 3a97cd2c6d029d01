//! Crashes and late calls in a row, counted for each operation by itself: a module that shows its form well and dies of
//! every answer has failed at answers in a row, however many forms it showed in between.

use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
    sync::{Mutex, PoisonError},
};

use mfa_sdk::protocol::Operation;

/// Which operation, whatever it carries.
pub(super) type Kind = Discriminant<Operation>;

pub(super) fn kind(operation: &Operation) -> Kind {
    discriminant(operation)
}

/// The rows of one module.
#[derive(Default)]
pub(super) struct Failures {
    /// Since the last good answer to that operation; none stands for an end outside of any call.
    rows: Mutex<HashMap<Option<Kind>, u32>>,
}

impl Failures {
    /// A worker ended in one of these calls, or outside of any. Says how long the longest of their rows is now.
    pub(super) fn add(&self, suspects: &[Kind]) -> u32 {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longer = |kind| {
            let row = rows.entry(kind).or_insert(0);
            *row = row.saturating_add(1);
            *row
        };
        match suspects {
            [] => longer(None),
            // Two calls of one kind do not fail twice by one end.
            suspects => {
                let different = suspects.iter().enumerate().filter(|(place, kind)| !suspects[..*place].contains(kind));
                different.map(|(_, kind)| longer(Some(*kind))).max().unwrap_or(1)
            }
        }
    }

    /// A good answer ends the row of its operation, and that of ends outside of any call.
    pub(super) fn end_row(&self, kind: Kind) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.remove(&Some(kind));
        rows.remove(&None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_answer_ends_the_row_of_its_own_operation_only() {
        let failures = Failures::default();
        let [issue, schema] = [kind(&Operation::Issue {}), kind(&Operation::InputSchema {})];
        assert_eq!(failures.add(&[issue]), 1);
        assert_eq!(failures.add(&[]), 1);
        failures.end_row(schema);
        assert_eq!(failures.add(&[issue, issue, schema]), 2);
        assert_eq!(
            failures.add(&[]),
            1,
            "an idle worker's end is told from that of a call, and any answer ends its row"
        );
        failures.end_row(issue);
        assert_eq!(failures.add(&[issue]), 1);
        assert_eq!(failures.add(&[schema]), 2);
    }
}
