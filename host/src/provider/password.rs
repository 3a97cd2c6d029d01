//! Passwords of the `local` provider: argon2id (RFC 9106) with bounded concurrency and a bounded queue.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{
        PasswordHasher as _, PasswordVerifier as _,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::{Argon2Settings, Limits};

/// RFC 9106 section 3.1 recommends 16 bytes.
const SALT_BYTES: usize = 16;

/// Hashes and checks passwords off the async threads. Cheap to clone.
#[derive(Clone)]
pub struct PasswordHasher {
    params: Params,
    /// Stands in where there is no hash: same parameters, an output nobody knows a password for.
    decoy: Arc<str>,
    /// Those who compute or wait; none left means busy.
    admitted: Arc<Semaphore>,
    /// Those who compute.
    computing: Arc<Semaphore>,
}

/// The queue is full; the answer is 503 and nothing was decided.
#[derive(Debug, thiserror::Error)]
#[error("too many password checks at once")]
pub struct Busy;

impl PasswordHasher {
    /// # Panics
    /// When the parameters are out of argon2's own bounds or the system has no random bytes; settings that were
    /// loaded are within the bounds.
    pub fn new(argon2: &Argon2Settings, limits: &Limits) -> Self {
        let params = Params::new(argon2.memory_kib, argon2.iterations, argon2.parallelism, None)
            .expect("argon2 parameters were checked when the settings were loaded");
        let hashes_at_once = limits.password_hashes_at_once.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting_max = limits.password_queue_max.min(Semaphore::MAX_PERMITS / 2);
        Self {
            decoy: decoy(&params).to_string().into(),
            params,
            admitted: Arc::new(Semaphore::new(hashes_at_once + waiting_max)),
            computing: Arc::new(Semaphore::new(hashes_at_once)),
        }
    }

    /// A PHC string.
    pub async fn hash(&self, password: &SecretString) -> Result<SecretString, Busy> {
        let (password, params) = (password.clone(), self.params.clone());
        self.compute(move || {
            let salt: [u8; SALT_BYTES] = random();
            argon2id(params)
                .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
                .map(|phc| SecretString::from(phc.to_string()))
                .map_err(|_| Busy)
        })
        .await?
    }

    /// Whether the password is the one of the PHC string. Without a PHC string the same work is done and the
    /// answer is no.
    pub async fn verify(&self, password: &SecretString, phc: Option<&SecretString>) -> Result<bool, Busy> {
        let is_known = phc.is_some();
        let phc = phc.cloned().unwrap_or_else(|| SecretString::from(&*self.decoy));
        let (password, params) = (password.clone(), self.params.clone());
        self.compute(move || {
            let Ok(expected) = PasswordHash::new(phc.expose_secret()) else { return false };
            let is_right = argon2id(params).verify_password(password.expose_secret().as_bytes(), &expected).is_ok();
            is_right && is_known
        })
        .await
    }

    /// The permits move into the work: a caller that goes away does not make room for another before it is done.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| Busy)?;
        let computing: OwnedSemaphorePermit = self.computing.clone().acquire_owned().await.map_err(|_| Busy)?;
        tokio::task::spawn_blocking(move || {
            let _permits = (admitted, computing);
            work()
        })
        .await
        .map_err(|_| Busy)
    }
}

fn argon2id(params: Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn decoy(params: &Params) -> PasswordHash {
    PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("argon2 parameters fit a PHC string"),
        salt: Some(Salt::new(&random::<SALT_BYTES>()).expect("16 bytes are a salt")),
        hash: Some(Output::new(&random::<{ Params::DEFAULT_OUTPUT_LEN }>()).expect("32 bytes are an output")),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(at_once: usize, queue: usize) -> PasswordHasher {
        let argon2 = Argon2Settings { memory_kib: 64, iterations: 1, parallelism: 1 };
        let limits = Limits { password_hashes_at_once: at_once, password_queue_max: queue, ..Limits::default() };
        PasswordHasher::new(&argon2, &limits)
    }

    #[tokio::test]
    async fn right_wrong_unknown_and_malformed() {
        let hasher = hasher(1, 8);
        let password = SecretString::from("correct horse");
        let phc = hasher.hash(&password).await.unwrap();
        assert!(phc.expose_secret().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert_ne!(phc.expose_secret(), hasher.hash(&password).await.unwrap().expose_secret());
        assert!(hasher.verify(&password, Some(&phc)).await.unwrap());
        assert!(!hasher.verify(&SecretString::from("correct hors"), Some(&phc)).await.unwrap());
        assert!(!hasher.verify(&SecretString::from(""), Some(&phc)).await.unwrap());
        assert!(!hasher.verify(&password, None).await.unwrap());
        assert!(!hasher.verify(&password, Some(&SecretString::from("plain"))).await.unwrap());
        assert!(!hasher.verify(&SecretString::from("plain"), Some(&SecretString::from("plain"))).await.unwrap());
    }

    #[test]
    fn the_decoy_costs_what_a_real_hash_costs() {
        let hasher = hasher(1, 1);
        let decoy = PasswordHash::new(&hasher.decoy).unwrap();
        assert_eq!(Params::try_from(&decoy).unwrap().m_cost(), hasher.params.m_cost());
        assert_eq!(decoy.hash.unwrap().len(), Params::DEFAULT_OUTPUT_LEN);
    }

    #[tokio::test]
    async fn beyond_the_queue_is_busy_at_once() {
        let hasher = hasher(1, 1);
        let held = hasher.admitted.clone().acquire_many_owned(2).await.unwrap();
        let password = SecretString::from("x");
        assert!(hasher.verify(&password, None).await.is_err());
        drop(held);
        assert!(!hasher.verify(&password, None).await.unwrap());
    }
}
