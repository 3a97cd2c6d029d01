//! `link/<hash of the token>`: a link that was sent to confirm the step of a login.
//!
//! It is made by the commit of its step and is good for that step alone: one that was sent again, changed or ended has
//! another link or none, whatever is still kept here.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Document, Unknown};
use crate::clock::Timestamp;

pub type Link = Document<LinkOpen, LinkSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct LinkOpen {
    pub user: String,
    /// Hash of the flow that waits.
    pub session: String,
    pub created_at: Timestamp,
    /// After this moment it confirms nothing.
    pub dead_at: Timestamp,
    /// Numbers that were given, each counted before it was looked at.
    #[serde(default)]
    pub numbers_given: u32,
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct LinkSecret {
    /// Two digits, shown where the login waits.
    pub number: u8,
    /// Where the login waits.
    pub address: IpAddr,
    #[serde(default)]
    pub browser: Option<String>,
    /// Seed of the module's call; a repeated call has the same.
    pub seed: String,
}
