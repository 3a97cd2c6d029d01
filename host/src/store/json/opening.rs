//! Making and opening a store: lock, recover, compare with the anchor, put right what a crash left, and only then serve.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};

use super::{
    super::{
        anchor::{Anchor, Reading},
        contract::{Behind, Change, OpenError, OpenReport, Reach, StoreError},
        disk::Disk,
        sealing::Sealer,
    },
    batch::{Batch, Changed},
    files::{self, FIRST_SEGMENT, JournalStart, Kind},
    handle::Store,
    journal::Journal,
    memory::Memory,
    recovery::{self, Recovered, Refusal},
    shared::{Health, Shared},
    staging::Entrance,
    writer::Writer,
};
use crate::{
    clock::{Clock, Timestamp},
    keys::MasterKey,
};

/// By how much the revisions leap when some may have been given that are not on disk any more: more than any store gives
/// between two copies, and few enough that two million leaps stay exact in every JSON reader.
pub(super) const REVISION_LEAP: u64 = 1 << 32;

const ROOM_BYTES: u64 = 1024 * 1024;

/// What the changes of an acknowledgement are, given what was found.
pub(in super::super) type Acknowledges<'a> = &'a dyn Fn(&OpenReport) -> Vec<Change>;

/// What not every opening has.
pub(in super::super) struct Options<'a> {
    /// Compact when it is due, and not only when asked.
    pub(in super::super) compacts: bool,
    /// What the journal grows by when it grows.
    pub(in super::super) room_bytes: u64,
    /// Serve an older copy that was put back, and make these changes in the very batch that takes it for the present one.
    pub(in super::super) acknowledges: Option<Acknowledges<'a>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { compacts: true, room_bytes: ROOM_BYTES, acknowledges: None }
    }
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

pub(super) fn storage(config_directory: &Path) -> PathBuf {
    config_directory.join(".storage")
}

/// Makes an empty store.
pub(super) fn create(config_directory: &Path, disk: &dyn Disk) -> Result<(), OpenError> {
    let directory = storage(config_directory);
    let made = DirBuilder::new().mode(0o700).create(&directory);
    match made {
        // Left by an earlier attempt, or made by hand with other permissions.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(&directory, Permissions::from_mode(0o700))
        }
        made => made,
    }
    .map_err(failed("create", &directory))?;
    let _lock = lock(config_directory, &directory)?;
    let names = disk.list(&directory).map_err(failed("list", &directory))?;
    if names.iter().any(|name| files::kind(name) != Kind::Other) {
        return Err(OpenError::AlreadyThere(directory));
    }
    // The anchor of a store that is gone would make the new one look like a copy put back.
    let anchor = Anchor::path(config_directory);
    match disk.remove(&anchor) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &anchor)(error)),
        _ => {}
    }
    let path = directory.join(files::journal(FIRST_SEGMENT));
    let mut file = disk.create(&path).map_err(failed("create", &path))?;
    file.write_at(0, JournalStart::line(FIRST_SEGMENT).as_bytes())
        .and_then(|()| file.sync())
        .map_err(failed("write", &path))?;
    for folder in [&*directory, config_directory] {
        disk.sync_directory(folder).map_err(failed("sync", folder))?;
    }
    Ok(())
}

/// Opens a store.
pub(in super::super) fn open(
    config_directory: &Path,
    keys: &MasterKey,
    clock: Clock,
    disk: Arc<dyn Disk>,
    options: Options<'_>,
) -> Result<(Store, OpenReport), OpenError> {
    let (shared, writer, report) = prepare(config_directory, keys, clock.clone(), disk, options)?;
    let Some(writer) = writer else { return Ok((Store { shared, entrance: None, clock }, report)) };
    let entrance = Arc::new(Entrance(writer.staging.clone()));
    std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || writer.run())
        .map_err(failed("start the writer of", &storage(config_directory)))?;
    Ok((Store { shared, entrance: Some(entrance), clock }, report))
}

/// Everything up to the thread that writes; a store that refuses everything gets no writer.
pub(super) fn prepare(
    config_directory: &Path,
    keys: &MasterKey,
    clock: Clock,
    disk: Arc<dyn Disk>,
    options: Options<'_>,
) -> Result<(Arc<Shared>, Option<Writer>, OpenReport), OpenError> {
    let directory = storage(config_directory);
    if !directory.is_dir() {
        return Err(OpenError::Missing(directory));
    }
    let lock = lock(config_directory, &directory)?;
    let sealer = Arc::new(Sealer::new(keys));
    let anchor = Anchor::new(config_directory, disk.clone(), sealer.clone());
    let reading = anchor.read().map_err(failed("read", &Anchor::path(config_directory)))?;
    let recovered = match recover(&*disk, &directory, &sealer, &reading) {
        Ok(recovered) => recovered,
        Err(Refusal::Empty) if reading == Reading::Missing => return Err(OpenError::Missing(directory)),
        Err(Refusal::Io { path, source }) => return Err(OpenError::Io { action: "read", path, source }),
        Err(Refusal::Empty) => return Ok(damaged("all of its files are gone".to_owned(), sealer, lock)),
        Err(Refusal::Damage(reason)) => return Ok(damaged(reason, sealer, lock)),
    };
    let report = report(&recovered, &reading);
    let acknowledgement = match (&report.behind, options.acknowledges) {
        // Files and anchor stay as they are, so that the next opening finds the same.
        (Some(behind), None) => {
            let refusal = Health::Refusing(StoreError::RolledBack(*behind));
            return Ok((Arc::new(Shared::new(refusal, Memory::default(), sealer, lock)), None, report));
        }
        (Some(_), Some(acknowledges)) => acknowledges(&report),
        (None, _) => Vec::new(),
    };
    let superseded = recovered.superseded;
    let now = clock.now();
    let place = (&disk, &*directory, &sealer, options.room_bytes);
    let (journal, memory) =
        put_right(place, recovered, &reading, acknowledgement, now.wall).map_err(failed("put right", &directory))?;
    let shared = Arc::new(Shared::new(Health::Serving, memory, sealer, lock));
    let mut writer = Writer::new(shared.clone(), journal, anchor, disk, directory, clock, options.compacts);
    writer.save_anchor();
    if superseded {
        writer.compact_soon(now.boot_ms);
    }
    Ok((shared, Some(writer), report))
}

/// What opening the store would report. Takes no lock and writes nothing: only true while no other process writes.
pub(super) fn look(config_directory: &Path, keys: &MasterKey, disk: Arc<dyn Disk>) -> Result<OpenReport, OpenError> {
    let directory = storage(config_directory);
    if !directory.is_dir() {
        return Err(OpenError::Missing(directory));
    }
    let sealer = Arc::new(Sealer::new(keys));
    let reading = Anchor::new(config_directory, disk.clone(), sealer.clone())
        .read()
        .map_err(failed("read", &Anchor::path(config_directory)))?;
    let damaged = |reason| Ok(OpenReport { damage: Some(reason), ..OpenReport::default() });
    match recover(&*disk, &directory, &sealer, &reading) {
        Ok(recovered) => Ok(report(&recovered, &reading)),
        Err(Refusal::Empty) if reading == Reading::Missing => Err(OpenError::Missing(directory)),
        Err(Refusal::Io { path, source }) => Err(OpenError::Io { action: "read", path, source }),
        Err(Refusal::Empty) => damaged("all of its files are gone".to_owned()),
        Err(Refusal::Damage(reason)) => damaged(reason),
    }
}

/// Reads the files, knowing that an emptied store is none that was always empty.
pub(super) fn recover(
    disk: &dyn Disk,
    directory: &Path,
    sealer: &Sealer,
    reading: &Reading,
) -> Result<Recovered, Refusal> {
    let recovered = recovery::recover(disk, directory, sealer)?;
    match reading {
        Reading::Authentic { revision: 1.., .. } | Reading::Unauthentic if recovered.position.next_revision == 1 => {
            Err(Refusal::Damage("it is empty, and the anchor beside it says that it was not".to_owned()))
        }
        _ => Ok(recovered),
    }
}

fn report(recovered: &Recovered, reading: &Reading) -> OpenReport {
    let anchored_at = match reading {
        Reading::Authentic { committed_at, .. } => *committed_at,
        Reading::Unauthentic | Reading::Missing => None,
    };
    OpenReport {
        dropped_tail_bytes: recovered.segment.tail_bytes,
        tampered: recovered.memory.tampered(),
        behind: behind(recovered, reading),
        last_commit_ms: recovered.committed_at.max(anchored_at).map(|at| at.0),
        damage: None,
    }
}

/// Whether the anchor knows of more than the files do.
pub(super) fn behind(recovered: &Recovered, reading: &Reading) -> Option<Behind> {
    let reaches = Reach { revision: recovered.position.next_revision - 1, at: recovered.committed_at };
    let known = match reading {
        Reading::Authentic { revision, committed_at } => Some(Reach { revision: *revision, at: *committed_at }),
        Reading::Unauthentic => None,
        // Every store gets its anchor before its first commit. A backup without one reads the same as a removed one.
        Reading::Missing if reaches.revision == 0 => return None,
        Reading::Missing => None,
    };
    known.is_none_or(|known| known.revision > reaches.revision).then_some(Behind { reaches, known })
}

fn put_right(
    (disk, directory, sealer, room_bytes): (&Arc<dyn Disk>, &Path, &Arc<Sealer>, u64),
    recovered: Recovered,
    reading: &Reading,
    acknowledgement: Vec<Change>,
    now: Timestamp,
) -> io::Result<(Journal, Memory)> {
    let leaps = recovered.segment.tail_bytes > 0 || behind(&recovered, reading).is_some();
    let Recovered { mut memory, position, committed_at, segment, journal_bytes, leftovers, .. } = recovered;
    let tail_bytes = segment.tail_bytes;
    let known = match reading {
        Reading::Authentic { revision, .. } => (*revision + 1).max(position.next_revision),
        _ => position.next_revision,
    };
    let mut journal = Journal::open(
        disk.clone(),
        directory,
        sealer.clone(),
        segment,
        position,
        (committed_at, journal_bytes),
        room_bytes,
    )?;
    if leaps {
        let first_revision = known + REVISION_LEAP;
        let mut batch = Batch::default();
        for (revision, change) in (first_revision..).zip(acknowledgement) {
            batch.add(sealer, revision, change)?;
        }
        let records = batch.changes.iter().map(|changed| (changed.key.as_str(), changed.revision));
        journal.leap(first_revision, now, tail_bytes, records, &batch.body)?;
        for Changed { key, entry, .. } in batch.changes {
            memory.apply(key, entry);
        }
    }
    for name in leftovers {
        disk.remove(&directory.join(name))?;
    }
    disk.sync_directory(directory)?;
    Ok((journal, memory))
}

fn damaged(reason: String, sealer: Arc<Sealer>, lock: File) -> (Arc<Shared>, Option<Writer>, OpenReport) {
    let health = Health::Refusing(StoreError::Damaged(reason.clone()));
    let shared = Arc::new(Shared::new(health, Memory::default(), sealer, lock));
    (shared, None, OpenReport { damage: Some(reason), ..OpenReport::default() })
}

/// The lock is bound to the open file, which no worker inherits: std opens every file close-on-exec.
pub(super) fn lock(config_directory: &Path, directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    hold(file, &path, config_directory)
}

/// Takes the lock. Who moved the folder away meanwhile, with the lock in it, put another store in its place, which this
/// lock does not guard.
fn hold(file: File, path: &Path, config_directory: &Path) -> Result<File, OpenError> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::Locked(config_directory.to_owned())),
        Err(error) => return Err(failed("lock", path)(error.into())),
    }
    let held = file.metadata().map_err(failed("look at", path))?;
    match std::fs::metadata(path) {
        Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => Ok(file),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("look at", path)(error)),
        _ => Err(OpenError::Locked(config_directory.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_a_folder_that_was_moved_away_guards_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let directory = storage(folder.path());
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("lock");
        // Opened, and not yet locked, when a restore puts another folder in the place of this one.
        let late = File::create(&path).unwrap();
        std::fs::rename(&directory, folder.path().join("aside")).unwrap();
        assert!(matches!(hold(late.try_clone().unwrap(), &path, folder.path()), Err(OpenError::Locked(_))));
        std::fs::create_dir(&directory).unwrap();
        let held = lock(folder.path(), &directory).unwrap();
        assert!(matches!(hold(late, &path, folder.path()), Err(OpenError::Locked(_))));
        assert!(matches!(lock(folder.path(), &directory), Err(OpenError::Locked(_))));
        drop(held);
        lock(folder.path(), &directory).unwrap();
    }
}
