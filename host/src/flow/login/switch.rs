//! What a user may wish for at the step of a second factor: another method, or the message again. Either goes on under a
//! new flow id; the former one is dead, and so is what was sent for it.

use mfa_sdk::protocol::Cause;
use serde_json::{Map, Value};

use super::{
    Outcome, Turn,
    choice::MODULE_FIELD,
    second_factor::attempts_max,
    session::{Look, ended},
};
use crate::flow::{
    FlowError,
    engine::{Committed, TRIES_MAX},
    record::{Account, Document, Found, Grant, OpenFlow, Session, SessionStage, key},
    token,
};

const RESEND_FIELD: &str = "resend";

/// What is wished for in place of an answer.
pub(super) enum Wish {
    Method(String),
    Resend,
}

impl Wish {
    /// The wish among the fields sent to this step; none if they are an answer.
    pub(super) fn of(stage: &SessionStage, fields: &Map<String, Value>) -> Result<Option<Self>, FlowError> {
        if !matches!(stage, SessionStage::Waiting { .. } | SessionStage::Initialising { .. }) {
            return Ok(None);
        }
        match (fields.get(MODULE_FIELD), fields.get(RESEND_FIELD), fields.len()) {
            (None, None, _) => Ok(None),
            (Some(Value::String(method)), None, 1) => Ok(Some(Self::Method(method.clone()))),
            (None, Some(Value::Bool(true)), 1) => Ok(Some(Self::Resend)),
            _ => Err(FlowError::InvalidRequest("`multi_factor_auth_module` and `resend` (true) stand alone")),
        }
    }
}

impl Turn<'_> {
    /// The flow id from now on and what it shows.
    pub(super) async fn fulfil(&self, found: Found<Session>, wish: Wish) -> Result<(String, Outcome), FlowError> {
        let found = match self.look(found).await? {
            Look::Alive(alive) => alive.found,
            Look::Over(outcome) => return Ok((self.flow_id.to_owned(), outcome)),
        };
        match wish {
            Wish::Method(method) => self.change_method(found, &method).await,
            Wish::Resend => self.send_again(found).await,
        }
    }

    /// Another method for the same login.
    pub(super) async fn change_method(
        &self,
        found: Found<Session>,
        method: &str,
    ) -> Result<(String, Outcome), FlowError> {
        let session = found.record.as_ref().ok_or(FlowError::UnknownFlow)?;
        let current = module_of(&session.open.stage);
        let (options, _) = self.options(session).await?;
        let wanted = options.iter().find(|module| module.id == method);
        let wanted = wanted.ok_or(FlowError::NotFound { what: "such method among yours" })?;
        if current.as_deref() == Some(method) {
            let detail = "this login uses this method already".to_owned();
            return Err(FlowError::NotPossible { code: "same_method", detail });
        }
        // The attempts of a login go with it: a stricter method may have none left.
        let attempts_max = attempts_max(wanted);
        if attempts_max > 0 && session.open.attempts_used >= attempts_max {
            let detail = "this login has no attempts left for this method; sign in again to use it".to_owned();
            return Err(FlowError::NotPossible { code: "no_attempts_left", detail });
        }
        self.go_on_as(found, method, Cause::Switched).await
    }

    /// A new code for the same login, not sooner than the step said and not beyond the limits.
    pub(super) async fn send_again(&self, found: Found<Session>) -> Result<(String, Outcome), FlowError> {
        let session = found.record.as_ref().ok_or(FlowError::UnknownFlow)?;
        let module = module_of(&session.open.stage).ok_or(FlowError::UnknownFlow)?;
        if !self.engine.modules.sends(&module) {
            let detail = "this method sends nothing; its code comes from the user's own device".to_owned();
            return Err(FlowError::NotPossible { code: "resend_not_supported", detail });
        }
        if let Some(sent) = &session.secret.sent {
            let wait_ms = sent.again_from.since_ms(self.now.wall);
            if wait_ms > 0 {
                let retry_after_s = u64::try_from(wait_ms).unwrap_or_default().div_ceil(1000);
                return Err(FlowError::Throttled { retry_after_s });
            }
            let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
            let room = self.engine.may_send_again(&sent.to, &account.open(), self.now.wall).await?;
            room.map_err(|retry_after_s| FlowError::Throttled { retry_after_s })?;
        }
        self.go_on_as(found, &module, Cause::Resend).await
    }

    /// The same login under a new id, with a new challenge; attempts and end of life stay. The former id is dead.
    async fn go_on_as(
        &self,
        mut found: Found<Session>,
        module: &str,
        cause: Cause,
    ) -> Result<(String, Outcome), FlowError> {
        let flow_id = token::new_flow_id();
        let successor = Turn::at(self.now.clone(), self.engine, &flow_id, self.asker);
        for _ in 0..TRIES_MAX {
            let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
            if module_of(&session.open.stage).is_none() {
                return Err(FlowError::UnknownFlow);
            }
            let turn = self.engine.queue(&session.open.user).await;
            let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
            let mut counted = account.open();
            counted.leave(self.flow_hash());
            let joins = OpenFlow { flow: successor.flow_hash().to_owned(), until: session.open.expires_at };
            counted.list_of(&session.secret.grant).push(joins);
            let place = successor.session().await?;
            let mut next = session.clone();
            next.open.stage = SessionStage::Initialising { module: module.to_owned(), cause };
            next.secret.challenge = None;
            next.secret.form = None;
            next.secret.sent = None;
            next.secret.advice = None;
            next.secret.seed = token::new_seed();
            let former = match session.secret.grant {
                // Its id is random and begins nothing again, so that changes leave nothing behind.
                Grant::Tokens | Grant::Trial => found.delete(),
                Grant::Code { .. } | Grant::Proof { .. } => found.put(&ended(session, "switched")),
            };
            let changes = vec![former, place.put(&next), account.put(&Document { open: counted, secret: () })];
            let expectations = vec![found.unchanged(), place.unchanged(), account.unchanged()];
            let committed = self.engine.commit(changes, expectations).await?;
            drop(turn);
            if let Committed::Done = committed {
                let outcome = successor.initialise(successor.session().await?).await?;
                drop(successor);
                return Ok((flow_id, outcome));
            }
            found = self.session().await?;
        }
        Err(FlowError::Busy)
    }
}

pub(super) fn module_of(stage: &SessionStage) -> Option<String> {
    match stage {
        SessionStage::Initialising { module, .. } | SessionStage::Waiting { module } => Some(module.clone()),
        SessionStage::Selecting
        | SessionStage::SettingPassword { .. }
        | SessionStage::Denied { .. }
        | SessionStage::Ended { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        record::AccountOpen,
        test_stage::{NOW, TestStage, asker, session, user},
    };

    #[test]
    fn a_method_is_in_use_from_the_question_on() {
        let module = "pin".to_owned();
        assert_eq!(module_of(&SessionStage::Waiting { module: module.clone() }).as_deref(), Some("pin"));
        let asked = SessionStage::Initialising { module, cause: Cause::First };
        assert_eq!(module_of(&asked).as_deref(), Some("pin"));
        assert_eq!(module_of(&SessionStage::Selecting), None);
    }

    #[tokio::test]
    async fn another_method_takes_the_place_of_its_own_login_only() {
        let (stage, asker) = (TestStage::new(), asker());
        stage.put("user/ada", &user("ada")).await;
        let turn = Turn::new(&stage.flows.engine, "f", &asker);
        let flow = |flow: &str| OpenFlow { flow: flow.to_owned(), until: NOW.plus_s(60) };
        let sessions = vec![flow(turn.flow_hash()), flow("other")];
        let account = AccountOpen { sessions, ..AccountOpen::default() };
        stage.put("account/ada", &Document { open: account, secret: () }).await;
        let key = format!("session/{}", turn.flow_hash());
        let mut record = session("ada", NOW.plus_s(60), NOW.plus_s(60));
        record.open.stage = SessionStage::Waiting { module: "pin".to_owned() };
        stage.put(&key, &record).await;
        let done = turn.go_on_as(turn.session().await.unwrap(), "gone", Cause::Switched).await;
        assert!(matches!(done, Ok((_, Outcome::Aborted { .. }))), "there is no such module to ask");
        let account: Account = stage.read("account/ada").await;
        assert_eq!(account.open.sessions, [flow("other")]);
        assert!(!stage.has(&key).await, "the former id is dead");
    }
}
