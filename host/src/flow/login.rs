//! The login flow: first factor, choice of module, second factor, result.

use serde_json::{Map, Value};

use super::{Asker, FlowError, Flows, Step, Tokens};

/// A provider as it is offered.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ProviderView {
    pub name: String,
    pub id: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
}

/// How a client asks for a login flow.
#[derive(Clone, Debug)]
pub struct BeginLogin {
    pub client_id: String,
    pub handler: (String, Option<String>),
    pub redirect_uri: String,
    pub state: Option<String>,
    /// RFC 7636; only method `S256` is taken.
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
}

/// An application vouches for a user: HTTP Basic with the credential's id and secret.
#[derive(Clone)]
pub struct ServiceLogin {
    pub credential_id: String,
    pub credential_secret: secrecy::SecretString,
}

/// The plainer rendering of a login.
#[derive(Clone, Debug)]
pub enum ApiLogin {
    /// No second factor is due.
    Tokens(Tokens),
    /// `token` goes to `verify`, `change` and `resend`.
    SecondFactor { token: String, method: String, methods: Vec<(String, String)> },
}

impl Flows {
    /// The enabled providers in order.
    pub fn providers(&self) -> Vec<ProviderView> {
        todo!()
    }

    /// Starts a login flow; nothing is stored yet.
    pub async fn begin_login(&self, _begin: BeginLogin, _asker: &Asker) -> Result<Step, FlowError> {
        todo!()
    }

    /// Answers a step of a login (or proof) flow. `fields` is the body without `client_id`.
    pub async fn submit_login(
        &self,
        _flow_id: &str,
        _client_id: &str,
        _fields: Map<String, Value>,
        _service: Option<ServiceLogin>,
        _asker: &Asker,
    ) -> Result<Step, FlowError> {
        todo!()
    }

    /// Ends a login flow at the user's wish.
    pub async fn abort_login(&self, _flow_id: &str) -> Result<(), FlowError> {
        todo!()
    }

    /// `POST /api/login`.
    pub async fn api_login(
        &self,
        _client_id: &str,
        _username: &str,
        _password: &secrecy::SecretString,
        _asker: &Asker,
    ) -> Result<ApiLogin, FlowError> {
        todo!()
    }

    /// `POST /api/login/verify`.
    pub async fn api_verify(&self, _token: &str, _code: &str, _asker: &Asker) -> Result<Tokens, FlowError> {
        todo!()
    }

    /// `POST /api/login/change`: another method for the same login; the former token is dead.
    pub async fn api_change(&self, _token: &str, _method: &str, _asker: &Asker) -> Result<ApiLogin, FlowError> {
        todo!()
    }

    /// `POST /api/login/resend`: a new code for the same login; the former token is dead.
    pub async fn api_resend(&self, _token: &str, _asker: &Asker) -> Result<ApiLogin, FlowError> {
        todo!()
    }
}
