//! The names of the store's files, and the lines that open and end them.

use std::io;

use serde::{Deserialize, Serialize};

use super::{
    super::sealing::{Bound, Sealer},
    frame::Position,
};
use crate::clock::Timestamp;

/// Version of the format. A store of a later one is left alone.
pub(super) const FORMAT: u64 = 1;
/// The first segment of every store.
pub(super) const FIRST_SEGMENT: u64 = 1;

pub(super) fn journal(number: u64) -> String {
    format!("journal-{number:010}.jsonl")
}

pub(super) fn snapshot(number: u64) -> String {
    format!("snapshot-{number:010}.jsonl")
}

pub(super) fn unfinished_snapshot(number: u64) -> String {
    format!("{}.tmp", snapshot(number))
}

/// What a file name in `.storage/` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Journal(u64),
    Snapshot(u64),
    /// Left by a compaction that did not end.
    Unfinished,
    /// Not one of the files that hold records.
    Other,
}

pub(super) fn kind(name: &str) -> Kind {
    let number = |prefix: &str| -> Option<u64> { name.strip_prefix(prefix)?.strip_suffix(".jsonl")?.parse().ok() };
    match (number("journal-"), number("snapshot-")) {
        (Some(found), _) if journal(found) == name => Kind::Journal(found),
        (_, Some(found)) if snapshot(found) == name => Kind::Snapshot(found),
        _ if name.starts_with("snapshot-") && name.ends_with(".jsonl.tmp") => Kind::Unfinished,
        _ => Kind::Other,
    }
}

/// The version a first line names, whatever else stands in it.
pub(super) fn format_of(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Named {
        format: u64,
    }
    serde_json::from_slice::<Named>(line).ok().map(|named| named.format)
}

/// First line of a journal segment.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalStart {
    pub(super) journal: u64,
    pub(super) format: u64,
}

impl JournalStart {
    pub(super) fn line(number: u64) -> String {
        format!("{{\"journal\":{number},\"format\":{FORMAT}}}\n")
    }
}

/// First line of a snapshot: where the journal goes on.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotStart {
    pub(super) snapshot: u64,
    pub(super) format: u64,
    pub(super) first_segment: u64,
    next_batch: u64,
    next_revision: u64,
    chain: String,
    pub(super) committed_at: Option<Timestamp>,
    pub(super) sealed: String,
    key_id: String,
}

impl SnapshotStart {
    pub(super) fn new(
        sealer: &Sealer,
        number: u64,
        position: &Position,
        committed_at: Option<Timestamp>,
    ) -> io::Result<Self> {
        let mut start = Self {
            snapshot: number,
            format: FORMAT,
            first_segment: number,
            next_batch: position.batch,
            next_revision: position.next_revision,
            chain: position.chain.clone(),
            committed_at,
            sealed: String::new(),
            key_id: sealer.key_id().to_owned(),
        };
        start.sealed = sealer.sign(&start.bound())?;
        Ok(start)
    }

    pub(super) fn is_authentic(&self, sealer: &Sealer) -> bool {
        self.key_id == sealer.key_id() && sealer.is_signed(&self.bound(), &self.sealed)
    }

    /// Where the first batch of the first segment has to fit.
    pub(super) fn journal_position(&self) -> Position {
        Position { chain: self.chain.clone(), batch: self.next_batch, next_revision: self.next_revision }
    }

    /// Where the first batch of the snapshot itself has to fit.
    pub(super) fn own_position(&self) -> Position {
        Position { chain: self.sealed.clone(), batch: 1, next_revision: 0 }
    }

    fn bound(&self) -> Bound {
        Bound::new("snapshot start")
            .text(&self.key_id)
            .number(self.snapshot)
            .number(self.format)
            .number(self.first_segment)
            .number(self.next_batch)
            .number(self.next_revision)
            .text(&self.chain)
            .text(&self.committed_at.map(Timestamp::rfc3339).unwrap_or_default())
    }
}

/// Last line of a snapshot: without it the snapshot is not whole.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotEnd {
    end: u64,
    pub(super) records: u64,
    sealed: String,
    key_id: String,
}

impl SnapshotEnd {
    pub(super) fn new(sealer: &Sealer, number: u64, records: u64, position: &Position) -> io::Result<Self> {
        let bound = Self::bound(sealer, number, records, position);
        let sealed = sealer.sign(&bound)?;
        Ok(Self { end: number, records, sealed, key_id: sealer.key_id().to_owned() })
    }

    pub(super) fn is_authentic(&self, sealer: &Sealer, position: &Position) -> bool {
        sealer.is_signed(&Self::bound(sealer, self.end, self.records, position), &self.sealed)
    }

    fn bound(sealer: &Sealer, number: u64, records: u64, position: &Position) -> Bound {
        Bound::new("snapshot end")
            .text(sealer.key_id())
            .number(number)
            .number(records)
            .text(&position.chain)
            .number(position.batch)
    }
}
