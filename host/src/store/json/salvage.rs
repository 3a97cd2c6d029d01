//! What can be kept of a damaged store: reads its files and lets each of the ways they could belong together speak for
//! itself. Writes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    super::{contract::Loss, disk::Disk, sealing::Sealer},
    files::{self, FIRST_SEGMENT, FORMAT, Kind},
    frame::Position,
    memory::Memory,
    recovery::Refusal,
    walk::Walk,
};
use crate::clock::Timestamp;

/// What can be kept.
pub(super) struct Salvaged {
    pub(super) memory: Memory,
    /// Where the next batch has to fit; behind every revision that was ever given.
    pub(super) position: Position,
    pub(super) committed_at: Option<Timestamp>,
    /// Empty if whatever is missing is known by its key, and refused.
    pub(super) lost: Vec<Loss>,
}

/// Reads all files. `known_revision` is the highest that was durable for certain.
///
/// # Errors
/// When nothing is authentic, when the store is of a newer format, or when the disk does not give the files' content.
pub(super) fn salvage(
    disk: &dyn Disk,
    directory: &Path,
    sealer: &Sealer,
    known_revision: u64,
) -> Result<Salvaged, Refusal> {
    let io = |path: PathBuf| move |source| Refusal::Io { path, source };
    let names = disk.list(directory).map_err(io(directory.to_owned()))?;
    let mut contents = BTreeMap::new();
    let mut snapshots = BTreeSet::new();
    let mut journals = BTreeSet::new();
    for name in names {
        match files::kind(&name) {
            Kind::Journal(number) => drop(journals.insert(number)),
            Kind::Snapshot(number) => drop(snapshots.insert(number)),
            Kind::Unfinished | Kind::Other => continue,
        }
        let path = directory.join(&name);
        let bytes = disk.read(&path).map_err(io(path))?;
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if files::format_of(first).is_some_and(|format| format > FORMAT) {
            return Err(Refusal::Damage(format!("{name} was written by a newer mfa-host")));
        }
        contents.insert(name, bytes);
    }
    let mut beginnings: Vec<Option<u64>> = snapshots.iter().rev().copied().map(Some).collect();
    if snapshots.is_empty() || journals.contains(&FIRST_SEGMENT) {
        beginnings.push(None);
    }
    // An older snapshot is there only if a crash kept it from being deleted; then everything since is there as well.
    let mut best = None;
    for snapshot in beginnings {
        let mut walk = Walk::new(sealer);
        if let Some(number) = snapshot {
            let name = files::snapshot(number);
            walk.snapshot(&name, &contents[&name]);
        }
        for number in journals.range(snapshot.unwrap_or(FIRST_SEGMENT)..) {
            let name = files::journal(*number);
            walk.segment(&name, &contents[&name]);
        }
        walk.end(known_revision);
        if walk.proved > 0 && (walk.lost.is_empty() || best.is_none()) {
            let is_whole = walk.lost.is_empty();
            best = Some(walk.salvaged(known_revision));
            if is_whole {
                break;
            }
        }
    }
    best.ok_or_else(|| Refusal::Damage("no part of it is authentic under this key".to_owned()))
}
