//! Users over HTTP: their own record and password, signing up, and what an owner does to others.

use axum::{Json as Answer, extract::State, http::StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::Timestamp,
    flow::{Access, Flows, OwnChanges, UserChanges, UserDetails, UserReset, UserView, Who},
};

use super::{
    body::Json,
    client_address::Client,
    error::{Failure, Problem},
    session::{Caller, PathId},
};

/// A user and what an owner may know of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes UserDetails, which belongs to the flows")]
pub struct PersonJson {
    id: String,
    name: String,
    is_active: bool,
    is_owner: bool,
    has_password: bool,
    /// RFC 3339.
    created_at: String,
    /// Ids of enrolled modules.
    methods: Vec<String>,
    groups: Vec<String>,
    /// After a reset: only the one-time code signs in, and leads to a new password.
    must_change_password: bool,
    display_name: Option<String>,
    language: Option<String>,
    zone: Option<String>,
    local_only: bool,
    /// RFC 3339. Until when the one-time code of a reset is good.
    reset_code_expires_at: Option<String>,
    email: Vec<AddressJson>,
    phone: Vec<AddressJson>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a part of UserDetails")]
pub struct AddressJson {
    value: String,
    /// RFC 3339.
    added_at: String,
    /// RFC 3339. Without it the address confirms nothing.
    proved_at: Option<String>,
}

/// A user without addresses.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes UserView, which belongs to the flows")]
pub struct UserJson {
    id: String,
    name: String,
    is_active: bool,
    is_owner: bool,
    has_password: bool,
    /// RFC 3339.
    created_at: String,
    /// Ids of enrolled modules.
    methods: Vec<String>,
    groups: Vec<String>,
    must_change_password: bool,
}

/// What is not given stays; an empty text takes away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct ChangeMe {
    display_name: Option<String>,
    language: Option<String>,
    zone: Option<String>,
}

/// What is not given stays; an empty text or list takes away.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChangePerson {
    display_name: Option<String>,
    language: Option<String>,
    zone: Option<String>,
    /// They take the place of the former ones.
    email: Option<Vec<String>>,
    /// They take the place of the former ones.
    phone: Option<Vec<String>>,
    /// They take the place of the former ones.
    groups: Option<Vec<String>>,
    /// Whether the given addresses are the user's own by the word of the owner; else new ones confirm nothing.
    proved: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    old_password: String,
    new_password: String,
    /// Whether all other sessions end. Default: true.
    #[serde(default = "yes")]
    end_other_sessions: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    username: String,
    password: String,
    #[serde(default)]
    invite: Option<String>,
}

/// Who signed up.
#[derive(Serialize, ToSchema)]
pub struct SignedUp {
    id: String,
    name: String,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reset {
    /// Whether the second factors go too.
    methods: bool,
}

/// Shown once.
#[derive(Serialize, ToSchema)]
pub struct ResetJson {
    /// For the user's hand: with the user name it leads to a new password, once.
    code: String,
    /// RFC 3339.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// Ids of the modules whose enrolments are gone.
    removed: Vec<String>,
}

/// Changes the caller's own record. Addresses are not among it: a new one has to be proved.
#[utoipa::path(
    patch, path = "/api/me", tag = "session", security(("bearer" = [])), request_body = ChangeMe,
    responses((status = 200, description = "The caller as they are now", body = PersonJson))
)]
pub async fn change_me(
    Caller { flows, access, .. }: Caller,
    Json(changes): Json<ChangeMe>,
) -> Result<Answer<UserDetails>, Failure> {
    let ChangeMe { display_name, language, zone } = changes;
    Ok(Answer(flows.change_own(&access, OwnChanges { display_name, language, zone }).await?))
}

/// A new password of one's own. Needs the former one and, with a second factor, a fresh proof. Throttled like a login.
#[utoipa::path(
    post, path = "/api/password", tag = "session", security(("bearer" = [])), request_body = ChangePassword,
    responses((status = 204, description = "The new password counts; logins in progress have ended"))
)]
pub async fn change_password(
    Caller { flows, access, asker }: Caller,
    Json(change): Json<ChangePassword>,
) -> Result<StatusCode, Failure> {
    let (old, new) = (SecretString::from(change.old_password), SecretString::from(change.new_password));
    flows.change_own_password(&access, &old, &new, change.end_other_sessions, &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds the caller as a user, where the settings let people in. Throttled per source.
///
/// Where anybody may sign up, 409 `name_taken` tells that a name is taken; nothing else does.
#[utoipa::path(
    post, path = "/api/signup", tag = "people", request_body = SignUp,
    responses((status = 201, description = "The user is there and can sign in", body = SignedUp),
              (status = 403, description = "`sign_up_off`, `invalid_invite`", body = Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn sign_up(
    State(flows): State<Flows>,
    Client(asker): Client,
    Json(wish): Json<SignUp>,
) -> Result<(StatusCode, Answer<SignedUp>), Failure> {
    let password = SecretString::from(wish.password);
    let user = flows.sign_up(&wish.username, &password, wish.invite.as_deref(), &asker).await?;
    Ok((StatusCode::CREATED, Answer(SignedUp { id: user.id, name: user.name })))
}

/// All users. For owners.
#[utoipa::path(
    get, path = "/api/users", tag = "people", security(("bearer" = [])),
    responses((status = 200, description = "All users, by name", body = Vec<UserJson>),
              (status = 403, description = "The caller is no owner", body = Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn list_users(Caller { flows, access, .. }: Caller) -> Result<Answer<Vec<UserView>>, Failure> {
    flows.require_owner(&access)?;
    Ok(Answer(flows.users().await?))
}

/// One user with addresses. For owners.
#[utoipa::path(
    get, path = "/api/users/{id}", tag = "people", security(("bearer" = [])),
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = 200, description = "The user", body = PersonJson),
              (status = 403, description = "The caller is no owner", body = Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn show_user(
    Caller { flows, access, .. }: Caller,
    PathId(id): PathId,
) -> Result<Answer<UserDetails>, Failure> {
    flows.require_owner(&access)?;
    Ok(Answer(flows.user_details(Who::Id(&id)).await?))
}

/// Changes what is known of a user. For owners with a fresh proof.
#[utoipa::path(
    patch, path = "/api/users/{id}", tag = "people", security(("bearer" = [])), request_body = ChangePerson,
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = 200, description = "The user as they are now", body = PersonJson),
              (status = 403, description = "The caller is no owner", body = Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn change_user(
    Caller { flows, access, .. }: Caller,
    PathId(id): PathId,
    Json(changes): Json<ChangePerson>,
) -> Result<Answer<UserDetails>, Failure> {
    flows.require_fresh_owner(&access).await?;
    let ChangePerson { display_name, language, zone, email, phone, groups, proved } = changes;
    let changes = UserChanges { display_name, language, zone, email, phone, groups, proved };
    Ok(Answer(flows.change_profile(&actor(&access), Who::Id(&id), &changes).await?))
}

/// Makes a user's password open nothing; the answer holds a one-time code for the user's hand. For owners with a
/// fresh proof.
#[utoipa::path(
    post, path = "/api/users/{id}/reset", tag = "people", security(("bearer" = [])), request_body = Reset,
    params(("id" = String, Path, description = "Id of the user")),
    responses((status = 200, description = "The code, this once", body = ResetJson),
              (status = 403, description = "The caller is no owner", body = Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn reset_user(
    Caller { flows, access, .. }: Caller,
    PathId(id): PathId,
    Json(wish): Json<Reset>,
) -> Result<Answer<ResetJson>, Failure> {
    flows.require_fresh_owner(&access).await?;
    let UserReset { code, expires_at, removed, .. } =
        flows.reset_user(&actor(&access), Who::Id(&id), wish.methods).await?;
    Ok(Answer(ResetJson { code: code.0, expires_at, removed }))
}

fn actor(access: &Access) -> String {
    format!("user:{}", access.user_id)
}
