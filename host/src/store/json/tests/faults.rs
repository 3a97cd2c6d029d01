//! A disk whose operations fail: after a failed write or sync there is no further "yes" until a restart.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    life::Life,
    power::{Dice, Fault, PowerDisk},
    *,
};
use crate::store::{
    contract::{CommitError, StoreError},
    disk::DiskFile,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Write,
    Sync,
    Create,
    Rename,
}

#[derive(Clone, Default)]
struct FaultyDisk {
    fails: Arc<Mutex<Option<Operation>>>,
    failed: Arc<AtomicBool>,
}

impl FaultyDisk {
    fn fail(&self, operation: Option<Operation>) {
        *self.fails.lock().unwrap() = operation;
    }

    fn passes(&self, operation: Operation) -> io::Result<()> {
        if *self.fails.lock().unwrap() == Some(operation) {
            self.failed.store(true, Ordering::Relaxed);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.disk.passes(Operation::Write) {
            self.file.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write_at(offset, bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.passes(Operation::Sync)?;
        self.file.sync()
    }
}

impl Disk for FaultyDisk {
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        SystemDisk.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.passes(Operation::Create)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), file: SystemDisk.create(path)? }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FaultyFile { disk: self.clone(), file: SystemDisk.open(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.passes(Operation::Rename)?;
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(directory)
    }
}

#[tokio::test]
async fn a_failed_write_or_sync_ends_every_yes_until_a_restart() {
    for operation in [Operation::Write, Operation::Sync] {
        let place = Place::new();
        let disk = FaultyDisk::default();
        let (store, _) = place.open_on(Arc::new(disk.clone()), false);
        write(&store, "a", 1).await;
        disk.fail(Some(operation));
        let refused = store.commit(vec![put("a", 2)], vec![]).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Poisoned(_)))));
        disk.fail(None);
        assert!(matches!(store.read(&key("a")).await, Err(StoreError::Poisoned(_))));
        assert!(store.scan("").await.is_err());
        assert!(store.commit(vec![put("a", 3)], vec![]).await.is_err());
        store.close().await;
        let (store, report) = place.open();
        assert!(report.damage.is_none() && report.behind.is_none());
        // A batch that was written whole may be there although nobody was told; half of one may not.
        let expected = if operation == Operation::Write { 1 } else { 2 };
        assert_eq!(number(&store, "a").await, Some(expected));
    }
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_named_loses_nothing_and_a_segment_that_cannot_be_written_poisons() {
    let place = Place::new();
    let disk = FaultyDisk::default();
    let (store, _) = place.open_on(Arc::new(disk.clone()), false);
    write(&store, "a", 1).await;
    disk.fail(Some(Operation::Rename));
    assert!(!store.compact().await);
    write(&store, "a", 2).await;
    disk.fail(None);
    assert!(store.compact().await);
    write(&store, "a", 3).await;
    disk.fail(Some(Operation::Write));
    assert!(!store.compact().await);
    assert!(store.read(&key("a")).await.is_err());
    assert!(disk.failed.load(Ordering::Relaxed));
    store.close().await;
    assert_eq!(number(&place.open().0, "a").await, Some(3));
}

/// As when there are no file descriptors left: whoever opens many connections must not be able to stop the store.
#[tokio::test]
async fn a_segment_that_cannot_be_created_is_no_reason_to_stop() {
    let place = Place::new();
    let disk = FaultyDisk::default();
    let (store, _) = place.open_on(Arc::new(disk.clone()), false);
    write(&store, "a", 1).await;
    disk.fail(Some(Operation::Create));
    assert!(!store.compact().await);
    assert!(disk.failed.load(Ordering::Relaxed));
    assert_eq!(number(&store, "a").await, Some(1));
    write(&store, "a", 2).await;
    disk.fail(None);
    assert!(store.compact().await);
    write(&store, "a", 3).await;
    store.close().await;
    let (store, report) = place.open();
    assert!(report.damage.is_none() && report.behind.is_none());
    assert_eq!(number(&store, "a").await, Some(3));
}

/// Its thread names and deletes files; whoever gets the lock after the writer may have others of these names.
#[test]
fn a_writer_that_fails_waits_for_the_compaction_beside_it() {
    let place = Place::new();
    let disk = PowerDisk::default();
    opening::create(place.path(), &disk).unwrap();
    let (mut life, _) = Life::begin(&place, &disk).unwrap();
    let (shared, has_ended) = (life.shared.clone(), Arc::new(AtomicBool::new(false)));
    let ends = has_ended.clone();
    life.writer.compaction = Some(std::thread::spawn(move || {
        while shared.serving().is_ok() {
            std::thread::yield_now();
        }
        (0..1000).for_each(|_| std::thread::yield_now());
        ends.store(true, Ordering::SeqCst);
        Ok(())
    }));
    disk.fail_after(0, Fault::Broken, Dice(1));
    let mut asked = life.ask(vec![put("a", 1)], vec![]).unwrap();
    life.writer.run();
    assert!(matches!(asked.try_recv().unwrap(), Err(CommitError::Store(StoreError::Poisoned(_)))));
    assert!(has_ended.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_snapshot_that_was_not_finished_takes_no_room() {
    let place = Place::new();
    let disk = FaultyDisk::default();
    let (store, _) = place.open_on(Arc::new(disk.clone()), false);
    for _ in 0..3 {
        write(&store, "a", 1).await;
        disk.fail(Some(Operation::Rename));
        assert!(!store.compact().await);
        disk.fail(None);
    }
    let unfinished: Vec<_> = place.image().into_keys().filter(|path| path.extension().unwrap() == "tmp").collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
}

#[tokio::test]
async fn an_anchor_that_cannot_be_written_is_no_reason_to_stop() {
    let place = Place::new();
    let disk = FaultyDisk::default();
    disk.fail(Some(Operation::Create));
    let (store, _) = place.open_on(Arc::new(disk), false);
    write(&store, "a", 1).await;
    store.close().await;
    let (store, report) = place.open_older();
    assert!(report.behind.is_some(), "without an anchor nobody knows");
    assert_eq!(number(&store, "a").await, Some(1));
}
