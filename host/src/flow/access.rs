//! Access sessions: what a finished login gives, and how it is used and ended.

use crate::clock::Timestamp;

use super::{FlowError, Flows, TokenError};

/// Tokens of an access session. Shown once.
#[derive(Clone)]
pub struct Tokens {
    pub access_token: String,
    /// None on a refresh: the former one stays.
    pub refresh_token: Option<String>,
    pub expires_in_s: u64,
    pub session_id: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokens").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// A valid bearer: whose it is and what was proved when.
#[derive(Clone, Debug)]
pub struct Access {
    pub session_id: String,
    pub user_id: String,
    pub user_name: String,
    pub is_owner: bool,
    pub client_id: String,
    pub created_at: Timestamp,
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub mfa_method_used: Option<String>,
    pub mfa_verified_at: Option<Timestamp>,
}

impl Flows {
    /// `grant_type=authorization_code`.
    pub async fn exchange_code(
        &self,
        _client_id: &str,
        _code: &str,
        _redirect_uri: Option<&str>,
        _code_verifier: Option<&str>,
    ) -> Result<Tokens, TokenError> {
        todo!()
    }

    /// `grant_type=refresh_token`.
    pub async fn refresh(&self, _client_id: Option<&str>, _refresh_token: &str) -> Result<Tokens, TokenError> {
        todo!()
    }

    /// Ends the session of this refresh or access token; an unknown one is no error (RFC 7009).
    pub async fn revoke(&self, _token: &str) -> Result<(), FlowError> {
        todo!()
    }

    /// Who a bearer token is.
    pub async fn authenticate(&self, _bearer: &str) -> Result<Access, FlowError> {
        todo!()
    }
}
