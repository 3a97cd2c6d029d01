//! An application with a scoped credential vouches for a user it has checked itself.

use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::settings::ProviderSettings;

/// Whether this credential exists, the secret is right (constant time) and it may vouch in logins of `client_id`.
pub fn check(provider: &ProviderSettings, credential_id: &str, secret: &SecretString, client_id: &str) -> bool {
    let given = Sha256::digest(secret.expose_secret().as_bytes());
    let mut is_right = Choice::from(0);
    for credential in &provider.credentials {
        // A hash that is not one compares with nothing, and every credential costs the same.
        let expected = HEXLOWER_PERMISSIVE.decode(credential.secret_sha256.as_bytes()).unwrap_or_default();
        let is_meant = credential.id == credential_id && credential.clients.iter().any(|client| client == client_id);
        is_right |= expected.as_slice().ct_eq(given.as_slice()) & Choice::from(u8::from(is_meant));
    }
    bool::from(is_right) && !secret.expose_secret().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ProviderKind, ServiceCredential};

    fn provider(secret_sha256: &str) -> ProviderSettings {
        let credential = |id: &str, clients: &[&str]| ServiceCredential {
            id: id.into(),
            secret_sha256: secret_sha256.into(),
            clients: clients.iter().map(|client| (*client).to_owned()).collect(),
        };
        ProviderSettings {
            id: Some("shop".into()),
            credentials: vec![credential("backend", &["app"]), credential("nobody", &[])],
            ..ProviderSettings::bare(ProviderKind::Service)
        }
    }

    // SHA-256 of "abc", FIPS 180-2 appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn vouches(hash: &str, id: &str, secret: &str, client: &str) -> bool {
        check(&provider(hash), id, &SecretString::from(secret), client)
    }

    #[test]
    fn id_secret_and_client_all_have_to_fit() {
        assert!(vouches(ABC, "backend", "abc", "app"));
        assert!(vouches(&ABC.to_uppercase(), "backend", "abc", "app"));
        assert!(!vouches(ABC, "backend", "abd", "app"));
        assert!(!vouches(ABC, "backend", ABC, "app"));
        assert!(!vouches(ABC, "other", "abc", "app"));
        assert!(!vouches(ABC, "backend", "abc", "other"));
        assert!(!vouches(ABC, "nobody", "abc", "app"));
        assert!(!vouches(ABC, "nobody", "abc", ""));
    }

    #[test]
    fn a_hash_that_is_none_fits_nothing() {
        assert!(!vouches("", "backend", "", "app"));
        assert!(!vouches(&ABC[..62], "backend", "abc", "app"));
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(!vouches(of_nothing, "backend", "", "app"));
    }
}
