//! A user's own addresses, and the way back from a forgotten password.

use axum::{Json as Answer, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::Timestamp,
    flow::{AddressKind, AddressStep, FlowError, Flows, UserDetails},
};

use super::{
    body::Json,
    client_address::Client,
    error::{Failure, Problem},
    people::PersonJson,
    session::{Caller, PathId},
};

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Email,
    Phone,
}

impl From<Kind> for AddressKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Email => Self::Email,
            Kind::Phone => Self::Phone,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnAddress {
    kind: Kind,
    /// An e-mail address, or a number with `+` and country code.
    value: String,
}

/// The code of the message, or a wish for another message.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Proof {
    code: Option<String>,
    resend: bool,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
pub struct AddressStepJson {
    flow_id: String,
    /// RFC 3339.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// `sent`, `queued`, `failed` (it is tried again).
    delivery: &'static str,
    /// RFC 3339; from then on another can be asked for.
    #[schema(value_type = String)]
    resend_at: Timestamp,
}

impl From<AddressStep> for AddressStepJson {
    fn from(AddressStep { flow_id, expires_at, delivery, resend_at }: AddressStep) -> Self {
        Self { flow_id, expires_at, delivery, resend_at }
    }
}

/// What the code came to, or what the wish did.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ProofJson {
    #[schema(value_type = PersonJson)]
    Proved(Box<UserDetails>),
    Sent(AddressStepJson),
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    username: String,
}

/// Sends a code to an address of the caller's that is not known yet. Needs a fresh proof.
#[utoipa::path(
    post, path = "/api/me/addresses", tag = "session", security(("bearer" = [])), request_body = OwnAddress,
    responses((status = 200, description = "A code is on its way", body = AddressStepJson),
              (status = 409, description = "`no_channel`, `delivery_failed`, `too_many_addresses`", body = Problem<'static>, content_type = "application/problem+json"))
)]
pub async fn add_address(
    Caller { flows, access, asker }: Caller,
    Json(wanted): Json<OwnAddress>,
) -> Result<Answer<AddressStepJson>, Failure> {
    Ok(Answer(flows.begin_address(&access, wanted.kind.into(), &wanted.value, &asker).await?.into()))
}

/// The code makes the address the caller's own. A new address confirms nothing for seven days. With `resend` another
/// code is sent and the former one is dead.
#[utoipa::path(
    post, path = "/api/me/addresses/{flow_id}", tag = "session", security(("bearer" = [])), request_body = Proof,
    params(("flow_id" = String, Path, description = "As the answer before gave it")),
    responses((status = 200, description = "The caller with the address, or a new code is on its way", body = ProofJson))
)]
pub async fn prove_address(
    Caller { flows, access, asker }: Caller,
    PathId(flow_id): PathId,
    Json(proof): Json<Proof>,
) -> Result<Answer<ProofJson>, Failure> {
    Ok(Answer(match (proof.code, proof.resend) {
        (Some(code), false) => {
            ProofJson::Proved(Box::new(flows.prove_address(&access, &flow_id, &code, &asker).await?))
        }
        (None, true) => ProofJson::Sent(flows.resend_address(&access, &flow_id, &asker).await?.into()),
        _ => return Err(FlowError::InvalidRequest("either `code`, or `resend`: true").into()),
    }))
}

/// Takes an address away. Needs a fresh proof; the address is told of changes for seven days more.
#[utoipa::path(
    post, path = "/api/me/addresses/remove", tag = "session", security(("bearer" = [])), request_body = OwnAddress,
    responses((status = 204, description = "The address is gone"))
)]
pub async fn remove_address(
    Caller { flows, access, asker }: Caller,
    Json(gone): Json<OwnAddress>,
) -> Result<StatusCode, Failure> {
    flows.remove_address(&access, gone.kind.into(), &gone.value, &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for a code by mail in place of a forgotten password, where the settings allow it. The answer is the same whether
/// or not there is such a user. Throttled like a login.
#[utoipa::path(
    post, path = "/api/password/forgotten", tag = "people", request_body = Forgotten,
    responses((status = 202, description = "If there is such a user with a proved address, a code is on its way"))
)]
pub async fn forgotten_password(
    State(flows): State<Flows>,
    Client(asker): Client,
    Json(forgotten): Json<Forgotten>,
) -> Result<StatusCode, Failure> {
    flows.forgot_password(&forgotten.username, &asker)?;
    Ok(StatusCode::ACCEPTED)
}
