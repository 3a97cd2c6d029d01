//! What is asked of the store's one writer: commits, and the few things that are done between two batches.

use tokio::sync::oneshot;

use super::{
    super::contract::{
        COMMIT_BYTES_MAX, COMMIT_CHANGES_MAX, Change, CheckReport, CommitError, Expectation, RECORD_BYTES_MAX,
        StoreError,
    },
    compaction::Compaction,
};
use crate::clock::Timestamp;

/// A commit within its bounds.
pub(super) struct Request {
    pub(super) changes: Vec<Change>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) at: Timestamp,
    pub(super) boot_ms: i64,
}

/// Done between two batches.
pub(super) enum Order {
    /// Compact now; the answer says whether it worked.
    Compact(oneshot::Sender<bool>),
    /// Read the files again and compare them with what was acknowledged.
    Check(oneshot::Sender<CheckReport>),
    /// Everything as it is between two batches.
    Backup(oneshot::Sender<Result<Compaction, StoreError>>),
}

impl Request {
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub(super) fn new(
        changes: Vec<Change>,
        expectations: Vec<Expectation>,
        at: Timestamp,
        boot_ms: i64,
    ) -> Result<Self, CommitError> {
        within("the number of changes of a commit", changes.len(), COMMIT_CHANGES_MAX)?;
        within("the number of expectations of a commit", expectations.len(), COMMIT_CHANGES_MAX)?;
        let mut total = 0;
        for change in &changes {
            if let Change::Put(_, content) = change {
                within("the bytes of a record", content.bytes(), RECORD_BYTES_MAX)?;
                total += content.bytes();
            }
        }
        within("the bytes of a commit", total, COMMIT_BYTES_MAX)?;
        Ok(Self { changes, expectations, at, boot_ms })
    }
}

fn within(what: &'static str, size: usize, size_max: usize) -> Result<(), CommitError> {
    if size > size_max { Err(StoreError::TooLarge { what, size, size_max }.into()) } else { Ok(()) }
}
