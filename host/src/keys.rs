//! The one secret of a configuration directory, and the keys derived from it.

use std::path::Path;

use zeroize::Zeroizing;

/// 256 random bits in a file outside `.storage/`. Keys for each purpose are derived from it (HKDF-SHA256, RFC 5869).
#[derive(Clone)]
pub struct MasterKey {}

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("the key file {0} is missing; restore it from a backup: without it the store cannot be read")]
    Missing(std::path::PathBuf),
    #[error("the key file {path} can be read by others; run: chmod 600 {path}")]
    Exposed { path: std::path::PathBuf },
    #[error("the key file {0} is not a key of mfa-host")]
    Malformed(std::path::PathBuf),
    #[error("{action} {path}: {source}")]
    Io { action: &'static str, path: std::path::PathBuf, source: std::io::Error },
}

impl MasterKey {
    /// Makes a new key file, 0600; refuses to overwrite one.
    pub fn create(_path: &Path) -> Result<Self, KeyFileError> {
        todo!()
    }

    /// Reads the key file.
    pub fn load(_path: &Path) -> Result<Self, KeyFileError> {
        todo!()
    }

    /// First 8 hexadecimal digits of a hash of the key; stands beside everything sealed with it.
    pub fn id(&self) -> &str {
        todo!()
    }

    /// A 256-bit key for one purpose.
    pub fn derive(&self, _purpose: &str) -> Zeroizing<[u8; 32]> {
        todo!()
    }
}
