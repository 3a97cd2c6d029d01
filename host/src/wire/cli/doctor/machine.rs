//! What the machine gives: room on the disk and the right time.

use std::path::Path;

use super::super::findings::Finding;
use crate::system_clock::SystemClock;

const MIB: u64 = 1024 * 1024;
/// Below this a compaction of a small store may already fail.
const ROOM_FAIL_MIB: u64 = 32;
const ROOM_WARN_MIB: u64 = 512;
/// Every snapshot and segment is a file.
const FILES_WARN: u64 = 1000;

/// Room for the store, in bytes and in files.
pub fn of_disk(config_directory: &Path) -> Finding {
    let storage = config_directory.join(".storage");
    let place = if storage.is_dir() { &*storage } else { config_directory };
    match rustix::fs::statvfs(place) {
        Ok(room) => {
            let files = (room.f_files > 0).then_some(room.f_favail);
            of_room(place, room.f_bavail.saturating_mul(room.f_frsize) / MIB, files)
        }
        Err(error) => Finding::fail(
            "disk",
            format!("{}: the room left is unknown: {error}", place.display()),
            "see that the disk is mounted and readable",
        ),
    }
}

/// `files`: how many more the disk can hold; none where it has no such limit.
fn of_room(place: &Path, room_mib: u64, files: Option<u64>) -> Finding {
    let shown = place.display();
    let message = format!("{room_mib} MiB are free for {shown}");
    let remedy = "free space: without room no login is acknowledged";
    if room_mib < ROOM_FAIL_MIB {
        return Finding::fail("disk", message, remedy);
    }
    match files {
        Some(0) => Finding::fail("disk", format!("no file can be added to {shown}"), "remove files or add inodes"),
        Some(files) if files < FILES_WARN => {
            Finding::warn("disk", format!("{files} files can be added to {shown}"), "remove files or add inodes")
        }
        _ if room_mib < ROOM_WARN_MIB => Finding::warn("disk", message, remedy),
        _ => Finding::ok("disk", message),
    }
}

/// Whether something keeps the clock right.
pub fn of_clock() -> Finding {
    match SystemClock::look() {
        SystemClock::Synchronised => Finding::ok("clock", "the system clock is synchronised"),
        SystemClock::NotSynchronised => Finding::warn(
            "clock",
            "the system clock is not synchronised: codes that follow the time will fail once it is off",
            "run a time service, for example: systemctl enable --now systemd-timesyncd",
        ),
        SystemClock::Unknown => Finding::warn(
            "clock",
            "the system does not say whether its clock is synchronised",
            "see that a time service runs on this machine, or on the one that contains it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::findings::Level, *};

    #[test]
    fn little_room_warns_and_none_fails() {
        let level = |room, files| of_room(Path::new("d"), room, files).level;
        assert_eq!(level(ROOM_WARN_MIB, None), Level::Ok);
        assert_eq!(level(ROOM_WARN_MIB, Some(FILES_WARN)), Level::Ok);
        assert_eq!(level(ROOM_WARN_MIB - 1, None), Level::Warn);
        assert_eq!(level(ROOM_WARN_MIB, Some(FILES_WARN - 1)), Level::Warn);
        assert_eq!(level(ROOM_FAIL_MIB - 1, Some(FILES_WARN)), Level::Fail);
        assert_eq!(level(ROOM_WARN_MIB, Some(0)), Level::Fail);
    }
}
