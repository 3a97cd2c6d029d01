//! `access/<session id>`: what a finished login gives, first as a result code, then as tokens.

use serde::{Deserialize, Serialize};

use super::{Document, ProviderId, Unknown};
use crate::clock::Timestamp;

pub type AccessSession = Document<AccessOpen, AccessSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct AccessOpen {
    pub user: String,
    pub user_epoch: u64,
    pub client_id: String,
    pub provider: ProviderId,
    pub created_at: Timestamp,
    /// When the first factor was checked.
    pub auth_time: Timestamp,
    /// When the user's password was last right in this session.
    pub password_at: Option<Timestamp>,
    /// When a factor of the user was last proved in this session: a login, a set-up or a proof.
    pub factor_at: Option<Timestamp>,
    /// RFC 8176 values.
    pub amr: Vec<String>,
    pub mfa_method_used: Option<String>,
    pub mfa_verified_at: Option<Timestamp>,
    #[serde(flatten)]
    pub stage: AccessStage,
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum AccessStage {
    /// The result code is out and was not exchanged yet.
    Issued { code_expires_at: Timestamp },
    /// Tokens are out.
    Active { expires_at: Timestamp },
}

#[derive(Clone, Serialize, Deserialize)]
pub struct AccessSecret {
    /// Hash of the result code; kept after the exchange so that a second use is known as one.
    pub code_hash: Option<String>,
    pub redirect_hash: Option<String>,
    pub code_challenge: Option<String>,
    pub refresh_hash: Option<String>,
}
