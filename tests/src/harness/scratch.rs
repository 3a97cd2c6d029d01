//! Where the tests of one process put their files: one directory, which goes with the process. What a killed run has left
//! is removed by the next.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

const PREFIX: &str = "mfa-tests-";

/// A directory that vanishes with the value, and at the latest with the process.
pub fn temporary_directory() -> TempDir {
    tempfile::tempdir_in(scratch()).expect("a temporary directory")
}

/// The directory of this process.
pub fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    &SCRATCH.get_or_init(Scratch::new).path
}

struct Scratch {
    path: PathBuf,
    /// Locked for as long as the process lives, however it ends.
    _lock: File,
    /// Reads from a pipe that ends when this process does, and then removes the directory. No value of this process could
    /// see to that: what is static is never dropped. Who kills the whole process group ends it as well.
    _remover: Child,
}

impl Scratch {
    fn new() -> Self {
        let parent = std::env::temp_dir();
        remove_stale(&parent);
        // It gets its name when it is locked, so that no other run takes it for stale in between.
        let made = tempfile::Builder::new().prefix("mfa-new-").tempdir_in(&parent).expect("a directory").keep();
        let lock = File::open(&made).expect("the directory opens");
        flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody else knows it");
        let name = made.file_name().and_then(|name| name.to_str()).expect("a plain name").replace("mfa-new-", PREFIX);
        let path = parent.join(name);
        fs::rename(&made, &path).expect("it gets its name");
        let remover = Command::new("sh")
            .args(["-c", "read -r _; rm -rf -- \"$1\"", "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        Self { path, _lock: lock, _remover: remover }
    }
}

/// Removes the directories of runs that are over: nobody holds their lock. What cannot be removed is somebody else's.
fn remove_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let Ok(directory) = (if is_ours { File::open(entry.path()) } else { continue }) else { continue };
        if flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
