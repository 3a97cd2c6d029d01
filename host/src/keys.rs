//! The one secret of a configuration directory, and the keys derived from it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What the one line of a key file begins with; the number is the version of the format.
const FILE_PREFIX: &str = "mfa-host-key-1:";
/// Longer than any key file of ours.
const FILE_BYTES_MAX: u64 = 256;
const KEY_BYTES: usize = 32;

/// 256 random bits in a file outside `.storage/`. Keys for each purpose are derived from it (HKDF-SHA256, RFC 5869).
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: Box<str>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("the key file {0} is missing; restore it from a backup: without it the store cannot be read")]
    Missing(PathBuf),
    #[error("the key file {path} can be read by others; run: chmod 600 {path}")]
    Exposed { path: PathBuf },
    #[error("the key file {path} belongs to user {owner}; run: chown {wanted} {path}")]
    Owner { path: PathBuf, owner: u32, wanted: u32 },
    #[error("the key file {0} is not a regular file")]
    NotRegular(PathBuf),
    #[error("the key file {0} is not a key of mfa-host")]
    Malformed(PathBuf),
    #[error("there is already a key file {0}")]
    AlreadyThere(PathBuf),
    #[error("{action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl MasterKey {
    /// Makes a new key file, 0600; refuses to overwrite one.
    ///
    /// # Errors
    /// [`KeyFileError::AlreadyThere`]; I/O. The key is on disk, and so is its name, when this returns.
    pub fn create(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |action| move |source| KeyFileError::Io { action, path: path.to_owned(), source };
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|error| failed("draw a key for")(io::Error::other(error)))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => KeyFileError::AlreadyThere(path.to_owned()),
                _ => failed("create")(error),
            }
        })?;
        let encoded = Zeroizing::new(STANDARD.encode(*bytes));
        let line = Zeroizing::new(format!("{FILE_PREFIX}{}\n", *encoded));
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Half a key file would only stand in the way of the next attempt.
            let _ = std::fs::remove_file(path);
            return Err(failed("write")(error));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("save the name of"))?;
        Ok(Self::of(bytes))
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// When it is missing, malformed, not a regular file, readable by others, or owned by another user than root or us.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |action| move |source| KeyFileError::Io { action, path: path.to_owned(), source };
        // Without O_NONBLOCK a named pipe in the place of the key would hang the start.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file =
            OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
                _ => failed("open")(error),
            })?;
        let metadata = file.metadata().map_err(failed("look at"))?;
        if !metadata.is_file() {
            return Err(KeyFileError::NotRegular(path.to_owned()));
        }
        let us = rustix::process::geteuid().as_raw();
        if metadata.uid() != 0 && metadata.uid() != us {
            return Err(KeyFileError::Owner { path: path.to_owned(), owner: metadata.uid(), wanted: us });
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: path.to_owned() });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => KeyFileError::Malformed(path.to_owned()),
            _ => failed("read")(error),
        })?;
        let decoded = text
            .strip_prefix(FILE_PREFIX)
            .and_then(|encoded| STANDARD.decode(encoded.trim_end()).ok())
            .map(Zeroizing::new)
            .ok_or_else(|| KeyFileError::Malformed(path.to_owned()))?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if decoded.len() != KEY_BYTES {
            return Err(KeyFileError::Malformed(path.to_owned()));
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self::of(bytes))
    }

    /// First 8 hexadecimal digits of a hash of the key; stands beside everything sealed with it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A 256-bit key for one purpose.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &*self.bytes)
            .expand(purpose.as_bytes(), &mut *derived)
            .expect("HKDF-SHA256 gives up to 8160 bytes, and this asks for 32");
        derived
    }

    fn of(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut key = Self { bytes, id: "".into() };
        // The name is taken from a derived key, so that it says nothing about any key in use.
        let digest = Sha256::digest(*key.derive("key id"));
        key.id = data_encoding::HEXLOWER.encode(&digest[..4]).into();
        key
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_created_key_loads_as_the_same_key_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.key");
        let made = MasterKey::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = MasterKey::load(&path).unwrap();
        assert_eq!(made.id(), loaded.id());
        assert_eq!(made.id().len(), 8);
        assert_eq!(*made.derive("a"), *loaded.derive("a"));
        assert_ne!(*made.derive("a"), *made.derive("b"));
        assert!(matches!(MasterKey::create(&path), Err(KeyFileError::AlreadyThere(_))));
        assert_eq!(MasterKey::load(&path).unwrap().id(), made.id());
    }

    #[test]
    fn an_exposed_or_malformed_or_missing_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.key");
        assert!(matches!(MasterKey::load(&path), Err(KeyFileError::Missing(_))));
        MasterKey::create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let Err(error) = MasterKey::load(&path) else { panic!("{mode:o} was accepted") };
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "mfa-host-key-2:AAAA\n", "mfa-host-key-1:AAAA\n", "\u{fffd}"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(MasterKey::load(&path), Err(KeyFileError::Malformed(_))), "{text:?}");
        }
        assert!(matches!(MasterKey::load(folder.path()), Err(KeyFileError::NotRegular(_))));
    }
}
