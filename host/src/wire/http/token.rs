//! Tokens in OAuth's shape (RFC 6749, RFC 7009): a login's code or a refresh token against an access token.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::flow::{FlowError, Flows, TokenError, Tokens};

use super::{error::Failure, form::Form};

/// What a finished login gives.
#[derive(Serialize, ToSchema)]
pub struct TokensJson {
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Not on a refresh: the former one stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Seconds.
    pub expires_in: u64,
    /// What `[claims]` tells applications of the user.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub claims: Map<String, Value>,
}

impl TokensJson {
    /// With what is told of the user beside them.
    pub async fn of(flows: &Flows, tokens: Tokens) -> Result<Self, FlowError> {
        let claims = flows.claims(&tokens.session_id).await?;
        Ok(Self::new(tokens, claims))
    }

    pub fn new(tokens: Tokens, claims: Map<String, Value>) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            refresh_token: tokens.refresh_token,
            expires_in: tokens.expires_in_s,
            claims,
        }
    }
}

/// Form parameters; which ones are needed depends on the grant.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read by name")]
pub struct TokenForm {
    /// `authorization_code` or `refresh_token`.
    grant_type: Option<String>,
    client_id: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    /// `revoke`, with `token`: older clients end a session here.
    action: Option<String>,
    token: Option<String>,
}

/// Form parameters.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read by name")]
pub struct RevokeForm {
    /// A refresh or access token.
    token: String,
}

/// Changes a code or a refresh token for an access token.
#[utoipa::path(
    post, path = "/auth/token", tag = "tokens",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded", description = "Also as multipart/form-data"),
    responses((status = 200, description = "Tokens", body = TokensJson))
)]
pub async fn token(State(flows): State<Flows>, Form(form): Form) -> Result<Response, Failure> {
    if form.get("action").is_some_and(|action| action == "revoke") {
        return end(&flows, &form).await;
    }
    let tokens = match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => {
            let (client_id, code) = (needed(&form, "client_id")?, needed(&form, "code")?);
            flows
                .exchange_code(client_id, code, optional(&form, "redirect_uri"), optional(&form, "code_verifier"))
                .await?
        }
        Some("refresh_token") => {
            let refresh_token = needed(&form, "refresh_token")?;
            flows.refresh(optional(&form, "client_id"), refresh_token).await?
        }
        Some(_) => return Err(TokenError::UnsupportedGrantType.into()),
        None => return Err(TokenError::InvalidRequest("grant_type is missing").into()),
    };
    Ok(Json(TokensJson::of(&flows, tokens).await?).into_response())
}

/// Ends the session of a token. Always 200, so that nothing is told about a token (RFC 7009 section 2.2).
#[utoipa::path(
    post, path = "/auth/revoke", tag = "tokens",
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded", description = "Also as multipart/form-data"),
    responses((status = 200, description = "The token is good for nothing any more"))
)]
pub async fn revoke(State(flows): State<Flows>, Form(form): Form) -> Result<Response, Failure> {
    end(&flows, &form).await
}

async fn end(flows: &Flows, form: &BTreeMap<String, String>) -> Result<Response, Failure> {
    if let Some(token) = form.get("token").filter(|token| !token.is_empty()) {
        match flows.revoke(token).await {
            Ok(()) => {}
            // Only a session that may go on living is worth an error: the client has to try again.
            Err(error @ (FlowError::Store(_) | FlowError::Busy)) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(StatusCode::OK.into_response())
}

fn needed<'a>(form: &'a BTreeMap<String, String>, name: &'static str) -> Result<&'a str, TokenError> {
    optional(form, name).ok_or(TokenError::InvalidRequest(match name {
        "client_id" => "client_id is missing",
        "code" => "code is missing",
        _ => "refresh_token is missing",
    }))
}

/// A parameter without a value counts as not sent (RFC 6749 section 3.2).
fn optional<'a>(form: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    form.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_was_not_sent() {
        let form = BTreeMap::from([("code".to_owned(), String::new()), ("client_id".to_owned(), "app".to_owned())]);
        assert!(matches!(needed(&form, "code"), Err(TokenError::InvalidRequest("code is missing"))));
        assert_eq!(needed(&form, "client_id").unwrap(), "app");
        assert_eq!(optional(&form, "redirect_uri"), None);
    }

    #[test]
    fn a_refresh_answers_without_a_refresh_token() {
        let tokens = Tokens {
            access_token: "a".into(),
            refresh_token: None,
            expires_in_s: 1800,
            session_id: "never on the wire".into(),
        };
        let text = serde_json::to_string(&TokensJson::new(tokens, Map::new())).unwrap();
        assert_eq!(text, r#"{"access_token":"a","token_type":"Bearer","expires_in":1800}"#);
    }
}
