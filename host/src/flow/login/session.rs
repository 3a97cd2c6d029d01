//! The validation session from its start to the step it shows, and its end.

use mfa_sdk::{
    form::Form,
    protocol::{Cause, Operation, Reply},
};

use super::{Outcome, Turn, finish::Finish, first_factor::Vouched, handler};
use crate::{
    clock::Timestamp,
    flow::{
        FlowError, Step,
        engine::{self, Ask, Committed, TRIES_MAX, for_module, is_session_alive},
        record::{
            Account, AccountOpen, Document, Factors, Found, Grant, OpenFlow, Session, SessionOpen, SessionSecret,
            SessionStage, User, key,
        },
        render::{self, Place},
        selection::{self, Selection},
        token,
    },
    module_host::{CallError, ModuleInstance},
    store::{Change, Expectation},
};

/// An ended session stays this long, so that it answers "expired" once and never starts anew.
const TOMBSTONE_S: u64 = 600;

/// What a step without a form asks for.
pub(super) static NO_FORM: Form = Form { title: None, blocks: Vec::new(), fields: Vec::new(), ceremony: None };

/// A session about to be made.
pub struct Start {
    pub vouched: Vouched,
    pub client_id: String,
    pub grant: Grant,
    pub retain_until: Timestamp,
    /// Whether the preselected module is asked at once, without a choice before it.
    pub at_once: bool,
}

/// A session that may go on and its user, as they were read.
pub(super) struct Alive {
    pub found: Found<Session>,
    pub user: Found<User>,
}

/// What a look at a session came to.
pub(super) enum Look {
    Alive(Alive),
    Over(Outcome),
}

impl Turn<'_> {
    /// After the first factor: the result if no second one is due, else a session and its first step. `place` is where
    /// the session will stand.
    pub(super) async fn start(&self, mut place: Found<Session>, start: Start) -> Result<Outcome, FlowError> {
        let user_id = user_id(&start.vouched);
        for _ in 0..TRIES_MAX {
            if place.record.is_some() {
                return self.show_again(place).await;
            }
            let factors: Found<Factors> = self.engine.read(key::factors(&user_id)).await?;
            let account: Found<Account> = self.engine.read(key::account(&user_id)).await?;
            let modules = self.engine.modules.modules();
            let stage = match selection::select(&factors.open(), &account.open(), &modules, self.now.wall) {
                Selection::NotRequired => match self.grant_without_second_factor(&start, &place, &factors).await? {
                    Some(granted) => return Ok(Outcome::Granted { provider: start.vouched.provider, granted }),
                    None => {
                        place = self.session().await?;
                        continue;
                    }
                },
                Selection::Unavailable { module, reason } => {
                    tracing::error!(target: "audit", event = "login_refused", user = user_id, module, reason);
                    return Ok(self.over(start.vouched.provider, "module_unavailable"));
                }
                Selection::Several { .. } if !start.at_once => SessionStage::Selecting,
                Selection::One(module) | Selection::Several { preselected: module, .. } => {
                    SessionStage::Initialising { module, cause: Cause::First }
                }
            };
            let mut record = self.new_session(&start, stage);
            if is_quiet(&record.open.stage, &modules) {
                // What a module that sends nothing answers to nobody never happened, so it is asked before anything is
                // stored: one commit instead of two. Whoever begins again asks with the same seed.
                match self.next_step(record).await? {
                    Ok(waiting) => record = waiting,
                    Err(reason) => {
                        self.tell_end(&user_id, reason);
                        return Ok(self.over(start.vouched.provider, reason));
                    }
                }
            }
            match self.open(&start, &place, &factors, &record).await? {
                Committed::Done => return self.show(record).await,
                Committed::Conflict => self.still_same_user(&start.vouched).await?,
            }
            place = self.session().await?;
        }
        Err(FlowError::Busy)
    }

    /// Stores a new session, and with it what it rests on: nobody else's session there, the user and its factors
    /// unchanged, and the user's list of sessions.
    async fn open(
        &self,
        start: &Start,
        place: &Found<Session>,
        factors: &Found<Factors>,
        record: &Session,
    ) -> Result<Committed, FlowError> {
        let _turn = self.engine.queue(&record.open.user).await;
        let account: Found<Account> = self.engine.read(key::account(&record.open.user)).await?;
        let (mut changes, mut expectations) = self.enlist(account.open(), &account, &record.open).await?;
        changes.push(place.put(record));
        expectations.extend([place.unchanged(), start.vouched.user.unchanged(), factors.unchanged()]);
        Ok(self.engine.commit(changes, expectations).await?)
    }

    /// A flow id whose first factor was right but whose second cannot be asked is over.
    fn over(&self, provider: super::ProviderId, reason: &str) -> Outcome {
        self.engine.end_token(self.flow_hash(), self.forgotten_at(self.now.wall));
        Outcome::Aborted { provider, reason: reason.to_owned() }
    }

    /// A user that changed since the password was checked has to be checked anew.
    async fn still_same_user(&self, vouched: &Vouched) -> Result<(), FlowError> {
        let user: Found<User> = self.engine.read(Some(vouched.user.key.clone())).await?;
        if user.revision == vouched.user.revision { Ok(()) } else { Err(FlowError::Busy) }
    }

    fn new_session(&self, start: &Start, stage: SessionStage) -> Session {
        let user = start.vouched.user.record.as_ref();
        let lifetime_s = self.engine.settings.limits.session_lifetime_s;
        let expires_at = self.now.wall.plus_s(lifetime_s);
        Document {
            open: SessionOpen {
                user: user_id(&start.vouched),
                user_epoch: user.map_or(0, |user| user.open.epoch),
                provider: start.vouched.provider.clone(),
                client_id: start.client_id.clone(),
                created_at: self.now.wall,
                expires_at,
                created_boot_ms: self.now.boot_ms,
                boot_id: self.now.boot_id.to_string(),
                retain_until: start.retain_until.max(expires_at.plus_s(TOMBSTONE_S)),
                attempts_used: 0,
                password_at: start.vouched.by_password.then_some(self.now.wall),
                stage,
            },
            secret: SessionSecret {
                grant: start.grant.clone(),
                seed: token::first_seed(self.flow_hash(), &self.engine.tokens),
                challenge: None,
                form: None,
                poll_not_before: None,
            },
        }
    }

    /// The account with this session in its list; when the list is full, the oldest sessions end.
    async fn enlist(
        &self,
        mut counted: AccountOpen,
        account: &Found<Account>,
        session: &SessionOpen,
    ) -> Result<(Vec<Change>, Vec<Expectation>), FlowError> {
        let mut changes = Vec::new();
        let mut expectations = vec![account.unchanged()];
        let own = OpenFlow { flow: self.flow_hash().to_owned(), until: session.expires_at };
        let sessions_max = self.engine.settings.limits.sessions_per_user_max;
        for oldest in own.join(&mut counted.sessions, sessions_max, self.now.wall) {
            let found: Found<Session> = self.engine.read(key::session(&oldest.flow)).await?;
            if let Some(record) = &found.record {
                changes.push(found.put(&ended(record, "superseded")));
                expectations.push(found.unchanged());
            }
        }
        changes.push(account.put(&Document { open: counted, secret: () }));
        Ok((changes, expectations))
    }

    /// The first step of a session that was stored just now.
    async fn show(&self, record: Session) -> Result<Outcome, FlowError> {
        if !matches!(record.open.stage, SessionStage::Initialising { .. }) {
            return Ok(Outcome::Shown { session: Box::new(record), error: None });
        }
        let found = self.session().await?;
        match found.record {
            Some(_) => self.show_again(found).await,
            None => Ok(Outcome::Aborted { provider: record.open.provider, reason: "login_expired".to_owned() }),
        }
    }

    /// The step a session stands at; a module not asked yet is asked now.
    pub(super) async fn show_again(&self, found: Found<Session>) -> Result<Outcome, FlowError> {
        let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
        match &session.open.stage {
            SessionStage::Ended { .. } => Err(FlowError::UnknownFlow),
            SessionStage::Initialising { .. } => self.initialise(found).await,
            SessionStage::Selecting | SessionStage::Waiting { .. } => {
                Ok(Outcome::Shown { session: Box::new(session.clone()), error: None })
            }
        }
    }

    /// Asks the module of a session for its step. The session that says so is durable already: after a crash the call
    /// is repeated with the same seed, and what the module answered to nobody never happened.
    pub(super) async fn initialise(&self, mut found: Found<Session>) -> Result<Outcome, FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(session) = found.record.clone() else { return Err(FlowError::UnknownFlow) };
            if !matches!(session.open.stage, SessionStage::Initialising { .. }) {
                return Box::pin(self.show_again(found)).await;
            }
            let next = match self.next_step(session).await? {
                Ok(next) => next,
                Err(reason) => return self.end_with(found, reason).await,
            };
            if let Committed::Done = self.engine.commit(vec![found.put(&next)], vec![found.unchanged()]).await? {
                return Ok(Outcome::Shown { session: Box::new(next), error: None });
            }
            found = self.session().await?;
        }
        Err(FlowError::Busy)
    }

    /// The session with the step its module gives, or why it gives none.
    async fn next_step(&self, mut session: Session) -> Result<Result<Session, &'static str>, FlowError> {
        let SessionStage::Initialising { module, cause } = session.open.stage.clone() else { return Ok(Ok(session)) };
        let enrolment = self.engine.enrolment(&session.open.user, &module).await?;
        let user = self.engine.user_in_epoch(&session.open.user, session.open.user_epoch).await?;
        let enrolment = enrolment.record.filter(|enrolment| self.engine.is_of_type(enrolment));
        let (Some(enrolment), Some(user)) = (enrolment, user.and_then(|user| user.record)) else {
            return Ok(Err("unknown_error"));
        };
        let ask = Ask {
            user_id: &session.open.user,
            user_name: &user.open.name,
            language: &self.asker.language,
            seed: &session.secret.seed,
            now: self.now.wall,
        };
        let operation = Operation::InitializeLoginMfaStep { enrolment: for_module(&enrolment), cause };
        let reply = match self.engine.ask(&module, ask, operation).await {
            Ok(Reply::Login(reply)) => reply,
            other => {
                self.report(&module, "initialize_login_mfa_step", &other);
                return Ok(Err("unknown_error"));
            }
        };
        if !reply.messages.is_empty() {
            tracing::error!(module, "the module sends messages, and no delivery channel is configured");
            return Ok(Err("delivery_failed"));
        }
        session.open.stage = SessionStage::Waiting { module };
        session.secret.form = Some(reply.form);
        session.secret.challenge = reply.challenge;
        session.secret.seed = token::new_seed();
        Ok(Ok(session))
    }

    /// Tells the log why a module's answer does not count; a module's own words may hold a secret and stay out.
    pub(super) fn report(&self, module: &str, operation: &str, answer: &Result<Reply, CallError>) {
        engine::report_failure(module, operation, token::short(self.flow_hash()), answer);
    }

    /// Ends a session that lives and says why.
    pub(super) async fn end_with(&self, found: Found<Session>, reason: &str) -> Result<Outcome, FlowError> {
        let provider = found.record.as_ref().map(|session| session.open.provider.clone());
        let provider = provider.ok_or(FlowError::UnknownFlow)?;
        self.end(found, reason).await?;
        Ok(Outcome::Aborted { provider, reason: reason.to_owned() })
    }

    /// Makes the session a tombstone and takes it from the user's list.
    pub(super) async fn end(&self, found: Found<Session>, reason: &str) -> Result<(), FlowError> {
        self.end_and(found, reason, |account| account).await
    }

    /// As [`Turn::end`], with another change of the account in the same commit.
    pub(super) async fn end_and(
        &self,
        mut found: Found<Session>,
        reason: &str,
        change: impl Fn(AccountOpen) -> AccountOpen,
    ) -> Result<(), FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
            if let SessionStage::Ended { .. } = session.open.stage {
                return Err(FlowError::UnknownFlow);
            }
            let _turn = self.engine.queue(&session.open.user).await;
            let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
            let mut changes = vec![found.put(&ended(session, reason))];
            // The account of a removed user is gone and stays gone.
            if let Some(record) = &account.record {
                let mut counted = change(record.open.clone());
                counted.sessions.retain(|open| open.flow != self.flow_hash());
                changes.push(account.put(&Document { open: counted, secret: () }));
            }
            let expectations = vec![found.unchanged(), account.unchanged()];
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                self.tell_end(&session.open.user, reason);
                return Ok(());
            }
            found = self.session().await?;
        }
        Err(FlowError::Busy)
    }

    fn tell_end(&self, user: &str, reason: &str) {
        let flow = token::short(self.flow_hash());
        tracing::info!(target: "audit", event = "login_ended", reason, user, flow);
    }

    /// The session as a step in the reader's language.
    pub(super) async fn session_step(&self, session: &Session, error: Option<&str>) -> Result<Step, FlowError> {
        let place = |step_id| Place {
            flow_id: self.flow_id,
            handler: handler(&session.open.provider),
            step_id,
            language: &self.asker.language,
            expires_at: Some(session.open.expires_at),
        };
        match &session.open.stage {
            SessionStage::Waiting { module } => {
                let instance = self.engine.modules.module(module).ok_or(FlowError::UnknownFlow)?;
                let form = session.secret.form.as_ref().unwrap_or(&NO_FORM);
                let mut step = render::module_step(place("mfa"), form, &instance, error);
                if error.is_some() {
                    // The protocol has one word for a wrong answer; what the module says of it is for people.
                    step.errors.insert("base".to_owned(), "invalid_code".to_owned());
                }
                Ok(Step::Form(step))
            }
            SessionStage::Selecting => {
                let form = self.selection_form(session).await?;
                Ok(Step::Form(render::host_step(place("select_mfa_module"), &form, error)))
            }
            _ => Err(FlowError::UnknownFlow),
        }
    }

    /// Whether the session may go on now; if not, it is ended and the answer is why.
    pub(super) async fn look(&self, found: Found<Session>) -> Result<Look, FlowError> {
        match self.may_go_on(&found).await? {
            Some(user) => Ok(Look::Alive(Alive { found, user })),
            None => self.end_with(found, "login_expired").await.map(Look::Over),
        }
    }

    /// The user, if the session is open, in its time, and its user as it was.
    pub(super) async fn may_go_on(&self, found: &Found<Session>) -> Result<Option<Found<User>>, FlowError> {
        let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
        if let SessionStage::Ended { .. } = session.open.stage {
            return Err(FlowError::UnknownFlow);
        }
        if !is_session_alive(&session.open, &self.now) {
            return Ok(None);
        }
        self.engine.user_in_epoch(&session.open.user, session.open.user_epoch).await
    }
}

/// Whether a module is about to be asked that sends nothing.
fn is_quiet(stage: &SessionStage, modules: &[ModuleInstance]) -> bool {
    let SessionStage::Initialising { module: id, .. } = stage else { return false };
    let description = modules.iter().find(|module| module.id == *id).and_then(|module| module.description.as_ref());
    description.is_some_and(|description| !description.sends)
}

/// The session as a tombstone: nothing of the module stays.
pub fn ended(session: &Session, reason: &str) -> Session {
    let mut ended = session.clone();
    ended.open.stage = SessionStage::Ended { reason: reason.to_owned() };
    ended.secret.challenge = None;
    ended.secret.form = None;
    ended.secret.grant = Grant::Tokens;
    ended
}

pub(super) fn user_id(vouched: &Vouched) -> String {
    vouched.user.key.as_str().trim_start_matches("user/").to_owned()
}

impl Turn<'_> {
    async fn grant_without_second_factor(
        &self,
        start: &Start,
        session: &Found<Session>,
        factors: &Found<Factors>,
    ) -> Result<Option<super::finish::Granted>, FlowError> {
        let record = self.new_session(start, SessionStage::Ended { reason: "passed".to_owned() });
        let finish = Finish::new(self, &record, None);
        let proved = finish.access(self.engine).await?;
        let mut changes = proved.changes;
        let mut expectations = proved.expectations;
        changes.push(session.put(&ended(&record, "passed")));
        expectations.extend([session.unchanged(), start.vouched.user.unchanged(), factors.unchanged()]);
        match self.engine.commit(changes, expectations).await? {
            Committed::Done => {
                finish.tell();
                Ok(Some(proved.granted))
            }
            Committed::Conflict => {
                self.still_same_user(&start.vouched).await?;
                Ok(None)
            }
        }
    }
}
