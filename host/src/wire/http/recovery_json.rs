//! Ways back in as JSON: which of them a step takes, and codes in the one answer that shows them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    clock::Timestamp,
    flow::{IssuedCodes, RECOVERY_FIELD, WayBack},
};

/// The ways back in that take the place of a step's answer. Their field is none of `data_schema`, because clients show
/// all of those.
#[derive(Serialize, ToSchema)]
pub struct RecoveryJson {
    /// `recovery_code`
    pub field: &'static str,
    /// Where a code could be for several, `recovery_module` says for which.
    pub modules: Vec<WayBackJson>,
}

#[derive(Serialize, ToSchema)]
pub struct WayBackJson {
    pub id: String,
    pub name: String,
}

/// Codes to save. They are in this answer and in no other, and open nothing before `{"saved": true}` is sent to
/// `POST /api/mfa/setup/{flow_id}`.
#[derive(Serialize, ToSchema)]
pub struct IssuedJson {
    /// Id of the way back in.
    pub module: String,
    pub name: String,
    /// Id of the factor they stand in for; absent if for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<String>,
    pub codes: Vec<String>,
    pub flow_id: String,
    /// RFC 3339; codes that were not saved by then never count.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

impl From<IssuedCodes> for IssuedJson {
    fn from(issued: IssuedCodes) -> Self {
        let IssuedCodes { module, name, of, codes, flow_id, expires_at } = issued;
        Self { module, name, factor: of, codes, flow_id, expires_at }
    }
}

/// What is said of ways back in, if there is any.
pub fn offered(modules: Vec<WayBack>) -> Option<RecoveryJson> {
    let modules: Vec<WayBackJson> =
        modules.into_iter().map(|module| WayBackJson { id: module.module, name: module.name }).collect();
    (!modules.is_empty()).then_some(RecoveryJson { field: RECOVERY_FIELD, modules })
}
