//! That the records were put back to what they had been before: a backup was restored, or an older copy acknowledged.

use serde::{Deserialize, Serialize};

use super::{Document, Unknown};
use crate::clock::Timestamp;

/// Made in the very commit that takes the older records for the present ones.
pub type Restored = Document<RestoredOpen, ()>;

#[derive(Clone, Serialize, Deserialize)]
pub struct RestoredOpen {
    pub at: Timestamp,
    /// Up to this moment codes may have been used of which no record knows. Later than `at` if the clock went back.
    pub uses_unknown_until: Timestamp,
    /// Whether everything that was open has ended.
    pub is_taken_up: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}
