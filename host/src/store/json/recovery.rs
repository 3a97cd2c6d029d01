//! Reads the files of a store and judges them; writes nothing.
//!
//! What is assumed of the disk: a rename is atomic; after a successful fdatasync the content is there after a crash. What
//! is not: that a write is atomic, not even within a sector, that its parts arrive in order, or that a file that grew
//! holds no zeros, holes or garbage where the write did not arrive.
//!
//! One batch is written at a time, and the next only after it was synced. So only the last batch of the last segment can
//! be torn, and it was never acknowledged: it is dropped whole. A batch that is not whole while anything was written
//! after it is damage. A batch whose header is authentic and whose lines all have the form of records was not torn but
//! edited, where a line does not verify: the header names the key that stood there, and that key is tampered with. It never
//! falls back to an older record.
//!
//! The headers of a file are read one after the other, because each seals the one before; the lines are then judged on
//! all processors, and what they say is taken in their order.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use super::{
    super::{disk::Disk, sealing::Sealer},
    files::{self, FIRST_SEGMENT, FORMAT, JournalStart, Kind, SnapshotEnd, SnapshotStart},
    frame::{self, Fault, Framed, Place, Placed, Position},
    memory::Memory,
};
use crate::clock::Timestamp;

/// Fewer records than these are judged sooner than a thread begins.
const RECORDS_PER_THREAD_MIN: usize = 500;

/// Why there is nothing to serve.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No file that holds records.
    Empty,
    Damage(String),
    Io {
        path: PathBuf,
        source: io::Error,
    },
}

impl Refusal {
    /// In words.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Empty => "all of its files are gone".to_owned(),
            Self::Damage(reason) => reason.clone(),
            Self::Io { path, source } => format!("{}: {source}", path.display()),
        }
    }
}

/// A store as it stands on disk, before anything is put right.
pub(super) struct Recovered {
    pub(super) memory: Memory,
    /// Where the next batch has to fit.
    pub(super) position: Position,
    pub(super) committed_at: Option<Timestamp>,
    pub(super) segment: Segment,
    /// Bytes of all segments, without the tail that is dropped.
    pub(super) journal_bytes: u64,
    /// Lines that a compaction would leave out.
    pub(super) superseded: bool,
    /// Files that a compaction would have deleted.
    pub(super) leftovers: Vec<String>,
}

/// The last segment.
pub(super) struct Segment {
    pub(super) number: u64,
    /// Length without the torn tail; 0 if not even its first line is there.
    pub(super) length: u64,
    pub(super) tail_bytes: u64,
    /// Where the room ends that was made for further batches; 0 if there is none.
    pub(super) room: u64,
    /// Offset and bytes of the last batch.
    pub(super) last_batch: Option<(u64, Vec<u8>)>,
}

struct Reader<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    sealer: &'a Sealer,
    memory: Memory,
    position: Position,
    committed_at: Option<Timestamp>,
    superseded: bool,
}

/// Reads everything.
///
/// # Errors
/// [`Refusal`]; nothing on disk was changed.
pub(super) fn recover(disk: &dyn Disk, directory: &Path, sealer: &Sealer) -> Result<Recovered, Refusal> {
    let names = disk.list(directory).map_err(|source| Refusal::Io { path: directory.to_owned(), source })?;
    let mut journals = BTreeSet::new();
    let mut snapshots = BTreeSet::new();
    let mut leftovers = Vec::new();
    for name in names {
        match files::kind(&name) {
            Kind::Journal(number) => drop(journals.insert(number)),
            Kind::Snapshot(number) => drop(snapshots.insert(number)),
            Kind::Unfinished => leftovers.push(name),
            Kind::Other => {}
        }
    }
    if journals.is_empty() && snapshots.is_empty() {
        return Err(Refusal::Empty);
    }
    let mut reader = Reader {
        disk,
        directory,
        sealer,
        memory: Memory::default(),
        position: Position { chain: String::new(), batch: 1, next_revision: 1 },
        committed_at: None,
        superseded: false,
    };
    let first = match snapshots.last() {
        Some(newest) => reader.snapshot(*newest)?,
        None => FIRST_SEGMENT,
    };
    leftovers.extend(snapshots.iter().rev().skip(1).map(|number| files::snapshot(*number)));
    leftovers.extend(journals.range(..first).map(|number| files::journal(*number)));
    let segments: Vec<u64> = journals.range(first..).copied().collect();
    let expected = first..first + segments.len() as u64;
    if segments.is_empty() || !segments.iter().copied().eq(expected) {
        return Err(Refusal::Damage(format!(
            "journal segments are missing: {first} and on belong here, {segments:?} are here"
        )));
    }
    let mut journal_bytes = 0;
    let mut last = None;
    for number in &segments {
        let segment = reader.segment(*number, Some(number) == segments.last())?;
        journal_bytes += segment.length;
        last = Some(segment);
    }
    let segment = last.ok_or(Refusal::Empty)?;
    let Reader { memory, position, committed_at, superseded, .. } = reader;
    Ok(Recovered { memory, position, committed_at, segment, journal_bytes, superseded, leftovers })
}

impl Reader<'_> {
    fn file(&self, name: &str) -> Result<Vec<u8>, Refusal> {
        let path = self.directory.join(name);
        self.disk.read(&path).map_err(|source| Refusal::Io { path, source })
    }

    /// Takes what batches of one file say, up to the first that is none; how many were taken, and why not the next.
    fn take(&mut self, frames: &[Framed<'_>]) -> (usize, Option<Fault>) {
        for (index, judged) in judge(self.sealer, frames).into_iter().enumerate() {
            match judged {
                Ok(placed) => {
                    for Placed { key, entry } in placed {
                        self.superseded |= entry.is_none();
                        self.superseded |= self.memory.apply(key, entry).is_some();
                    }
                }
                Err(fault) => return (index, Some(fault)),
            }
        }
        (frames.len(), None)
    }

    /// A snapshot was whole before it got its name, so anything amiss in one is damage. Says the first segment.
    fn snapshot(&mut self, number: u64) -> Result<u64, Refusal> {
        let name = files::snapshot(number);
        let damaged = |reason: &str| Refusal::Damage(format!("{name}: {reason}"));
        let bytes = self.file(&name)?;
        let first = frame::line_at(&bytes, 0).ok_or_else(|| damaged("it has no first line"))?;
        check_format(&name, first)?;
        let start: SnapshotStart =
            serde_json::from_slice(first).map_err(|_| damaged("its first line is not that of a snapshot"))?;
        if start.snapshot != number || !start.is_authentic(self.sealer) {
            return Err(damaged("its first line was edited or sealed with another key"));
        }
        let fault = |fault| match fault {
            Fault::Torn(reason) => damaged(reason),
            Fault::Damaged(reason) => damaged(&reason),
        };
        let mut own = start.own_position();
        let mut offset = first.len() + 1;
        let mut frames = Vec::new();
        let end = loop {
            match frame::find(self.sealer, Place::Snapshot, &own, &bytes, offset) {
                Ok(frame) => {
                    (own, offset) = (frame.next.clone(), frame.span.end);
                    frames.push(frame);
                }
                Err(no_frame) => {
                    let line = frame::line_at(&bytes, offset).ok_or_else(|| damaged("it has no end"))?;
                    break serde_json::from_slice::<SnapshotEnd>(line).map_err(|_| fault(no_frame))?;
                }
            }
        };
        let records: usize = frames.iter().map(Framed::records).sum();
        let is_last = frame::line_at(&bytes, offset).is_some_and(|line| bytes.len() == offset + line.len() + 1);
        if !end.is_authentic(self.sealer, &own) || end.records != records as u64 || !is_last {
            return Err(damaged("its last line was edited, or something follows it"));
        }
        if let (_, Some(found)) = self.take(&frames) {
            return Err(fault(found));
        }
        self.position = start.journal_position();
        self.committed_at = start.committed_at;
        Ok(start.first_segment)
    }

    fn segment(&mut self, number: u64, is_last: bool) -> Result<Segment, Refusal> {
        let name = files::journal(number);
        let bytes = self.file(&name)?;
        let mut segment = Segment { number, length: 0, tail_bytes: 0, room: 0, last_batch: None };
        let dropped = |length: usize, mut segment: Segment, reason: &str| {
            if !is_last || frame::batch_follows(&bytes, length) {
                return Err(Refusal::Damage(format!("{name}: {reason} at byte {length}, and batches after it")));
            }
            segment.length = length as u64;
            segment.tail_bytes = (bytes.len() - length) as u64;
            Ok(segment)
        };
        let first = frame::line_at(&bytes, 0).unwrap_or_default();
        check_format(&name, first)?;
        match serde_json::from_slice::<JournalStart>(first) {
            Ok(start) if start.journal == number => {}
            Ok(start) => return Err(Refusal::Damage(format!("{name}: it says it is segment {}", start.journal))),
            Err(_) => return dropped(0, segment, "no first line"),
        }
        let mut offset = first.len() + 1;
        let (mut frames, mut ending) = (Vec::new(), None);
        let mut position = self.position.clone();
        let room = bytes.len();
        let written = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
        while offset < written && ending.is_none() {
            match frame::find(self.sealer, Place::Journal, &position, &bytes, offset) {
                Ok(frame) => {
                    (position, offset) = (frame.next.clone(), frame.span.end);
                    frames.push(frame);
                }
                Err(fault) => ending = Some(fault),
            }
        }
        let (taken, fault) = self.take(&frames);
        offset = first.len() + 1;
        if let Some(last) = frames[..taken].last() {
            offset = last.span.end;
            segment.last_batch = Some((last.span.start as u64, bytes[last.span.clone()].to_vec()));
            self.position = last.next.clone();
            self.committed_at = Some(last.committed_at());
        }
        match fault.or(ending) {
            Some(Fault::Torn(reason)) => dropped(offset, segment, reason),
            Some(Fault::Damaged(reason)) => Err(Refusal::Damage(format!("{name}: {reason}"))),
            None => {
                segment.length = offset as u64;
                segment.room = room as u64;
                Ok(segment)
            }
        }
    }
}

/// Judges the lines of batches, on all processors where there are enough of them.
fn judge(sealer: &Sealer, frames: &[Framed<'_>]) -> Vec<Result<Vec<Placed>, Fault>> {
    let judge_some = |frames: &[Framed<'_>]| frames.iter().map(|frame| frame.judge(sealer)).collect::<Vec<_>>();
    let worthwhile = frames.iter().map(Framed::records).sum::<usize>() / RECORDS_PER_THREAD_MIN;
    if worthwhile < 2 {
        return judge_some(frames);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(worthwhile);
    let mut parts = frames.chunks(frames.len().div_ceil(threads));
    let own = parts.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| (part, scope.spawn(move || judge_some(part)))).collect();
        let mut judged = judge_some(own);
        for (part, other) in others {
            // A thread that panicked judged nothing; this one would panic as it did.
            judged.extend(other.join().unwrap_or_else(|_| judge_some(part)));
        }
        judged
    })
}

fn check_format(name: &str, first: &[u8]) -> Result<(), Refusal> {
    match files::format_of(first) {
        Some(format) if format > FORMAT => Err(Refusal::Damage(format!(
            "{name}: written in format {format} by a newer mfa-host; this one reads up to {FORMAT}"
        ))),
        _ => Ok(()),
    }
}
