//! Puts a backup in the place of a store. The backup is read and judged as a whole before anything is moved; the anchor
//! then says that more was acknowledged than the backup holds, so that the next opening takes it for what it is: an
//! older copy. The opening that acknowledges it lets the revisions leap and ends what was open.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use super::{
    super::{
        anchor::{Anchor, Reading},
        contract::{BackupError, BackupReport},
        disk::{Disk, DiskFile},
        sealing::Sealer,
    },
    files::{self, FIRST_SEGMENT, JournalStart, Kind},
    opening::{failed, lock, storage},
    recovery::{self, Recovered},
};
use crate::keys::MasterKey;

const STAGING: &str = ".storage-restoring";

/// Of a stopped host.
///
/// # Errors
/// [`BackupError`]; the store is as it was.
pub(super) fn restore(
    config_directory: &Path,
    keys: &MasterKey,
    file: &Path,
    aside: &Path,
    replaces: bool,
    disk: Arc<dyn Disk>,
) -> Result<BackupReport, BackupError> {
    let directory = storage(config_directory);
    let is_there = directory.is_dir();
    let lock = is_there.then(|| lock(config_directory, &directory)).transpose()?;
    if is_there && !replaces {
        let names = disk.list(&directory).map_err(failed("list", &directory))?;
        if names.iter().any(|name| files::kind(name) != Kind::Other) {
            return Err(BackupError::Live(directory));
        }
    }
    let bytes = disk.read(file).map_err(failed("read", file))?;
    let sealer = Arc::new(Sealer::new(keys));
    let staging = config_directory.join(STAGING);
    let found = stage(&*disk, &staging, |mut file| {
        file.write_at(0, &bytes)?;
        file.sync()
    })
    .map_err(failed("write", &staging))
    .map_err(BackupError::from);
    let judged = found.and_then(|()| judge(&*disk, &staging, &sealer, file));
    let found = match judged {
        Ok(found) => found,
        Err(error) => {
            // The staging folder holds nothing but what was just written.
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
    };
    let anchor = Anchor::new(config_directory, disk.clone(), sealer);
    let reading = anchor.read().map_err(failed("read", &Anchor::path(config_directory)))?;
    let (known, anchored_at) = match reading {
        Reading::Authentic { revision, committed_at } => (revision, committed_at),
        Reading::Missing | Reading::Unauthentic => (0, None),
    };
    let ahead = known.max(found.position.next_revision - 1) + 1;
    anchor
        .write(ahead, found.committed_at.max(anchored_at))
        .map_err(failed("write", &Anchor::path(config_directory)))?;
    let aside = is_there.then_some(aside);
    if let Err(error) = put_in_place(&*disk, &staging, &directory, aside) {
        // An anchor that says more would keep the store that is still there from being served.
        if let Reading::Authentic { revision, committed_at } = reading {
            let path = Anchor::path(config_directory);
            anchor.write(revision, committed_at).map_err(failed("write back", &path))?;
        }
        return Err(failed("move", &directory)(error).into());
    }
    disk.sync_directory(config_directory).map_err(failed("sync", config_directory))?;
    drop(lock);
    Ok(BackupReport { records: found.memory.len(), bytes: bytes.len() as u64 })
}

/// The store that is there goes `aside`, and comes back if the other cannot take its place.
fn put_in_place(disk: &dyn Disk, staging: &Path, directory: &Path, aside: Option<&Path>) -> io::Result<()> {
    if let Some(aside) = aside {
        disk.rename(directory, aside)?;
    }
    disk.rename(staging, directory).inspect_err(|_| {
        if let Some(aside) = aside {
            // If that fails as well, the error names the place, and the store is whole where it is.
            let _ = disk.rename(aside, directory);
        }
    })
}

/// A store of its own in a new folder: the snapshot that `write` writes, and a journal with nothing in it.
pub(super) fn stage(
    disk: &dyn Disk,
    staging: &Path,
    write: impl FnOnce(Box<dyn DiskFile>) -> io::Result<()>,
) -> io::Result<()> {
    match std::fs::remove_dir_all(staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(staging)?;
    write(disk.create(&staging.join(files::snapshot(FIRST_SEGMENT)))?)?;
    let mut journal = disk.create(&staging.join(files::journal(FIRST_SEGMENT)))?;
    journal.write_at(0, JournalStart::line(FIRST_SEGMENT).as_bytes())?;
    journal.sync()?;
    disk.sync_directory(staging)
}

fn judge(disk: &dyn Disk, staging: &Path, sealer: &Sealer, file: &Path) -> Result<Recovered, BackupError> {
    let refused = |reason: String| BackupError::Refused { file: file.to_owned(), reason };
    let found = recovery::recover(disk, staging, sealer).map_err(|refusal| refused(refusal.told()))?;
    if found.position.next_revision == 1 { Err(refused("it holds nothing".to_owned())) } else { Ok(found) }
}
