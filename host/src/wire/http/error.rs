//! The one place where a refusal becomes HTTP, in the three dialects clients know: the login protocol's `message`,
//! OAuth's `error` (RFC 6749 section 5.2), and problem details (RFC 9457).

use std::{borrow::Cow, collections::BTreeMap};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    flow::{FlowError, PeopleError, TokenError},
    provider::PasswordRefusal,
    store::StoreError,
};

/// How errors are worded, by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Message,
    OAuth,
    Problem,
}

impl Dialect {
    /// The dialect a path speaks.
    pub fn of(path: &str) -> Self {
        match path {
            "/auth/token" | "/auth/revoke" => Self::OAuth,
            _ if path.starts_with("/auth/") => Self::Message,
            _ => Self::Problem,
        }
    }
}

/// A refusal, not yet worded. As a response it is bare; [`Failure::worded`] gives it its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    more: Box<More>,
}

/// What only some refusals carry.
#[derive(Clone, Debug, Default, PartialEq)]
struct More {
    errors: Option<BTreeMap<String, String>>,
    reason: Option<String>,
    method: Option<String>,
    retry_after_s: Option<u64>,
    /// Value of `WWW-Authenticate`.
    challenge: Option<String>,
}

/// Error of the login protocol.
#[derive(Serialize, ToSchema)]
pub struct Message<'a> {
    message: &'a str,
    /// Words by field, when the input does not fit the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a BTreeMap<String, String>>,
    /// Machine word, on 401, 429 and 5xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// Error of RFC 6749 section 5.2.
#[derive(Serialize, ToSchema)]
pub struct OAuthError<'a> {
    /// `invalid_request`, `invalid_grant`, `unsupported_grant_type`, `access_denied`, `temporarily_unavailable`, `server_error`.
    error: &'a str,
    error_description: &'a str,
    /// Machine word, on 429 and 5xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// Problem details of RFC 9457; served as `application/problem+json`.
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// `about:blank`: the status says the kind, `code` says which.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    /// For a person.
    detail: &'a str,
    /// For a program.
    code: &'a str,
    /// Words by field, when the input does not fit the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a BTreeMap<String, String>>,
    /// More exact word, for example a module's own for a wrong code.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The method whose code is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl Failure {
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), more: Box::default() }
    }

    /// 400: the request cannot be read.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail)
    }

    fn retry(mut self, after_s: u64) -> Self {
        self.more.retry_after_s = Some(after_s.max(1));
        self
    }

    fn challenge(mut self, challenge: impl Into<String>) -> Self {
        self.more.challenge = Some(challenge.into());
        self
    }

    fn reason(mut self, reason: String) -> Self {
        self.more.reason = Some(reason);
        self
    }

    fn method(mut self, method: String) -> Self {
        self.more.method = Some(method);
        self
    }

    fn errors(mut self, errors: BTreeMap<String, String>) -> Self {
        self.more.errors = Some(errors);
        self
    }

    /// Keeps the headers `response` has and gives it the body of `dialect`.
    pub fn worded(self, dialect: Dialect, response: Response) -> Response {
        let (mut parts, _) = response.into_parts();
        let body = match dialect {
            Dialect::Message => serde_json::to_vec(&Message {
                message: &self.detail,
                errors: self.more.errors.as_ref(),
                code: self.is_machine_worded().then_some(&*self.code),
            }),
            Dialect::OAuth => serde_json::to_vec(&OAuthError {
                error: self.oauth_word(),
                error_description: &self.detail,
                code: self.is_machine_worded().then_some(&*self.code),
            }),
            Dialect::Problem => serde_json::to_vec(&Problem {
                kind: "about:blank",
                title: self.status.canonical_reason().unwrap_or("Error"),
                status: self.status.as_u16(),
                detail: &self.detail,
                code: &self.code,
                errors: self.more.errors.as_ref(),
                reason: self.more.reason.as_deref(),
                method: self.more.method.as_deref(),
                retry_after_s: self.more.retry_after_s,
            }),
        };
        let kind = if dialect == Dialect::Problem { "application/problem+json" } else { "application/json" };
        parts.status = self.status;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(after_s) = self.more.retry_after_s {
            parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(after_s));
        }
        if let Some(value) = self.more.challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            parts.headers.insert(header::WWW_AUTHENTICATE, value);
        }
        Response::from_parts(parts, Body::from(body.unwrap_or_default()))
    }

    /// The login protocol's own refusals stay as its clients know them, to the byte.
    fn is_machine_worded(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status.is_server_error()
    }

    fn oauth_word(&self) -> &str {
        match &*self.code {
            word @ ("invalid_grant" | "unsupported_grant_type" | "access_denied") => word,
            _ if self.status == StatusCode::INTERNAL_SERVER_ERROR => "server_error",
            _ if self.is_machine_worded() => "temporarily_unavailable",
            _ => "invalid_request",
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<FlowError> for Failure {
    fn from(error: FlowError) -> Self {
        use StatusCode as S;
        match error {
            FlowError::UnknownFlow => Self::new(S::NOT_FOUND, "unknown_flow", "Invalid flow specified"),
            FlowError::UnknownHandler => Self::new(S::NOT_FOUND, "unknown_handler", "Invalid handler specified"),
            FlowError::InvalidClient => {
                Self::new(S::BAD_REQUEST, "invalid_client", "invalid client id or redirect uri")
            }
            FlowError::InvalidRequest(detail) => Self::new(S::BAD_REQUEST, "invalid_request", detail),
            FlowError::InvalidInput(fields) => {
                let words = fields.into_iter().map(|(field, error)| (field, word(error))).collect();
                Self::new(S::BAD_REQUEST, "invalid_input", "User input malformed").errors(words)
            }
            FlowError::CodeRequired { method } => {
                let words = BTreeMap::from([("code".to_owned(), "required".to_owned())]);
                let detail = format!("This needs a code of {method}.");
                Self::new(S::BAD_REQUEST, "invalid_input", detail).errors(words).method(method)
            }
            FlowError::Refused { field, word, detail } => {
                let words = BTreeMap::from([(field.to_owned(), word.to_owned())]);
                Self::new(S::BAD_REQUEST, "invalid_input", detail).errors(words)
            }
            FlowError::Throttled { retry_after_s } => {
                Self::new(S::TOO_MANY_REQUESTS, "throttled", "Too many attempts. Wait, then try again.")
                    .retry(retry_after_s)
            }
            FlowError::Busy => {
                Self::new(S::SERVICE_UNAVAILABLE, "busy", "The host is busy. Try again in a moment.").retry(1)
            }
            FlowError::Unauthenticated => {
                Self::new(S::UNAUTHORIZED, "unauthenticated", "Sign in first.").challenge("Bearer")
            }
            FlowError::StaleProof { max_age_s } => {
                const CODE: &str = "insufficient_user_authentication";
                Self::new(S::UNAUTHORIZED, CODE, "This needs a fresh proof of your sign-in: POST /api/proof.")
                    .challenge(format!("Bearer error=\"{CODE}\", max_age=\"{max_age_s}\""))
            }
            FlowError::Forbidden { code, detail } => Self::new(S::FORBIDDEN, code, detail),
            FlowError::PasswordRefused { refusal: refusal @ PasswordRefusal::NoBlocklist { .. }, .. } => {
                // The path is for the admin's eyes.
                tracing::error!("no password can be set: {refusal}");
                let detail = "No password can be set now. Ask your administrator.";
                Self::new(S::SERVICE_UNAVAILABLE, "no_blocklist", detail).retry(60)
            }
            FlowError::PasswordRefused { field, refusal } => {
                let mut detail = format!("{refusal}.");
                detail[..1].make_ascii_uppercase();
                let words = BTreeMap::from([(field.to_owned(), refusal.word().to_owned())]);
                Self::new(S::BAD_REQUEST, "password_refused", detail).errors(words)
            }
            FlowError::InvalidAuth => {
                Self::new(S::UNAUTHORIZED, "invalid_auth", "Wrong user name or password.").challenge("Bearer")
            }
            FlowError::InvalidCode { error } => {
                Self::new(S::UNAUTHORIZED, "invalid_code", "Wrong code.").challenge("Bearer").reason(error)
            }
            FlowError::Ended { reason } => Self::new(S::GONE, reason, "This login has ended. Sign in again."),
            FlowError::ModuleUnavailable { module, reason } => Self::new(
                S::SERVICE_UNAVAILABLE,
                "module_unavailable",
                format!("The module {module} is not available now."),
            )
            .retry(5)
            .reason(reason),
            FlowError::NotFound { what } => Self::new(S::NOT_FOUND, "not_found", format!("There is no {what}.")),
            FlowError::NotPossible { code, detail } => Self::new(S::CONFLICT, code, detail),
            FlowError::Store(error) => error.into(),
        }
    }
}

impl From<PeopleError> for Failure {
    fn from(error: PeopleError) -> Self {
        use StatusCode as S;
        let field = |field: &str, word: &str| BTreeMap::from([(field.to_owned(), word.to_owned())]);
        match error {
            PeopleError::InvalidName => {
                Self::new(S::BAD_REQUEST, "invalid_input", "This is no user name.").errors(field("name", "invalid"))
            }
            PeopleError::InvalidProfile { field: name, word, problem } => {
                Self::new(S::BAD_REQUEST, "invalid_input", format!("{name}: {problem}.")).errors(field(name, word))
            }
            PeopleError::PasswordRefused(refusal) => FlowError::PasswordRefused { field: "password", refusal }.into(),
            PeopleError::NameTaken(_) => Self::new(S::CONFLICT, "name_taken", "This user name is taken."),
            PeopleError::UnknownUser(_) => FlowError::NotFound { what: "such user" }.into(),
            PeopleError::LastOwner(_) => {
                Self::new(S::CONFLICT, "last_owner", "This is the only owner that is switched on.")
            }
            PeopleError::Busy => FlowError::Busy.into(),
            PeopleError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Failure {
    /// What exactly is wrong with the store is for the admin's eyes: the log has it.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store refused a request");
        let (code, detail) = match error {
            StoreError::Damaged(_) => {
                ("storage_damaged", "The store is damaged; nobody can sign in until it is repaired.")
            }
            StoreError::RolledBack(_) => (
                "storage_rolled_back",
                "An older copy of the store was put back; nobody can sign in until an administrator has decided.",
            ),
            StoreError::Tampered(_) => {
                ("record_tampered", "A record of this request was altered from outside and is refused.")
            }
            StoreError::Poisoned(_) | StoreError::TooLarge { .. } => {
                ("storage_unavailable", "The store stopped after a failed write; the host has to be restarted.")
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry(60)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        use StatusCode as S;
        match error {
            TokenError::InvalidRequest(detail) => Self::new(S::BAD_REQUEST, "invalid_request", detail),
            TokenError::InvalidGrant => Self::new(
                S::BAD_REQUEST,
                "invalid_grant",
                "The code or token is unknown, used, expired or another client's.",
            ),
            TokenError::UnsupportedGrantType => {
                Self::new(S::BAD_REQUEST, "unsupported_grant_type", "Use authorization_code or refresh_token.")
            }
            TokenError::AccessDenied => Self::new(S::FORBIDDEN, "access_denied", "The user is switched off."),
            TokenError::Flow(error) => error.into(),
        }
    }
}

/// The machine word of a field error, as serde writes it.
fn word(error: mfa_sdk::form::FieldError) -> String {
    match serde_json::to_value(error) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "invalid".to_owned(),
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
