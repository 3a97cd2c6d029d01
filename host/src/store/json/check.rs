//! A look at the files of a store that changes nothing.

use std::{path::Path, sync::Arc};

use super::{
    super::{
        anchor::{Anchor, Reading},
        contract::{CheckReport, OpenError},
        disk::Disk,
        sealing::Sealer,
    },
    opening::{behind, failed, lock, storage},
    recovery::{self, Recovered, Refusal},
};
use crate::keys::MasterKey;

/// Of a stopped host.
///
/// # Errors
/// Missing, locked by another process, or I/O that says nothing of the content.
pub(super) fn stopped(
    config_directory: &Path,
    keys: &MasterKey,
    disk: Arc<dyn Disk>,
) -> Result<CheckReport, OpenError> {
    let directory = storage(config_directory);
    if !directory.is_dir() {
        return Err(OpenError::Missing(directory));
    }
    let _lock = lock(config_directory, &directory)?;
    let sealer = Arc::new(Sealer::new(keys));
    let anchor = Anchor::new(config_directory, disk.clone(), sealer.clone());
    let reading = anchor.read().map_err(failed("read", &Anchor::path(config_directory)))?;
    Ok(match recovery::recover(&*disk, &directory, &sealer) {
        Ok(found) => {
            let was_used = matches!(reading, Reading::Authentic { revision: 1.., .. } | Reading::Unauthentic);
            let emptied = found.position.next_revision == 1 && was_used;
            let damage = emptied.then(|| "it is empty, and the anchor beside it says that it was not".to_owned());
            CheckReport { damage, behind: behind(&found, &reading), ..report(&found) }
        }
        Err(refusal) => damaged(&refusal),
    })
}

/// Of a running host, which has acknowledged everything up to this revision.
pub(super) fn against(disk: &dyn Disk, directory: &Path, sealer: &Sealer, last_revision: u64) -> CheckReport {
    match recovery::recover(disk, directory, sealer) {
        Ok(found) if found.position.next_revision - 1 == last_revision => report(&found),
        Ok(found) => CheckReport {
            damage: Some(format!(
                "the files end with change {}, and the host has acknowledged {last_revision}",
                found.position.next_revision - 1
            )),
            ..report(&found)
        },
        Err(refusal) => damaged(&refusal),
    }
}

fn report(found: &Recovered) -> CheckReport {
    CheckReport {
        records: found.memory.len(),
        tampered: found.memory.tampered(),
        unfinished_bytes: found.segment.tail_bytes,
        ..CheckReport::default()
    }
}

fn damaged(refusal: &Refusal) -> CheckReport {
    CheckReport { damage: Some(refusal.told()), ..CheckReport::default() }
}
