//! What the rest of the host sees of modules: a list with states, and calls that answer or fail.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use mfa_sdk::protocol::{Description, Reply, Request};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    check,
    spawner::Spawner,
    start::{Plan, config_json},
    supervisor::Supervised,
    unbroken::Unbroken,
};
use crate::settings::{ModuleSettings, Settings};

/// All configured modules and their workers. Cheap to clone; when the last clone is gone, so are the workers.
#[derive(Clone)]
pub struct ModuleHost {
    inner: Arc<Inner>,
}

struct Inner {
    modules: Vec<Configured>,
    stop: watch::Sender<bool>,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
}

/// One entry of the settings.
#[derive(Clone)]
struct Configured {
    module_type: String,
    name: Option<String>,
    plan: Arc<Plan>,
    supervised: Arc<Supervised>,
}

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
    pub async fn start(config_directory: &Path, settings: &Settings) -> Self {
        let host = Self::with(settings, |entry| {
            if entry.enabled { Supervised::new() } else { Supervised::ended(ModuleState::Disabled) }
        });
        let spawner = Spawner::start();
        let enabled = || settings.modules.iter().zip(&host.inner.modules).filter(|(entry, _)| entry.enabled);
        for (entry, configured) in enabled() {
            match &spawner {
                Ok(spawner) => host.supervise(config_directory, entry, configured, spawner.clone()),
                Err(error) => configured.supervised.finish(ModuleState::Failed {
                    reason: format!("no worker could be started: {error}"),
                    remedy: "see that memory and processes are left, then restart the host".to_owned(),
                }),
            }
        }
        for (_, configured) in enabled() {
            configured.supervised.started().await;
        }
        host
    }

    /// No workers at all, for commands on a stopped host.
    pub fn offline(settings: &Settings) -> Self {
        Self::with(settings, |entry| {
            Supervised::ended(if entry.enabled { not_running() } else { ModuleState::Disabled })
        })
    }

    /// No workers either, but each enabled module's file is checked, so that what is wrong with it is told.
    pub fn offline_checked(config_directory: &Path, settings: &Settings) -> Self {
        Self::with(settings, |entry| {
            if !entry.enabled {
                return Supervised::ended(ModuleState::Disabled);
            }
            let image = check::installed(config_directory, &entry.module_type, entry.sha256.as_deref());
            Supervised::ended(image.map_or_else(ModuleState::from, |_| not_running()))
        })
    }

    /// All configured modules in the order of the settings.
    pub fn modules(&self) -> Vec<ModuleInstance> {
        self.inner.modules.iter().map(Configured::instance).collect()
    }

    /// One module by id.
    pub fn module(&self, id: &str) -> Option<ModuleInstance> {
        self.configured(id).map(Configured::instance)
    }

    /// Asks a module. The reply is of a kind the operation allows and within bounds, else it is an error.
    pub async fn call(&self, id: &str, request: &Request) -> Result<Reply, CallError> {
        let Configured { plan, supervised, .. } =
            self.configured(id).ok_or_else(|| CallError::Unknown(id.to_owned()))?.clone();
        let request = request.clone();
        // A caller who goes away must not leave a slot in the middle of an exchange.
        Unbroken::new(async move { supervised.call(&request, &plan).await }).await
    }

    /// Ends all workers.
    pub async fn stop(&self) {
        self.inner.stop.send_replace(true);
        let supervisors = std::mem::take(&mut *self.inner.supervisors.lock().unwrap_or_else(PoisonError::into_inner));
        for supervisor in supervisors {
            let _ = supervisor.await;
        }
    }

    fn with(settings: &Settings, supervised: impl Fn(&ModuleSettings) -> Supervised) -> Self {
        let configured = |entry: &ModuleSettings| Configured {
            module_type: entry.module_type.clone(),
            name: entry.name.clone(),
            plan: Arc::new(Plan {
                id: entry.id().to_owned(),
                expected_type: Some(entry.module_type.clone()),
                config: Some(config_json(&entry.config)),
                limits: settings.limits.clone(),
            }),
            supervised: Arc::new(supervised(entry)),
        };
        let modules = settings.modules.iter().map(configured).collect();
        let inner = Inner { modules, stop: watch::Sender::new(false), supervisors: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    fn supervise(&self, config_directory: &Path, entry: &ModuleSettings, configured: &Configured, spawner: Spawner) {
        let Configured { plan, supervised, .. } = configured.clone();
        let (directory, entry) = (config_directory.to_owned(), entry.clone());
        let stop = self.inner.stop.subscribe();
        let supervisor = tokio::spawn(async move {
            let checked = tokio::task::spawn_blocking(move || {
                check::installed(&directory, &entry.module_type, entry.sha256.as_deref())
            });
            match checked.await {
                Ok(Ok(image)) => supervised.supervise(spawner, image, &plan, stop).await,
                Ok(Err(refusal)) => supervised.finish(refusal.into()),
                Err(error) => supervised.finish(ModuleState::Failed {
                    reason: format!("its file could not be checked: {error}"),
                    remedy: "restart the host".to_owned(),
                }),
            }
        });
        self.inner.supervisors.lock().unwrap_or_else(PoisonError::into_inner).push(supervisor);
    }

    fn configured(&self, id: &str) -> Option<&Configured> {
        self.inner.modules.iter().find(|configured| configured.plan.id == id)
    }
}

impl Configured {
    fn instance(&self) -> ModuleInstance {
        let id = self.plan.id.clone();
        let description = self.supervised.description();
        let own_name = description.as_ref().map(|description| description.name.clone());
        ModuleInstance {
            name: self.name.clone().or(own_name).unwrap_or_else(|| id.clone()),
            id,
            module_type: self.module_type.clone(),
            state: self.supervised.state(),
            description,
        }
    }
}

fn not_running() -> ModuleState {
    ModuleState::Failed { reason: "the host is not running".to_owned(), remedy: "mfa-host serve".to_owned() }
}
