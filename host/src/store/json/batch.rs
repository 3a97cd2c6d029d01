//! Many commits, one batch: which of those that wait go in, which of them conflict, and what the batch says.

use std::{collections::HashMap, io, sync::mpsc::Receiver};

use tokio::sync::oneshot;

use super::{
    super::{
        contract::{CommitError, Expectation, Key, Revision},
        sealing::Sealer,
    },
    line::{self, Body},
    memory::{Entry, Memory},
    request::{Message, Request, Write},
    shared::Shared,
};
use crate::clock::Timestamp;

/// Where one batch stops taking further commits; a single commit may be as large as the contract allows.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
const BATCH_CHANGES: usize = 1024;
/// A batch that is put together. Nothing of it can be seen before it is durable.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) records: Vec<(String, u64)>,
    pub(super) found: Vec<(Key, u64, Body, Vec<u8>)>,
    /// What the batch itself changed: the revision of a record, or that it is gone.
    overlay: HashMap<Key, Option<u64>>,
    pub(super) answers: Vec<Answer>,
    pub(super) at: Timestamp,
    pub(super) boot_ms: i64,
}

pub(super) type Answer = (oneshot::Sender<Result<Revision, CommitError>>, Result<Revision, CommitError>);

impl Batch {
    /// Checks each commit against the durable records and the commits before it, numbers its changes from behind
    /// `revision` on, and seals them. The answers are given when the batch is durable, and not before.
    ///
    /// # Errors
    /// When the system gives no randomness; nothing of the batch may then be used but the answers.
    pub(super) fn put_together(
        &mut self,
        shared: &Shared,
        mut revision: u64,
        requests: Vec<Request>,
    ) -> io::Result<()> {
        let mut failure = None;
        let state = shared.serving();
        for request in requests {
            self.at = self.at.max(request.at);
            self.boot_ms = request.boot_ms;
            let refused = match &state {
                Ok(state) => conflict(&state.memory, &self.overlay, &request.expectations),
                Err(error) => Some(CommitError::Store(error.clone())),
            };
            if let Some(error) = refused {
                self.answers.push((request.answer, Err(error)));
                continue;
            }
            for write in request.writes {
                revision += 1;
                if let Err(error) = self.add(&shared.sealer, revision, write) {
                    failure = Some(error);
                }
            }
            self.answers.push((request.answer, Ok(Revision(revision))));
        }
        failure.map_or(Ok(()), Err)
    }

    fn add(&mut self, sealer: &Sealer, revision: u64, write: Write) -> io::Result<()> {
        let Write { key, body, secret } = write;
        let sealed = line::seal(&mut self.body, sealer, key.as_str(), revision, body.shown(), &secret)?;
        let lives = matches!(body, Body::Value(_));
        self.overlay.insert(key.clone(), lives.then_some(revision));
        self.records.push((key.as_str().to_owned(), revision));
        self.found.push((key, revision, body, sealed));
        Ok(())
    }
}

/// Takes what waits, up to the bounds of a batch and the first message that is no commit.
pub(super) fn gather(first: Request, receiver: &Receiver<Message>) -> (Vec<Request>, Option<Message>) {
    let mut bytes = first.bytes;
    let mut changes = first.writes.len();
    let mut requests = vec![first];
    while bytes < BATCH_BYTES && changes < BATCH_CHANGES {
        match receiver.try_recv() {
            Ok(Message::Commit(request)) => {
                bytes += request.bytes;
                changes += request.writes.len();
                requests.push(request);
            }
            Ok(other) => return (requests, Some(other)),
            Err(_) => break,
        }
    }
    (requests, None)
}

/// The first expectation that does not hold, in the durable records with the commits of this batch on top.
fn conflict(memory: &Memory, overlay: &HashMap<Key, Option<u64>>, expectations: &[Expectation]) -> Option<CommitError> {
    let holds = |expectation: &Expectation| {
        let (key, wanted) = match expectation {
            Expectation::At(key, revision) => (key, Some(revision.0)),
            Expectation::Absent(key) => (key, None),
        };
        match (overlay.get(key), memory.entry(key.as_str())) {
            (Some(changed), _) => *changed == wanted,
            (None, None) => wanted.is_none(),
            (None, Some(Entry::Live(record))) => wanted == Some(record.revision),
            (None, Some(Entry::Tampered(_))) => false,
        }
    };
    expectations.iter().find(|expectation| !holds(expectation)).map(|expectation| match expectation {
        Expectation::At(key, _) | Expectation::Absent(key) => CommitError::Conflict(key.clone()),
    })
}
