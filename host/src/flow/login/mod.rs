//! The login flow: first factor, choice of module, second factor, result.
//!
//! What seldom happens is awaited in a box of its own. A future has room for the largest of all it may ever wait for, and
//! that of a request is moved whole when the request begins.

mod begin;
mod choice;
mod click;
mod deny;
mod enrolment;
mod finish;
mod first_factor;
mod link;
mod opening;
mod plain;
mod poll;
mod recovery;
mod rejection;
mod second_factor;
mod sending;
mod session;
mod set_password;
mod show;
mod switch;
mod telling;
mod trial;
mod trusted;

use serde_json::{Map, Value};

pub use begin::{BeginLogin, ProviderView};
pub use click::{Click, Clicked};
pub use deny::Denied;
pub(super) use finish::stamp;
pub use first_factor::ServiceLogin;
pub use link::LinkView;
pub use plain::{ApiLogin, PlainAnswer, SecondFactor, Verified};
pub use recovery::CODE_FIELD as RECOVERY_FIELD;
pub(super) use session::ended;
pub use show::Standing;
use switch::Wish;
pub use trial::Confirmation;

use super::{
    Abort, Asker, Created, FlowError, Flows, Handler, Step,
    engine::Engine,
    messages::HandedOver,
    record::{Found, Grant, ProviderId, Session, User, key},
    render::Voice,
    token,
};
use crate::clock::Now;

/// One request in a login flow: what it is about and when it came.
pub(super) struct Turn<'a> {
    pub engine: &'a Engine,
    pub flow_id: &'a str,
    pub asker: &'a Asker,
    pub now: Now,
    /// Names the flow in the store.
    flow_hash: String,
}

/// What a turn came to. Rendered as a step, or as an answer of the plainer login.
pub(super) enum Outcome {
    /// The first factor is asked (again).
    FirstFactor { provider: ProviderId, error: Option<&'static str>, proof_of: Option<String> },
    /// A session stands at this step.
    Shown { session: Box<Session>, error: Option<Wrong>, delivery: Option<HandedOver> },
    /// The flow is through.
    Granted { provider: ProviderId, granted: finish::Granted },
    /// The flow is over without success.
    Aborted { provider: ProviderId, reason: String, language: Option<String> },
}

/// What is wrong with an answer.
pub(super) struct Wrong {
    pub word: String,
    /// The module whose sentence it is, if that is not the one the step asks.
    pub said_by: Option<String>,
}

impl<Word: Into<String>> From<Word> for Wrong {
    fn from(word: Word) -> Self {
        Self { word: word.into(), said_by: None }
    }
}

impl Outcome {
    /// A session at its step.
    pub(super) fn shown(session: Session) -> Self {
        Self::Shown { session: Box::new(session), error: None, delivery: None }
    }

    /// The step again, because the answer was wrong.
    pub(super) fn wrong(session: Session, error: impl Into<Wrong>) -> Self {
        Self::Shown { session: Box::new(session), error: Some(error.into()), delivery: None }
    }
}

impl Flows {
    /// Answers a step of a login (or proof) flow. `fields` is the body without `client_id`.
    pub async fn submit_login(
        &self,
        flow_id: &str,
        client_id: &str,
        fields: Map<String, Value>,
        service: Option<ServiceLogin>,
        asker: &Asker,
    ) -> Result<Step, FlowError> {
        let turn = Turn::new(&self.engine, flow_id, asker);
        let found = turn.session().await?;
        let outcome = match &found.record {
            Some(session) => {
                let is_ours = session.open.client_id == client_id
                    && !matches!(session.secret.grant, Grant::Tokens | Grant::Trial);
                if !is_ours {
                    return Err(FlowError::UnknownFlow);
                }
                if let Some(wish) = Wish::of(&session.open.stage, &fields)? {
                    let (flow_id, outcome) = Box::pin(turn.fulfil(found, wish)).await?;
                    return Turn::at(turn.now, &self.engine, &flow_id, asker).step(outcome).await;
                }
                turn.answer(found, fields).await?
            }
            None => turn.first_factor(found, client_id, fields, service).await?,
        };
        turn.step(outcome).await
    }

    /// Ends a login flow at the user's wish.
    pub async fn abort_login(&self, flow_id: &str) -> Result<(), FlowError> {
        let address = std::net::Ipv4Addr::UNSPECIFIED.into();
        let asker = Asker { address, is_certain: false, is_by_our_name: false, language: String::new(), browser: None };
        let turn = Turn::new(&self.engine, flow_id, &asker);
        let found = turn.session().await?;
        match &found.record {
            Some(_) => turn.end(found, "aborted").await.map(drop),
            None => {
                let token = turn.open_token()?;
                self.engine.end_token(turn.flow_hash(), turn.forgotten_at(token.created_at()));
                Ok(())
            }
        }
    }
}

impl<'a> Turn<'a> {
    /// A request about this flow that came now.
    pub(super) fn new(engine: &'a Engine, flow_id: &'a str, asker: &'a Asker) -> Self {
        Self::at(engine.clock.now(), engine, flow_id, asker)
    }

    pub(super) fn at(now: Now, engine: &'a Engine, flow_id: &'a str, asker: &'a Asker) -> Self {
        Self { engine, flow_id, asker, now, flow_hash: token::hash(flow_id) }
    }

    /// A request about a flow whose id only its own client knows.
    fn of_flow(now: Now, engine: &'a Engine, flow_hash: String, asker: &'a Asker) -> Self {
        Self { engine, flow_id: "", asker, now, flow_hash }
    }

    pub(super) fn flow_hash(&self) -> &str {
        &self.flow_hash
    }

    async fn session(&self) -> Result<Found<Session>, FlowError> {
        self.engine.read(key::session(&self.flow_hash)).await
    }

    /// The host's own words for the reader, whose own language is known after the first factor.
    fn voice(&self, own: Option<&str>) -> Voice<'_> {
        self.engine.voice(self.engine.reader(own, self.asker))
    }

    /// The language this user reads here.
    fn language_of(&self, user: &User) -> &str {
        self.engine.reader(user.open.language.as_deref(), self.asker)
    }

    /// The outcome as a step in the reader's language.
    pub(super) async fn step(&self, outcome: Outcome) -> Result<Step, FlowError> {
        Ok(match outcome {
            Outcome::FirstFactor { provider, error, proof_of } => {
                self.first_factor_step(&provider, error, proof_of.is_some()).await?
            }
            Outcome::Shown { session, error, delivery } => {
                self.session_step(&session, error.as_ref(), delivery).await?
            }
            Outcome::Granted { provider, granted } => Step::Created(Created {
                result: granted.result_code,
                state: granted.state,
                advice: granted.advice,
                ..Created::new(self.flow_id, handler(&provider))
            }),
            Outcome::Aborted { provider, reason, language } => Step::Abort(Abort {
                flow_id: self.flow_id.to_owned(),
                handler: handler(&provider),
                text: self.voice(language.as_deref()).abort(&reason),
                reason,
            }),
        })
    }
}

fn handler(provider: &ProviderId) -> Handler {
    Handler { kind: provider.kind.clone(), id: provider.id.clone() }
}

#[cfg(test)]
mod first_factor_tests;
#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod second_factor_played_tests;
#[cfg(test)]
mod sending_tests;
#[cfg(test)]
mod way_back_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        record::SessionStage,
        test_stage::{NOW, TestStage, asker, session, user},
    };

    #[tokio::test]
    async fn a_login_is_answered_by_its_own_client_in_its_own_rendering() {
        let stage = TestStage::new();
        stage.put("user/ada", &user("ada")).await;
        let mut record = session("ada", NOW.plus_s(60), NOW.plus_s(60));
        let key = format!("session/{}", token::hash("f"));
        let answer = async |client: &str| stage.flows.submit_login("f", client, Map::new(), None, &asker()).await;
        stage.put(&key, &record).await;
        assert!(matches!(answer("app").await, Err(FlowError::UnknownFlow)), "the plainer login has its own routes");
        let code = Grant::Code { redirect_hash: String::new(), code_challenge: None, state: None };
        record.secret.grant = code;
        stage.put(&key, &record).await;
        assert!(matches!(answer("other").await, Err(FlowError::UnknownFlow)));
        assert!(matches!(answer("app").await, Err(FlowError::InvalidInput(_))), "its own client is heard");
    }

    #[tokio::test]
    async fn a_login_that_was_ended_at_the_users_wish_cannot_be_ended_again() {
        let stage = TestStage::new();
        let key = format!("session/{}", token::hash("f"));
        stage.put(&key, &session("ada", NOW.plus_s(60), NOW.plus_s(60))).await;
        stage.flows.abort_login("f").await.unwrap();
        let ended: Found<Session> = stage.flows.engine.read(key::session(&token::hash("f"))).await.unwrap();
        let now_at = ended.record.map(|session| session.open.stage);
        assert_eq!(now_at, Some(SessionStage::Ended { reason: "aborted".to_owned() }));
        assert!(matches!(stage.flows.abort_login("f").await, Err(FlowError::UnknownFlow)));
        assert!(matches!(stage.flows.abort_login("no flow id").await, Err(FlowError::UnknownFlow)));
    }

    #[tokio::test]
    async fn a_flow_is_named_by_the_hash_of_its_id() {
        let (stage, asker) = (TestStage::new(), asker());
        assert_eq!(Turn::new(&stage.flows.engine, "f", &asker).flow_hash(), token::hash("f"));
    }
}
