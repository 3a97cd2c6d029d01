//! What every flow stands on, and the few moves they share: read, commit, ask a module, tell the audit log.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use mfa_sdk::{
    form::Form,
    protocol::{self, Context, Operation, Reply, Request},
};

use super::{
    Access, Asker, Core, FlowError,
    messages::{Messages, Written},
    record::{self, Addresses, Enrolment, Found, Stored, User, key},
    render::Voice,
    token::{self, TokenKeys},
};
use crate::{
    clock::{Clock, Timestamp},
    delivery::Delivery,
    module_host::{CallError, ModuleHost},
    provider::{CommandRunner, FirstFactorThrottle, PasswordHasher},
    settings::Settings,
    store::{Change, CommitError, Expectation, Key, Revision, Store, StoreError},
    words::Words,
};

/// How often a decision is made again when a record it rests on changed meanwhile.
pub const TRIES_MAX: usize = 5;

/// Flow ids that ended before their first factor; more than this are forgotten oldest first.
const ENDED_TOKENS_MAX: usize = 100_000;

/// Settings and modules stay as they are for as long as one engine lives; another engine has others and shares the rest.
#[derive(Clone)]
pub struct Engine {
    pub store: Store,
    pub modules: ModuleHost,
    pub delivery: Delivery,
    pub messages: Arc<Messages>,
    pub settings: Arc<Settings>,
    pub clock: Clock,
    pub config_directory: PathBuf,
    pub tokens: Arc<TokenKeys>,
    pub passwords: PasswordHasher,
    pub commands: CommandRunner,
    pub throttle: Arc<FirstFactorThrottle>,
    queues: Arc<Queues>,
    ended: Arc<Mutex<HashMap<String, Timestamp>>>,
    /// Flow ids made before this moment are not taken, in milliseconds since 1970.
    tokens_not_before_ms: Arc<AtomicI64>,
    /// Up to this moment codes may have been used of which no record knows, in milliseconds since 1970.
    uses_unknown_until_ms: Arc<AtomicI64>,
}

/// One queue for each user, so that the flows of one user do not make each other's commits fail over and over. A
/// convenience within this process only: what is decided is safe without it, because every commit has expectations.
struct Queues {
    stripes: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

impl Queues {
    const STRIPES: usize = 1024;

    fn new() -> Self {
        let stripes = std::iter::repeat_with(tokio::sync::Mutex::default).take(Self::STRIPES).collect();
        Self { stripes, hasher: RandomState::new() }
    }

    fn of(&self, user: &str) -> &tokio::sync::Mutex<()> {
        let place = self.hasher.hash_one(user) % Self::STRIPES as u64;
        &self.stripes[usize::try_from(place).unwrap_or_default()]
    }
}

/// A flow's turn in its user's queue; the next flow has its turn when this is gone.
pub struct QueueTurn<'a> {
    _held: tokio::sync::MutexGuard<'a, ()>,
    /// Another flow had its turn meanwhile, so what was read before may be old.
    pub has_waited: bool,
}

/// What became of a commit.
pub enum Committed {
    Done,
    /// Something changed: read and decide again.
    Conflict,
}

impl Engine {
    pub fn new(core: Core) -> Self {
        Self {
            tokens: Arc::new(TokenKeys::new(&core.keys)),
            passwords: PasswordHasher::new(
                &core.settings.argon2,
                &core.settings.limits,
                core.keys.derive("work of unknown names"),
            ),
            commands: CommandRunner::new(&core.settings.limits),
            throttle: Arc::new(FirstFactorThrottle::new()),
            queues: Arc::new(Queues::new()),
            ended: Arc::default(),
            tokens_not_before_ms: Arc::new(AtomicI64::new(i64::MIN)),
            uses_unknown_until_ms: Arc::new(AtomicI64::new(i64::MIN)),
            store: core.store,
            modules: core.modules,
            delivery: core.delivery,
            messages: Arc::new(Messages::new(&core.keys)),
            settings: core.settings,
            clock: core.clock,
            config_directory: core.config_directory,
        }
    }

    /// The same with other settings, modules and channels; counters, queues and the hasher stay.
    pub fn with(&self, settings: Arc<Settings>, modules: ModuleHost, delivery: Delivery) -> Self {
        Self { settings, modules, delivery, ..self.clone() }
    }

    /// The host's own sentences. They come with the channels, so that a mail and the page it leads to say the same.
    pub fn words(&self) -> &Words {
        self.delivery.words()
    }

    /// The language somebody reads: their own setting if there are words in it, else what their program asks for.
    pub fn reader<'a>(&'a self, own: Option<&str>, asker: &'a Asker) -> &'a str {
        own.and_then(|own| self.words().known_language(own)).unwrap_or(&asker.language)
    }

    /// The language the caller reads, as [`Engine::reader`] has it.
    pub fn language_of<'a>(&'a self, access: &Access, asker: &'a Asker) -> &'a str {
        self.reader(access.language.as_deref(), asker)
    }

    /// The host's own words in a language.
    pub fn voice<'a>(&'a self, language: &'a str) -> Voice<'a> {
        Voice { words: self.words(), language }
    }

    /// Reads a record by a key that may not be one: what names no record is not there.
    pub async fn read<T: Stored>(&self, key: Option<Key>) -> Result<Found<T>, FlowError> {
        let key = key.ok_or(FlowError::UnknownFlow)?;
        Ok(record::read(&self.store, key).await?)
    }

    pub async fn commit(&self, changes: Vec<Change>, expectations: Vec<Expectation>) -> Result<Committed, StoreError> {
        Ok(self.commit_last(changes, expectations).await?.map_or(Committed::Conflict, |_| Committed::Done))
    }

    /// As [`Engine::commit`], for who goes on with what the last change wrote: its revision, none at a conflict.
    pub async fn commit_last(
        &self,
        changes: Vec<Change>,
        expectations: Vec<Expectation>,
    ) -> Result<Option<Revision>, StoreError> {
        match self.store.commit(changes, expectations).await {
            Ok(revision) => Ok(Some(revision)),
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// As [`Engine::commit`], with what users are told of it: in the same commit, and sent once that is durable.
    pub async fn commit_and_tell(
        &self,
        mut changes: Vec<Change>,
        mut expectations: Vec<Expectation>,
        told: Written,
    ) -> Result<Committed, StoreError> {
        changes.extend(told.changes);
        expectations.extend(told.expectations);
        let committed = self.commit(changes, expectations).await?;
        if let Committed::Done = committed {
            self.post(told.messages);
        }
        Ok(committed)
    }

    /// Waits until no other flow of this user is between reading and committing. Held for one read and one commit,
    /// never while a module is asked.
    pub async fn queue(&self, user: &str) -> QueueTurn<'_> {
        let queue = self.queues.of(user);
        match queue.try_lock() {
            Ok(held) => QueueTurn { _held: held, has_waited: false },
            Err(_) => QueueTurn { _held: queue.lock().await, has_waited: true },
        }
    }

    /// Asks a module about a user.
    pub async fn ask(&self, module: &str, ask: Ask<'_>, operation: Operation) -> Result<Reply, CallError> {
        let context = self.context(module, ask);
        self.modules.call(module, Request { context, operation }).await
    }

    /// The step a module shows everybody, if it is one that does; asked for on behalf of nobody.
    pub async fn fixed_step(&self, module: &str, now: Timestamp) -> Result<Option<Arc<Form>>, CallError> {
        let context = || {
            self.context(
                module,
                Ask {
                    user_id: "",
                    user_name: "",
                    addresses: &Addresses::default(),
                    language: "en",
                    seed: &token::new_seed(),
                    now,
                },
            )
        };
        self.modules.fixed_step(module, context).await
    }

    fn context(&self, module: &str, ask: Ask<'_>) -> Context {
        Context {
            now_ms: ask.now.0,
            seed: ask.seed.to_owned(),
            user: protocol::User {
                id: ask.user_id.to_owned(),
                name: ask.user_name.to_owned(),
                addresses: ask.addresses.proved(),
            },
            channels: if self.modules.sends(module) { self.delivery.channels().cloned().collect() } else { Vec::new() },
            mac_key: self.messages.mac_key(module, ask.user_id),
            language: ask.language.to_owned(),
            public_url: self.settings.base_url(),
            host_name: self.settings.name.clone(),
            restored_at_ms: self.uses_unknown_until(),
        }
    }

    /// Whether the module under this id is still of the type that made the enrolment: one type's data is not for another.
    pub fn is_of_type(&self, enrolment: &Enrolment) -> bool {
        self.modules.is_of_type(&enrolment.open.module, &enrolment.open.module_type)
    }

    /// What a user set up for a module.
    pub async fn enrolment(&self, user: &str, module: &str) -> Result<Found<Enrolment>, FlowError> {
        self.read(key::enrolment(user, module)).await
    }

    /// The user, if still there, switched on, and in the same epoch.
    pub async fn user_in_epoch(&self, id: &str, epoch: u64) -> Result<Option<Found<User>>, FlowError> {
        let user: Found<User> = self.read(key::user(id)).await?;
        let valid = user.record.as_ref().is_some_and(|user| user.open.is_active && user.open.epoch == epoch);
        Ok(valid.then_some(user))
    }

    /// Remembers until `until` that a flow id is over though nothing is stored of it. False if it was known.
    pub fn end_token(&self, flow_hash: &str, until: Timestamp) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= ENDED_TOKENS_MAX
            && let Some(oldest) = ended.iter().min_by_key(|(_, until)| **until).map(|(flow, _)| flow.clone())
        {
            ended.remove(&oldest);
        }
        ended.insert(flow_hash.to_owned(), until).is_none()
    }

    /// After a rollback: flow ids that are out already may have ended in what was rolled back.
    pub fn refuse_tokens_before(&self, moment: Timestamp) {
        self.tokens_not_before_ms.fetch_max(moment.0, Ordering::Relaxed);
    }

    /// After the records were put back: every call of a module is told.
    pub fn tell_modules_of_restore(&self, uses_unknown_until: Timestamp) {
        self.uses_unknown_until_ms.store(uses_unknown_until.0, Ordering::Relaxed);
    }

    fn uses_unknown_until(&self) -> Option<i64> {
        Some(self.uses_unknown_until_ms.load(Ordering::Relaxed)).filter(|moment| *moment != i64::MIN)
    }

    pub fn is_token_too_old(&self, created_at: Timestamp) -> bool {
        created_at.0 < self.tokens_not_before_ms.load(Ordering::Relaxed)
    }

    pub fn is_token_ended(&self, flow_hash: &str) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains_key(flow_hash)
    }

    pub fn forget_ended_tokens(&self, now: Timestamp) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, until| now <= *until);
    }
}

/// Whom a module is asked about, and when.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub user_id: &'a str,
    pub user_name: &'a str,
    pub addresses: &'a Addresses,
    pub language: &'a str,
    pub seed: &'a str,
    pub now: Timestamp,
}

/// An enrolment as the module gets it.
pub fn for_module(enrolment: &Enrolment) -> protocol::Enrolment {
    protocol::Enrolment { version: enrolment.secret.version, data: enrolment.secret.data.clone() }
}

/// All that is kept for a user, where a way back in keeps something for each factor.
pub fn all_for_module(enrolment: &Enrolment) -> Vec<protocol::Enrolment> {
    by_factor(enrolment).map(|(_, kept)| kept).collect()
}

/// The same with the factor each is kept for; none: for any.
pub fn by_factor(enrolment: &Enrolment) -> impl Iterator<Item = (Option<&str>, protocol::Enrolment)> {
    let by_factor = &enrolment.secret.by_factor;
    let for_any = by_factor.is_empty().then(|| (None, for_module(enrolment)));
    for_any.into_iter().chain(by_factor.iter().map(|(factor, kept)| (Some(factor.as_str()), kept.clone())))
}

/// Tells the log why a module's answer does not count. A module's own words may hold a secret and stay out.
pub fn report_failure(module: &str, operation: &str, flow: &str, answer: &Result<Reply, CallError>) {
    let reason = match answer {
        Ok(_) => "the answer is of another kind than was asked".to_owned(),
        Err(CallError::Failed(_)) => "the module says it failed; its own log may say why".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::error!(target: "audit", event = "module_failed", module, operation, flow, reason);
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
