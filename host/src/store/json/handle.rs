//! The store as the rest of the host sees it.

use std::{path::Path, sync::Arc};

use tokio::sync::oneshot;

use super::{
    super::{
        contract::{
            BackupError, BackupReport, Change, CheckReport, CommitError, Expectation, Key, OpenError, OpenReport,
            RepairError, Repaired, Revision, StoreError, Versioned,
        },
        disk::SystemDisk,
    },
    backup, check,
    memory::Entry,
    opening::{self, Acknowledges, Options},
    repair,
    request::{Order, Request},
    restore,
    shared::Shared,
    staging::Entrance,
};
use crate::{clock::Clock, keys::MasterKey};

/// The store of one configuration directory. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
    /// To the writer; a damaged store has none.
    pub(super) entrance: Option<Arc<Entrance>>,
    pub(super) clock: Clock,
}

impl Store {
    /// Makes an empty store in `config_directory/.storage`.
    ///
    /// # Errors
    /// [`OpenError::AlreadyThere`] if one exists; I/O.
    pub fn create(config_directory: &Path) -> Result<(), OpenError> {
        opening::create(config_directory, &SystemDisk)
    }

    /// Opens the store and takes its lock. Damage, and an older copy that was put back, are reported and no error: such a
    /// store answers everything with that, and nothing is written to it.
    ///
    /// # Errors
    /// Missing, locked by another process, or I/O that says nothing of the content.
    pub fn open(config_directory: &Path, keys: &MasterKey, clock: Clock) -> Result<(Self, OpenReport), OpenError> {
        opening::open(config_directory, keys, clock, Arc::new(SystemDisk), Options::default())
    }

    /// Opens an older copy that was put back, and from then on it is the present one: what `changes` says is made in the
    /// same step. A store that is no older copy is opened as [`Store::open`] does, and without these changes.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_acknowledging(
        config_directory: &Path,
        keys: &MasterKey,
        clock: Clock,
        changes: Acknowledges<'_>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let options = Options { acknowledges: Some(changes), ..Options::default() };
        opening::open(config_directory, keys, clock, Arc::new(SystemDisk), options)
    }

    /// What [`Store::open`] would report, without a lock and without writing anything: only true while no host runs.
    ///
    /// # Errors
    /// Missing, or I/O that says nothing of the content.
    pub fn look(config_directory: &Path, keys: &MasterKey) -> Result<OpenReport, OpenError> {
        opening::look(config_directory, keys, Arc::new(SystemDisk))
    }

    /// The record, if there is one.
    ///
    /// # Errors
    /// [`StoreError`]: what cannot be read is never "no such record".
    pub async fn read(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let record = match self.shared.serving()?.memory.entry(key.as_str()) {
            None => return Ok(None),
            Some(Entry::Tampered(_)) => return Err(StoreError::Tampered(key.clone())),
            Some(Entry::Live(record)) => record.clone(),
        };
        record.unseal(&self.shared.sealer, key).map(Some)
    }

    /// All records whose key begins with `prefix`, by key. No decision rests on it. Tampered ones are left out.
    ///
    /// # Errors
    /// When the store is damaged or poisoned.
    pub async fn scan(&self, prefix: &str) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let beginning = self.shared.serving()?.memory.beginning_with(prefix);
        let unsealed = beginning.records().into_iter().filter_map(|(key, record)| {
            record.unseal(&self.shared.sealer, &key).ok().map(|versioned| (key, versioned))
        });
        Ok(unsealed.collect())
    }

    /// Makes all changes if all expectations hold; durable when it returns the revision of the last of them. A caller that stops waiting does not know
    /// whether it happened. Changes of one key happen in their order. An expectation about a tampered record never
    /// holds; a change without one replaces it.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] and [`StoreError::TooLarge`]: nothing happened. A [`StoreError`]: the host must not
    /// act as if it had.
    pub async fn commit(&self, changes: Vec<Change>, expectations: Vec<Expectation>) -> Result<Revision, CommitError> {
        let now = self.clock.now();
        let request = Request::new(changes, expectations, now.wall, now.boot_ms)?;
        let Some(entrance) = &self.entrance else { return Err(self.shared.refusal().into()) };
        entrance.0.stage(request)?.await.unwrap_or_else(|_| Err(self.shared.refusal().into()))
    }

    /// Compacts now, for a backup or on an administrator's wish; false if that did not work, and nothing is lost then.
    pub async fn compact(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Compact(answer));
        answered.await.unwrap_or(false)
    }

    /// Reads the files again, between two batches, and compares them with what was acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`]: what is on disk shows after a restart.
    pub async fn check(&self) -> Result<CheckReport, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Check(answer));
        match (answered.await, self.shared.refusal()) {
            (Ok(report), _) => Ok(report),
            (Err(_), StoreError::Damaged(reason)) => Ok(CheckReport { damage: Some(reason), ..CheckReport::default() }),
            (Err(_), StoreError::RolledBack(behind)) => {
                Ok(CheckReport { behind: Some(behind), ..CheckReport::default() })
            }
            (Err(_), error) => Err(error),
        }
    }

    /// Looks at the store of a stopped host; changes nothing.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn check_stopped(config_directory: &Path, keys: &MasterKey) -> Result<CheckReport, OpenError> {
        check::stopped(config_directory, keys, Arc::new(SystemDisk))
    }

    /// Writes everything as it is between two batches into a new file, 0600. The key is not in it.
    ///
    /// # Errors
    /// [`BackupError`]; there is no such file then.
    pub async fn backup(&self, file: &Path) -> Result<BackupReport, BackupError> {
        drop(self.shared.serving()?);
        let (answer, answered) = oneshot::channel();
        self.order(Order::Backup(answer));
        let all = answered.await.map_err(|_| self.shared.refusal())??;
        let path = file.to_owned();
        let written = tokio::task::spawn_blocking(move || backup::write(&SystemDisk, &all, &path)).await;
        written.map_err(|error| StoreError::Poisoned(error.to_string()))?
    }

    /// Puts a backup in the place of the store of a stopped host; what was there is moved to `aside`; a store with
    /// records only if it `replaces`.
    /// The store is not served before it is opened by [`Store::open_acknowledging`].
    ///
    /// # Errors
    /// [`BackupError`]; the store is as it was.
    pub fn restore(
        config_directory: &Path,
        keys: &MasterKey,
        file: &Path,
        aside: &Path,
        replaces: bool,
    ) -> Result<BackupReport, BackupError> {
        restore::restore(config_directory, keys, file, aside, replaces, Arc::new(SystemDisk))
    }

    /// Makes a store of what is still authentic in a damaged one of a stopped host; the damaged files are moved to
    /// `aside`. A store that is sound is left alone.
    ///
    /// # Errors
    /// [`RepairError`]; the store is as it was, or the next repair takes the last step.
    pub fn repair(config_directory: &Path, keys: &MasterKey, aside: &Path) -> Result<Repaired, RepairError> {
        repair::repair(config_directory, keys, aside, Arc::new(SystemDisk))
    }

    /// Waits until every commit that was handed in is durable, and stops.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if let Some(entrance) = &self.entrance {
            entrance.0.close(answer);
            // A writer that is gone gives no answer; there is nothing to wait for then.
            let _ = answered.await;
        }
        self.shared.refuse(StoreError::Poisoned("the store is closed".to_owned()));
        self.shared.unlock();
    }

    /// An order that reaches nobody is dropped, and with it the channel its sender waits on.
    fn order(&self, order: Order) {
        if let Some(entrance) = &self.entrance {
            entrance.0.order(order);
        }
    }
}
