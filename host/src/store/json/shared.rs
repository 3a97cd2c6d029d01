//! What the readers and the writer share: the durable records, and whether they may still be served.

use std::{
    fs::File,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    super::{contract::StoreError, sealing::Sealer},
    batch::Changed,
    memory::Memory,
};

pub(super) struct Shared {
    state: RwLock<State>,
    pub(super) sealer: Arc<Sealer>,
    /// Held for its lock, which keeps a second host out.
    lock: Mutex<Option<File>>,
}

pub(super) struct State {
    pub(super) health: Health,
    pub(super) memory: Memory,
}

pub(super) enum Health {
    Serving,
    /// Nothing can be read, or nothing may be read any more.
    Refusing(StoreError),
}

impl Shared {
    pub(super) fn new(health: Health, memory: Memory, sealer: Arc<Sealer>, lock: File) -> Self {
        Self { state: RwLock::new(State { health, memory }), sealer, lock: Mutex::new(Some(lock)) }
    }

    /// The state, if it may be served.
    pub(super) fn serving(&self) -> Result<RwLockReadGuard<'_, State>, StoreError> {
        // A thread that panicked while it held the lock was the writer, which refuses everything as it ends.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &state.health {
            Health::Serving => Ok(state),
            Health::Refusing(error) => Err(error.clone()),
        }
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what has become durable; true if a line on disk is now of no more use.
    pub(super) fn show(&self, changes: Vec<Changed>) -> bool {
        let mut superseded = false;
        let mut former = Vec::with_capacity(changes.len());
        let mut state = self.change();
        for Changed { key, entry, .. } in changes {
            superseded |= entry.is_none();
            former.extend(state.memory.apply(key, entry));
        }
        drop(state);
        // What was there is let go only now, while nobody waits for it.
        superseded || !former.is_empty()
    }

    /// Serves nothing from now on; the first reason stays.
    pub(super) fn refuse(&self, error: StoreError) {
        let mut state = self.change();
        if matches!(state.health, Health::Serving) {
            state.health = Health::Refusing(error);
        }
    }

    /// Why a writer that gave no answer gave none.
    pub(super) fn refusal(&self) -> StoreError {
        match self.serving() {
            Err(error) => error,
            Ok(_) => StoreError::Poisoned("the writer stopped without an answer".to_owned()),
        }
    }

    /// Lets another process in.
    pub(super) fn unlock(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
