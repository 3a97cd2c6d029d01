//! A Unix socket's name has room for 107 bytes; a configuration directory may be deeper than that.

use std::{
    fs::File,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The socket's path as the kernel takes it. Valid as long as this value lives.
pub struct SocketPath {
    path: PathBuf,
    _directory: File,
}

impl SocketPath {
    /// The socket `name` in `directory`, named through the open directory, which is short however deep it lies.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn new(directory: &Path, name: &str) -> std::io::Result<Self> {
        let opened =
            std::fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(directory)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(name);
        Ok(Self { path, _directory: opened })
    }

    pub fn as_path(&self) -> &Path {
        &self.path
    }
}
