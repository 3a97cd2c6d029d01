//! `address/<hash of the flow id>`: an address that waits for its proof.

use serde::{Deserialize, Serialize};

use super::{Document, Sent, Unknown};
use crate::{clock::Timestamp, flow::lifetime::Life};

pub type AddressProof = Document<AddressProofOpen, AddressProofSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct AddressProofOpen {
    pub user: String,
    pub user_epoch: u64,
    /// `email` or `phone`.
    pub kind: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub created_boot_ms: i64,
    pub boot_id: String,
    pub attempts_used: u32,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl AddressProofOpen {
    /// When it began and when it ends.
    pub fn life(&self) -> Life<'_> {
        let Self { created_at, expires_at, created_boot_ms, boot_id, .. } = self;
        Life { created_at: *created_at, expires_at: *expires_at, created_boot_ms: *created_boot_ms, boot_id }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct AddressProofSecret {
    pub value: String,
    /// Keyed hash of the code that was sent.
    pub mac: String,
    pub sent: Sent,
}
