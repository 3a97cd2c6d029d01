//! The login flow in the established home-automation protocol.

use axum::{Json, extract::State, http::HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::flow::{BeginLogin, FlowError, Flows, ProviderView};

use super::{
    body::UntypedJson,
    client_address::Client,
    error::Failure,
    session::{PathId, service_login},
    step_json::{HandlerJson, StepJson},
};

/// The first factors on offer.
#[derive(Serialize, ToSchema)]
pub struct Providers {
    #[schema(value_type = Vec<ProviderJson>)]
    providers: Vec<ProviderView>,
    preselect_remember_me: bool,
}

/// One first factor; `[type, id]` is its handler.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes ProviderView, which belongs to the flows")]
pub struct ProviderJson {
    name: String,
    id: Option<String>,
    #[schema(rename = "type")]
    kind: String,
}

/// Here alone unknown keys are passed over: newer clients send more than this host knows.
#[derive(Deserialize, ToSchema)]
pub struct Begin {
    client_id: String,
    /// `[type, id]`; `["homeassistant", null]` is another name for `["local", null]`.
    #[schema(value_type = Vec<Option<String>>)]
    handler: Value,
    redirect_uri: String,
    /// Given back with the result.
    #[serde(default)]
    state: Option<String>,
    /// RFC 7636.
    #[serde(default)]
    code_challenge: Option<String>,
    /// `S256`.
    #[serde(default)]
    code_challenge_method: Option<String>,
}

/// The client that began the flow, and the fields of the step.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body whose other fields the step names")]
pub struct Submit {
    client_id: String,
    /// Every field of `data_schema` under its name.
    #[schema(value_type = Object)]
    #[schema(additional_properties)]
    fields: Map<String, Value>,
}

/// What happened.
#[derive(Serialize, ToSchema)]
pub struct Note {
    message: &'static str,
}

/// The first factors on offer, in order.
#[utoipa::path(get, path = "/auth/providers", tag = "login flow", responses((status = 200, description = "The enabled providers, in order", body = Providers)))]
pub async fn providers(State(flows): State<Flows>, Client(asker): Client) -> Json<Providers> {
    Json(Providers { providers: flows.providers(&asker), preselect_remember_me: false })
}

/// Starts a login.
#[utoipa::path(
    post, path = "/auth/login_flow", tag = "login flow", request_body = Begin,
    responses((status = 200, description = "The first step", body = StepJson))
)]
pub async fn begin(
    State(flows): State<Flows>,
    Client(asker): Client,
    UntypedJson(begin): UntypedJson<Begin>,
) -> Result<Json<StepJson>, Failure> {
    let begin = BeginLogin {
        client_id: begin.client_id,
        handler: handler(&begin.handler)?,
        redirect_uri: begin.redirect_uri,
        state: begin.state,
        code_challenge: begin.code_challenge,
        code_challenge_method: begin.code_challenge_method,
    };
    Ok(Json(flows.begin_login(begin, &asker).await?.into()))
}

/// Answers a step of a login or a proof. A wrong code is a form with errors, an ended flow an abort; both are 200.
#[utoipa::path(
    post, path = "/auth/login_flow/{flow_id}", tag = "login flow", request_body = Submit,
    params(("flow_id" = String, Path, description = "As the step before gave it")),
    responses((status = 200, description = "The next step", body = StepJson)),
    security((), ("service" = []))
)]
pub async fn submit(
    State(flows): State<Flows>,
    PathId(flow_id): PathId,
    Client(asker): Client,
    headers: HeaderMap,
    UntypedJson(mut fields): UntypedJson<Map<String, Value>>,
) -> Result<Json<StepJson>, Failure> {
    let client_id = client_id(&mut fields)?;
    let service = service_login(&headers)?;
    Ok(Json(flows.submit_login(&flow_id, &client_id, fields, service, &asker).await?.into()))
}

/// Ends a login at the user's wish.
#[utoipa::path(
    delete, path = "/auth/login_flow/{flow_id}", tag = "login flow",
    params(("flow_id" = String, Path, description = "As the step before gave it")),
    responses((status = 200, description = "The flow is over", body = Note))
)]
pub async fn abort(State(flows): State<Flows>, PathId(flow_id): PathId) -> Result<Json<Note>, Failure> {
    flows.abort_login(&flow_id).await?;
    Ok(Json(Note { message: "Flow aborted" }))
}

/// One flow is not for reading: the same answer whether it exists or not.
#[utoipa::path(
    get, path = "/auth/login_flow/{flow_id}", tag = "login flow",
    params(("flow_id" = String, Path, description = "Any")),
    responses((status = 404, description = "Always", body = super::error::Message<'static>))
)]
pub async fn show() -> Failure {
    FlowError::UnknownFlow.into()
}

fn handler(value: &Value) -> Result<HandlerJson, Failure> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(kind), Value::Null]) => Ok((kind.clone(), None)),
        Some([Value::String(kind), Value::String(id)]) => Ok((kind.clone(), Some(id.clone()))),
        _ => Err(Failure::malformed("handler is a list of a type and an id or null")),
    }
}

fn client_id(fields: &mut Map<String, Value>) -> Result<String, Failure> {
    match fields.remove("client_id") {
        Some(Value::String(client_id)) => Ok(client_id),
        _ => Err(Failure::malformed("client_id is missing")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_handler_is_a_pair() {
        assert_eq!(handler(&json!(["local", null])).unwrap(), ("local".into(), None));
        assert_eq!(handler(&json!(["service", "app"])).unwrap(), ("service".into(), Some("app".into())));
        for odd in [json!("local"), json!(["local"]), json!(["local", 1]), json!([null, null]), json!({"0": "local"})] {
            assert!(handler(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_client_is_no_field_of_the_form() {
        let Value::Object(mut fields) = json!({"client_id": "app", "code": "1"}) else { unreachable!() };
        assert_eq!(client_id(&mut fields).unwrap(), "app");
        assert_eq!(Value::Object(fields), json!({"code": "1"}));
        assert!(client_id(&mut Map::from_iter([("client_id".to_owned(), json!(["app"]))])).is_err());
        assert!(client_id(&mut Map::new()).is_err());
    }

    #[test]
    fn newer_clients_may_send_more() {
        let begin = json!({"client_id": "c", "handler": ["local", null], "redirect_uri": "r", "type": "authorize",
            "response_type": "code", "from_the_future": [1]});
        assert!(serde_json::from_value::<Begin>(begin).is_ok());
    }
}
