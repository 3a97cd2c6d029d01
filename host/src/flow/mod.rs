//! What may happen next: login, set-up, validation session, attempts. Decisions are pure functions on states;
//! [`Flows`] reads, asks, decides and commits.

mod access;
mod attempts;
mod claims;
mod engine;
mod error;
mod lifetime;
mod login;
mod management;
mod messages;
mod new_password;
mod people;
mod proof;
mod record;
mod render;
mod restore;
mod selection;
mod setup;
mod step;
mod storage;
mod token;
mod upkeep;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use access::{Access, Tokens};
pub use error::{FlowError, TokenError};
pub use login::{
    ApiLogin, BeginLogin, Click, Clicked, Confirmation, Denied, LinkView, PlainAnswer, ProviderView, RECOVERY_FIELD,
    SecondFactor, ServiceLogin, Standing, Verified,
};
pub use management::{Deed, DeviceView, MethodDetails, MethodView, NeededCode, OverviewView, Wish, Words};
pub use people::{
    AddressKind, AddressStep, Invited, OwnChanges, OwnSession, PeopleError, PrintedOnce, UserChanges, UserDetails,
    UserReset, UserView, Who,
};
pub use proof::Need;
pub use restore::{InvitationView, OpenThings};
pub use step::{Abort, Block, Created, Field, FieldInput, FormStep, Handler, IssuedCodes, Step, WayBack};
pub use storage::changes_of_restore;
pub use upkeep::SessionView;

use crate::{
    clock::{Clock, Timestamp},
    delivery::Delivery,
    keys::MasterKey,
    module_host::ModuleHost,
    settings::Settings,
    store::{Store, StoreError},
};

/// Everything the wire may ask for, under one state of settings and modules. Cheap to clone.
#[derive(Clone)]
pub struct Flows {
    engine: Arc<engine::Engine>,
}

/// What the flows stand on.
pub struct Core {
    pub store: Store,
    pub modules: ModuleHost,
    pub delivery: Delivery,
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
    /// Whether nobody between spoke for another: what the address alone opens asks for this.
    pub is_certain: bool,
    /// Whether the host was asked under a name of its own, and not by the page of another.
    pub is_by_our_name: bool,
    pub language: String,
    /// What its program calls itself, in one line of at most 200 characters.
    pub browser: Option<String>,
}

impl Flows {
    /// The flows on these parts.
    pub fn new(core: Core) -> Self {
        Self { engine: Arc::new(engine::Engine::new(core)) }
    }

    /// The same store, counters and clock under other settings and modules. Requests that run keep theirs.
    pub fn with(&self, settings: Arc<Settings>, modules: ModuleHost, delivery: Delivery) -> Self {
        Self { engine: Arc::new(self.engine.with(settings, modules, delivery)) }
    }

    /// Whether the store answers: one read of a record that need not exist.
    pub async fn health(&self) -> Result<(), StoreError> {
        let Ok(nothing) = crate::store::Key::new(&["health"]) else { return Ok(()) };
        self.engine.store.read(&nothing).await.map(drop)
    }

    /// The settings in force.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.engine.settings
    }

    /// The time the flows go by.
    pub fn now(&self) -> Timestamp {
        self.engine.clock.now().wall
    }

    /// DIR, for files the settings name.
    pub fn config_directory(&self) -> &Path {
        &self.engine.config_directory
    }

    /// Channels and templates.
    pub fn delivery(&self) -> &Delivery {
        &self.engine.delivery
    }

    /// Every sentence of the host's own.
    pub fn words(&self) -> &crate::words::Words {
        self.engine.words()
    }

    /// The language the caller reads: their own setting if there are words in it, else what their program asks for.
    pub fn language_of<'a>(&'a self, access: &Access, asker: &'a Asker) -> &'a str {
        self.engine.language_of(access, asker)
    }

    /// The modules.
    pub fn modules(&self) -> &ModuleHost {
        &self.engine.modules
    }
}

#[cfg(test)]
mod access_tests;
#[cfg(test)]
mod restore_tests;
#[cfg(test)]
mod test_stage;
#[cfg(test)]
mod upkeep_tests;
