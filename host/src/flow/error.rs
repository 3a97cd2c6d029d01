//! Why a flow does not answer with a step. One file of the wire maps these to HTTP.

use mfa_sdk::form::FieldErrors;

use crate::{provider::PasswordRefusal, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// Unknown, foreign, ended or never existing: always the same answer.
    #[error("invalid flow specified")]
    UnknownFlow,
    /// `handler` names no enabled provider.
    #[error("invalid handler specified")]
    UnknownHandler,
    /// The redirect URI belongs neither to a configured client nor to the origin of the client id.
    #[error("invalid client id or redirect uri")]
    InvalidClient,
    /// The request itself is not well-formed, whatever state the flow is in.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The input does not fit the step; no attempt was spent. Fields by name, machine words.
    #[error("the input does not fit the form")]
    InvalidInput(FieldErrors),
    /// A code of this method has to come with the change.
    #[error("this needs a code of {method}")]
    CodeRequired { method: String },
    /// A text that is not taken, by the field it stood in, with a machine word.
    #[error("{detail}")]
    Refused { field: &'static str, word: &'static str, detail: &'static str },
    /// Locked or too fast.
    #[error("too many attempts; try again in {retry_after_s} s")]
    Throttled { retry_after_s: u64 },
    /// Too many at once; nothing was decided.
    #[error("the host is busy; try again")]
    Busy,
    /// No or no valid access token.
    #[error("sign in first")]
    Unauthenticated,
    /// Valid, but the proof of the factor (or password) is too old for this.
    #[error("this needs a fresh proof of your sign-in")]
    StaleProof { max_age_s: u64 },
    /// The caller's rights are not enough.
    #[error("{detail}")]
    Forbidden { code: &'static str, detail: &'static str },
    /// A new password that is not taken, by the field it stood in.
    #[error("{refusal}")]
    PasswordRefused { field: &'static str, refusal: PasswordRefusal },
    /// Wrong user name or password (plain login only; a login flow says so in its form).
    #[error("wrong user name or password")]
    InvalidAuth,
    /// Wrong code (plain login only).
    #[error("wrong code")]
    InvalidCode { error: String },
    /// The flow ended by itself (plain login only): `login_expired`, `too_many_retry`, `unknown_error`, …
    #[error("the login ended: {reason}")]
    Ended { reason: String },
    /// The module exists but cannot work now.
    #[error("the module {module} is not available: {reason}")]
    ModuleUnavailable { module: String, reason: String },
    /// No such module, method, session.
    #[error("there is no {what}")]
    NotFound { what: &'static str },
    /// Not possible in this state, for example a resend of a method that sends nothing.
    #[error("{detail}")]
    NotPossible { code: &'static str, detail: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// RFC 6749 section 5.2.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("invalid_request")]
    InvalidRequest(&'static str),
    #[error("invalid_grant")]
    InvalidGrant,
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    #[error("access_denied")]
    AccessDenied,
    #[error(transparent)]
    Flow(#[from] FlowError),
}
