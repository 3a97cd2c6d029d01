//! The plainer rendering of the same flow and ledger: `login`, `verify`, `change`, `resend`. The token is the flow id.

use mfa_sdk::{form::FieldKind, protocol::Cause};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{
    Outcome, Turn,
    begin::check_client,
    first_factor::Claim,
    opening::Start,
    second_factor::{attempts_max, is_spent},
    session::Look,
};
use crate::{
    flow::{
        Asker, FlowError, Flows, Tokens,
        engine::{Committed, TRIES_MAX},
        record::{Account, Document, Found, Grant, OpenFlow, ProviderId, Session, SessionStage, key},
        token,
    },
    settings::ProviderKind,
};

/// The plainer rendering of a login.
#[derive(Clone)]
pub enum ApiLogin {
    /// No second factor is due.
    Tokens(Tokens),
    /// `token` goes to `verify`, `change` and `resend`.
    SecondFactor { token: String, method: String, methods: Vec<(String, String)> },
}

impl Flows {
    /// `POST /api/login`.
    pub async fn api_login(
        &self,
        client_id: &str,
        username: &str,
        password: &SecretString,
        asker: &Asker,
    ) -> Result<ApiLogin, FlowError> {
        let engine = &self.engine;
        check_client(&engine.settings, client_id, None)?;
        let provider = engine
            .settings
            .providers
            .iter()
            .find(|provider| provider.enabled && provider.kind == ProviderKind::Local)
            .ok_or(FlowError::UnknownHandler)?;
        let provider_id = ProviderId { kind: provider.kind.word().to_owned(), id: provider.id.clone() };
        let flow_id = token::new_flow_id();
        let turn = Turn::new(engine, &flow_id, asker);
        let password = SecretString::from(password.expose_secret());
        let claim = Claim { client_id, name: username.to_owned(), password, service: None };
        let vouched = engine.check_first_factor(provider, &provider_id, claim, &turn).await?;
        let vouched = vouched.ok_or(FlowError::InvalidAuth)?;
        if vouched.must_set_password {
            let detail = "this code leads to a new password; sign in with it at /auth/login_flow".to_owned();
            return Err(FlowError::NotPossible { code: "must_set_password", detail });
        }
        let start = Start {
            vouched,
            client_id: client_id.to_owned(),
            grant: Grant::Tokens,
            retain_until: turn.now.wall,
            at_once: true,
        };
        let outcome = turn.start(turn.session().await?, start).await?;
        turn.plain(outcome).await
    }

    /// `POST /api/login/verify`.
    pub async fn api_verify(&self, token: &str, code: &str, asker: &Asker) -> Result<Tokens, FlowError> {
        let turn = Turn::new(&self.engine, token, asker);
        let found = turn.plain_session().await?;
        let raw = answer_of(&found, code)?;
        match turn.answer(found, raw).await? {
            Outcome::Granted { granted, .. } => granted.tokens.ok_or(FlowError::UnknownFlow),
            Outcome::Shown { error: Some(error), .. } => Err(FlowError::InvalidCode { error }),
            Outcome::Shown { error: None, .. } => Err(FlowError::NotPossible {
                code: "pending",
                detail: "the second factor has not answered yet; ask again".to_owned(),
            }),
            Outcome::Aborted { reason, .. } => Err(FlowError::Ended { reason }),
            Outcome::FirstFactor { .. } => Err(FlowError::UnknownFlow),
        }
    }

    /// `POST /api/login/change`: another method for the same login; the former token is dead.
    pub async fn api_change(&self, token: &str, method: &str, asker: &Asker) -> Result<ApiLogin, FlowError> {
        let turn = Turn::new(&self.engine, token, asker);
        let found = turn.plain_session().await?;
        let session = found.record.as_ref().ok_or(FlowError::UnknownFlow)?;
        let current = module_of(&session.open.stage);
        let (options, _) = turn.options(session).await?;
        let wanted = options.iter().find(|module| module.id == method);
        let wanted = wanted.ok_or(FlowError::NotFound { what: "such method among yours" })?;
        if current.as_deref() == Some(method) {
            let detail = "this login uses this method already".to_owned();
            return Err(FlowError::NotPossible { code: "same_method", detail });
        }
        // The attempts of a login go with it: a stricter method may have none left.
        if is_spent(session.open.attempts_used, attempts_max(wanted)) {
            let detail = "this login has no attempts left for this method; sign in again to use it".to_owned();
            return Err(FlowError::NotPossible { code: "no_attempts_left", detail });
        }
        turn.go_on_as(found, method, Cause::Switched).await
    }

    /// `POST /api/login/resend`: a new code for the same login; the former token is dead.
    pub async fn api_resend(&self, token: &str, asker: &Asker) -> Result<ApiLogin, FlowError> {
        let turn = Turn::new(&self.engine, token, asker);
        let found = turn.plain_session().await?;
        let stage = found.record.as_ref().map(|session| session.open.stage.clone());
        let module = stage.as_ref().and_then(module_of).ok_or(FlowError::UnknownFlow)?;
        let instance = self.engine.modules.module(&module);
        let sends = instance.and_then(|module| module.description).is_some_and(|description| description.sends);
        if !sends {
            let detail = "this method sends nothing; its code comes from the user's own device".to_owned();
            return Err(FlowError::NotPossible { code: "resend_not_supported", detail });
        }
        turn.go_on_as(found, &module, Cause::Resend).await
    }
}

impl Turn<'_> {
    /// A session of the plainer login that lives.
    async fn plain_session(&self) -> Result<Found<Session>, FlowError> {
        let found = self.session().await?;
        let is_plain = found.record.as_ref().is_some_and(|session| matches!(session.secret.grant, Grant::Tokens));
        if !is_plain {
            return Err(FlowError::UnknownFlow);
        }
        match self.look(found).await? {
            Look::Alive(alive) => Ok(alive.found),
            Look::Over(Outcome::Aborted { reason, .. }) => Err(FlowError::Ended { reason }),
            Look::Over(_) => Err(FlowError::UnknownFlow),
        }
    }

    async fn plain(&self, outcome: Outcome) -> Result<ApiLogin, FlowError> {
        match outcome {
            Outcome::Granted { granted, .. } => granted.tokens.map(ApiLogin::Tokens).ok_or(FlowError::UnknownFlow),
            Outcome::Shown { session, .. } => {
                let (options, _) = self.options(&session).await?;
                Ok(ApiLogin::SecondFactor {
                    token: self.flow_id.to_owned(),
                    method: module_of(&session.open.stage).unwrap_or_default(),
                    methods: options.into_iter().map(|module| (module.id, module.name)).collect(),
                })
            }
            Outcome::Aborted { reason, .. } => Err(FlowError::Ended { reason }),
            Outcome::FirstFactor { .. } => Err(FlowError::InvalidAuth),
        }
    }

    /// The same login under a new id, with a new challenge; attempts and end of life stay. The former id is dead.
    async fn go_on_as(&self, mut found: Found<Session>, module: &str, cause: Cause) -> Result<ApiLogin, FlowError> {
        let flow_id = token::new_flow_id();
        let successor = Turn::at(self.now.clone(), self.engine, &flow_id, self.asker);
        for _ in 0..TRIES_MAX {
            let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
            if let SessionStage::Ended { .. } = session.open.stage {
                return Err(FlowError::UnknownFlow);
            }
            let turn = self.engine.queue(&session.open.user).await;
            let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
            let mut counted = account.open();
            counted.sessions.retain(|open| open.flow != self.flow_hash());
            counted.sessions.push(OpenFlow { flow: successor.flow_hash().to_owned(), until: session.open.expires_at });
            let place = successor.session().await?;
            let mut next = session.clone();
            next.open.stage = SessionStage::Initialising { module: module.to_owned(), cause };
            next.secret.challenge = None;
            next.secret.form = None;
            next.secret.seed = token::new_seed();
            // Its id is random and begins nothing again, so it needs no tombstone, and changes leave nothing behind.
            let changes = vec![found.delete(), place.put(&next), account.put(&Document { open: counted, secret: () })];
            let expectations = vec![found.unchanged(), place.unchanged(), account.unchanged()];
            let committed = self.engine.commit(changes, expectations).await?;
            drop(turn);
            if let Committed::Done = committed {
                let outcome = successor.initialise(successor.session().await?).await?;
                return successor.plain(outcome).await;
            }
            found = self.session().await?;
        }
        Err(FlowError::Busy)
    }
}

fn module_of(stage: &SessionStage) -> Option<String> {
    match stage {
        SessionStage::Initialising { module, .. } | SessionStage::Waiting { module } => Some(module.clone()),
        SessionStage::Selecting | SessionStage::SettingPassword { .. } | SessionStage::Ended { .. } => None,
    }
}

/// The one text field of the step takes the code; a step with more fields is answered at the login flow's own route.
fn answer_of(found: &Found<Session>, code: &str) -> Result<Map<String, Value>, FlowError> {
    let form = found.record.as_ref().and_then(|session| session.secret.form.as_ref());
    let mut fields = form.into_iter().flat_map(|form| &form.fields).filter(|field| field.required);
    match (fields.next(), fields.next()) {
        (Some(field), None) if !matches!(field.kind, FieldKind::Boolean) => {
            Ok(Map::from_iter([(field.name.clone(), Value::String(code.to_owned()))]))
        }
        _ => Err(FlowError::NotPossible {
            code: "needs_login_flow",
            detail: "this method asks for more than a code; use /auth/login_flow".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::{
        record::AccountOpen,
        test_stage::{NOW, TestStage, asker, session, user},
    };

    #[tokio::test]
    async fn a_code_answers_a_step_that_asks_for_one_text_and_no_other() {
        let stage = TestStage::new();
        let answered = |fields: Vec<serde_json::Value>| {
            let mut record = session("ada", NOW, NOW);
            record.secret.form = serde_json::from_value(json!({"blocks": [], "fields": fields})).unwrap();
            let found = Found { key: stage.key("session/s"), revision: None, record: Some(record) };
            answer_of(&found, "123").map(serde_json::Value::Object)
        };
        let field = |name: &str, kind: &str, required: bool| json!({"name": name, "kind": kind, "length_max": 9, "required": required});
        let code = || field("code", "text", true);
        assert_eq!(answered(vec![code()]).unwrap(), json!({"code": "123"}));
        assert_eq!(answered(vec![field("note", "text", false), code()]).unwrap(), json!({"code": "123"}));
        assert!(answered(vec![code(), field("more", "text", true)]).is_err());
        assert!(answered(vec![field("yes", "boolean", true)]).is_err());
        assert!(answered(Vec::new()).is_err());
    }

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
        stage.put(&key, &session("ada", NOW.plus_s(60), NOW.plus_s(60))).await;
        let done = turn.go_on_as(turn.session().await.unwrap(), "gone", Cause::Switched).await;
        assert!(matches!(done, Err(FlowError::Ended { .. })), "there is no such module to ask");
        let account: Account = stage.read("account/ada").await;
        assert_eq!(account.open.sessions, [flow("other")]);
        assert!(!stage.has(&key).await, "the former id is dead");
    }
}
