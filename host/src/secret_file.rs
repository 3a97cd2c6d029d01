//! Secrets an admin keeps in files of their own: read only when nobody else can read or write them.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// More than this is not a password or token.
const FILE_BYTES_MAX: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("read {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a file of 1 to {bytes_max} bytes")]
    NotASecret { path: PathBuf, bytes_max: u64 },
    #[error("{0} can be read or written by others; run: chmod 600 {0}")]
    Exposed(PathBuf),
    #[error("{path} belongs to user id {owner}; run: chown {wanted} {path}")]
    ForeignOwner { path: PathBuf, owner: u32, wanted: u32 },
}

/// The secret without the line's end. The file is 0600 and belongs to root or the host's user.
///
/// # Errors
/// The file is missing, empty, too large, somebody else's or open to others.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    read_up_to(path, FILE_BYTES_MAX)
}

/// Like [`read`], for what is longer than a password.
///
/// # Errors
/// As those of [`read`].
pub fn read_up_to(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let no_secret = || SecretFileError::NotASecret { path: path.to_owned(), bytes_max };
    let io = |source| SecretFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    // Asked of the open file, so that what was checked is what is read.
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() || !(1..=bytes_max).contains(&metadata.len()) {
        return Err(no_secret());
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(SecretFileError::Exposed(path.to_owned()));
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != own {
        return Err(SecretFileError::ForeignOwner { path: path.to_owned(), owner: metadata.uid(), wanted: own });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(bytes_max as usize));
    file.take(bytes_max).read_to_end(&mut content).map_err(io)?;
    while matches!(content.last(), Some(b'\n' | b'\r')) {
        content.pop();
    }
    if content.is_empty() { Err(no_secret()) } else { Ok(content) }
}
