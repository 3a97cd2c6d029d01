//! A batch that is put together: lines that are sealed, what they will change in memory, and whom to answer.

use std::io;

use tokio::sync::oneshot;

use super::{
    super::{
        contract::{Change, CommitError, Content, Key, Revision},
        sealing::Sealer,
    },
    line::{self, Body},
    memory::{Entry, Record},
};
use crate::clock::Timestamp;

/// Where one batch stops taking further commits; a single commit may be as large as the contract allows.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
pub(super) const BATCH_CHANGES: usize = 1024;

/// Nothing of it can be seen before it is durable.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) changes: Vec<Changed>,
    pub(super) answers: Vec<Answer>,
    pub(super) at: Timestamp,
    pub(super) boot_ms: i64,
}

/// What a line of a batch does to its key.
pub(super) struct Changed {
    pub(super) key: Key,
    pub(super) revision: u64,
    /// `None` if the record is deleted.
    pub(super) entry: Option<Entry>,
}

/// Whom to answer what, as soon as the batch is durable and not before.
pub(super) struct Answer {
    pub(super) to: oneshot::Sender<Result<Revision, CommitError>>,
    pub(super) result: Result<Revision, CommitError>,
}

impl Batch {
    /// One that writes into the room of a former one.
    pub(super) fn within(body: Vec<u8>) -> Self {
        Self { body, ..Self::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.body.len() >= BATCH_BYTES || self.changes.len() >= BATCH_CHANGES
    }

    /// Seals a change and writes its line.
    ///
    /// # Errors
    /// When it cannot be sealed: nothing of the batch may be used then.
    pub(super) fn add(&mut self, sealer: &Sealer, revision: u64, change: Change) -> io::Result<()> {
        let (key, entry) = match change {
            Change::Put(key, Content { open, secret }) => {
                let sealed = self.write(sealer, &key, revision, Body::Value(&open), &secret)?.into();
                (key, Some(Entry::Live(Record { revision, open, sealed }.into())))
            }
            Change::Delete(key) => {
                self.write(sealer, &key, revision, Body::Deleted, b"")?;
                (key, None)
            }
        };
        self.changes.push(Changed { key, revision, entry });
        Ok(())
    }

    fn write(
        &mut self,
        sealer: &Sealer,
        key: &Key,
        revision: u64,
        body: Body<'_>,
        secret: &[u8],
    ) -> io::Result<Vec<u8>> {
        let sealed = sealer.seal(&line::bound(sealer, key.as_str(), revision, body), secret)?;
        line::write(&mut self.body, key.as_str(), revision, body, &sealed, sealer.key_id());
        Ok(sealed)
    }
}
