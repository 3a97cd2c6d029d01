//! Passwords of the `local` provider: argon2id (RFC 9106) with bounded concurrency and a bounded queue.

use secrecy::SecretString;

use crate::settings::{Argon2Settings, Limits};

/// Hashes and checks passwords off the async threads. Cheap to clone.
#[derive(Clone)]
pub struct PasswordHasher {}

/// The queue is full; the answer is 503 and nothing was decided.
#[derive(Debug, thiserror::Error)]
#[error("too many password checks at once")]
pub struct Busy;

impl PasswordHasher {
    pub fn new(_argon2: &Argon2Settings, _limits: &Limits) -> Self {
        todo!()
    }

    /// A PHC string.
    pub async fn hash(&self, _password: &SecretString) -> Result<SecretString, Busy> {
        todo!()
    }

    /// Whether the password is the one of the PHC string. Without a PHC string the same work is done and the
    /// answer is no.
    pub async fn verify(&self, _password: &SecretString, _phc: Option<&SecretString>) -> Result<bool, Busy> {
        todo!()
    }
}
