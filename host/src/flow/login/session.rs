//! The validation session as it stands: the step it shows, and its end.

use mfa_sdk::{
    Message,
    form::Form,
    protocol::{LoginReply, Operation, Reply},
};

use super::{Outcome, Turn, handler, set_password};
use crate::{
    flow::{
        FlowError, Step,
        engine::{self, Ask, Committed, TRIES_MAX, for_module, is_session_alive},
        messages::HandedOver,
        record::{
            Account, AccountOpen, Document, Found, Grant, SentTo, Session, SessionOpen, SessionSecret, SessionStage,
            User, key,
        },
        render::{self, Place},
        token,
    },
    module_host::CallError,
};

/// What a step without a form asks for.
pub(super) static NO_FORM: Form = Form { title: None, blocks: Vec::new(), fields: Vec::new(), ceremony: None };

/// A session that may go on and its user, as they were read.
pub(super) struct Alive {
    pub found: Found<Session>,
    pub user: Found<User>,
}

/// The step a module gave, not kept yet.
pub(super) struct AskedFor {
    pub session: Session,
    pub messages: Vec<Message>,
    /// Where messages of this enrolment may go.
    pub sent_to: Vec<SentTo>,
    /// What this enrolment was set up by.
    pub set_up: Option<String>,
}

/// What a look at a session came to.
#[expect(clippy::large_enum_variant, reason = "one is made for each request and moved once")]
pub(super) enum Look {
    Alive(Alive),
    Over(Outcome),
}

impl Turn<'_> {
    /// The step a session stands at; a module not asked yet is asked now.
    pub(super) async fn show_again(&self, found: Found<Session>) -> Result<Outcome, FlowError> {
        let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
        match &session.open.stage {
            SessionStage::Denied { .. } | SessionStage::Ended { .. } => Err(FlowError::UnknownFlow),
            SessionStage::Initialising { .. } => self.initialise(found).await,
            SessionStage::Selecting | SessionStage::Waiting { .. } | SessionStage::SettingPassword { .. } => {
                Ok(Outcome::shown(session.clone()))
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
            let user = self.engine.user_in_epoch(&session.open.user, session.open.user_epoch).await?;
            let Some((user, record)) = user.and_then(|user| user.record.clone().map(|record| (user, record))) else {
                return self.end_with(found, "unknown_error").await;
            };
            let asked = match self.next_step(session, &record).await? {
                Ok(asked) => asked,
                Err(reason) => return self.end_with(found, reason).await,
            };
            if let Some(outcome) = self.keep_step(&found, asked, &user).await? {
                return Ok(outcome);
            }
            found = self.session().await?;
        }
        Err(FlowError::Busy)
    }

    /// The session with the step its module gives this user, or why it gives none.
    pub(super) async fn next_step(
        &self,
        mut session: Session,
        user: &User,
    ) -> Result<Result<AskedFor, &'static str>, FlowError> {
        let SessionStage::Initialising { module, cause } = session.open.stage.clone() else {
            return Ok(Ok(AskedFor { session, messages: Vec::new(), sent_to: Vec::new(), set_up: None }));
        };
        let enrolment = self.engine.enrolment(&session.open.user, &module).await?;
        let Some(enrolment) = enrolment.record.filter(|enrolment| self.engine.is_of_type(enrolment)) else {
            return Ok(Err("unknown_error"));
        };
        let reply = match self.engine.fixed_step(&module, self.now.wall).await {
            Ok(Some(form)) => LoginReply { form: Form::clone(&form), challenge: None, messages: Vec::new() },
            Ok(None) => {
                let ask = Ask {
                    user_id: &session.open.user,
                    user_name: &user.open.name,
                    addresses: &user.secret.addresses,
                    language: self.language_of(user),
                    seed: &session.secret.seed,
                    now: self.now.wall,
                };
                let operation = Operation::InitializeLoginMfaStep { enrolment: for_module(&enrolment), cause };
                match self.engine.ask(&module, ask, operation).await {
                    Ok(Reply::Login(reply)) => reply,
                    other => {
                        self.report(&module, "initialize_login_mfa_step", &other);
                        return Ok(Err("unknown_error"));
                    }
                }
            }
            Err(error) => {
                self.report(&module, "input_schema", &Err(error));
                return Ok(Err("unknown_error"));
            }
        };
        if !reply.messages.is_empty() && !self.engine.modules.sends(&module) {
            let flow = token::short(self.flow_hash());
            let reason = "it sends messages, and its description says that it does not";
            tracing::error!(target: "audit", event = "module_failed", module, flow, reason);
            return Ok(Err("unknown_error"));
        }
        session.open.stage = SessionStage::Waiting { module };
        session.secret.sent = None;
        session.secret.form = Some(reply.form);
        session.secret.challenge = reply.challenge;
        session.secret.seed = token::new_seed();
        let Document { open, secret } = enrolment;
        Ok(Ok(AskedFor { session, messages: reply.messages, sent_to: secret.sent_to, set_up: open.set_up }))
    }

    /// Tells the log why a module's answer does not count; a module's own words may hold a secret and stay out.
    pub(super) fn report(&self, module: &str, operation: &str, answer: &Result<Reply, CallError>) {
        engine::report_failure(module, operation, token::short(self.flow_hash()), answer);
    }

    /// Ends a session that lives and says why.
    pub(super) async fn end_with(&self, found: Found<Session>, reason: &str) -> Result<Outcome, FlowError> {
        let SessionOpen { provider, language, .. } = found.record.as_ref().ok_or(FlowError::UnknownFlow)?.open.clone();
        self.end(found, reason).await?;
        Ok(Outcome::Aborted { provider, reason: reason.to_owned(), language })
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

    pub(super) fn tell_end(&self, user: &str, reason: &str) {
        let flow = token::short(self.flow_hash());
        tracing::info!(target: "audit", event = "login_ended", reason, user, flow);
    }

    /// The session as a step in the reader's language.
    pub(super) async fn session_step(
        &self,
        session: &Session,
        error: Option<&str>,
        delivery: Option<HandedOver>,
    ) -> Result<Step, FlowError> {
        let voice = self.voice(session.open.language.as_deref());
        let place = |step_id| Place {
            flow_id: self.flow_id,
            handler: handler(&session.open.provider),
            step_id,
            voice,
            expires_at: Some(session.open.expires_at),
        };
        match &session.open.stage {
            SessionStage::Waiting { module } => {
                let instance = self.engine.modules.module(module).ok_or(FlowError::UnknownFlow)?;
                let form = session.secret.form.as_ref().unwrap_or(&NO_FORM);
                let mut step = render::module_step(place("mfa"), form, &instance, error.map(Into::into).as_ref());
                if error.is_some() {
                    // The protocol has one word for a wrong answer; what the module says of it is for people.
                    step.errors.insert("base".to_owned(), "invalid_code".to_owned());
                }
                self.tell_delivery(session, delivery, voice, &mut step).await?;
                step.recovery = self.offered(session).await?;
                Ok(Step::Form(step))
            }
            SessionStage::Selecting => {
                let form = self.selection_form(session).await?;
                Ok(Step::Form(render::host_step(place("select_mfa_module"), &form, error)))
            }
            SessionStage::SettingPassword { .. } => Ok(Step::Form(set_password::step(place("set_password"), error))),
            SessionStage::Initialising { .. } | SessionStage::Denied { .. } | SessionStage::Ended { .. } => {
                Err(FlowError::UnknownFlow)
            }
        }
    }

    /// Whether the session may go on now; if not, it is ended and the answer is why.
    pub(super) async fn look(&self, found: Found<Session>) -> Result<Look, FlowError> {
        if let Some(SessionStage::Denied { reason }) = found.record.as_ref().map(|session| session.open.stage.clone()) {
            return self.end_with(found, &reason).await.map(Look::Over);
        }
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

/// The session as a tombstone: nothing of the module stays.
pub fn ended(session: &Session, reason: &str) -> Session {
    let SessionSecret { seed, poll_not_before, .. } = &session.secret;
    let (seed, poll_not_before) = (seed.clone(), *poll_not_before);
    Document {
        open: SessionOpen { stage: SessionStage::Ended { reason: reason.to_owned() }, ..session.open.clone() },
        secret: SessionSecret { grant: Grant::Tokens, seed, challenge: None, form: None, poll_not_before, sent: None },
    }
}
