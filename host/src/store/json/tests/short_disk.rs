//! A disk that is fast, and full after a while.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::store::disk::{Disk, DiskFile, SystemDisk};

/// The system's disk, which has no room left after so many operations. What it writes needs to outlive no power cut.
#[derive(Clone)]
pub(super) struct ShortDisk(Arc<AtomicUsize>);

impl ShortDisk {
    pub(super) fn endless() -> Self {
        Self::of(usize::MAX)
    }

    pub(super) fn of(operations: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(operations)))
    }

    fn passes(&self) -> io::Result<()> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

struct ShortFile(ShortDisk, Box<dyn DiskFile>);

impl DiskFile for ShortFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.passes()?;
        self.1.write_at(offset, bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.1.truncate(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.passes()
    }
}

impl Disk for ShortDisk {
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        SystemDisk.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.passes()?;
        Ok(Box::new(ShortFile(self.clone(), SystemDisk.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(ShortFile(self.clone(), SystemDisk.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.passes()?;
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.passes()
    }
}
