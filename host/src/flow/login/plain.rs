//! The plainer rendering of the same flow and ledger: `login`, `verify`, `change`, `resend`. The token is the flow id.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{
    Outcome, Turn, begin::check_client, choice::named, first_factor::Claim, opening::Start, recovery, session::Look,
    switch::module_of,
};
use crate::{
    clock::Timestamp,
    flow::{
        Asker, FlowError, Flows, Tokens,
        messages::HandedOver,
        record::{Found, Grant, ProviderId, Session},
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
    SecondFactor(SecondFactor),
}

/// A second factor that is due.
#[derive(Clone)]
pub struct SecondFactor {
    pub token: String,
    pub method: String,
    pub methods: Vec<(String, String)>,
    /// What became of the message, if the method sent one.
    pub delivery: Option<&'static str>,
    /// From when on another message can be asked for.
    pub resend_at: Option<Timestamp>,
    /// What the page behind a link asks for, if the method sent one.
    pub link_number: Option<String>,
}

/// What was typed in the second step of the plainer login.
pub enum PlainAnswer {
    /// For the method that asks; or for a way back in, if it is no code of that method.
    Code(String),
    /// For a way back in, of this id where there are several.
    Recovery { code: String, module: Option<String> },
}

/// The end of the plainer login.
#[derive(Clone)]
pub struct Verified {
    pub tokens: Tokens,
    /// What the module has to say to the person.
    pub advice: Option<String>,
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
        let claim = Claim { client_id, name: username.to_owned(), password, service: None, is_proof: false };
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

    /// `POST /api/login/verify`. Without an answer it asks whether a step that waits may go on.
    pub async fn api_verify(
        &self,
        token: &str,
        answer: Option<PlainAnswer>,
        asker: &Asker,
    ) -> Result<Verified, FlowError> {
        let turn = Turn::new(&self.engine, token, asker);
        let found = turn.plain_session().await?;
        let raw = match answer {
            Some(answer) => turn.raw_answer(&found, answer).await?,
            None => Map::new(),
        };
        match turn.answer(found, raw).await? {
            Outcome::Granted { granted, .. } => {
                let tokens = granted.tokens.ok_or(FlowError::UnknownFlow)?;
                Ok(Verified { tokens, advice: granted.advice })
            }
            Outcome::Shown { delivery: Some(HandedOver::Failed | HandedOver::Refused), .. } => {
                let detail = "the code could not be sent; ask for it again, or use another method".to_owned();
                Err(FlowError::NotPossible { code: "delivery_failed", detail })
            }
            Outcome::Shown { error: Some(error), .. } => Err(FlowError::InvalidCode { error: error.word }),
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
        let (flow_id, outcome) = turn.change_method(found, method).await?;
        Turn::at(turn.now, &self.engine, &flow_id, asker).plain(outcome).await
    }

    /// `POST /api/login/resend`: a new code for the same login; the former token is dead.
    pub async fn api_resend(&self, token: &str, asker: &Asker) -> Result<ApiLogin, FlowError> {
        let turn = Turn::new(&self.engine, token, asker);
        let found = turn.plain_session().await?;
        let (flow_id, outcome) = turn.send_again(found).await?;
        Turn::at(turn.now, &self.engine, &flow_id, asker).plain(outcome).await
    }
}

impl Turn<'_> {
    /// The answer under the name of the step's field. A step that takes no single text still takes a recovery code.
    async fn raw_answer(&self, found: &Found<Session>, answer: PlainAnswer) -> Result<Map<String, Value>, FlowError> {
        let (code, module) = match answer {
            PlainAnswer::Recovery { code, module } => (code, module),
            PlainAnswer::Code(code) => match answer_of(found, &code) {
                Ok(raw) => return Ok(raw),
                Err(error) => match &found.record {
                    Some(session) if !self.ways_back(session).await?.is_empty() => (code, None),
                    _ => return Err(error),
                },
            },
        };
        let module = module.map(|module| (recovery::MODULE_FIELD.to_owned(), Value::String(module)));
        Ok(Map::from_iter([(recovery::CODE_FIELD.to_owned(), Value::String(code))].into_iter().chain(module)))
    }

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
            Outcome::Shown { session, delivery, .. } => {
                let (options, _) = self.options(&session).await?;
                let sent = session.secret.sent.as_ref();
                let language = self.voice(session.open.language.as_deref()).language;
                Ok(ApiLogin::SecondFactor(SecondFactor {
                    token: self.flow_id.to_owned(),
                    method: module_of(&session.open.stage).unwrap_or_default(),
                    methods: named(options, language),
                    delivery: delivery.map(HandedOver::word),
                    resend_at: sent.map(|sent| sent.again_from),
                    link_number: self.link_number(&session).await?,
                }))
            }
            Outcome::Aborted { reason, .. } => Err(FlowError::Ended { reason }),
            Outcome::FirstFactor { .. } => Err(FlowError::InvalidAuth),
        }
    }
}

/// The one text field of the step takes the code; a step with more fields is answered at the login flow's own route.
pub(super) fn answer_of(found: &Found<Session>, code: &str) -> Result<Map<String, Value>, FlowError> {
    let form = found.record.as_ref().and_then(|session| session.secret.form.as_ref());
    match form.and_then(recovery::only_text) {
        Some(field) => Ok(Map::from_iter([(field.name.clone(), Value::String(code.to_owned()))])),
        None => Err(FlowError::NotPossible {
            code: "needs_login_flow",
            detail: "this method asks for more than a code; use /auth/login_flow".to_owned(),
        }),
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
