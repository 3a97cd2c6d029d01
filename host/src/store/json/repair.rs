//! Makes a sound store of what is authentic in a damaged one. It is written beside the damaged one, read back, and only
//! then put in its place; the damaged files are moved aside as they are. A crash leaves the damaged store, or, between the
//! two renames, none: the next repair then makes the second one. If anything is lost without a name, the anchor says
//! first that more was known, so that nothing is served before an admin has acknowledged it.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use super::{
    super::{
        anchor::{Anchor, Reading},
        contract::{Behind, OpenError, Reach, RepairDeed, RepairError, Repaired},
        disk::Disk,
        sealing::Sealer,
    },
    compaction::Compaction,
    files::FIRST_SEGMENT,
    opening::{self, behind, failed, lock, storage},
    recovery::{self, Recovered, Refusal},
    restore::stage,
    salvage::{Salvaged, salvage},
};
use crate::keys::MasterKey;

const STAGING: &str = ".storage-repairing";

/// Of a stopped host.
///
/// # Errors
/// [`RepairError`]; the store is as it was, or the next repair takes the last step.
pub(super) fn repair(
    config_directory: &Path,
    keys: &MasterKey,
    aside: &Path,
    disk: Arc<dyn Disk>,
) -> Result<Repaired, RepairError> {
    let directory = storage(config_directory);
    let staging = config_directory.join(STAGING);
    let sealer = Arc::new(Sealer::new(keys));
    let anchor = Anchor::new(config_directory, disk.clone(), sealer.clone());
    let reading = anchor.read().map_err(failed("read", &Anchor::path(config_directory)))?;
    if !directory.is_dir() {
        return finish(&*disk, config_directory, &staging, &sealer, &reading);
    }
    let lock = lock(config_directory, &directory)?;
    let reason = match opening::recover(&*disk, &directory, &sealer, &reading) {
        Ok(found) => return Ok(told(RepairDeed::NothingToDo, &found, &reading)),
        Err(Refusal::Damage(reason)) => reason,
        Err(refusal) => return Err(refused(&directory, refusal, "")),
    };
    let (known_revision, anchored_at) = match reading {
        Reading::Authentic { revision, committed_at } => (revision, committed_at),
        Reading::Missing | Reading::Unauthentic => (0, None),
    };
    let Salvaged { memory, position, committed_at, lost } = salvage(&*disk, &directory, &sealer, known_revision)
        .map_err(|refusal| refused(&directory, refusal, &reason))?;
    let next_revision = position.next_revision;
    let number = FIRST_SEGMENT;
    let written = Compaction {
        disk: disk.clone(),
        directory: staging.clone(),
        sealer: sealer.clone(),
        number,
        position,
        committed_at,
        memory,
    };
    let staged = stage(&*disk, &staging, |file| written.write_to(file).map(drop)).map_err(failed("write", &staging));
    let read_back = staged.map_err(RepairError::from).and_then(|()| {
        let found = recovery::recover(&*disk, &staging, &sealer).map_err(|refusal| refused(&staging, refusal, ""))?;
        let is_same =
            found.memory.len() == written.memory.len() && found.memory.tampered() == written.memory.tampered();
        let reason = "what was written does not read back".to_owned();
        if is_same { Ok(found) } else { Err(RepairError::Hopeless { directory: staging.clone(), reason }) }
    });
    let found = match read_back {
        Ok(found) => found,
        Err(error) => {
            // The staging folder holds nothing but what was just written.
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
    };
    let mut repaired = Repaired { aside: Some(aside.to_owned()), ..told(RepairDeed::Repaired, &found, &reading) };
    if !lost.is_empty() {
        let known = Reach { revision: next_revision, at: committed_at.max(anchored_at) };
        let path = Anchor::path(config_directory);
        anchor.write(known.revision, known.at).map_err(failed("write", &path))?;
        let reaches = Reach { revision: next_revision - 1, at: committed_at };
        (repaired.lost, repaired.behind) = (lost, Some(Behind { reaches, known: Some(known) }));
    }
    std::fs::set_permissions(&directory, Permissions::from_mode(0o700)).map_err(failed("close", &directory))?;
    disk.rename(&directory, aside).map_err(failed("move", &directory))?;
    put_in_place(&*disk, config_directory, &staging)?;
    drop(lock);
    Ok(repaired)
}

/// There is no store, and what an interrupted repair had written lies beside its place.
fn finish(
    disk: &dyn Disk,
    config_directory: &Path,
    staging: &Path,
    sealer: &Sealer,
    reading: &Reading,
) -> Result<Repaired, RepairError> {
    let missing = || RepairError::from(OpenError::Missing(storage(config_directory)));
    if !staging.is_dir() {
        return Err(missing());
    }
    let lock = lock(config_directory, staging)?;
    // The damaged store is moved away only when this one has been read back.
    let found = opening::recover(disk, staging, sealer, reading).map_err(|_| missing())?;
    put_in_place(disk, config_directory, staging)?;
    drop(lock);
    Ok(told(RepairDeed::Finished, &found, reading))
}

fn put_in_place(disk: &dyn Disk, config_directory: &Path, staging: &Path) -> Result<(), OpenError> {
    disk.rename(staging, &storage(config_directory)).map_err(failed("move", staging))?;
    disk.sync_directory(config_directory).map_err(failed("sync", config_directory))
}

fn told(deed: RepairDeed, found: &Recovered, reading: &Reading) -> Repaired {
    Repaired {
        deed,
        records: found.memory.len(),
        tampered: found.memory.tampered(),
        lost: Vec::new(),
        aside: None,
        behind: behind(found, reading),
    }
}

fn refused(directory: &Path, refusal: Refusal, reason: &str) -> RepairError {
    match refusal {
        Refusal::Io { path, source } => OpenError::Io { action: "read", path, source }.into(),
        refusal => {
            let told = refusal.told();
            let reason = if reason.is_empty() { told } else { format!("{told} ({reason})") };
            RepairError::Hopeless { directory: directory.to_owned(), reason }
        }
    }
}
