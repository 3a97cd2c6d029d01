//! A user's own methods: list and delete.

use crate::clock::Timestamp;

use super::{Access, FlowError, Flows};

/// A module as its user sees it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct MethodView {
    pub id: String,
    #[serde(rename = "type")]
    pub module_type: String,
    pub name: String,
    pub is_available: bool,
    pub is_setup: bool,
    pub is_active: bool,
    pub is_primary: bool,
    /// `knowledge`, `possession`, `inherence`; none while the module cannot be loaded.
    pub kind: Option<String>,
    pub sends: bool,
    pub recovery: bool,
    pub created_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub setup_message: Option<String>,
}

impl Flows {
    /// Every configured module, and what this user has of it.
    pub async fn methods(&self, _access: &Access, _language: &str) -> Result<Vec<MethodView>, FlowError> {
        todo!()
    }

    /// Removes one method. Needs a fresh proof.
    pub async fn delete_method(&self, _access: &Access, _module_id: &str) -> Result<(), FlowError> {
        todo!()
    }

    /// Removes all methods. Needs a fresh proof.
    pub async fn delete_all_methods(&self, _access: &Access) -> Result<(), FlowError> {
        todo!()
    }

    /// Ends the caller's own access session.
    pub async fn sign_out(&self, _access: &Access) -> Result<(), FlowError> {
        todo!()
    }
}
