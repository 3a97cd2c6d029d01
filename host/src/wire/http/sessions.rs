//! Where a user is signed in, and the end of it. Who has a session may end others without a new proof: it opens nothing.

use axum::{Json as Answer, http::StatusCode};
use utoipa::ToSchema;

use super::{
    error::Failure,
    session::{Caller, PathId},
};
use crate::flow::OwnSession;

/// One place where the caller is signed in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes OwnSession, which belongs to the flows")]
pub struct OwnSessionJson {
    id: String,
    /// Whether it is the one that asks.
    is_current: bool,
    client_id: String,
    /// RFC 3339; the end of the login.
    created_at: String,
    /// RFC 3339; when it ends unless it is used before.
    expires_at: String,
    /// From where the login was finished.
    address: Option<String>,
    /// What the program of the login calls itself.
    browser: Option<String>,
    /// Module id of the second factor; of a way back in the word for it, such as `backup_code`.
    mfa_method_used: Option<String>,
    /// RFC 3339.
    mfa_verified_at: Option<String>,
}

/// All open sessions of the caller, the newest first.
#[utoipa::path(
    get, path = "/api/me/sessions", tag = "session", security(("bearer" = [])), operation_id = "list_sessions",
    responses((status = 200, description = "Where the caller is signed in", body = Vec<OwnSessionJson>))
)]
pub async fn list(Caller { flows, access, .. }: Caller) -> Result<Answer<Vec<OwnSession>>, Failure> {
    Ok(Answer(flows.own_sessions(&access).await?))
}

/// Ends one of the caller's sessions; its tokens are dead. 404 for a session of another user.
#[utoipa::path(
    delete, path = "/api/me/sessions/{id}", tag = "session", security(("bearer" = [])), operation_id = "end_session",
    params(("id" = String, Path, description = "Id of the session")),
    responses((status = 204, description = "The session is over"))
)]
pub async fn end(Caller { flows, access, .. }: Caller, PathId(id): PathId) -> Result<StatusCode, Failure> {
    flows.end_session(&access, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of the caller's sessions but the one that asks.
#[utoipa::path(
    delete, path = "/api/me/sessions", tag = "session", security(("bearer" = [])), operation_id = "end_other_sessions",
    responses((status = 204, description = "All others are over"))
)]
pub async fn end_others(Caller { flows, access, .. }: Caller) -> Result<StatusCode, Failure> {
    flows.end_other_sessions(&access).await?;
    Ok(StatusCode::NO_CONTENT)
}
