//! The set-up of a signed-in user's method, the fresh proof, and the session itself.

use axum::{Json as Answer, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{clock::Timestamp, flow::UserDetails};

use super::{
    body::Json,
    error::Failure,
    people::PersonJson,
    recovery_json::IssuedJson,
    session::{Caller, PathId},
    step_json::StepJson,
};

/// An empty object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What a way back in is asked for: an empty object, or the factor it stands in for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Of a way back in, where each factor has one of its own: id of the factor.
    #[serde(default)]
    factor: Option<String>,
}

/// Who is signed in, and what was proved when.
#[derive(Serialize, ToSchema)]
pub struct Me {
    user: User,
    session: Session,
    /// What `[claims]` tells applications of the caller.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
pub struct User {
    id: String,
    name: String,
    is_owner: bool,
    /// What else is known of the caller.
    #[schema(value_type = PersonJson)]
    profile: UserDetails,
}

#[derive(Serialize, ToSchema)]
pub struct Session {
    id: String,
    client_id: String,
    /// RFC 3339.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// RFC 3339; when the user was last asked to prove anything.
    #[schema(value_type = String)]
    auth_time: Timestamp,
    /// RFC 8176 values.
    amr: Vec<String>,
    /// Module id of the second factor; of a way back in the word for it, such as `backup_code`.
    mfa_method_used: Option<String>,
    /// RFC 3339.
    #[schema(value_type = Option<String>)]
    mfa_verified_at: Option<Timestamp>,
}

/// Begins the set-up of a method. Needs a fresh proof once the caller has a method.
#[utoipa::path(
    post, path = "/api/mfa/{id}/setup", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id")), request_body = Begin,
    responses((status = 200, description = "The first step", body = StepJson))
)]
pub async fn begin_setup(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(Begin { factor }): Json<Begin>,
) -> Result<Answer<StepJson>, Failure> {
    Ok(Answer(flows.begin_setup(&access, &id, factor.as_deref(), &asker).await?.into()))
}

/// New codes of a way back in. Needs a fresh proof of factor and password. The former codes are dead at once; the new
/// ones open nothing before `{"saved": true}` is sent to `POST /api/mfa/setup/{flow_id}`.
#[utoipa::path(
    post, path = "/api/mfa/{id}/regenerate", tag = "methods", security(("bearer" = [])),
    params(("id" = String, Path, description = "Module id")), request_body = Begin,
    responses((status = 200, description = "The codes, in this answer and in no other", body = IssuedJson))
)]
pub async fn regenerate(
    Caller { flows, access, asker }: Caller,
    PathId(id): PathId,
    Json(Begin { factor }): Json<Begin>,
) -> Result<Answer<IssuedJson>, Failure> {
    Ok(Answer(flows.regenerate(&access, &id, factor.as_deref(), &asker).await?.into()))
}

/// The step of a set-up once more, with the same secret.
#[utoipa::path(
    get, path = "/api/mfa/setup/{flow_id}", tag = "methods", security(("bearer" = [])),
    params(("flow_id" = String, Path, description = "As the step before gave it")),
    responses((status = 200, description = "The step: a form, the end, or why it is over", body = StepJson))
)]
pub async fn show_setup(
    Caller { flows, access, asker }: Caller,
    PathId(flow_id): PathId,
) -> Result<Answer<StepJson>, Failure> {
    Ok(Answer(flows.show_setup(&access, &flow_id, &asker).await?.into()))
}

/// Answers a step of a set-up.
#[utoipa::path(
    post, path = "/api/mfa/setup/{flow_id}", tag = "methods", security(("bearer" = [])),
    params(("flow_id" = String, Path, description = "As the step before gave it")),
    request_body(content = Object, description = "Every field of `data_schema` under its name"),
    responses((status = 200, description = "The next step", body = StepJson))
)]
pub async fn submit_setup(
    Caller { flows, access, asker }: Caller,
    PathId(flow_id): PathId,
    Json(fields): Json<Map<String, Value>>,
) -> Result<Answer<StepJson>, Failure> {
    Ok(Answer(flows.submit_setup(&access, &flow_id, fields, &asker).await?.into()))
}

/// Ends a set-up at the user's wish.
#[utoipa::path(
    delete, path = "/api/mfa/setup/{flow_id}", tag = "methods", security(("bearer" = [])),
    params(("flow_id" = String, Path, description = "As the step before gave it")),
    responses((status = 204, description = "Nothing was set up"))
)]
pub async fn cancel_setup(
    Caller { flows, access, .. }: Caller,
    PathId(flow_id): PathId,
) -> Result<StatusCode, Failure> {
    flows.cancel_setup(&access, &flow_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins a fresh proof of the caller's session. Its steps are answered at `POST /auth/login_flow/{flow_id}` with
/// the `client_id` given here; it ends in `create_entry` without a result, and the session is fresh.
#[utoipa::path(
    post, path = "/api/proof", tag = "session", security(("bearer" = [])), request_body = Nothing,
    responses((status = 200, description = "The first step", body = StepJson))
)]
pub async fn proof(
    Caller { flows, access, asker }: Caller,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<StepJson>, Failure> {
    let step = flows.begin_proof(&access, &asker).await?;
    Ok(Answer(StepJson::with_client_id(step, access.client_id)))
}

/// Who the bearer is, and what was proved when.
#[utoipa::path(
    get, path = "/api/me", tag = "session", security(("bearer" = [])),
    responses((status = 200, description = "The caller and what their session has proved", body = Me))
)]
pub async fn me(Caller { flows, access, .. }: Caller) -> Result<Answer<Me>, Failure> {
    let profile = flows.own_details(&access).await?;
    let claims = flows.claims(&access.session_id).await?;
    Ok(Answer(Me {
        user: User { id: access.user_id, name: access.user_name, is_owner: access.is_owner, profile },
        session: Session {
            id: access.session_id,
            client_id: access.client_id,
            created_at: access.created_at,
            auth_time: access.auth_time,
            amr: access.amr,
            mfa_method_used: access.mfa_method_used,
            mfa_verified_at: access.mfa_verified_at,
        },
        claims,
    }))
}

/// Signs out: ends the bearer's session.
#[utoipa::path(
    delete, path = "/api/me/session", tag = "session", security(("bearer" = [])),
    responses((status = 204, description = "The session and its tokens are dead"))
)]
pub async fn sign_out(Caller { flows, access, .. }: Caller) -> Result<StatusCode, Failure> {
    flows.sign_out(&access).await?;
    Ok(StatusCode::NO_CONTENT)
}
