//! The last segment, open for writing: one batch at a time, each durable before the next.

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
    files::{self, JournalStart},
    frame::{self, Place, Position},
    recovery::Segment,
};
use crate::clock::Timestamp;

pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    sealer: Arc<Sealer>,
    file: Box<dyn DiskFile>,
    segment: u64,
    length: u64,
    /// Where the room ends that is on disk already, filled with ends of lines: overwriting it changes the content of the
    /// file and nothing else, so that a sync has nothing else to write.
    room: u64,
    room_bytes: u64,
    position: Position,
    committed_at: Option<Timestamp>,
    /// Of all segments since the last snapshot.
    bytes: u64,
    /// The last batch; kept for its room.
    batch: Vec<u8>,
}

/// Why there is no new segment.
pub(super) enum NoSegment {
    /// There is no such file, and the journal goes on where it was: a file could not be created, for want of file
    /// descriptors perhaps, and that passes.
    NotMade(io::Error),
    /// Any error of the disk. This journal must not be used again: the new segment may be there, and a torn batch in the
    /// former one would look like damage then.
    Unknown(io::Error),
}

impl From<io::Error> for NoSegment {
    fn from(error: io::Error) -> Self {
        Self::Unknown(error)
    }
}

/// Room that is kept for the next batch.
const BATCH_BYTES_KEPT: usize = 256 * 1024;

impl Journal {
    /// Opens the last segment that recovery found and writes its last batch once more, or its first line if it has no
    /// batch. After a failed sync the system may show what never reached the disk; written again, it does, before anything
    /// rests on it.
    ///
    /// # Errors
    /// Any of the disk; the content is as it was.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        sealer: Arc<Sealer>,
        segment: Segment,
        position: Position,
        (committed_at, bytes): (Option<Timestamp>, u64),
        room_bytes: u64,
    ) -> io::Result<Self> {
        let mut file = disk.open(&directory.join(files::journal(segment.number)))?;
        let mut length = segment.length;
        match &segment.last_batch {
            Some((offset, batch)) => file.write_at(*offset, batch)?,
            None => {
                let line = JournalStart::line(segment.number);
                file.write_at(0, line.as_bytes())?;
                length = line.len() as u64;
            }
        }
        file.sync()?;
        disk.sync_directory(directory)?;
        Ok(Self {
            disk,
            directory: directory.to_owned(),
            sealer,
            file,
            segment: segment.number,
            length,
            room: length.max(segment.room),
            room_bytes,
            position,
            committed_at,
            bytes,
            batch: Vec::new(),
        })
    }

    /// Writes a batch that begins a new range of revisions, with or without records, over the `tail_bytes` behind the last batch,
    /// and then cuts off what remains. The mark is durable before the tail is gone: the revisions that the tail may have
    /// held are not given again, whenever a crash comes. The tail is zeroed first, so that a torn mark never mixes with
    /// an older header into something that looks edited.
    ///
    /// # Errors
    /// Any of the disk.
    pub(super) fn leap<'a>(
        &mut self,
        first_revision: u64,
        committed_at: Timestamp,
        tail_bytes: u64,
        records: impl ExactSizeIterator<Item = (&'a str, u64)> + Clone,
        body: &[u8],
    ) -> io::Result<()> {
        if tail_bytes > 0 {
            let zeros = vec![0; usize::try_from(tail_bytes).map_err(io::Error::other)?];
            self.file.write_at(self.length, &zeros)?;
            self.file.sync()?;
        }
        self.position.next_revision = first_revision;
        self.append(records, committed_at, body)?;
        self.give_room_back()
    }

    /// The file ends with its last batch from now on, until the next one.
    ///
    /// # Errors
    /// Any of the disk.
    pub(super) fn give_room_back(&mut self) -> io::Result<()> {
        self.room = self.length;
        self.file.truncate(self.length)?;
        self.file.sync()
    }

    /// Writes a batch and makes it durable.
    ///
    /// # Errors
    /// Any of the disk. What is on disk is then unknown, and this journal must not be used again.
    pub(super) fn append<'a>(
        &mut self,
        records: impl ExactSizeIterator<Item = (&'a str, u64)> + Clone,
        committed_at: Timestamp,
        body: &[u8],
    ) -> io::Result<()> {
        if records.clone().next().is_some_and(|(_, revision)| revision != self.position.next_revision) {
            return Err(io::Error::other("the revisions of a batch do not follow those before it"));
        }
        self.batch.clear();
        frame::write(&mut self.batch, &self.sealer, Place::Journal, &mut self.position, records, committed_at, body)?;
        let bytes = self.batch.len();
        let end = self.length + bytes as u64;
        if end > self.room {
            self.room = end + self.room_bytes;
            self.batch.resize(bytes + usize::try_from(self.room_bytes).map_err(io::Error::other)?, b'\n');
        }
        self.file.write_at(self.length, &self.batch)?;
        self.file.sync()?;
        self.length = end;
        self.bytes += bytes as u64;
        self.committed_at = Some(committed_at);
        self.batch.shrink_to(BATCH_BYTES_KEPT);
        Ok(())
    }

    /// Goes on in a new segment, which is on disk with its name when this returns.
    ///
    /// # Errors
    /// [`NoSegment`].
    pub(super) fn next_segment(&mut self) -> Result<(), NoSegment> {
        let number = self.segment + 1;
        let line = JournalStart::line(number);
        let mut file = self.create(&self.directory.join(files::journal(number)))?;
        file.write_at(0, line.as_bytes())?;
        file.sync()?;
        self.disk.sync_directory(&self.directory)?;
        self.file = file;
        self.segment = number;
        self.length = line.len() as u64;
        self.room = self.length;
        self.bytes = self.length;
        Ok(())
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, NoSegment> {
        self.disk.create(path).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return NoSegment::Unknown(error);
            }
            match self.disk.remove(path) {
                Err(absent) if absent.kind() == io::ErrorKind::NotFound => NoSegment::NotMade(error),
                _ => NoSegment::Unknown(error),
            }
        })
    }

    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    /// Where the next batch goes.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    pub(super) fn last_revision(&self) -> u64 {
        self.position.next_revision - 1
    }

    pub(super) fn committed_at(&self) -> Option<Timestamp> {
        self.committed_at
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
