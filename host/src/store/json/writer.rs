//! The one thread that writes: takes all waiting commits, writes them as one batch, and answers when it is durable.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    super::{
        anchor::Anchor,
        contract::{CheckReport, StoreError},
        disk::Disk,
    },
    batch::{self, Batch},
    check,
    compaction::Compaction,
    files::FIRST_SEGMENT,
    journal::Journal,
    request::{Message, Request},
    shared::Shared,
};
use crate::clock::Clock;

/// How often the writer looks after anchor and compaction.
const TICK: Duration = Duration::from_secs(1);
/// Smaller journals are compacted for their age only.
const COMPACTION_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// What was deleted or replaced is gone from the disk within the hour; this leaves time to write the snapshot.
const GARBAGE_AGE_MAX_MS: i64 = 50 * 60 * 1000;
/// After a compaction that failed.
const COMPACTION_PAUSE_MS: i64 = 5 * 60 * 1000;

pub(super) struct Writer {
    shared: Arc<Shared>,
    pub(super) journal: Journal,
    anchor: Anchor,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    clock: Clock,
    compacts: bool,
    anchored_revision: Option<u64>,
    anchored_at: Instant,
    anchor_warned: bool,
    /// Boot-time clock of the first line that a compaction would leave out.
    garbage_since_ms: Option<i64>,
    compaction: Option<JoinHandle<io::Result<()>>>,
    no_compaction_before_ms: i64,
}

/// Refuses everything once the writer is gone, by whatever way: nothing would become durable any more.
struct RefusesAtEnd(Arc<Shared>);

impl Drop for RefusesAtEnd {
    fn drop(&mut self) {
        self.0.refuse(StoreError::Poisoned("the writer stopped".to_owned()));
    }
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        journal: Journal,
        anchor: Anchor,
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        clock: Clock,
        compacts: bool,
    ) -> Self {
        Self {
            shared,
            journal,
            anchor,
            disk,
            directory,
            clock,
            compacts,
            anchored_revision: None,
            anchored_at: Instant::now(),
            anchor_warned: false,
            garbage_since_ms: None,
            compaction: None,
            no_compaction_before_ms: i64::MIN,
        }
    }

    /// The journal holds lines of unknown age that a compaction would leave out.
    pub(super) fn compact_soon(&mut self, boot_ms: i64) {
        self.garbage_since_ms = Some(boot_ms.saturating_sub(GARBAGE_AGE_MAX_MS));
    }

    pub(super) fn run(mut self, receiver: &Receiver<Message>) {
        let _refuses = RefusesAtEnd(self.shared.clone());
        loop {
            let mut next = match receiver.recv_timeout(TICK) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            };
            while let Some(message) = next.take() {
                match message {
                    Message::Commit(first) => {
                        let (requests, other) = batch::gather(first, receiver);
                        next = other;
                        if let Err(error) = self.commit(requests) {
                            return self.shared.refuse(error);
                        }
                    }
                    Message::Compact(answer) => match self.compact_now() {
                        Ok(done) => drop(answer.send(done)),
                        Err(error) => return self.shared.refuse(error),
                    },
                    // Whoever stopped waiting has no use for it.
                    Message::Check(answer) => drop(answer.send(self.check())),
                    Message::Backup(answer) => drop(answer.send(self.compaction_as(FIRST_SEGMENT))),
                    Message::Close(answer) => {
                        self.end();
                        // Whoever stopped waiting for the end has no use for it.
                        let _ = answer.send(());
                        return;
                    }
                }
            }
            if let Err(error) = self.look_after() {
                return self.shared.refuse(error);
            }
        }
    }

    /// Anchor and compaction, when they are due.
    fn look_after(&mut self) -> Result<(), StoreError> {
        if self.anchored_revision != Some(self.journal.last_revision()) && self.anchored_at.elapsed() >= TICK {
            self.save_anchor();
        }
        if self.compaction.as_ref().is_some_and(JoinHandle::is_finished) {
            self.finish_compaction();
        }
        if self.compacts && self.compaction.is_none() && self.is_compaction_due() {
            self.start_compaction()?;
        }
        Ok(())
    }

    /// Writes the anchor; a store without one still serves, so a failure is a warning.
    pub(super) fn save_anchor(&mut self) {
        let revision = self.journal.last_revision();
        self.anchored_at = Instant::now();
        match self.anchor.write(revision, self.journal.committed_at()) {
            Ok(()) => self.anchored_revision = Some(revision),
            Err(error) if !self.anchor_warned => {
                self.anchor_warned = true;
                tracing::warn!(%error, "the anchor of the store cannot be written: an older copy that is put back may go unnoticed");
            }
            Err(_) => {}
        }
    }

    /// Waits for a running compaction and leaves the anchor as it should be.
    pub(super) fn end(&mut self) {
        self.finish_compaction();
        if self.anchored_revision != Some(self.journal.last_revision()) {
            self.save_anchor();
        }
    }

    /// Writes the commits as one batch and answers each.
    ///
    /// # Errors
    /// When the store is poisoned by it; this writer must not be used again.
    pub(super) fn commit(&mut self, requests: Vec<Request>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let written = batch.put_together(&self.shared, self.journal.last_revision(), requests).and_then(|()| {
            if batch.records.is_empty() {
                return Ok(());
            }
            let records = std::mem::take(&mut batch.records);
            self.journal.append(records, batch.at, &batch.body)
        });
        if let Err(error) = written {
            let refusal = StoreError::Poisoned(error.to_string());
            tracing::error!(%error, "the store could not be written and serves nothing until a restart");
            // Refuse before answering: nobody who hears of the failure may read on.
            self.shared.refuse(refusal.clone());
            for (answer, _) in batch.answers {
                drop(answer.send(Err(refusal.clone().into())));
            }
            return Err(refusal);
        }
        if !batch.found.is_empty() {
            let mut superseded = false;
            let mut state = self.shared.change();
            for (key, revision, body, sealed) in batch.found {
                superseded |= state.memory.apply(key, revision, Some((body, sealed)));
            }
            drop(state);
            if superseded {
                self.garbage_since_ms.get_or_insert(batch.boot_ms);
            }
        }
        for (answer, result) in batch.answers {
            // A caller that stopped waiting has no use for it.
            drop(answer.send(result));
        }
        Ok(())
    }

    fn is_compaction_due(&self) -> bool {
        let Some(since) = self.garbage_since_ms else { return false };
        let live_bytes = match self.shared.serving() {
            Ok(state) => state.memory.live_bytes() as u64,
            Err(_) => return false,
        };
        let Some(now) = self.boot_ms() else { return false };
        let is_large = self.journal.bytes() > COMPACTION_BYTES_MIN.max(2 * live_bytes);
        // A smaller boot-time clock is another start of the machine: the age is unknown.
        let is_old = now.saturating_sub(since) >= GARBAGE_AGE_MAX_MS || now < since;
        now >= self.no_compaction_before_ms && (is_large || is_old)
    }

    /// A development clock is a file that may be gone for a moment; that must not end the writer.
    fn boot_ms(&self) -> Option<i64> {
        let clock = AssertUnwindSafe(&self.clock);
        catch_unwind(move || clock.now().boot_ms).ok()
    }

    /// Goes on in a new segment and writes the snapshot beside it.
    ///
    /// # Errors
    /// As [`Writer::next_compaction`].
    fn start_compaction(&mut self) -> Result<(), StoreError> {
        let compaction = self.next_compaction()?;
        let thread = std::thread::Builder::new().name("store-snapshot".to_owned()).spawn(move || compaction.run());
        self.compaction = Some(thread.map_err(|error| StoreError::Poisoned(error.to_string()))?);
        Ok(())
    }

    /// Goes on in a new segment; what is to be written beside it.
    ///
    /// # Errors
    /// When the new segment cannot be made: the store is poisoned, because it may or may not be there.
    pub(super) fn next_compaction(&mut self) -> Result<Compaction, StoreError> {
        // Nothing goes on in a new segment that could not be written.
        drop(self.shared.serving()?);
        self.journal.next_segment().map_err(|error| StoreError::Poisoned(error.to_string()))?;
        self.garbage_since_ms = None;
        self.compaction_as(self.journal.segment())
    }

    /// All records as they are between two batches, to be written as the snapshot of this number.
    fn compaction_as(&self, number: u64) -> Result<Compaction, StoreError> {
        Ok(Compaction {
            disk: self.disk.clone(),
            directory: self.directory.clone(),
            sealer: self.shared.sealer.clone(),
            number,
            position: self.journal.position().clone(),
            committed_at: self.journal.committed_at(),
            memory: self.shared.serving()?.memory.clone(),
        })
    }

    /// Looks at the files while nothing writes them.
    fn check(&mut self) -> CheckReport {
        self.finish_compaction();
        check::against(&*self.disk, &self.directory, &self.shared.sealer, self.journal.last_revision())
    }

    /// Waits for a running compaction. One that failed costs disk space only: nothing acknowledged rests on it.
    fn finish_compaction(&mut self) -> bool {
        let Some(thread) = self.compaction.take() else { return true };
        let outcome = thread.join().unwrap_or_else(|_| Err(io::Error::other("the compaction panicked")));
        let Err(error) = outcome else { return true };
        tracing::warn!(%error, "the store could not be compacted; its journal grows");
        if let Some(now) = self.boot_ms() {
            self.compact_soon(now);
            self.no_compaction_before_ms = now.saturating_add(COMPACTION_PAUSE_MS);
        }
        false
    }

    fn compact_now(&mut self) -> Result<bool, StoreError> {
        self.finish_compaction();
        self.start_compaction()?;
        Ok(self.finish_compaction())
    }
}
