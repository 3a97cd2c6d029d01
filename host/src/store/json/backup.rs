//! A backup: the snapshot of one moment, sealed and authenticated as every snapshot is, in a file of its own.

use std::path::Path;

use super::{
    super::{
        contract::{BackupError, BackupReport},
        disk::Disk,
    },
    compaction::Compaction,
    opening::failed,
};

/// Writes the file as a whole or not at all; an existing one is left alone.
///
/// # Errors
/// [`BackupError`].
pub(super) fn write(disk: &dyn Disk, all: &Compaction, file: &Path) -> Result<BackupReport, BackupError> {
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Taken(file.to_owned()));
    }
    let folder = file.parent().filter(|folder| folder.is_absolute()).unwrap_or_else(|| Path::new("/"));
    if folder.canonicalize().map_err(failed("open", folder))? == all.directory {
        return Err(BackupError::Inside(file.to_owned()));
    }
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = Path::new(&unfinished);
    let output = disk.create(unfinished).map_err(failed("create", unfinished))?;
    let written = all.write_to(output).and_then(|bytes| {
        disk.rename(unfinished, file)?;
        disk.sync_directory(folder)?;
        Ok(bytes)
    });
    match written {
        Ok(bytes) => Ok(BackupReport { records: all.memory.len(), bytes }),
        Err(error) => {
            // Half a backup is of no use to anybody.
            let _ = disk.remove(unfinished);
            Err(failed("write", file)(error).into())
        }
    }
}
