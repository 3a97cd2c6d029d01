//! `account/<user>`: what the host counts for one user, whatever the module says.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Document, Grant, Unknown};
use crate::clock::Timestamp;

pub type Account = Document<AccountOpen, ()>;

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct AccountOpen {
    /// Wrong answers in a row by module; set-ups count under `setup.<module>`.
    #[serde(default)]
    pub wrong: BTreeMap<String, Count>,
    /// Wrong answers in a row over all modules that are no way back in.
    #[serde(default)]
    pub wrong_in_all: Count,
    /// Open validation sessions, oldest first.
    #[serde(default)]
    pub sessions: Vec<OpenFlow>,
    /// The trial under way. Beside the sessions, so that trials take no login's place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<OpenFlow>,
    /// Open set-up flows, oldest first.
    #[serde(default)]
    pub setups: Vec<OpenFlow>,
    /// When each module last let the user in.
    #[serde(default)]
    pub last_used: BTreeMap<String, Timestamp>,
    /// Messages of the last hour, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub sent: VecDeque<Timestamp>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl AccountOpen {
    /// How many trials one user may have at a time.
    pub const TRIALS_MAX: usize = 1;

    /// Takes a validation session off the lists, whatever it was for.
    pub fn leave(&mut self, flow: &str) {
        self.sessions.retain(|open| open.flow != flow);
        self.trials.retain(|open| open.flow != flow);
    }

    /// The list a validation session stands in.
    pub fn list_of(&mut self, grant: &Grant) -> &mut Vec<OpenFlow> {
        match grant {
            Grant::Trial => &mut self.trials,
            Grant::Code { .. } | Grant::Tokens | Grant::Proof { .. } => &mut self.sessions,
        }
    }
}

/// Wrong answers in a row, and until when the next one has to wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub in_a_row: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Timestamp>,
}

/// A flow that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFlow {
    /// Hash of the flow id.
    pub flow: String,
    pub until: Timestamp,
}

impl OpenFlow {
    /// A commit takes only so many changes; after a limit was lowered the list shrinks in steps.
    const OUSTED_MAX: usize = 100;

    /// Adds this flow to a list of at most `flows_max` (at least one). What has run out leaves the list; what had to
    /// make room is returned, oldest first, to be ended.
    pub fn join(self, list: &mut Vec<Self>, flows_max: usize, now: Timestamp) -> Vec<Self> {
        list.retain(|open| now <= open.until);
        let too_many = (list.len() + 1).saturating_sub(flows_max.max(1)).min(Self::OUSTED_MAX);
        let ousted = list.drain(..too_many).collect();
        list.push(self);
        ousted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(name: &str, until: i64) -> OpenFlow {
        OpenFlow { flow: name.to_owned(), until: Timestamp(until) }
    }

    #[test]
    fn the_oldest_make_room_and_what_has_run_out_takes_none() {
        let mut list = vec![flow("a", 10), flow("b", 5), flow("c", 10)];
        assert_eq!(flow("d", 10).join(&mut list, 3, Timestamp(6)), []);
        assert_eq!(list, [flow("a", 10), flow("c", 10), flow("d", 10)]);
        assert_eq!(flow("e", 10).join(&mut list, 2, Timestamp(6)), [flow("a", 10), flow("c", 10)]);
        assert_eq!(flow("f", 10).join(&mut list, 0, Timestamp(6)), [flow("d", 10), flow("e", 10)]);
        assert_eq!(list, [flow("f", 10)]);
    }
}
