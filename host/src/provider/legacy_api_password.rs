//! One shared password in a file, for one named user: kept for clients that know nothing else.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    secret_file::{self, SecretFileError},
    settings::ProviderSettings,
};

#[derive(Debug, thiserror::Error)]
enum PasswordFileError {
    #[error("no password_file is set")]
    Unset,
    #[error(transparent)]
    File(#[from] SecretFileError),
}

/// Whether `password` is the one in the provider's file (0600, owner root or the host's user; else the answer is no
/// and the log says what mends it). Constant time.
pub fn check(provider: &ProviderSettings, config_directory: &Path, password: &SecretString) -> bool {
    match read(provider, config_directory) {
        Ok(expected) => {
            // Digests have one length, so that the comparison says nothing of the password's.
            let expected = Sha256::digest(&*expected);
            let given = Sha256::digest(password.expose_secret().as_bytes());
            !password.expose_secret().is_empty() && bool::from(expected.as_slice().ct_eq(given.as_slice()))
        }
        Err(error) => {
            tracing::warn!("legacy_api_password refuses every sign-in: {error}");
            false
        }
    }
}

/// Why the provider refuses every sign-in; none when its file is as it should be.
pub fn problem(provider: &ProviderSettings, config_directory: &Path) -> Option<String> {
    read(provider, config_directory).err().map(|error| error.to_string())
}

fn read(provider: &ProviderSettings, config_directory: &Path) -> Result<Zeroizing<Vec<u8>>, PasswordFileError> {
    let file = provider.password_file.as_ref().ok_or(PasswordFileError::Unset)?;
    Ok(secret_file::read(&config_directory.join(file))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::settings::ProviderKind;

    fn attempt(content: &str, mode: u32, password: &str) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        check(&provider(), directory.path(), &SecretString::from(password))
    }

    fn provider() -> ProviderSettings {
        ProviderSettings {
            user: Some("old".into()),
            password_file: Some("password".into()),
            ..ProviderSettings::bare(ProviderKind::LegacyApiPassword)
        }
    }

    #[test]
    fn only_the_whole_password_passes() {
        assert!(attempt("secret words\n", 0o600, "secret words"));
        assert!(attempt("secret words\r\n", 0o400, "secret words"));
        assert!(!attempt("secret words\n", 0o600, "secret words\n"));
        assert!(!attempt("secret words\n", 0o600, "secret"));
        assert!(!attempt("secret words\n", 0o600, ""));
    }

    #[test]
    fn an_empty_password_never_passes() {
        for content in ["", "\n", "\r\n"] {
            assert!(!attempt(content, 0o600, ""));
            assert!(!attempt(content, 0o600, content));
        }
    }

    #[test]
    fn a_file_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o660, 0o602] {
            assert!(!attempt("secret", mode, "secret"), "{mode:o}");
        }
    }

    #[test]
    fn no_file_means_no() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!check(&provider(), directory.path(), &SecretString::from("secret")));
        std::fs::create_dir(directory.path().join("password")).unwrap();
        assert!(!check(&provider(), directory.path(), &SecretString::from("secret")));
    }
}
