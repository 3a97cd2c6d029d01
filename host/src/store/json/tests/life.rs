//! A host that runs, its writer in the thread of the test: a batch stays on its way for as long as the test likes.

use std::time::Duration;

use super::{power::PowerDisk, *};
use crate::{
    clock::Timestamp,
    store::{
        contract::CommitError,
        json::{
            batch::Batch,
            compaction::{self, Compaction},
            memory::Entry,
            request::Request,
            shared::Shared,
            staging::{Answered, Next},
            writer::Writer,
        },
    },
};

/// Revision and number of each record.
pub(super) type Records = BTreeMap<String, (u64, u64)>;

/// A host that runs.
pub(super) struct Life {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    pub(super) compaction: Option<(Compaction, usize)>,
}

impl Life {
    /// `None` if the disk failed meanwhile.
    pub(super) fn begin(place: &Place, disk: &PowerDisk) -> Option<(Self, OpenReport)> {
        let disk = Arc::new(disk.clone());
        let options = Options { compacts: false, room_bytes: ROOM_BYTES, acknowledges: Some(&|_| Vec::new()) };
        let opened = opening::prepare(place.path(), &place.keys, place.clock(), disk, options);
        let (shared, writer, report) = opened.ok()?;
        assert!(report.damage.is_none(), "{:?}", report.damage);
        assert!(report.tampered.is_empty(), "{:?}", report.tampered);
        Some((Self { shared, writer: writer.unwrap(), compaction: None }, report))
    }

    /// All records, each of them whole.
    pub(super) fn records(&self) -> Records {
        let state = self.shared.serving().unwrap();
        let entries = state.memory.entries().map(|(key, entry)| {
            let Entry::Live(record) = entry else { panic!("{key} reads as tampered with") };
            let found = record.unseal(&self.shared.sealer, key).unwrap();
            (key.as_str().to_owned(), (found.revision.0, number_in(&found.content)))
        });
        entries.collect()
    }

    /// Hands a commit in.
    pub(super) fn ask(&self, changes: Vec<Change>, expectations: Vec<Expectation>) -> Result<Answered, CommitError> {
        let at = Timestamp(1_700_000_000_000);
        self.writer.staging.stage(Request::new(changes, expectations, at, 0).unwrap())
    }

    /// Hands commits in together; what comes of each is to be asked later.
    pub(super) fn stage(&self, commits: Vec<Wanted>) -> Vec<Asked> {
        let ask = |Wanted { changes, expectations, expected }| (self.ask(changes, expectations), expected);
        commits.into_iter().map(ask).collect()
    }

    /// What was handed in since the last time, if anything was.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        match self.writer.staging.next(Duration::ZERO) {
            Next::Write(batch) => Some(batch),
            Next::Nothing => None,
            _ => panic!("nobody gave an order"),
        }
    }

    /// The answers must be those that the model expects; in a store that is poisoned, no "yes" and no conflict that
    /// rests on what never became durable.
    pub(super) fn hear(&self, asked: Vec<Asked>, works: bool) {
        for (asked, expected) in asked {
            let answer = match asked {
                Err(CommitError::Conflict(_)) if expected.is_none() => continue,
                // A writer that failed lets go of what waits behind it.
                Ok(mut answered) => answered.try_recv().unwrap_or_else(|_| Err(self.shared.refusal().into())),
                Err(error) => Err(error),
            };
            match (answer, expected) {
                (Ok(revision), Some(expected)) if works => assert_eq!(revision.0, expected),
                (Err(CommitError::Conflict(_)), None) if works => {}
                (Err(CommitError::Store(_)), _) if !works => assert!(self.shared.serving().is_err()),
                (answer, expected) => panic!("{answer:?} where {expected:?} was expected"),
            }
        }
    }

    /// One batch of one commit; false if the store is poisoned now.
    pub(super) fn commit(&mut self, wanted: Wanted) -> bool {
        let asked = self.stage(vec![wanted]);
        let works = self.next_batch().is_none_or(|batch| self.writer.write(batch).is_ok());
        self.hear(asked, works);
        works
    }

    /// One more step of a compaction that goes on beside the commits; false if the store is poisoned now.
    pub(super) fn compact(&mut self) -> bool {
        let Some((compaction, done)) = self.compaction.take() else {
            let Ok(begun) = self.writer.next_compaction() else { return false };
            self.compaction = begun.map(|compaction| (compaction, 0));
            return true;
        };
        let worked = match done {
            0 => compaction.write_unfinished(),
            1 => compaction.name(),
            _ => compaction::delete_older(&*compaction.disk, &compaction.directory, compaction.number),
        };
        if worked.is_ok() && done < 2 {
            self.compaction = Some((compaction, done + 1));
        }
        true
    }
}

/// A commit that was handed in, and the answer that is expected.
pub(super) type Asked = (Result<Answered, CommitError>, Option<u64>);

/// A commit and its answer: the revision, or a conflict.
pub(super) struct Wanted {
    pub(super) changes: Vec<Change>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) expected: Option<u64>,
}
