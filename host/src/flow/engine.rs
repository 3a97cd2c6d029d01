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
    Core, FlowError,
    lifetime::{self, Life},
    messages::Messages,
    record::{self, Addresses, Enrolment, Found, SessionOpen, Stored, User, key},
    token::{self, TokenKeys},
};
use crate::{
    clock::{Clock, Now, Timestamp},
    delivery::Delivery,
    module_host::{CallError, ModuleHost},
    provider::{CommandRunner, FirstFactorThrottle, PasswordHasher},
    settings::Settings,
    store::{Change, CommitError, Expectation, Key, Revision, Store, StoreError},
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
            channels: if self.modules.sends(module) { self.delivery.channels() } else { Vec::new() },
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
    match &enrolment.secret.by_factor {
        by_factor if by_factor.is_empty() => vec![for_module(enrolment)],
        by_factor => by_factor.values().cloned().collect(),
    }
}

pub fn is_session_alive(session: &SessionOpen, now: &Now) -> bool {
    let life = Life {
        created_at: session.created_at,
        expires_at: session.expires_at,
        created_boot_ms: session.created_boot_ms,
        boot_id: &session.boot_id,
    };
    lifetime::is_alive(life, now)
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
mod tests {
    use super::*;
    use crate::flow::test_stage::{Log, NOW, TestStage, session, user};

    #[tokio::test]
    async fn a_user_counts_only_while_switched_on_and_in_the_same_epoch() {
        let stage = TestStage::new();
        let engine = &stage.flows.engine;
        let mut off = user("bob");
        off.open.is_active = false;
        stage.put("user/ada", &user("ada")).await;
        stage.put("user/bob", &off).await;
        for (id, epoch, counts) in [("ada", 0, true), ("ada", 1, false), ("bob", 0, false), ("nobody", 0, false)] {
            assert_eq!(engine.user_in_epoch(id, epoch).await.unwrap().is_some(), counts, "{id} {epoch}");
        }
    }

    #[tokio::test]
    async fn what_ended_without_a_record_is_known_until_its_time() {
        let stage = TestStage::new();
        let engine = &stage.flows.engine;
        assert!(!engine.is_token_ended("a"));
        assert!(engine.end_token("a", NOW) && !engine.end_token("a", NOW), "the second end is none");
        assert!(engine.end_token("b", NOW.plus_s(1)) && engine.is_token_ended("a"));
        engine.forget_ended_tokens(NOW);
        assert!(engine.is_token_ended("a") && engine.is_token_ended("b"));
        engine.forget_ended_tokens(Timestamp(NOW.0 + 1));
        assert!(!engine.is_token_ended("a") && engine.is_token_ended("b"));
    }

    #[tokio::test]
    async fn only_so_many_ends_are_kept_and_the_one_that_is_over_first_makes_room() {
        let stage = TestStage::new();
        let engine = &stage.flows.engine;
        for place in 1..ENDED_TOKENS_MAX {
            engine.end_token(&place.to_string(), NOW.plus_s(60));
        }
        engine.end_token("first", NOW);
        assert!(engine.is_token_ended("first"), "there is room for exactly so many");
        engine.end_token("one more", NOW.plus_s(60));
        assert!(!engine.is_token_ended("first") && engine.is_token_ended("one more") && engine.is_token_ended("1"));
    }

    #[tokio::test]
    async fn after_a_rollback_only_later_flow_ids_are_taken() {
        let stage = TestStage::new();
        let engine = &stage.flows.engine;
        assert!(!engine.is_token_too_old(Timestamp(i64::MIN)));
        engine.refuse_tokens_before(NOW);
        engine.refuse_tokens_before(Timestamp(NOW.0 - 5));
        assert!(engine.is_token_too_old(Timestamp(NOW.0 - 1)));
        assert!(!engine.is_token_too_old(NOW) && !engine.is_token_too_old(NOW.plus_s(1)));
    }

    #[tokio::test]
    async fn modules_hear_of_a_restore_only_after_one() {
        let stage = TestStage::new();
        let engine = &stage.flows.engine;
        assert_eq!(engine.uses_unknown_until(), None);
        engine.tell_modules_of_restore(NOW);
        assert_eq!(engine.uses_unknown_until(), Some(NOW.0));
    }

    #[test]
    fn a_session_lives_by_its_own_times() {
        let open = session("ada", NOW.plus_s(1), NOW).open;
        let at = |wall: Timestamp| Now { wall, boot_ms: wall.0, boot_id: crate::flow::test_stage::BOOT.into() };
        assert!(is_session_alive(&open, &at(NOW.plus_s(1))) && !is_session_alive(&open, &at(NOW.plus_s(2))));
    }

    #[test]
    fn the_log_tells_that_a_module_failed_and_nothing_it_said() {
        let log = Log::begin();
        report_failure("pin", "validate", "0123", &Err(CallError::Failed("a secret".to_owned())));
        report_failure("totp", "depose", "0123", &Err(CallError::Late(7)));
        let told = log.lines_with("module_failed");
        assert!(told.len() == 2 && told[0].contains("pin") && told[1].contains("7 ms"), "{told:?}");
        assert!(log.lines_with("a secret").is_empty());
    }

    #[tokio::test]
    async fn an_enrolment_is_for_the_type_that_made_it() {
        let stage = TestStage::with("[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"totp\"\nid = \"phone\"");
        for (module, module_type, is_its) in [("phone", "totp", true), ("phone", "pin", false), ("totp", "totp", false)]
        {
            let open = serde_json::json!({"module": module, "module_type": module_type, "created_at": NOW});
            let secret = serde_json::json!({"version": 1, "data": null});
            let enrolment = Enrolment {
                open: serde_json::from_value(open).unwrap(),
                secret: serde_json::from_value(secret).unwrap(),
            };
            assert_eq!(stage.flows.engine.is_of_type(&enrolment), is_its, "{module} {module_type}");
        }
    }

    #[tokio::test]
    async fn other_settings_and_modules_take_the_place_of_the_former_and_nothing_else_does() {
        let stage = TestStage::new();
        stage.flows.engine.end_token("a", NOW);
        let mut settings = Settings::clone(&stage.flows.engine.settings);
        settings.name = "another".to_owned();
        let text = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"";
        let with_module = crate::settings::parse(std::path::Path::new("host.toml"), text).unwrap();
        let next = stage.flows.engine.with(
            Arc::new(settings),
            ModuleHost::offline(&with_module),
            stage.flows.delivery().clone(),
        );
        assert_eq!((next.settings.name.as_str(), next.modules.modules().len()), ("another", 1));
        assert!(next.is_token_ended("a"));
    }

    #[tokio::test]
    async fn a_store_that_answers_is_well_and_one_that_ended_is_not() {
        let stage = TestStage::new();
        assert!(stage.flows.health().await.is_ok());
        stage.flows.engine.store.close().await;
        assert!(stage.flows.health().await.is_err());
    }
}
