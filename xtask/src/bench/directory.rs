//! Configuration directories with many users, made through the store: a password each, and a PIN or TOTP beside it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use argon2::{Argon2, password_hash::PasswordHasher};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use mfa_host::{
    clock::Clock,
    keys::MasterKey,
    store::{Change, Content, Key, Store},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Failure, Place};

pub const MODULE: &str = "insecure_example";
pub const CLIENT_ID: &str = "http://127.0.0.1:9/";
pub const PASSWORD: &str = "correct horse battery";
pub const SALT: &[u8; 16] = b"the same for all";
pub const PIN: &str = "271828";
const TOTP_MODULE: &str = "totp";
pub const CREDENTIAL_ID: &str = "bench";
pub const CREDENTIAL_SECRET: &str = "a secret nobody but the benchmark has";

/// Records of one user.
const RECORDS: usize = 4;
const USERS_PER_COMMIT: usize = 64;
const CREATED_AT: &str = "2026-01-01T00:00:00.000Z";

/// What every user of a directory has beside the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    Pin,
    Totp,
}

impl SecondFactor {
    fn module(self) -> &'static str {
        match self {
            Self::Pin => MODULE,
            Self::Totp => TOTP_MODULE,
        }
    }

    /// What a module keeps of a user, as it would have put it down itself.
    fn enrolment(self, number: usize) -> Value {
        match self {
            Self::Pin => json!({"pin": PIN}),
            Self::Totp => {
                let secret = BASE32_NOPAD.encode(&totp_secret(number));
                json!({"secret": secret, "algorithm": "SHA1", "digits": 6, "period_s": 30, "last_step": 0})
            }
        }
    }
}

/// A directory `serve` can be started on.
pub struct Directory {
    pub path: PathBuf,
}

impl Directory {
    /// Makes one with this many users who have a PIN, compacted as it would be within the hour.
    pub fn make(place: &Place, name: &str, users: usize) -> Result<Self, Failure> {
        Self::make_with(place, name, users, SecondFactor::Pin)
    }

    /// As [`Directory::make`], with this second factor.
    pub fn make_with(place: &Place, name: &str, users: usize, factor: SecondFactor) -> Result<Self, Failure> {
        let module = factor.module();
        let directory = Self { path: place.scratch.path().join(name) };
        fs::create_dir_all(directory.path.join("modules"))?;
        fs::set_permissions(&directory.path, fs::Permissions::from_mode(0o700))?;
        let installed = directory.path.join("modules").join(format!("{module}.so"));
        fs::copy(place.built.join(format!("libmfa_module_{module}.so")), installed)?;
        fs::write(directory.path.join("host.toml"), settings(module))?;
        let keys = MasterKey::create(&key_file(&directory.path))?;
        Store::create(&directory.path)?;
        runtime()?.block_on(fill(&directory.path, &keys, users, factor))?;
        Ok(directory)
    }

    /// The store, for measuring it without a host.
    pub fn open(&self) -> Result<Store, Failure> {
        let keys = MasterKey::load(&key_file(&self.path))?;
        Ok(Store::open(&self.path, &keys, Clock::system())?.0)
    }
}

/// As many threads as the host has.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Ids are hexadecimal digits, as the host's own are.
pub fn user_id(number: usize) -> String {
    format!("{number:032x}")
}

pub fn user_name(number: usize) -> String {
    format!("user-{number}")
}

/// The secret a user shares with the authenticator app: 160 bits, another for each.
pub fn totp_secret(number: usize) -> Vec<u8> {
    Sha256::digest(user_name(number))[..20].to_vec()
}

fn key_file(directory: &Path) -> PathBuf {
    directory.join("secret.key")
}

fn settings(module: &str) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(CREDENTIAL_SECRET));
    format!(
        "[[provider]]\ntype = \"local\"\n\n[[provider]]\ntype = \"service\"\n\n[[provider.credential]]\nid = \
         \"{CREDENTIAL_ID}\"\nsecret_sha256 = \"{hash}\"\nclients = [\"{CLIENT_ID}\"]\n\n[[module]]\ntype = \
         \"{module}\"\n"
    )
}

async fn fill(directory: &Path, keys: &MasterKey, users: usize, factor: SecondFactor) -> Result<(), Failure> {
    let (store, _) = Store::open(directory, keys, Clock::system())?;
    // One hash for all: what a check of it costs is the same, and 100,000 of them would take an hour.
    let hash = Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), SALT)
        .map_err(|error| error.to_string())?
        .to_string();
    let mut commits = tokio::task::JoinSet::new();
    for first in (0..users).step_by(USERS_PER_COMMIT) {
        let (store, hash) = (store.clone(), hash.clone());
        let numbers = first..users.min(first + USERS_PER_COMMIT);
        commits.spawn(async move {
            let mut changes = Vec::with_capacity(USERS_PER_COMMIT * RECORDS);
            for number in numbers {
                changes.extend(records(number, &hash, factor)?);
            }
            store.commit(changes, Vec::new()).await?;
            Ok::<_, Failure>(())
        });
        // Few enough that what waits stays small.
        while commits.len() >= 16 {
            commits.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = commits.join_next().await {
        done??;
    }
    if !store.compact().await {
        return Err("the store could not be compacted".into());
    }
    store.close().await;
    Ok(())
}

fn records(number: usize, password_hash: &str, second: SecondFactor) -> Result<[Change; RECORDS], Failure> {
    let module = second.module();
    let (id, name) = (user_id(number), user_name(number));
    let put = |segments: &[&str], open: Value, secret: Option<Value>| -> Result<Change, Failure> {
        Ok(Change::Put(Key::new(segments)?, Content::new(&open, &secret)?))
    };
    let user = json!({"name": name, "is_active": true, "is_owner": false, "created_at": CREATED_AT, "epoch": 0});
    let factor = json!({"module": module, "module_type": module, "active": true, "primary": true, "recovery": false,
        "created_at": CREATED_AT});
    let enrolment = json!({"module": module, "module_type": module, "created_at": CREATED_AT});
    let name_hash = HEXLOWER.encode(&Sha256::digest(&name));
    Ok([
        put(&["user", &id], user, Some(json!({"password": password_hash})))?,
        put(&["user_name", &name_hash], json!({"user": id}), None)?,
        put(&["factors", &id], json!({"epoch": 1, "factors": [factor]}), None)?,
        put(&["enrolment", &id, module], enrolment, Some(json!({"version": 1, "data": second.enrolment(number)})))?,
    ])
}
