//! Compaction: a snapshot of the live records, while commits go on in a new segment.
//!
//! The order is what keeps every moment of it safe. The new segment is on disk before the snapshot names it; the snapshot
//! is whole and synced before it gets its name; its name is durable before anything older is deleted. A crash in between
//! leaves the older files, which say the same, and some leftovers that the next start deletes.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    super::{
        disk::{Disk, DiskFile},
        sealing::Sealer,
    },
    files::{self, Kind, SnapshotEnd, SnapshotStart},
    frame::{self, Place, Position},
    line::{self, Body},
    memory::{Entry, Memory},
};
use crate::clock::Timestamp;

/// Records per batch of a snapshot.
const BATCH_RECORDS: usize = 256;

/// Everything a compaction needs; taken when the journal has just gone on in segment `number`.
pub(super) struct Compaction {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    pub(super) sealer: Arc<Sealer>,
    pub(super) number: u64,
    pub(super) position: Position,
    pub(super) committed_at: Option<Timestamp>,
    pub(super) memory: Memory,
}

struct Output {
    file: Box<dyn DiskFile>,
    length: u64,
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.length, bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl Compaction {
    /// Writes the snapshot, names it, deletes what it replaces.
    ///
    /// # Errors
    /// Any of the disk. Nothing is lost: the older snapshot and segments are still there.
    pub(super) fn run(&self) -> io::Result<()> {
        let named = self.write_unfinished().and_then(|()| self.name());
        if named.is_err() {
            // On a full disk half a snapshot takes the room that commits need. If it stays, the next start deletes it.
            let _ = self.disk.remove(&self.directory.join(files::unfinished_snapshot(self.number)));
        }
        named?;
        delete_older(&*self.disk, &self.directory, self.number)
    }

    pub(super) fn write_unfinished(&self) -> io::Result<()> {
        let path = self.directory.join(files::unfinished_snapshot(self.number));
        self.write_to(self.disk.create(&path)?).map(drop)
    }

    /// Writes the snapshot into this file and says its length; it is durable when this returns.
    ///
    /// # Errors
    /// Any of the disk.
    pub(super) fn write_to(&self, file: Box<dyn DiskFile>) -> io::Result<u64> {
        let mut output = Output { file, length: 0 };
        let start = SnapshotStart::new(&self.sealer, self.number, &self.position, self.committed_at)?;
        output.write(&line_of(&start)?)?;
        let mut own = start.own_position();
        let committed_at = self.committed_at.unwrap_or_default();
        let mut entries = self.memory.entries();
        let (mut body, mut batch) = (Vec::new(), Vec::new());
        loop {
            let mut records = Vec::with_capacity(BATCH_RECORDS);
            body.clear();
            for (key, entry) in entries.by_ref().take(BATCH_RECORDS) {
                records.push((key.as_str(), self.write_line(&mut body, key.as_str(), entry)?));
            }
            if records.is_empty() {
                break;
            }
            batch.clear();
            let records = records.into_iter();
            frame::write(&mut batch, &self.sealer, Place::Snapshot, &mut own, records, committed_at, &body)?;
            output.write(&batch)?;
        }
        output.write(&line_of(&SnapshotEnd::new(&self.sealer, self.number, self.memory.len() as u64, &own)?)?)?;
        output.file.sync()?;
        Ok(output.length)
    }

    pub(super) fn name(&self) -> io::Result<()> {
        let from = self.directory.join(files::unfinished_snapshot(self.number));
        self.disk.rename(&from, &self.directory.join(files::snapshot(self.number)))?;
        self.disk.sync_directory(&self.directory)
    }

    /// A live record keeps its revision and its seal; a tampered one gets a line that says so.
    fn write_line(&self, body: &mut Vec<u8>, key: &str, entry: &Entry) -> io::Result<u64> {
        match entry {
            Entry::Live(record) => {
                let open = Body::Value(&record.open);
                line::write(body, key, record.revision, open, &record.sealed, self.sealer.key_id());
                Ok(record.revision)
            }
            Entry::Tampered(revision) => {
                let bound = line::bound(&self.sealer, key, *revision, Body::Tampered);
                let sealed = self.sealer.seal(&bound, b"")?;
                line::write(body, key, *revision, Body::Tampered, &sealed, self.sealer.key_id());
                Ok(*revision)
            }
        }
    }
}

/// Deletes every segment and snapshot before `number`, and unfinished snapshots.
///
/// # Errors
/// Any of the disk; what is left is deleted by the next compaction or start.
pub(super) fn delete_older(disk: &dyn Disk, directory: &Path, number: u64) -> io::Result<()> {
    for name in disk.list(directory)? {
        let is_older = match files::kind(&name) {
            Kind::Journal(found) | Kind::Snapshot(found) => found < number,
            Kind::Unfinished => true,
            Kind::Other => false,
        };
        if is_older {
            disk.remove(&directory.join(name))?;
        }
    }
    disk.sync_directory(directory)
}

fn line_of(value: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}
