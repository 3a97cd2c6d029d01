//! What may happen next: login, set-up, validation session, attempts. Decisions are pure functions on states;
//! [`Flows`] reads, asks, decides and commits.

mod access;
mod error;
mod login;
mod methods;
mod people;
mod setup;
mod step;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

pub use access::{Access, Tokens};
pub use error::{FlowError, TokenError};
pub use login::{ApiLogin, BeginLogin, ProviderView, ServiceLogin};
pub use methods::MethodView;
pub use people::{PeopleError, SessionView, UserView};
pub use step::{Abort, Block, Created, Field, FieldInput, FormStep, Handler, Step};

use crate::{
    clock::Clock,
    keys::MasterKey,
    module_host::ModuleHost,
    settings::Settings,
    store::{OpenReport, Store, StoreError},
};

/// Everything the wire may ask for. Cheap to clone.
#[derive(Clone)]
pub struct Flows {
    core: Arc<Core>,
}

/// What the flows stand on.
pub struct Core {
    pub store: Store,
    pub modules: ModuleHost,
    pub settings: Arc<Settings>,
    pub clock: Clock,
    pub keys: MasterKey,
    /// DIR, for files the settings name.
    pub config_directory: PathBuf,
}

/// Who asks: the client's real address and the language it reads.
#[derive(Clone, Debug)]
pub struct Asker {
    pub address: IpAddr,
    pub language: String,
}

impl Flows {
    /// The flows on these parts.
    pub fn new(core: Core) -> Self {
        Self { core: Arc::new(core) }
    }

    /// Once at the start of `serve`: after a rollback or with a clock earlier than the last commit, open sessions end.
    pub async fn resume(&self, _report: &OpenReport) -> Result<(), StoreError> {
        todo!()
    }

    /// Removes what has expired from memory and disk; `serve` calls it once a minute.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Whether the store answers: one read of a record that need not exist.
    pub async fn health(&self) -> Result<(), StoreError> {
        let Ok(nothing) = crate::store::Key::new(&["health"]) else { return Ok(()) };
        self.core.store.read(&nothing).await.map(drop)
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// The modules.
    pub fn modules(&self) -> &ModuleHost {
        &self.core.modules
    }
}
