//! What the rest of the host sees of modules: a list with states, and calls that answer or fail.

use std::{path::Path, sync::Arc};

use mfa_sdk::{
    form::Form,
    protocol::{Context, Description, Operation, Reply, Request},
};
use tokio::sync::watch;

use super::{
    check::{self, Refusal},
    start::{Plan, config_json},
    supervisor::Supervised,
    workers::Workers,
};
use crate::{
    settings::{FILE_NAME, Limits, ModuleSettings, Settings},
    unbroken::Unbroken,
};

/// The modules of one state of the settings. Cheap to clone; a module's worker goes when the last clone that has it is
/// gone, so whoever began a request with it can end it with it.
#[derive(Clone)]
pub struct ModuleHost {
    pub(super) modules: Arc<[Configured]>,
    pub(super) workers: Arc<Workers>,
}

/// One entry of the settings.
#[derive(Clone)]
pub(super) struct Configured {
    pub name: Option<String>,
    /// Where its block stands in `host.toml`.
    pub line: usize,
    pub recipe: Arc<Recipe>,
    pub supervised: Arc<Supervised>,
    /// Dropped or set to true, it ends the worker.
    pub stop: Arc<watch::Sender<bool>>,
    /// Why it is not what its file and its settings ask for.
    pub refused: Option<Arc<RefusedChange>>,
}

/// All a worker is made from: the same recipe needs no other worker.
#[derive(PartialEq, Eq)]
pub(super) struct Recipe {
    pub module_type: String,
    pub plan: Arc<Plan>,
    /// Its file, or why that is refused; none for a module that is switched off.
    pub file: Option<Result<Written, Refusal>>,
}

/// Which file: the hash of what is in it, and when it was written.
pub(super) type Written = (String, (i64, u64));

/// One configured module as it stands now.
#[derive(Clone, Debug)]
pub struct ModuleInstance {
    pub id: String,
    pub module_type: String,
    /// The admin's name for it, else the module's own in English, else the id.
    pub name: String,
    /// Whether that is the admin's, which stays as it is in every language.
    pub is_named_by_admin: bool,
    pub state: ModuleState,
    /// What the module said of itself; none until it was loaded once.
    pub description: Option<Arc<Description>>,
    /// It serves as it was before the latest change of its file or settings, which was refused.
    pub refused: Option<RefusedChange>,
}

impl ModuleInstance {
    /// What people who read this language call it.
    pub fn name_in(&self, language: &str) -> &str {
        let own = self.description.as_ref().filter(|_| !self.is_named_by_admin);
        own.map_or(&self.name, |description| description.name_in(language))
    }
}

/// Why a changed module did not take the place of the one that serves, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedChange {
    pub reason: String,
    pub remedy: String,
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
        let nothing = Self { modules: Arc::default(), workers: Arc::new(Workers::ready()) };
        nothing.apply(config_directory, settings).await.0
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
        self.modules.iter().map(Configured::instance).collect()
    }

    /// One module by id.
    pub fn module(&self, id: &str) -> Option<ModuleInstance> {
        self.configured(id).map(Configured::instance)
    }

    /// Whether there is a module of this id and this type.
    pub fn is_of_type(&self, id: &str, module_type: &str) -> bool {
        self.configured(id).is_some_and(|configured| configured.recipe.module_type == module_type)
    }

    /// Whether a module says that it sends messages.
    pub fn sends(&self, id: &str) -> bool {
        let description = self.configured(id).and_then(|configured| configured.supervised.description());
        description.is_some_and(|description| description.sends)
    }

    /// Asks a module. The reply is of a kind the operation allows and within bounds, else it is an error.
    pub async fn call(&self, id: &str, request: Request) -> Result<Reply, CallError> {
        let asked = self.configured(id).ok_or_else(|| CallError::Unknown(id.to_owned()))?.clone();
        // A caller who goes away must not leave a slot in the middle of an exchange.
        Unbroken::new(async move { asked.supervised.call(&request, &asked.recipe.plan).await }).await
    }

    /// The step that a module shows in every login, if it is one that does; it is asked for that once. `context` is that
    /// of the call.
    pub async fn fixed_step(
        &self,
        id: &str,
        context: impl FnOnce() -> Context,
    ) -> Result<Option<Arc<Form>>, CallError> {
        let asked = self.configured(id).ok_or_else(|| CallError::Unknown(id.to_owned()))?;
        let supervised = &asked.supervised;
        if !supervised.description().is_some_and(|description| description.fixed_step) {
            return Ok(None);
        }
        if let Some(form) = supervised.fixed_step.get() {
            return Ok(Some(form.clone()));
        }
        match self.call(id, Request { context: context(), operation: Operation::InputSchema {} }).await? {
            Reply::Form { form, .. } => Ok(Some(supervised.fixed_step.get_or_init(|| Arc::new(form)).clone())),
            _ => Err(CallError::BadReply("it is no form".to_owned())),
        }
    }

    /// Ends all workers, also those that only serve requests from before a change.
    pub async fn stop(&self) {
        self.workers.stop().await;
    }

    fn with(settings: &Settings, supervised: impl Fn(&ModuleSettings) -> Supervised) -> Self {
        let configured = |entry: &ModuleSettings| {
            Configured::new(entry, Recipe::new(entry, &settings.limits, None), supervised(entry))
        };
        let modules = settings.modules.iter().map(configured).collect();
        Self { modules, workers: Arc::new(Workers::none()) }
    }

    pub(super) fn configured(&self, id: &str) -> Option<&Configured> {
        self.modules.iter().find(|configured| configured.recipe.plan.id == id)
    }
}

impl Configured {
    pub(super) fn new(entry: &ModuleSettings, recipe: Recipe, supervised: Supervised) -> Self {
        Self {
            name: entry.name.clone(),
            line: entry.line,
            recipe: Arc::new(recipe),
            supervised: Arc::new(supervised),
            stop: Arc::new(watch::Sender::new(false)),
            refused: None,
        }
    }

    pub(super) fn instance(&self) -> ModuleInstance {
        let id = self.recipe.plan.id.clone();
        let description = self.supervised.description();
        let own_name = description.as_ref().map(|description| description.name.clone());
        let placed = |reason: String| format!("{FILE_NAME}:{}: {reason}", self.line);
        let state = match self.supervised.state() {
            ModuleState::Failed { reason, remedy } => ModuleState::Failed { reason: placed(reason), remedy },
            state => state,
        };
        let refused = self.refused.as_ref().map(|refused| {
            let RefusedChange { reason, remedy } = RefusedChange::clone(refused);
            RefusedChange { reason: placed(reason), remedy }
        });
        ModuleInstance {
            name: self.name.clone().or(own_name).unwrap_or_else(|| id.clone()),
            is_named_by_admin: self.name.is_some(),
            id,
            module_type: self.recipe.module_type.clone(),
            state,
            description,
            refused,
        }
    }
}

impl Recipe {
    pub(super) fn new(entry: &ModuleSettings, limits: &Limits, file: Option<Result<Written, Refusal>>) -> Self {
        let plan = Plan {
            id: entry.id().to_owned(),
            expected_type: Some(entry.module_type.clone()),
            config: Some(config_json(&entry.config)),
            may_be_way_back: entry.recovery,
            limits: limits.of_modules(),
        };
        Self { module_type: entry.module_type.clone(), plan: Arc::new(plan), file }
    }
}

fn not_running() -> ModuleState {
    ModuleState::Failed { reason: "the host is not running".to_owned(), remedy: "mfa-host serve".to_owned() }
}
