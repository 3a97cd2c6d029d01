//! Configuration directories with many users, made through the store: a password each, and a second factor beside it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use argon2::{Argon2, password_hash::PasswordHasher};
use data_encoding::HEXLOWER;
use mfa_host::{
    clock::Clock,
    keys::MasterKey,
    store::{Change, Content, Key, Store},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Failure, Place,
    second_factor::{Enrolment, SecondFactor},
};

pub const CLIENT_ID: &str = "http://127.0.0.1:9/";
pub const PASSWORD: &str = "correct horse battery";
pub const SALT: &[u8; 16] = b"the same for all";
pub const CREDENTIAL_ID: &str = "bench";
pub const CREDENTIAL_SECRET: &str = "a secret nobody but the benchmark has";

/// A commit takes 256 changes, and a user has five records at most.
const USERS_PER_COMMIT: usize = 48;
const CREATED_AT: &str = "2026-01-01T00:00:00.000Z";

/// A directory `serve` can be started on.
pub struct Directory {
    pub path: PathBuf,
}

impl Directory {
    /// Makes one with this many users who have a PIN, compacted as it would be within the hour.
    pub fn make(place: &Place, name: &str, users: usize) -> Result<Self, Failure> {
        Self::make_with(place, name, users, &SecondFactor::Pin)
    }

    /// As [`Directory::make`], with this second factor.
    pub fn make_with(place: &Place, name: &str, users: usize, factor: &SecondFactor) -> Result<Self, Failure> {
        let directory = Self { path: place.scratch.path().join(name) };
        fs::create_dir_all(directory.path.join("modules"))?;
        fs::set_permissions(&directory.path, fs::Permissions::from_mode(0o700))?;
        for module in factor.modules() {
            let installed = directory.path.join("modules").join(format!("{module}.so"));
            fs::copy(place.built.join(format!("libmfa_module_{module}.so")), installed)?;
        }
        fs::write(directory.path.join("host.toml"), settings(factor))?;
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

fn key_file(directory: &Path) -> PathBuf {
    directory.join("secret.key")
}

fn settings(factor: &SecondFactor) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(CREDENTIAL_SECRET));
    format!(
        "[[provider]]\ntype = \"local\"\n\n[[provider]]\ntype = \"service\"\n\n[[provider.credential]]\nid = \
         \"{CREDENTIAL_ID}\"\nsecret_sha256 = \"{hash}\"\nclients = [\"{CLIENT_ID}\"]\n{}",
        factor.settings()
    )
}

async fn fill(directory: &Path, keys: &MasterKey, users: usize, factor: &SecondFactor) -> Result<(), Failure> {
    let (store, _) = Store::open(directory, keys, Clock::system())?;
    // One hash for all: what a check of it costs is the same, and 100,000 of them would take an hour.
    let hash = Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), SALT)
        .map_err(|error| error.to_string())?
        .to_string();
    let mut commits = tokio::task::JoinSet::new();
    for first in (0..users).step_by(USERS_PER_COMMIT) {
        let (store, hash, factor) = (store.clone(), hash.clone(), factor.clone());
        let numbers = first..users.min(first + USERS_PER_COMMIT);
        commits.spawn(async move {
            let mut changes = Vec::new();
            for number in numbers {
                changes.extend(records(number, &hash, &factor)?);
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

fn records(number: usize, password_hash: &str, second: &SecondFactor) -> Result<Vec<Change>, Failure> {
    let (id, name) = (user_id(number), user_name(number));
    let put = |segments: &[&str], open: Value, secret: Option<Value>| -> Result<Change, Failure> {
        Ok(Change::Put(Key::new(segments)?, Content::new(&open, &secret)?))
    };
    let user = json!({"name": name, "is_active": true, "is_owner": false, "created_at": CREATED_AT, "epoch": 0});
    let name_hash = HEXLOWER.encode(&Sha256::digest(&name));
    let mut factors = Vec::new();
    let mut changes = vec![
        put(&["user", &id], user, Some(json!({"password": password_hash})))?,
        put(&["user_name", &name_hash], json!({"user": id}), None)?,
    ];
    for Enrolment { module, recovery, data, sent_to } in second.enrolments(number) {
        factors.push(json!({"module": module, "module_type": module, "active": true, "primary": !recovery,
            "recovery": recovery, "created_at": CREATED_AT}));
        let enrolment = json!({"module": module, "module_type": module, "created_at": CREATED_AT});
        let secret = json!({"version": 1, "data": data, "sent_to": sent_to});
        changes.push(put(&["enrolment", &id, module], enrolment, Some(secret))?);
    }
    changes.push(put(&["factors", &id], json!({"epoch": 1, "factors": factors}), None)?);
    Ok(changes)
}
