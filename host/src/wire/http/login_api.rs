//! The login in a plainer rendering: user name and password, then a code.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::Timestamp,
    flow::{ApiLogin, FlowError, Flows, PlainAnswer, SecondFactor},
};

use super::{body::Json, client_address::Client, error::Failure, token::TokensJson};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    client_id: String,
    username: String,
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    token: String,
    /// The method's code. A text that is none of the method's, such as a backup code, is taken for a way back in. Without
    /// any code it asks whether a step that waits may go on: 409 `pending` until then.
    #[serde(default)]
    code: Option<String>,
    /// In place of `code`: for a way back in and nothing else.
    #[serde(default)]
    recovery_code: Option<String>,
    /// Id of the way back in, where the code could be for several.
    #[serde(default)]
    recovery_module: Option<String>,
}

/// Tokens, and what the method has to say to the person.
#[derive(Serialize, ToSchema)]
pub struct VerifiedJson {
    #[serde(flatten)]
    tokens: TokensJson,
    /// Such as how few codes are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    token: String,
    /// Id of another method of `methods`.
    method: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    token: String,
}

/// Tokens, or the second factor that is due.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum LoginJson {
    Tokens {
        /// false
        mfa_enabled: bool,
        #[serde(flatten)]
        tokens: TokensJson,
    },
    SecondFactor {
        /// true
        mfa_enabled: bool,
        /// For `verify`, `change` and `resend`.
        token: String,
        /// The method that asks.
        method: String,
        methods: Vec<Method>,
        /// Of a method that sends: `sent`, `queued`, `failed`.
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery: Option<&'static str>,
        /// RFC 3339; from then on `resend` sends another code.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        resend_at: Option<Timestamp>,
        /// Of a method that sent a link: the two digits its page asks for, to be shown to the user.
        #[serde(skip_serializing_if = "Option::is_none")]
        link_number: Option<String>,
    },
}

#[derive(Serialize, ToSchema)]
pub struct Method {
    id: String,
    name: String,
}

impl LoginJson {
    async fn of(flows: &Flows, login: ApiLogin) -> Result<Self, FlowError> {
        Ok(match login {
            ApiLogin::Tokens(tokens) => {
                Self::Tokens { mfa_enabled: false, tokens: TokensJson::of(flows, tokens).await? }
            }
            ApiLogin::SecondFactor(second) => second.into(),
        })
    }
}

impl From<SecondFactor> for LoginJson {
    fn from(second: SecondFactor) -> Self {
        let SecondFactor { token, method, methods, delivery, resend_at, link_number } = second;
        let methods = methods.into_iter().map(|(id, name)| Method { id, name }).collect();
        Self::SecondFactor { mfa_enabled: true, token, method, methods, delivery, resend_at, link_number }
    }
}

type Answer = Result<axum::Json<LoginJson>, Failure>;

/// User name and password.
#[utoipa::path(
    post, path = "/api/login", tag = "plain login", request_body = Login,
    responses((status = 200, description = "Tokens, or the token and methods of the second step", body = LoginJson))
)]
pub async fn login(State(flows): State<Flows>, Client(asker): Client, Json(login): Json<Login>) -> Answer {
    let password = login.password.into();
    Ok(axum::Json(
        LoginJson::of(&flows, flows.api_login(&login.client_id, &login.username, &password, &asker).await?).await?,
    ))
}

/// The code of the method that asks. A wrong one is 401 `invalid_code`; the token stays.
#[utoipa::path(
    post, path = "/api/login/verify", tag = "plain login", request_body = Verify,
    responses((status = 200, description = "Tokens", body = VerifiedJson), (status = 410, description = "The login ended; `code` says why", body = super::error::Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn verify(
    State(flows): State<Flows>,
    Client(asker): Client,
    Json(verify): Json<Verify>,
) -> Result<axum::Json<VerifiedJson>, Failure> {
    let answer = match (verify.code, verify.recovery_code, verify.recovery_module) {
        (None, None, None) => None,
        (Some(code), None, None) => Some(PlainAnswer::Code(code)),
        (None, Some(code), module) => Some(PlainAnswer::Recovery { code, module }),
        _ => return Err(FlowError::InvalidRequest("give either code or recovery_code").into()),
    };
    let verified = flows.api_verify(&verify.token, answer, &asker).await?;
    Ok(axum::Json(VerifiedJson { tokens: TokensJson::of(&flows, verified.tokens).await?, advice: verified.advice }))
}

/// Another method for the same login. The former token is dead.
#[utoipa::path(
    post, path = "/api/login/change", tag = "plain login", request_body = Change,
    responses((status = 200, description = "Tokens, or the token and methods of the second step", body = LoginJson), (status = 410, description = "The login ended; `code` says why", body = super::error::Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn change(State(flows): State<Flows>, Client(asker): Client, Json(change): Json<Change>) -> Answer {
    Ok(axum::Json(LoginJson::of(&flows, flows.api_change(&change.token, &change.method, &asker).await?).await?))
}

/// A new code from a method that sends. The former token is dead.
#[utoipa::path(
    post, path = "/api/login/resend", tag = "plain login", request_body = Resend,
    responses((status = 200, description = "Tokens, or the token and methods of the second step", body = LoginJson), (status = 410, description = "The login ended; `code` says why", body = super::error::Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn resend(State(flows): State<Flows>, Client(asker): Client, Json(resend): Json<Resend>) -> Answer {
    Ok(axum::Json(LoginJson::of(&flows, flows.api_resend(&resend.token, &asker).await?).await?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn both_answers_are_flat() {
        let tokens = crate::flow::Tokens {
            access_token: "a".into(),
            refresh_token: Some("r".into()),
            expires_in_s: 1800,
            session_id: String::new(),
        };
        assert_eq!(
            serde_json::to_value(LoginJson::Tokens { mfa_enabled: false, tokens: TokensJson::new(tokens, Map::new()) })
                .unwrap(),
            json!({"mfa_enabled": false, "access_token": "a", "refresh_token": "r", "token_type": "Bearer", "expires_in": 1800})
        );
        let second = SecondFactor {
            token: "t".into(),
            method: "totp".into(),
            methods: vec![("totp".into(), "App".into())],
            delivery: None,
            resend_at: None,
            link_number: None,
        };
        assert_eq!(
            serde_json::to_value(LoginJson::from(second)).unwrap(),
            json!({"mfa_enabled": true, "token": "t", "method": "totp", "methods": [{"id": "totp", "name": "App"}]})
        );
    }
}
