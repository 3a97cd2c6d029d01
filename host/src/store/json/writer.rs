//! The one thread that writes: takes the batch that was put together while it wrote the one before, makes it durable,
//! shows it, and answers. One batch is on its way to the disk at a time.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    super::{
        anchor::Anchor,
        contract::{CheckReport, StoreError},
        disk::Disk,
    },
    batch::{Answer, Batch},
    check,
    compaction::Compaction,
    files::FIRST_SEGMENT,
    journal::{Journal, NoSegment},
    request::Order,
    shared::Shared,
    staging::{Next, Staging},
};
use crate::clock::Clock;

/// How often the writer looks after anchor and compaction.
const TICK: Duration = Duration::from_secs(1);
/// Smaller journals are compacted for their age only.
const COMPACTION_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// What was deleted or replaced is gone from the disk within the hour; this leaves time to write the snapshot.
const GARBAGE_AGE_MAX_MS: i64 = 50 * 60 * 1000;
/// After a compaction that failed.
const COMPACTION_PAUSE_MS: i64 = 5 * 60 * 1000;

pub(super) struct Writer {
    shared: Arc<Shared>,
    pub(super) staging: Arc<Staging>,
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
    pub(super) compaction: Option<JoinHandle<io::Result<()>>>,
    no_compaction_before_ms: i64,
}

struct TellsItsEnd(Arc<Staging>);

impl Drop for TellsItsEnd {
    fn drop(&mut self) {
        self.0.end();
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
        let staging = Arc::new(Staging::new(shared.clone(), journal.last_revision()));
        Self {
            shared,
            staging,
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

    pub(super) fn run(mut self) {
        let _ends = TellsItsEnd(self.staging.clone());
        loop {
            let done = match self.staging.next(TICK) {
                Next::Write(batch) => self.write(batch),
                Next::Obey(order) => self.obey(order),
                Next::Nothing => Ok(()),
                Next::End => return self.end(),
            };
            if let Err(error) = done.and_then(|()| self.look_after()) {
                self.shared.refuse(error);
                // Who waits for a commit need not wait for this; who waits for the lock has to.
                self.staging.refuse("the writer stopped");
                self.finish_compaction();
                return;
            }
        }
    }

    /// Whoever stopped waiting for an answer has no use for it.
    fn obey(&mut self, order: Order) -> Result<(), StoreError> {
        match order {
            Order::Compact(answer) => match self.compact_now() {
                Ok(done) => drop(answer.send(done)),
                Err(error) => {
                    // Before `answer` is let go: nobody who hears of the failure may read on.
                    self.shared.refuse(error.clone());
                    return Err(error);
                }
            },
            Order::Check(answer) => drop(answer.send(self.check())),
            Order::Backup(answer) => drop(answer.send(self.compaction_as(FIRST_SEGMENT))),
        }
        Ok(())
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

    /// Waits for a running compaction and leaves journal and anchor as they should be.
    pub(super) fn end(&mut self) {
        self.finish_compaction();
        if let Err(error) = self.journal.give_room_back() {
            tracing::warn!(%error, "the journal keeps the room that was made for further changes");
        }
        if self.anchored_revision != Some(self.journal.last_revision()) {
            self.save_anchor();
        }
    }

    /// Writes a batch, shows what is in it, and answers.
    ///
    /// # Errors
    /// When the store is poisoned by it, and everything that was put on top of the batch with it; this writer must not
    /// be used again.
    pub(super) fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let Batch { body, changes, answers, at, boot_ms } = batch;
        let records = changes.iter().map(|changed| (changed.key.as_str(), changed.revision));
        let written = if changes.is_empty() { Ok(()) } else { self.journal.append(records, at, &body) };
        if let Err(error) = written {
            tracing::error!(%error, "the store could not be written and serves nothing until a restart");
            // Refuse before answering: nobody who hears of the failure may read on.
            let refusal = self.staging.refuse(&error.to_string());
            for Answer { to, .. } in answers {
                drop(to.send(Err(refusal.clone().into())));
            }
            return Err(refusal);
        }
        if self.shared.show(changes) {
            self.garbage_since_ms.get_or_insert(boot_ms);
        }
        self.staging.settle(self.journal.last_revision(), body);
        for Answer { to, result } in answers {
            // A caller that stopped waiting has no use for it.
            drop(to.send(result));
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

    /// Goes on in a new segment and writes the snapshot beside it; false if that is not possible now.
    ///
    /// # Errors
    /// As [`Writer::next_compaction`].
    fn start_compaction(&mut self) -> Result<bool, StoreError> {
        let Some(compaction) = self.next_compaction()? else { return Ok(false) };
        let thread = std::thread::Builder::new().name("store-snapshot".to_owned()).spawn(move || compaction.run());
        match thread {
            Ok(thread) => self.compaction = Some(thread),
            Err(error) => self.put_compaction_off(&error),
        }
        Ok(self.compaction.is_some())
    }

    /// Goes on in a new segment; what is to be written beside it. `None` if no segment could be made: nothing has changed.
    ///
    /// # Errors
    /// When it is unknown whether the new segment is there: the store is poisoned.
    pub(super) fn next_compaction(&mut self) -> Result<Option<Compaction>, StoreError> {
        // Nothing goes on in a new segment that could not be written.
        drop(self.shared.serving()?);
        match self.journal.next_segment() {
            Ok(()) => {}
            Err(NoSegment::NotMade(error)) => {
                self.put_compaction_off(&error);
                return Ok(None);
            }
            Err(NoSegment::Unknown(error)) => return Err(StoreError::Poisoned(error.to_string())),
        }
        self.garbage_since_ms = None;
        self.compaction_as(self.journal.segment()).map(Some)
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
        self.put_compaction_off(&error);
        false
    }

    fn put_compaction_off(&mut self, error: &io::Error) {
        tracing::warn!(%error, "the store could not be compacted; its journal grows");
        if let Some(now) = self.boot_ms() {
            self.compact_soon(now);
            self.no_compaction_before_ms = now.saturating_add(COMPACTION_PAUSE_MS);
        }
    }

    fn compact_now(&mut self) -> Result<bool, StoreError> {
        self.finish_compaction();
        Ok(self.start_compaction()? && self.finish_compaction())
    }
}
