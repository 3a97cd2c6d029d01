//! A commit on its way to the writer: bounded, and already JSON text.

use crate::store::StoreError;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{
    super::contract::{
        COMMIT_BYTES_MAX, COMMIT_CHANGES_MAX, Change, CheckReport, CommitError, Content, Expectation, Key,
        RECORD_BYTES_MAX, Revision,
    },
    compaction::Compaction,
    line::Body,
};
use crate::clock::Timestamp;

pub(super) struct Request {
    pub(super) writes: Vec<Write>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) bytes: usize,
    pub(super) at: Timestamp,
    pub(super) boot_ms: i64,
    pub(super) answer: oneshot::Sender<Result<Revision, CommitError>>,
}

pub(super) struct Write {
    pub(super) key: Key,
    pub(super) body: Body,
    pub(super) secret: Zeroizing<Vec<u8>>,
}

pub(super) enum Message {
    Commit(Request),
    /// Compact now; the answer says whether it worked.
    Compact(oneshot::Sender<bool>),
    /// Read the files again and compare them with what was acknowledged.
    Check(oneshot::Sender<CheckReport>),
    /// Everything as it is between two batches.
    Backup(oneshot::Sender<Result<Compaction, StoreError>>),
    Close(oneshot::Sender<()>),
}

/// The changes as they will stand on disk, and their size.
///
/// # Errors
/// [`StoreError::TooLarge`].
pub(super) fn prepare(changes: Vec<Change>, expectations: &[Expectation]) -> Result<(Vec<Write>, usize), CommitError> {
    within("the number of changes of a commit", changes.len(), COMMIT_CHANGES_MAX)?;
    within("the number of expectations of a commit", expectations.len(), COMMIT_CHANGES_MAX)?;
    let mut total = 0;
    let mut writes = Vec::with_capacity(changes.len());
    for change in changes {
        let write = match change {
            Change::Put(key, Content { open, secret }) => {
                let secret = secret.map(|secret| secret.to_string().into_bytes()).unwrap_or_default();
                Write { key, body: Body::Value(open.to_string().into()), secret: Zeroizing::new(secret) }
            }
            Change::Delete(key) => Write { key, body: Body::Deleted, secret: Zeroizing::default() },
        };
        let bytes = write.secret.len() + if let Body::Value(open) = &write.body { open.len() } else { 0 };
        within("the bytes of a record", bytes, RECORD_BYTES_MAX)?;
        total += bytes;
        writes.push(write);
    }
    within("the bytes of a commit", total, COMMIT_BYTES_MAX)?;
    Ok((writes, total))
}

fn within(what: &'static str, size: usize, size_max: usize) -> Result<(), CommitError> {
    if size > size_max { Err(StoreError::TooLarge { what, size, size_max }.into()) } else { Ok(()) }
}
