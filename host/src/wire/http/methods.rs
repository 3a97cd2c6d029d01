//! A signed-in user's own methods: what there is, and what becomes of each.

use axum::{Json as Answer, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::flow::{Confirmation, MethodDetails, MethodView, OverviewView, Wish, Words};

use super::{
    body::Json,
    error::Failure,
    mfa::Nothing,
    session::{Caller, PathId, PathPair},
    step_json::{FieldJson, StepJson},
};

/// A method and what the user has of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes MethodView, which belongs to the flows")]
pub struct MethodJson {
    id: String,
    #[schema(rename = "type")]
    module_type: String,
    name: String,
    /// Whether it can be used now.
    is_available: bool,
    is_setup: bool,
    is_active: bool,
    is_primary: bool,
    /// `knowledge`, `possession`, `inherence`.
    kind: Option<String>,
    /// Whether a login with it sends a message.
    sends: bool,
    /// Whether it is a way back in and no factor of its own.
    recovery: bool,
    /// How it ranks beside others: `basic`, `good`, `strong`; none of a way back in.
    strength: Option<String>,
    /// The same in words.
    strength_text: Option<String>,
    /// RFC 3339.
    created_at: Option<String>,
    /// RFC 3339.
    last_used_at: Option<String>,
    /// Shown before set-up begins.
    setup_message: Option<String>,
    /// What the user calls it.
    label: Option<String>,
}

/// A method in full. What its module does not answer is left out.
#[derive(Serialize, ToSchema)]
pub struct MethodDetailsJson {
    #[serde(flatten)]
    #[schema(value_type = MethodJson)]
    method: MethodView,
    /// As a client gave it.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// How long its codes are good.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<CodeJson>,
    /// What the first step of its set-up asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup_schema: Option<Vec<FieldJson>>,
    /// Of what is set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OverviewJson>)]
    overview: Option<OverviewView>,
}

/// A code is good for its period, and for `window` further ones before and after it.
#[derive(Serialize, ToSchema)]
pub struct CodeJson {
    period_s: u32,
    window: u32,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes OverviewView, which belongs to the flows")]
pub struct OverviewJson {
    summary: Option<String>,
    devices: Vec<DeviceJson>,
    /// Whether the user should do something soon.
    low: bool,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes DeviceView, which belongs to the flows")]
pub struct DeviceJson {
    id: String,
    name: String,
    /// RFC 3339.
    created_at: Option<String>,
    /// RFC 3339.
    last_used_at: Option<String>,
}

/// A code, where `[methods]` wants one or the caller gives one anyway.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConfirmJson {
    /// Answers the one field of the method's step.
    code: Option<String>,
    /// In the place of `code`, for a step of several fields.
    #[schema(value_type = Option<Object>)]
    fields: Option<Map<String, Value>>,
    /// Of `POST /api/mfa/{id}/test`, for a method that sends its code first.
    flow_id: Option<String>,
}

impl From<ConfirmJson> for Confirmation {
    fn from(json: ConfirmJson) -> Self {
        Self { code: json.code, fields: json.fields, flow_id: json.flow_id }
    }
}

/// What is not given stays; an empty text or object takes away.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DescribeMethod {
    /// At most 255 characters, none of them invisible.
    label: Option<String>,
    /// A client's own; at most 4096 bytes.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameDevice {
    /// 1 to 64 characters, none of them invisible.
    name: String,
}

impl From<MethodDetails> for MethodDetailsJson {
    fn from(details: MethodDetails) -> Self {
        let MethodDetails { method, metadata, code, setup_fields, overview } = details;
        Self {
            method,
            metadata,
            code: code.map(|code| CodeJson { period_s: code.period_s, window: code.window }),
            setup_schema: setup_fields.map(|fields| fields.into_iter().map(Into::into).collect()),
            overview,
        }
    }
}

/// Every method there is, and what the caller has of it.
#[utoipa::path(
    get, path = "/api/mfa", tag = "methods", security(("bearer" = [])),
    responses((status = 200, description = "Every available module, and what the caller has of it", body = Vec<MethodJson>))
)]
pub async fn list(Caller { flows, access, asker }: Caller) -> Result<Answer<Vec<MethodView>>, Failure> {
    Ok(Answer(flows.methods(&access, &asker).await?))
}

/// One method in full: how long its codes are good, what its set-up asks for, and what its module says of what the caller has set up.
#[utoipa::path(
    get, path = "/api/mfa/{id}", tag = "methods", security(("bearer" = [])), operation_id = "show_method",
    params(("id" = String, Path, description = "Module id")),
    responses((status = 200, description = "The method", body = MethodDetailsJson))
)]
pub async fn show(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
) -> Result<Answer<MethodDetailsJson>, Failure> {
    Ok(Answer(flows.method_details(&access, &id, &asker).await?.into()))
}

/// Gives a method a label or metadata. Needs a fresh proof.
#[utoipa::path(
    patch, path = "/api/mfa/{id}", tag = "methods", security(("bearer" = [])), operation_id = "describe_method",
    params(("id" = String, Path, description = "Module id")), request_body = DescribeMethod,
    responses((status = 200, description = "The method as it is now", body = MethodJson))
)]
pub async fn describe(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(DescribeMethod { label, metadata }): Json<DescribeMethod>,
) -> Result<Answer<MethodView>, Failure> {
    let wish = Wish::Describe(Words { label, metadata });
    Ok(Answer(flows.change_method(&access, &id, wish, &Confirmation::default(), &asker).await?))
}

/// Removes every method. Needs a fresh proof, and a code of the primary where `delete_needs_code` says so.
#[utoipa::path(
    delete, path = "/api/mfa", tag = "methods", security(("bearer" = [])), request_body = ConfirmJson,
    responses((status = 204, description = "No second factor is left"))
)]
pub async fn delete_all(
    Caller { flows, access, asker }: Caller,
    Json(given): Json<ConfirmJson>,
) -> Result<StatusCode, Failure> {
    flows.delete_all_methods(&access, &given.into(), &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes one method. Needs a fresh proof, and a code of it where `delete_needs_code` says so. 409 `is_active` and
/// `is_primary` where the settings keep it.
#[utoipa::path(
    delete, path = "/api/mfa/{id}", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id")), request_body = ConfirmJson,
    responses((status = 204, description = "The method is gone"))
)]
pub async fn delete(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(given): Json<ConfirmJson>,
) -> Result<StatusCode, Failure> {
    flows.delete_method(&access, &id, &given.into(), &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a method usable again. Needs a fresh proof.
#[utoipa::path(
    post, path = "/api/mfa/{id}/activate", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id")), request_body = Nothing,
    responses((status = 200, description = "The method as it is now", body = MethodJson))
)]
pub async fn activate(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<MethodView>, Failure> {
    Ok(Answer(flows.change_method(&access, &id, Wish::Activate, &Confirmation::default(), &asker).await?))
}

/// Takes a method out of use and keeps what is set up. Never the primary: 409 `is_primary`. Needs a fresh proof, and a
/// code of it where `deactivate_needs_code` says so.
#[utoipa::path(
    post, path = "/api/mfa/{id}/deactivate", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id")), request_body = ConfirmJson,
    responses((status = 200, description = "The method as it is now", body = MethodJson))
)]
pub async fn deactivate(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(given): Json<ConfirmJson>,
) -> Result<Answer<MethodView>, Failure> {
    Ok(Answer(flows.change_method(&access, &id, Wish::Deactivate, &given.into(), &asker).await?))
}

/// Makes a method the one that is asked first. Needs a fresh proof, and a code of the former primary where
/// `primary_needs_code` says so.
#[utoipa::path(
    post, path = "/api/mfa/{id}/primary", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id")), request_body = ConfirmJson,
    responses((status = 200, description = "The method as it is now", body = MethodJson))
)]
pub async fn make_primary(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(given): Json<ConfirmJson>,
) -> Result<Answer<MethodView>, Failure> {
    Ok(Answer(flows.change_method(&access, &id, Wish::MakePrimary, &given.into(), &asker).await?))
}

/// Begins a trial of a method: its login step, which grants nothing. A code that is right is used up all the same, and
/// a wrong one counts like one of a login. Needs a fresh proof, of the first factor or of a method. One trial at a time:
/// it ends the one before.
#[utoipa::path(
    post, path = "/api/mfa/{id}/test", tag = "methods", security(("bearer" = [])), operation_id = "begin_test",
    params(("id" = String, Path, description = "Module id")), request_body = Nothing,
    responses((status = 200, description = "The step", body = StepJson))
)]
pub async fn begin_test(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<StepJson>, Failure> {
    Ok(Answer(flows.begin_trial(&access, &id, &asker).await?.into()))
}

/// Answers the step of a trial. `create_entry` says that the method works. `{"resend": true}` alone asks for another
/// message, as in a login: the answer has a new `flow_id`, and the former is dead.
#[utoipa::path(
    post, path = "/api/mfa/test/{flow_id}", tag = "methods", security(("bearer" = [])), operation_id = "submit_test",
    params(("flow_id" = String, Path, description = "As the step before gave it")),
    request_body(content = Object, description = "Every field of `data_schema` under its name"),
    responses((status = 200, description = "The same step with what is wrong, or the end", body = StepJson))
)]
pub async fn submit_test(
    Caller { flows, access, asker }: Caller,
    PathId(flow_id): PathId,
    Json(fields): Json<Map<String, Value>>,
) -> Result<Answer<StepJson>, Failure> {
    Ok(Answer(flows.submit_trial(&access, &flow_id, fields, &asker).await?.into()))
}

/// Ends a trial at the user's wish.
#[utoipa::path(
    delete, path = "/api/mfa/test/{flow_id}", tag = "methods", security(("bearer" = [])), operation_id = "cancel_test",
    params(("flow_id" = String, Path, description = "As the step before gave it")),
    responses((status = 204, description = "The trial is over"))
)]
pub async fn cancel_test(
    Caller { flows, access, asker }: Caller,
    PathId(flow_id): PathId,
) -> Result<StatusCode, Failure> {
    flows.cancel_trial(&access, &flow_id, &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a device of a method that keeps several; with the last one the method goes. Needs what deleting the method
/// needs.
#[utoipa::path(
    delete, path = "/api/mfa/{id}/devices/{device}", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id"), ("device" = String, Path, description = "Of its overview")),
    request_body = ConfirmJson,
    responses((status = 204, description = "The device is gone"))
)]
pub async fn remove_device(
    Caller { flows, access, asker }: Caller,
    PathPair(id, device): PathPair,
    Json(given): Json<ConfirmJson>,
) -> Result<StatusCode, Failure> {
    flows.remove_device(&access, &id, &device, &given.into(), &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a device another name. Needs a fresh proof.
#[utoipa::path(
    patch, path = "/api/mfa/{id}/devices/{device}", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id"), ("device" = String, Path, description = "Of its overview")),
    request_body = RenameDevice,
    responses((status = 204, description = "The device has the name"))
)]
pub async fn rename_device(
    Caller { flows, access, asker }: Caller,
    PathPair(id, device): PathPair,
    Json(RenameDevice { name }): Json<RenameDevice>,
) -> Result<StatusCode, Failure> {
    flows.rename_device(&access, &id, &device, &name, &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}
