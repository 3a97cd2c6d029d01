//! Passwords of the `local` provider: argon2id (RFC 9106) with bounded concurrency and a bounded queue.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::password_queue::{HashQueue, NoHash, hash_in};
use crate::settings::{Argon2Settings, Limits};

/// RFC 9106 section 3.1 recommends 16 bytes.
const SALT_BYTES: usize = 16;

/// Hashes and checks passwords off the async threads. Cheap to clone.
#[derive(Clone)]
pub struct PasswordHasher {
    params: Params,
    /// Decides what work a name without a hash costs.
    decoy_key: Arc<Zeroizing<[u8; 32]>>,
    /// How many hashes of each cost there are: memory, iterations, parallelism.
    census: Arc<Mutex<BTreeMap<Cost, usize>>>,
    queue: HashQueue,
}

type Cost = (u32, u32, u32);

/// What a password is compared with.
pub enum Expected<'a> {
    /// A PHC string.
    Hash(&'a SecretString),
    /// This name has none: the work is done and the answer is no.
    Nobody { name: &'a str },
}

/// The queue is full, or the memory; the answer is 503 and nothing was decided.
#[derive(Debug, thiserror::Error)]
#[error("too many password checks at once")]
pub struct Busy;

impl PasswordHasher {
    /// # Panics
    /// When the parameters are out of argon2's own bounds or the system has no random bytes; settings that were
    /// loaded are within the bounds.
    pub fn new(argon2: &Argon2Settings, limits: &Limits, decoy_key: Zeroizing<[u8; 32]>) -> Self {
        let params = Params::new(argon2.memory_kib, argon2.iterations, argon2.parallelism, None)
            .expect("argon2 parameters were checked when the settings were loaded");
        Self {
            decoy_key: Arc::new(decoy_key),
            census: Arc::default(),
            params,
            queue: HashQueue::new(limits.password_hashes_at_once, limits.password_queue_max),
        }
    }

    /// A PHC string.
    pub async fn hash(&self, password: &SecretString) -> Result<SecretString, Busy> {
        let (password, params) = (password.clone(), self.params.clone());
        self.queue
            .compute(move |blocks| {
                let salt: [u8; SALT_BYTES] = random();
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let password = password.expose_secret().as_bytes();
                let output = hash_in(blocks, &argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN);
                let output = output.map_err(|_| Busy)?;
                Ok(SecretString::from(phc_of(argon2.params(), &salt, &output).to_string()))
            })
            .await?
    }

    /// Whether the password is the one expected.
    ///
    /// # Errors
    /// [`Busy`], with nothing decided: where a hash was not computed, nobody knows whether the password is wrong.
    pub async fn verify(&self, password: &SecretString, expected: Expected<'_>) -> Result<bool, Busy> {
        let (phc, is_known) = match expected {
            Expected::Hash(phc) => (phc.clone(), true),
            Expected::Nobody { name } => (SecretString::from(decoy(&self.decoy_params(name)).to_string()), false),
        };
        let password = password.clone();
        self.queue
            .compute(move |blocks| {
                let is_right = is_right(blocks, password.expose_secret().as_bytes(), phc.expose_secret());
                verdict(is_right, is_known)
            })
            .await?
    }

    /// Whether a hash was made at another cost than a new one would be.
    pub fn is_outdated(&self, phc: &SecretString) -> bool {
        cost_of(phc).is_none_or(|cost| cost != cost_of_params(&self.params))
    }

    /// Notes that there is a hash of this cost; `former` is the one it took the place of.
    pub fn note(&self, phc: &SecretString, former: Option<&SecretString>) {
        let mut census = self.census();
        if let Some(count) = former.and_then(cost_of).and_then(|cost| census.get_mut(&cost)) {
            *count = count.saturating_sub(1);
        }
        if let Some(cost) = cost_of(phc) {
            *census.entry(cost).or_default() += 1;
        }
    }

    /// Parameters of a hash that an unknown name might have: each cost as often as it is found among the known ones,
    /// and always the same for one name. While older hashes wait to be renewed, the time a refusal takes says nothing.
    /// Older costs come first, so that a name, like a user, goes over to the present one once and for good.
    fn decoy_params(&self, name: &str) -> Params {
        let census = self.census();
        let own = cost_of_params(&self.params);
        let older: Vec<(&Cost, &usize)> = census.iter().filter(|(cost, _)| **cost != own).collect();
        let total: usize = census.values().sum();
        let place = self.place_of(name);
        let mut below = 0.0;
        for (cost, count) in older {
            below += *count as f64 / total.max(1) as f64;
            if place < below {
                return Params::new(cost.0, cost.1, cost.2, None).unwrap_or_else(|_| self.params.clone());
            }
        }
        self.params.clone()
    }

    /// How many passes a refusal of this unknown name takes.
    #[cfg(test)]
    pub(crate) fn decoy_iterations(&self, name: &str) -> u32 {
        self.decoy_params(name).t_cost()
    }

    /// Between 0 and 1, known to nobody without the key.
    fn place_of(&self, name: &str) -> f64 {
        let mut mac = Hmac::<Sha256>::new_from_slice(&**self.decoy_key).expect("HMAC takes a key of any length");
        mac.update(name.trim().to_lowercase().as_bytes());
        let digest = mac.finalize().into_bytes();
        let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        f64::from(first) / (f64::from(u32::MAX) + 1.0)
    }

    fn census(&self) -> MutexGuard<'_, BTreeMap<Cost, usize>> {
        self.census.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the password is the one of the PHC string, which is refused if it is not one of argon2.
fn is_right(blocks: &mut Vec<Block>, password: &[u8], phc: &str) -> Result<bool, NoHash> {
    let phc = PasswordHash::new(phc).map_err(|_| NoHash::Refused)?;
    let argon2 = argon2_of(&phc).ok_or(NoHash::Refused)?;
    let (Some(salt), Some(expected)) = (&phc.salt, &phc.hash) else { return Err(NoHash::Refused) };
    let output = hash_in(blocks, &argon2, password, salt, expected.len())?;
    Ok(expected.as_bytes().ct_eq(&output).into())
}

fn argon2_of(phc: &PasswordHash) -> Option<Argon2<'static>> {
    let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
    let version = phc.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    Some(Argon2::new(algorithm, version, Params::try_from(phc).ok()?))
}

/// What a comparison comes to. Without the memory for it nothing is decided, whether there is such a user or not.
fn verdict(is_right: Result<bool, NoHash>, is_known: bool) -> Result<bool, Busy> {
    match is_right {
        Ok(is_right) => Ok(is_right && is_known),
        Err(NoHash::Refused) => Ok(false),
        Err(NoHash::NoMemory) => Err(Busy),
    }
}

fn cost_of(phc: &SecretString) -> Option<Cost> {
    let phc = PasswordHash::new(phc.expose_secret()).ok()?;
    Params::try_from(&phc).ok().map(|params| cost_of_params(&params))
}

fn cost_of_params(params: &Params) -> Cost {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

/// Stands in where there is no hash: an output nobody knows a password for.
fn decoy(params: &Params) -> PasswordHash {
    phc_of(params, &random(), &random::<{ Params::DEFAULT_OUTPUT_LEN }>())
}

fn phc_of(params: &Params, salt: &[u8; SALT_BYTES], output: &[u8]) -> PasswordHash {
    PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("argon2 parameters fit a PHC string"),
        salt: Some(Salt::new(salt).expect("16 bytes are a salt")),
        hash: Some(Output::new(output).expect("32 bytes are an output")),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    fn hasher(at_once: usize, queue: usize) -> PasswordHasher {
        let argon2 = Argon2Settings { memory_kib: 64, iterations: 1, parallelism: 1 };
        let limits = Limits { password_hashes_at_once: at_once, password_queue_max: queue, ..Limits::default() };
        PasswordHasher::new(&argon2, &limits, Zeroizing::new([7; 32]))
    }

    #[tokio::test]
    async fn right_wrong_unknown_and_malformed() {
        let hasher = hasher(1, 8);
        let password = SecretString::from("correct horse");
        let phc = hasher.hash(&password).await.unwrap();
        assert!(phc.expose_secret().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert_ne!(phc.expose_secret(), hasher.hash(&password).await.unwrap().expose_secret());
        assert!(hasher.verify(&password, Expected::Hash(&phc)).await.unwrap());
        assert!(!hasher.verify(&SecretString::from("correct hors"), Expected::Hash(&phc)).await.unwrap());
        assert!(!hasher.verify(&SecretString::from(""), Expected::Hash(&phc)).await.unwrap());
        assert!(!hasher.verify(&password, Expected::Nobody { name: "x" }).await.unwrap());
        let plain = SecretString::from("plain");
        assert!(!hasher.verify(&password, Expected::Hash(&plain)).await.unwrap());
        assert!(!hasher.verify(&plain, Expected::Hash(&plain)).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_made_elsewhere_are_taken_and_ours_are_taken_elsewhere() {
        let hasher = hasher(1, 1);
        let password = SecretString::from("x");
        let params = Params::new(96, 2, 1, None).unwrap();
        for algorithm in [Algorithm::Argon2id, Algorithm::Argon2i, Algorithm::Argon2d] {
            let argon2 = Argon2::new(algorithm, Version::V0x13, params.clone());
            let phc: PasswordHash = argon2.hash_password_with_salt(b"x", b"sixteen bytes ok").unwrap();
            let phc = SecretString::from(phc.to_string());
            assert!(hasher.verify(&password, Expected::Hash(&phc)).await.unwrap());
            assert!(!hasher.verify(&SecretString::from("y"), Expected::Hash(&phc)).await.unwrap());
        }
        let made = hasher.hash(&password).await.unwrap();
        let made = PasswordHash::new(made.expose_secret()).unwrap();
        assert!(Argon2::default().verify_password(b"x", &made).is_ok());
    }

    #[tokio::test]
    async fn many_at_once_are_all_answered() {
        let hasher = hasher(2, 40);
        let password = SecretString::from("x");
        let phc = hasher.hash(&password).await.unwrap();
        let mut asked = tokio::task::JoinSet::new();
        for one in 0..40 {
            let (hasher, phc) = (hasher.clone(), phc.clone());
            let (password, is_right) = if one % 2 == 0 { ("x", true) } else { ("y", false) };
            asked.spawn(async move {
                let password = SecretString::from(password);
                hasher.verify(&password, Expected::Hash(&phc)).await.unwrap() == is_right
            });
        }
        assert!(asked.join_all().await.into_iter().all(|as_expected| as_expected));
    }

    #[tokio::test]
    async fn unknown_names_cost_what_the_known_ones_cost() {
        let hasher = hasher(1, 1);
        let own = cost_of_params(&hasher.params);
        let cost = |name: usize| cost_of_params(&hasher.decoy_params(&format!("name {name}")));
        assert!((0..100).all(|name| cost(name) == own));
        let older = |cost: u32| SecretString::from(decoy(&Params::new(cost, 1, 1, None).unwrap()).to_string());
        let new = hasher.hash(&SecretString::from("x")).await.unwrap();
        (0..30).for_each(|_| hasher.note(&older(32), None));
        (0..70).for_each(|_| hasher.note(&new, None));
        let dear: Vec<usize> = (0..1000).filter(|name| cost(*name) != own).collect();
        assert!((230..370).contains(&dear.len()), "{}", dear.len());
        (0..20).for_each(|_| hasher.note(&new, Some(&older(32))));
        let left: Vec<usize> = (0..1000).filter(|name| cost(*name) != own).collect();
        assert!((50..150).contains(&left.len()) && left.iter().all(|name| dear.contains(name)), "{}", left.len());
        assert!(hasher.is_outdated(&older(32)) && !hasher.is_outdated(&new));
        assert!(hasher.is_outdated(&SecretString::from("plain")));
    }

    #[test]
    fn a_hash_there_was_no_memory_for_decides_nothing() {
        for is_known in [true, false] {
            assert!(verdict(Err(NoHash::NoMemory), is_known).is_err());
            assert!(!verdict(Err(NoHash::Refused), is_known).unwrap() && !verdict(Ok(false), is_known).unwrap());
            assert_eq!(verdict(Ok(true), is_known).unwrap(), is_known);
        }
    }

    #[tokio::test]
    async fn beyond_the_queue_is_busy_at_once() {
        let hasher = hasher(1, 0);
        let password = SecretString::from("x");
        let (release, released) = std::sync::mpsc::channel::<()>();
        let held = hasher.queue.compute(move |_| {
            let _ = released.recv();
        });
        let (held, refused) = tokio::join!(held, async {
            let refused = hasher.verify(&password, Expected::Nobody { name: "x" }).await;
            drop(release);
            refused
        });
        assert!(held.is_ok() && refused.is_err());
    }
}
