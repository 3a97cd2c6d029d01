//! `access/<session id>`: what a finished login gives, first as a result code, then as tokens.

use std::net::IpAddr;

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
    pub stage: AccessStage,
    /// Whether the host's own pages work under it: such a session is not renewed, and no application has its tokens.
    #[serde(default)]
    pub is_of_pages: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
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
    /// None in records of older builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_from: Option<CameFrom>,
}

/// Where a login was finished, for its user's eyes.
#[derive(Clone, Serialize, Deserialize)]
pub struct CameFrom {
    pub address: IpAddr,
    /// What the program calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_of_a_newer_build_is_changed_without_losing_what_this_build_does_not_know() {
        let stored = json!({
            "user": "u", "user_epoch": 0, "client_id": "c", "provider": {"type": "local", "id": null},
            "created_at": "2026-01-01T00:00:00.000Z", "auth_time": "2026-01-01T00:00:00.000Z", "password_at": null,
            "factor_at": null, "amr": [], "mfa_method_used": null, "mfa_verified_at": null,
            "stage": {"is": "issued", "code_expires_at": "2026-01-01T00:10:00.000Z"}, "newer": 7,
        });
        let mut open: AccessOpen = serde_json::from_value(stored).unwrap();
        open.stage = AccessStage::Active { expires_at: Timestamp(1_800_000_000_000) };
        let written = serde_json::to_value(&open).unwrap();
        assert_eq!(written["newer"], 7);
        assert_eq!(serde_json::from_value::<AccessOpen>(written).unwrap().stage, open.stage);
    }
    #[test]
    fn a_session_of_an_older_build_does_not_say_where_it_came_from() {
        let stored = json!({"code_hash": null, "redirect_hash": null, "code_challenge": null, "refresh_hash": "x"});
        let secret: AccessSecret = serde_json::from_value(stored.clone()).unwrap();
        assert!(secret.came_from.is_none());
        assert_eq!(serde_json::to_value(&secret).unwrap(), stored);
    }
}
