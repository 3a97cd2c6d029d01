//! Whether the host lives, and what it would tell its owner.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    flow::Flows,
    module_host::{ModuleInstance, ModuleState, RefusedChange},
    store::StoreError,
    system_clock::SystemClock,
    wire::current::SettingsNews,
};

use super::{error::Failure, session::MaybeBearer};

#[derive(Serialize, ToSchema)]
pub struct Status {
    /// `ok`, `storage_damaged`, `storage_rolled_back`, `storage_unavailable`.
    status: &'static str,
    version: &'static str,
    /// Whether something keeps the machine's clock right; only for an owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    system_clock: Option<SystemClock>,
    /// Only for a bearer.
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<Vec<ModuleJson>>,
    /// Only for an owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<SettingsNews>,
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
    responses((status = 200, description = "The host answers and its store is sound", body = String, content_type = "text/plain"),
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
    responses((status = 200, description = "How the host is; more of it for a bearer, most for an owner", body = Status))
)]
pub async fn status(
    State(flows): State<Flows>,
    Extension(news): Extension<Arc<SettingsNews>>,
    bearer: Result<MaybeBearer, Failure>,
) -> Result<Json<Status>, Failure> {
    let status = flows.health().await.map_or_else(|error| word(&error), |()| "ok");
    // With a broken store no token can be looked up; the status is told all the same, without details.
    let access = match bearer {
        Ok(MaybeBearer(access)) => access,
        Err(_) if status != "ok" => None,
        Err(failure) => return Err(failure),
    };
    let is_owner = access.as_ref().is_some_and(|access| access.is_owner);
    let (settings, system_clock) =
        if is_owner { (Some(SettingsNews::clone(&news)), Some(SystemClock::look())) } else { (None, None) };
    let modules = access.map(|access| modules(flows.modules().modules(), access.is_owner));
    Ok(Json(Status { status, version: env!("CARGO_PKG_VERSION"), system_clock, modules, settings }))
}

fn word(error: &StoreError) -> &'static str {
    match error {
        StoreError::Damaged(_) | StoreError::Tampered(_) => "storage_damaged",
        StoreError::RolledBack(_) => "storage_rolled_back",
        StoreError::Poisoned(_) | StoreError::TooLarge { .. } => "storage_unavailable",
    }
}

fn modules(instances: Vec<ModuleInstance>, is_owner: bool) -> Vec<ModuleJson> {
    instances
        .into_iter()
        .map(|instance| {
            let (state, reason, remedy) = told(instance.state, instance.refused);
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
            if !is_owner {
                return brief;
            }
            let (module_type, name) = (Some(instance.module_type), Some(instance.name));
            ModuleJson { module_type, name, version, reason, remedy, ..brief }
        })
        .collect()
}

fn told(state: ModuleState, refused: Option<RefusedChange>) -> (&'static str, Option<String>, Option<String>) {
    match state {
        ModuleState::Ready => match refused {
            Some(refused) => ("ready", Some(refused.reason), Some(refused.remedy)),
            None => ("ready", None, None),
        },
        ModuleState::Disabled => ("disabled", None, None),
        ModuleState::Restarting { reason } => ("restarting", Some(reason), None),
        ModuleState::Failed { reason, remedy } => ("failed", Some(reason), Some(remedy)),
        ModuleState::Quarantined { reason } => ("quarantined", Some(reason), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_for_owners() {
        let failed = ModuleInstance {
            is_named_by_admin: false,
            id: "totp".into(),
            module_type: "totp".into(),
            name: "TOTP".into(),
            state: ModuleState::Failed { reason: "wrong owner of /etc/…".into(), remedy: "chown".into() },
            description: None,
            refused: None,
        };
        let seen = serde_json::to_value(modules(vec![failed.clone()], false)).unwrap();
        assert_eq!(seen, serde_json::json!([{"id": "totp", "state": "failed"}]));
        let seen = serde_json::to_value(modules(vec![failed], true)).unwrap();
        assert_eq!(seen[0]["remedy"], "chown");
    }
}
