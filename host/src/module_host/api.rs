//! What the rest of the host sees of modules: a list with states, and calls that answer or fail.

use std::{path::Path, sync::Arc};

use mfa_sdk::protocol::{Description, Reply, Request};

use crate::settings::Settings;

/// All configured modules and their workers. Cheap to clone.
#[derive(Clone)]
pub struct ModuleHost {}

/// One configured module as it stands now.
#[derive(Clone, Debug)]
pub struct ModuleInstance {
    pub id: String,
    pub module_type: String,
    /// The admin's name for it, else the module's own, else the id.
    pub name: String,
    pub state: ModuleState,
    /// What the module said of itself; none until it was loaded once.
    pub description: Option<Arc<Description>>,
}

/// Whether a module answers, and if not, why and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleState {
    Ready,
    /// Switched off in the settings.
    Disabled,
    /// Being started again after a crash.
    Restarting {
        reason: String,
    },
    /// Refused before or while loading; `remedy` is a command or a sentence.
    Failed {
        reason: String,
        remedy: String,
    },
    /// Crashed too often in a row; a changed file or setting tries again.
    Quarantined {
        reason: String,
    },
}

/// Why a call has no answer. Every one of them means "no".
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    #[error("there is no module {0}")]
    Unknown(String),
    #[error("the module is not ready: {0}")]
    NotReady(String),
    #[error("no answer within {0} ms")]
    Late(u64),
    #[error("the module crashed: {0}")]
    Crashed(String),
    #[error("the module's answer is not well-formed: {0}")]
    BadReply(String),
    #[error("the module failed: {0}")]
    Failed(String),
    #[error("the module does not know this operation")]
    Unsupported,
}

impl ModuleHost {
    /// Starts a worker for every enabled module, all at once; one that fails never stops the others.
    /// `config_directory` is DIR; workers are started from the running binary.
    pub async fn start(_config_directory: &Path, _settings: &Settings) -> Self {
        todo!()
    }

    /// No workers at all, for commands on a stopped host.
    pub fn offline(_settings: &Settings) -> Self {
        todo!()
    }

    /// All configured modules in the order of the settings.
    pub fn modules(&self) -> Vec<ModuleInstance> {
        todo!()
    }

    /// One module by id.
    pub fn module(&self, _id: &str) -> Option<ModuleInstance> {
        todo!()
    }

    /// Asks a module. The reply is of a kind the operation allows and within bounds, else it is an error.
    pub async fn call(&self, _id: &str, _request: &Request) -> Result<Reply, CallError> {
        todo!()
    }

    /// Ends all workers.
    pub async fn stop(&self) {
        todo!()
    }
}
