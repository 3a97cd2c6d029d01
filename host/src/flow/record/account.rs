//! `account/<user>`: what the host counts for one user, whatever the module says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Document, Unknown};
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
    /// Open set-up flows, oldest first.
    #[serde(default)]
    pub setups: Vec<OpenFlow>,
    /// When each module last let the user in.
    #[serde(default)]
    pub last_used: BTreeMap<String, Timestamp>,
    #[serde(flatten)]
    pub unknown: Unknown,
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
