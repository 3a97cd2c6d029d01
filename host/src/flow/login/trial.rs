//! A trial of one method: a login's step that grants nothing. A user tries a method before it is needed, and a change of
//! factors that wants a code of one very method asks for it here. Answers count in the same ledger as those of a login.

use mfa_sdk::protocol::Cause;
use serde_json::{Map, Value};

use super::{Outcome, Turn, opening::TOMBSTONE_S, plain::answer_of, switch::Wish};
use crate::{
    flow::{
        Access, Asker, FlowError, Flows, Step,
        engine::{Committed, Engine, TRIES_MAX},
        messages::HandedOver,
        proof::Need,
        record::{
            Account, Document, Factors, Found, Grant, ProviderId, Session, SessionOpen, SessionSecret, SessionStage,
            User, key,
        },
        selection::is_answering,
        token,
    },
    module_host::ModuleInstance,
};

/// What comes with a change that wants a code of a method. It may be right, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Confirmation {
    /// Answers the one field of the step.
    pub code: Option<String>,
    /// Answer a step of several fields.
    pub fields: Option<Map<String, Value>>,
    /// The trial whose step this answers: for methods that send something first.
    pub flow_id: Option<String>,
}

impl Confirmation {
    pub(in crate::flow) fn is_empty(&self) -> bool {
        self.code.is_none() && self.fields.is_none()
    }
}

impl Flows {
    /// Starts a trial of one of the caller's own methods. Needs a fresh proof, of whatever kind: a wrong answer locks
    /// the method, and a trial may send.
    pub async fn begin_trial(&self, access: &Access, module: &str, asker: &Asker) -> Result<Step, FlowError> {
        let flow_id = token::new_flow_id();
        let turn = Turn::new(&self.engine, &flow_id, asker);
        let factors: Found<Factors> = self.engine.read(key::factors(&access.user_id)).await?;
        self.engine.require_proof(access, &factors.open(), Need::Trial, turn.now.wall)?;
        if factors.open().of(module).is_some_and(|factor| factor.recovery) {
            let detail = "a trial would use one of these codes up".to_owned();
            return Err(FlowError::NotPossible { code: "is_recovery", detail });
        }
        let outcome = turn.begin_trial(access, module).await?;
        turn.trial_step(outcome).await
    }

    /// The step a trial stands at. Nothing changes by it, however often.
    pub async fn show_trial(&self, access: &Access, flow_id: &str, asker: &Asker) -> Result<Step, FlowError> {
        let turn = Turn::new(&self.engine, flow_id, asker);
        let found = turn.own_trial(access).await?;
        let session = found.record.as_ref().ok_or(FlowError::UnknownFlow)?;
        let aborted = |reason: &str| {
            let SessionOpen { provider, language, .. } = SessionOpen::clone(&session.open);
            Outcome::Aborted { provider, reason: reason.to_owned(), language }
        };
        let outcome = match &session.open.stage {
            SessionStage::Denied { reason } => aborted(reason),
            SessionStage::Waiting { .. } if turn.may_go_on(&found).await?.is_none() => aborted("login_expired"),
            SessionStage::Waiting { .. } => Outcome::shown(session.clone()),
            // It ended, or its beginning was cut off.
            _ => return Err(FlowError::UnknownFlow),
        };
        turn.trial_step(outcome).await
    }

    /// Answers the step of a trial, or asks for its message again.
    pub async fn submit_trial(
        &self,
        access: &Access,
        flow_id: &str,
        fields: Map<String, Value>,
        asker: &Asker,
    ) -> Result<Step, FlowError> {
        let turn = Turn::new(&self.engine, flow_id, asker);
        let found = turn.own_trial(access).await?;
        let wish = match &found.record {
            Some(session) => Wish::of(&session.open.stage, &fields)?,
            None => None,
        };
        match wish {
            None => turn.trial_step(turn.answer(found, fields).await?).await,
            Some(Wish::Method(_)) => Err(FlowError::InvalidRequest("a trial is of one method; begin one of another")),
            Some(wish @ Wish::Resend) => {
                let (flow_id, outcome) = turn.fulfil(found, wish).await?;
                Turn::at(turn.now, &self.engine, &flow_id, asker).trial_step(outcome).await
            }
        }
    }

    /// Ends a trial at the user's wish.
    pub async fn cancel_trial(&self, access: &Access, flow_id: &str, asker: &Asker) -> Result<(), FlowError> {
        let turn = Turn::new(&self.engine, flow_id, asker);
        turn.end(turn.own_trial(access).await?, "aborted").await
    }
}

impl Engine {
    /// Whether this is a code of the caller's own method, used up by this.
    ///
    /// # Errors
    /// [`FlowError::InvalidCode`] and what else a wrong answer to a step comes to; [`FlowError::NotPossible`] if the
    /// method sends its code first and no trial is named.
    pub(in crate::flow) async fn confirm(
        &self,
        access: &Access,
        asker: &Asker,
        module: &str,
        given: &Confirmation,
    ) -> Result<(), FlowError> {
        if let Some(flow_id) = &given.flow_id {
            let turn = Turn::new(self, flow_id, asker);
            let found = turn.own_trial(access).await?;
            let is_of_module = |session: &Session| session.open.provider.id.as_deref() == Some(module);
            if !found.record.as_ref().is_some_and(is_of_module) {
                return Err(FlowError::UnknownFlow);
            }
            return turn.use_up(found, given).await;
        }
        if self.modules.sends(module) {
            let detail = format!("begin a trial of {module} first, and give its flow_id with the code it sends");
            return Err(FlowError::NotPossible { code: "needs_trial", detail });
        }
        let flow_id = token::new_flow_id();
        let turn = Turn::new(self, &flow_id, asker);
        let confirmed = match turn.begin_trial(access, module).await? {
            Outcome::Shown { .. } => turn.use_up(turn.session().await?, given).await,
            _ => Err(unavailable(module)),
        };
        if confirmed.is_err() {
            // Nobody knows this flow's id, so it would only take another's place.
            let _ = turn.end(turn.session().await?, "aborted").await;
        }
        // Another trial of this user took its place.
        confirmed.map_err(|error| if let FlowError::UnknownFlow = error { FlowError::Busy } else { error })
    }
}

impl Turn<'_> {
    /// A session of this user that asks this method and grants nothing, and its first step.
    async fn begin_trial(&self, access: &Access, module: &str) -> Result<Outcome, FlowError> {
        for _ in 0..TRIES_MAX {
            let factors: Found<Factors> = self.engine.read(key::factors(&access.user_id)).await?;
            let listed = factors.open();
            let factor = listed.of(module).ok_or(FlowError::NotFound { what: "such method of yours" })?;
            if !factor.active {
                let detail = "this method is not active; activate it first".to_owned();
                return Err(FlowError::NotPossible { code: "not_active", detail });
            }
            let instance = self.engine.modules.module(module).filter(|instance| is_answering(&instance.state));
            let instance = instance.ok_or_else(|| unavailable(module))?;
            let user = self.engine.user_in_epoch(&access.user_id, access.user_epoch).await?;
            let user = user.ok_or(FlowError::Unauthenticated)?;
            let turn = self.engine.queue(&access.user_id).await;
            let committed = self.open_trial(self.new_trial(access, &instance), &user, &factors).await?;
            drop(turn);
            if let Committed::Done = committed {
                let (user, method) = (&access.user_id, &instance.id);
                let flow = token::short(self.flow_hash());
                tracing::info!(target: "audit", event = "trial_begun", actor = format!("user:{user}"), user, method, flow);
                return self.initialise(self.session().await?).await;
            }
        }
        Err(FlowError::Busy)
    }

    async fn open_trial(
        &self,
        trial: Session,
        user: &Found<User>,
        factors: &Found<Factors>,
    ) -> Result<Committed, FlowError> {
        let account: Found<Account> = self.engine.read(key::account(&trial.open.user)).await?;
        let place = self.session().await?;
        let mut counted = account.open();
        let (mut changes, mut expectations) = self.enlist(&mut counted, &trial).await?;
        changes.extend([account.put(&Document { open: counted, secret: () }), place.put(&trial)]);
        expectations.extend([account.unchanged(), place.unchanged(), user.unchanged(), factors.unchanged()]);
        Ok(self.engine.commit(changes, expectations).await?)
    }

    fn new_trial(&self, access: &Access, module: &ModuleInstance) -> Session {
        let expires_at = self.now.wall.plus_s(self.engine.settings.limits.session_lifetime_s);
        Document {
            open: Box::new(SessionOpen {
                user: access.user_id.clone(),
                user_epoch: access.user_epoch,
                provider: ProviderId { kind: module.module_type.clone(), id: Some(module.id.clone()) },
                client_id: access.client_id.clone(),
                created_at: self.now.wall,
                expires_at,
                created_boot_ms: self.now.boot_ms,
                boot_id: self.now.boot_id.to_string(),
                retain_until: expires_at.plus_s(TOMBSTONE_S),
                attempts_used: 0,
                password_at: None,
                must_set_password: false,
                language: access.language.clone(),
                stage: SessionStage::Initialising { module: module.id.clone(), cause: Cause::First },
            }),
            secret: Box::new(SessionSecret {
                grant: Grant::Trial,
                seed: token::new_seed(),
                challenge: None,
                form: None,
                poll_not_before: None,
                sent: None,
                advice: None,
            }),
        }
    }

    /// The trial, if it is one of the caller's own.
    async fn own_trial(&self, access: &Access) -> Result<Found<Session>, FlowError> {
        let found = self.session().await?;
        let is_own = |session: &Session| {
            let is_callers = session.open.user == access.user_id && session.open.user_epoch == access.user_epoch;
            is_callers && matches!(session.secret.grant, Grant::Trial)
        };
        if found.record.as_ref().is_some_and(is_own) { Ok(found) } else { Err(FlowError::UnknownFlow) }
    }

    async fn use_up(&self, found: Found<Session>, given: &Confirmation) -> Result<(), FlowError> {
        let raw = match (&given.fields, &given.code) {
            (Some(fields), None) => fields.clone(),
            // What was refused has no field for a code any more, and says why to any answer.
            (None, Some(_)) if is_denied(&found) => Map::new(),
            (None, Some(code)) => answer_of(&found, code)?,
            _ => return Err(FlowError::InvalidRequest("Give either `code` or `fields`.")),
        };
        match self.answer(found, raw).await? {
            Outcome::Granted { .. } => Ok(()),
            Outcome::Shown { delivery: Some(HandedOver::Failed | HandedOver::Refused), .. } => {
                let detail = "the code could not be sent; begin another trial, or use another method".to_owned();
                Err(FlowError::NotPossible { code: "delivery_failed", detail })
            }
            Outcome::Shown { error: Some(error), .. } => Err(FlowError::InvalidCode { error: error.word }),
            Outcome::Shown { error: None, .. } => Err(FlowError::NotPossible {
                code: "pending",
                detail: "the method has not answered yet; ask again".to_owned(),
            }),
            Outcome::Aborted { reason, .. } if reason == "too_many_retry" => {
                Err(FlowError::InvalidCode { error: reason })
            }
            Outcome::Aborted { reason, .. } if reason == "login_expired" => Err(FlowError::UnknownFlow),
            Outcome::Aborted { reason, .. } if ["refused_by_user", "link_refused"].contains(&&*reason) => {
                let detail = "it was refused from the message that was sent, so nothing is changed".to_owned();
                Err(FlowError::NotPossible { code: "refused", detail })
            }
            Outcome::Aborted { provider, .. } => Err(unavailable(provider.id.as_deref().unwrap_or_default())),
            Outcome::FirstFactor { .. } => Err(FlowError::UnknownFlow),
        }
    }

    /// The outcome as a step of a trial and not of a login.
    async fn trial_step(&self, outcome: Outcome) -> Result<Step, FlowError> {
        let outcome = match outcome {
            Outcome::Aborted { provider, reason, language } if reason == "login_expired" => {
                Outcome::Aborted { provider, reason: "test_expired".to_owned(), language }
            }
            other => other,
        };
        Ok(match self.step(outcome).await? {
            Step::Form(mut form) => {
                form.step_id = "test";
                form.methods = Vec::new();
                Step::Form(form)
            }
            other => other,
        })
    }
}

fn is_denied(found: &Found<Session>) -> bool {
    found.record.as_ref().is_some_and(|session| matches!(session.open.stage, SessionStage::Denied { .. }))
}

fn unavailable(module: &str) -> FlowError {
    let reason = "it does not answer; an administrator sees why in `mfa-host module list`".to_owned();
    FlowError::ModuleUnavailable { module: module.to_owned(), reason }
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
