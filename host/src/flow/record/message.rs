//! `message/<id>`: a message that was asked for and has not gone out yet; `target/<tag>`: what an address was sent.
//!
//! A message is made by the commit of what it belongs to and is removed when it was handed over, refused, withdrawn, or
//! not worth sending any more. Until then it survives a crash.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Document, Unknown};
use crate::clock::Timestamp;

pub type MessageRecord = Document<MessageOpen, MessageSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct MessageOpen {
    pub user: String,
    /// The flow that waits for it, by 8 hexadecimal digits of its hash; none for a notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    pub channel: String,
    pub created_at: Timestamp,
    /// After this moment it helps nobody.
    pub dead_at: Timestamp,
    /// Tries that were begun, the one under way included.
    pub tries: u32,
    /// The try under way ends before this moment.
    pub lease_until: Timestamp,
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct MessageSecret {
    /// Where the flow that waits for it stands: `session/…` or `setup/…`.
    #[serde(default)]
    pub waits: Option<String>,
    pub to: String,
    pub template: String,
    pub language: String,
    /// With the code or the link.
    pub values: BTreeMap<String, String>,
}

pub type Target = Document<TargetOpen, ()>;

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct TargetOpen {
    /// Messages of the last hour, oldest first.
    #[serde(default)]
    pub sent: VecDeque<Timestamp>,
    #[serde(flatten)]
    pub unknown: Unknown,
}
