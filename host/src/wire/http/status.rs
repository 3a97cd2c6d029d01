//! Whether the host lives, and what it would tell its owner.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    flow::{Access, Flows},
    module_host::{ModuleInstance, ModuleState},
    store::StoreError,
};

use super::{error::Failure, session::MaybeBearer};

#[derive(Serialize, ToSchema)]
pub struct Status {
    /// `ok`, `storage_damaged`, `storage_unavailable`.
    status: &'static str,
    version: &'static str,
    /// Only for a bearer.
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<Vec<ModuleJson>>,
}

#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct ModuleJson {
    id: String,
    /// `ready`, `disabled`, `restarting`, `failed`, `quarantined`.
    state: &'static str,
    /// Only for an owner, like all that follows.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    module_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// `ok`, or 503 when nobody could sign in.
#[utoipa::path(
    get, path = "/healthz", tag = "host",
    responses((status = 200, body = String, content_type = "text/plain"),
              (status = 503, description = "The store does not answer", body = String, content_type = "text/plain"))
)]
pub async fn healthz(State(flows): State<Flows>) -> (StatusCode, &'static str) {
    match flows.health().await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, word(&error)),
    }
}

/// Status and version; the modules only for a bearer, and what ails them only for an owner.
#[utoipa::path(
    get, path = "/api/status", tag = "host", security((), ("bearer" = [])),
    responses((status = 200, body = Status))
)]
pub async fn status(State(flows): State<Flows>, bearer: Result<MaybeBearer, Failure>) -> Result<Json<Status>, Failure> {
    let status = flows.health().await.map_or_else(|error| word(&error), |()| "ok");
    // With a broken store no token can be looked up; the status is told all the same, without details.
    let access = match bearer {
        Ok(MaybeBearer(access)) => access,
        Err(_) if status != "ok" => None,
        Err(failure) => return Err(failure),
    };
    let modules = access.map(|access| modules(flows.modules().modules(), &access));
    Ok(Json(Status { status, version: env!("CARGO_PKG_VERSION"), modules }))
}

fn word(error: &StoreError) -> &'static str {
    match error {
        StoreError::Damaged(_) | StoreError::Tampered(_) => "storage_damaged",
        StoreError::Poisoned(_) => "storage_unavailable",
    }
}

fn modules(instances: Vec<ModuleInstance>, access: &Access) -> Vec<ModuleJson> {
    instances
        .into_iter()
        .map(|instance| {
            let (state, reason, remedy) = told(instance.state);
            let version = instance.description.as_ref().map(|description| description.version.clone());
            let brief = ModuleJson {
                id: instance.id,
                state,
                module_type: None,
                name: None,
                version: None,
                reason: None,
                remedy: None,
            };
            if !access.is_owner {
                return brief;
            }
            let (module_type, name) = (Some(instance.module_type), Some(instance.name));
            ModuleJson { module_type, name, version, reason, remedy, ..brief }
        })
        .collect()
}

fn told(state: ModuleState) -> (&'static str, Option<String>, Option<String>) {
    match state {
        ModuleState::Ready => ("ready", None, None),
        ModuleState::Disabled => ("disabled", None, None),
        ModuleState::Restarting { reason } => ("restarting", Some(reason), None),
        ModuleState::Failed { reason, remedy } => ("failed", Some(reason), Some(remedy)),
        ModuleState::Quarantined { reason } => ("quarantined", Some(reason), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn reasons_are_for_owners() {
        let failed = ModuleInstance {
            id: "totp".into(),
            module_type: "totp".into(),
            name: "TOTP".into(),
            state: ModuleState::Failed { reason: "wrong owner of /etc/…".into(), remedy: "chown".into() },
            description: None,
        };
        let mut access = Access {
            session_id: String::new(),
            user_id: String::new(),
            user_name: String::new(),
            is_owner: false,
            client_id: String::new(),
            created_at: Timestamp(0),
            auth_time: Timestamp(0),
            amr: vec![],
            mfa_method_used: None,
            mfa_verified_at: None,
        };
        let seen = serde_json::to_value(modules(vec![failed.clone()], &access)).unwrap();
        assert_eq!(seen, serde_json::json!([{"id": "totp", "state": "failed"}]));
        access.is_owner = true;
        let seen = serde_json::to_value(modules(vec![failed], &access)).unwrap();
        assert_eq!(seen[0]["remedy"], "chown");
    }
}
