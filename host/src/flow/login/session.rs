//! The validation session from its start to the step it shows, and its end.

use mfa_sdk::protocol::{Cause, Operation, Reply};

use super::{Outcome, Turn, finish::Finish, first_factor::Vouched, handler, set_password};
use crate::{
    clock::Timestamp,
    flow::{
        FlowError, Step,
        engine::{self, Ask, Committed, TRIES_MAX, for_module, is_session_alive},
        record::{
            Account, AccountOpen, Document, Factors, Found, Grant, OpenFlow, Session, SessionOpen, SessionSecret,
            SessionStage, key,
        },
        render::{self, Place},
        selection::{self, Selection},
        token,
    },
    module_host::CallError,
    store::{Change, Expectation},
};

/// An ended session stays this long, so that it answers "expired" once and never starts anew.
const TOMBSTONE_S: u64 = 600;

/// A session about to be made.
pub struct Start {
    pub vouched: Vouched,
    pub client_id: String,
    pub grant: Grant,
    pub retain_until: Timestamp,
    /// Whether the preselected module is asked at once, without a choice before it.
    pub at_once: bool,
}

impl Start {
    /// A provider may opt out of second factors, but a proof is of the user's factors whatever the provider.
    fn asks_second_factor(&self) -> bool {
        self.vouched.supports_mfa || matches!(self.grant, Grant::Proof { .. })
    }
}

impl Turn<'_> {
    /// After the first factor: the result if no second one is due, else a session and its first step.
    pub(super) async fn start(&self, start: Start) -> Result<Outcome, FlowError> {
        let user_id = user_id(&start.vouched);
        for _ in 0..TRIES_MAX {
            let turn = self.engine.queue(&user_id).await;
            let session = self.session().await?;
            if session.record.is_some() {
                drop(turn);
                return self.show_again(session).await;
            }
            let factors: Found<Factors> = self.engine.read(key::factors(&user_id)).await?;
            let account: Found<Account> = self.engine.read(key::account(&user_id)).await?;
            let listed = factors.open();
            let counted = account.open();
            let choice = if start.asks_second_factor() {
                selection::select(&listed, &counted, &self.engine.modules.modules(), self.now.wall)
            } else {
                Selection::NotRequired
            };
            let stage = match choice {
                Selection::NotRequired if start.vouched.must_set_password => {
                    SessionStage::SettingPassword { module: None, factor_at: None }
                }
                Selection::NotRequired => match self.grant_without_second_factor(&start, &session, &factors).await? {
                    Some(granted) => return Ok(Outcome::Granted { provider: start.vouched.provider, granted }),
                    None => continue,
                },
                Selection::Unavailable { module, reason } => {
                    tracing::error!(target: "audit", event = "login_refused", user = user_id, module, reason);
                    return Ok(self.unavailable(start.vouched.provider));
                }
                Selection::Several { .. } if !start.at_once => SessionStage::Selecting,
                Selection::One(module) | Selection::Several { preselected: module, .. } => {
                    SessionStage::Initialising { module, cause: Cause::First }
                }
            };
            let record = self.new_session(&start, stage);
            let (mut changes, mut expectations) = self.enlist(counted, &account, &record.open).await?;
            changes.push(session.put(&record));
            expectations.extend([session.unchanged(), start.vouched.user.unchanged(), factors.unchanged()]);
            let committed = self.engine.commit(changes, expectations).await?;
            drop(turn);
            match committed {
                Committed::Done => return self.show(record.open.provider.clone()).await,
                Committed::Conflict => self.still_same_user(&start.vouched).await?,
            }
        }
        Err(FlowError::Busy)
    }

    /// A flow id whose first factor was right but whose second cannot be asked is over.
    fn unavailable(&self, provider: super::ProviderId) -> Outcome {
        self.engine.end_token(&self.flow_hash(), self.forgotten_at(self.now.wall));
        Outcome::Aborted { provider, reason: "module_unavailable".to_owned() }
    }

    /// A user that changed since the password was checked has to be checked anew.
    async fn still_same_user(&self, vouched: &Vouched) -> Result<(), FlowError> {
        let user: Found<crate::flow::record::User> = self.engine.read(Some(vouched.user.key.clone())).await?;
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
                must_set_password: start.vouched.must_set_password,
                stage,
            },
            secret: SessionSecret {
                grant: start.grant.clone(),
                seed: token::new_seed(),
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
        let own = OpenFlow { flow: self.flow_hash(), until: session.expires_at };
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

    async fn show(&self, provider: super::ProviderId) -> Result<Outcome, FlowError> {
        let found = self.session().await?;
        match found.record {
            Some(_) => self.show_again(found).await,
            None => Ok(Outcome::Aborted { provider, reason: "login_expired".to_owned() }),
        }
    }

    /// The step a session stands at; a module not asked yet is asked now.
    pub(super) async fn show_again(&self, found: Found<Session>) -> Result<Outcome, FlowError> {
        let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
        match &session.open.stage {
            SessionStage::Ended { .. } => Err(FlowError::UnknownFlow),
            SessionStage::Initialising { .. } => self.initialise(found).await,
            SessionStage::Selecting | SessionStage::Waiting { .. } | SessionStage::SettingPassword { .. } => {
                Ok(Outcome::Shown { session: Box::new(session.clone()), error: None })
            }
        }
    }

    /// Asks the module for its step. The session that says so is durable already: after a crash the call is
    /// repeated with the same seed, and what the module answered to nobody never happened.
    pub(super) async fn initialise(&self, mut found: Found<Session>) -> Result<Outcome, FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(session) = found.record.clone() else { return Err(FlowError::UnknownFlow) };
            let SessionStage::Initialising { module, cause } = session.open.stage.clone() else {
                return Box::pin(self.show_again(found)).await;
            };
            let enrolment = self.engine.enrolment(&session.open.user, &module).await?;
            let user = self.engine.user_in_epoch(&session.open.user, session.open.user_epoch).await?;
            let enrolment = enrolment.record.filter(|enrolment| self.engine.is_of_type(enrolment));
            let (Some(enrolment), Some(user)) = (enrolment, user.and_then(|user| user.record)) else {
                return self.end_with(found, "unknown_error").await;
            };
            let ask = Ask {
                user_id: &session.open.user,
                user_name: &user.open.name,
                addresses: &user.secret.addresses,
                language: &self.asker.language,
                seed: &session.secret.seed,
                now: self.now.wall,
            };
            let operation = Operation::InitializeLoginMfaStep { enrolment: for_module(&enrolment), cause };
            let reply = match self.engine.ask(&module, ask, operation).await {
                Ok(Reply::Login(reply)) => reply,
                other => {
                    self.report(&module, "initialize_login_mfa_step", &other);
                    return self.end_with(found, "unknown_error").await;
                }
            };
            if !reply.messages.is_empty() {
                tracing::error!(module, "the module sends messages, and no delivery channel is configured");
                return self.end_with(found, "delivery_failed").await;
            }
            let mut next = session;
            next.open.stage = SessionStage::Waiting { module };
            next.secret.form = Some(reply.form);
            next.secret.challenge = reply.challenge;
            next.secret.seed = token::new_seed();
            if let Committed::Done = self.engine.commit(vec![found.put(&next)], vec![found.unchanged()]).await? {
                return Ok(Outcome::Shown { session: Box::new(next), error: None });
            }
            found = self.session().await?;
        }
        Err(FlowError::Busy)
    }

    /// Tells the log why a module's answer does not count; a module's own words may hold a secret and stay out.
    pub(super) fn report(&self, module: &str, operation: &str, answer: &Result<Reply, CallError>) {
        let flow = self.flow_hash();
        engine::report_failure(module, operation, token::short(&flow), answer);
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
                let user = &session.open.user;
                let flow = self.flow_hash();
                tracing::info!(target: "audit", event = "login_ended", reason, user, flow = token::short(&flow));
                return Ok(());
            }
            found = self.session().await?;
        }
        Err(FlowError::Busy)
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
                let form = session.secret.form.clone().unwrap_or_default();
                let mut step = render::module_step(place("mfa"), &form, &instance, error);
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
            SessionStage::SettingPassword { .. } => Ok(Step::Form(set_password::step(place("set_password"), error))),
            SessionStage::Initialising { .. } | SessionStage::Ended { .. } => Err(FlowError::UnknownFlow),
        }
    }

    /// Whether the session may go on now; if not, it is ended and the answer is why.
    pub(super) async fn ended_by_now(&self, found: &Found<Session>) -> Result<Option<Outcome>, FlowError> {
        if self.may_go_on(found).await? {
            return Ok(None);
        }
        self.end_with(found.clone(), "login_expired").await.map(Some)
    }

    /// Whether the session is open, in its time, and its user as it was.
    pub(super) async fn may_go_on(&self, found: &Found<Session>) -> Result<bool, FlowError> {
        let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
        if let SessionStage::Ended { .. } = session.open.stage {
            return Err(FlowError::UnknownFlow);
        }
        Ok(is_session_alive(&session.open, &self.now)
            && self.engine.user_in_epoch(&session.open.user, session.open.user_epoch).await?.is_some())
    }
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
