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
    #[error("{0} is not a file of 1 to {FILE_BYTES_MAX} bytes")]
    NotASecret(PathBuf),
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
    let io = |source| SecretFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    // Asked of the open file, so that what was checked is what is read.
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() || !(1..=FILE_BYTES_MAX).contains(&metadata.len()) {
        return Err(SecretFileError::NotASecret(path.to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(SecretFileError::Exposed(path.to_owned()));
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != own {
        return Err(SecretFileError::ForeignOwner { path: path.to_owned(), owner: metadata.uid(), wanted: own });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX).read_to_end(&mut content).map_err(io)?;
    while matches!(content.last(), Some(b'\n' | b'\r')) {
        content.pop();
    }
    if content.is_empty() { Err(SecretFileError::NotASecret(path.to_owned())) } else { Ok(content) }
}
