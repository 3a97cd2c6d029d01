//! The OpenAPI 3.1 document: every route, every answer shape. Refusals common to a dialect are added to all of its
//! operations here, so that no handler can forget one.

use std::sync::LazyLock;

use axum::{http::header, response::IntoResponse};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, ResponseBuilder,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    addresses,
    error::{Dialect, Message, OAuthError, Problem},
    link, login_api, login_flow, methods, mfa, people, sessions, status, step_json, token,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "mfa-host",
        description = "Logins guarded by second factors. The login flow speaks the home-automation protocol; everything under /api/ is plain JSON with problem details.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "login flow", description = "Step by step, with any method"),
        (name = "tokens", description = "OAuth 2 token endpoint and revocation"),
        (name = "plain login", description = "Password, then code"),
        (name = "methods", description = "A user's own second factors"),
        (name = "session", description = "Who is signed in; the fresh proof"),
        (name = "people", description = "Users: signing up, and what owners do"),
        (name = "host", description = "Health and this document"),
    ),
    paths(
        login_flow::providers, login_flow::begin, login_flow::show, login_flow::submit, login_flow::abort,
        link::show, link::answer,
        token::token, token::revoke,
        login_api::login, login_api::verify, login_api::change, login_api::resend,
        methods::list, methods::show, methods::describe, methods::delete_all, methods::delete, methods::activate,
        methods::deactivate, methods::make_primary, methods::begin_test, methods::submit_test, methods::cancel_test, methods::rename_device,
        methods::remove_device, mfa::begin_setup, mfa::regenerate, mfa::show_setup, mfa::submit_setup,
        mfa::cancel_setup, mfa::proof, mfa::me, mfa::sign_out,
        people::change_me, people::change_password, people::sign_up, people::list_users, people::show_user, people::change_user,
        people::reset_user, addresses::add_address, addresses::prove_address, addresses::remove_address, addresses::forgotten_password,
        sessions::list, sessions::end, sessions::end_others,
        status::healthz, status::status, serve,
    ),
    components(schemas(
        Message<'static>, OAuthError<'static>, Problem<'static>, login_flow::ProviderJson, step_json::StepJson,
        methods::MethodJson, methods::OverviewJson, methods::DeviceJson, people::PersonJson, people::UserJson,
        addresses::AddressStepJson, sessions::OwnSessionJson,
    )),
    modifiers(&Additions)
)]
struct Document;

/// Security schemes, and each dialect's refusals on each of its operations.
struct Additions;

impl Modify for Additions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, scheme) in [("bearer", HttpAuthScheme::Bearer), ("service", HttpAuthScheme::Basic)] {
            let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
            components.add_security_scheme(name, scheme);
        }
        for (path, item) in &mut document.paths.paths {
            if path == "/healthz" || path == "/api/openapi.json" {
                continue;
            }
            for operation in operations(item) {
                refuse(operation, Dialect::of(path));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().filter_map(Option::as_mut)
}

/// Adds the refusals of a dialect where the handler does not describe its own.
fn refuse(operation: &mut Operation, dialect: Dialect) {
    let (schema, kind, statuses): (_, _, &[u16]) = match dialect {
        Dialect::Message => ("Message", "application/json", &[400, 404, 408, 413, 429, 500, 503]),
        Dialect::OAuth => ("OAuthError", "application/json", &[400, 403, 408, 413, 415, 429, 500, 503]),
        Dialect::Problem => {
            ("Problem", "application/problem+json", &[400, 401, 404, 408, 409, 413, 415, 429, 500, 503])
        }
    };
    for status in statuses {
        let response = ResponseBuilder::new()
            .description(meaning(*status))
            .content(kind, Content::new(Some(RefOr::Ref(Ref::from_schema_name(schema)))))
            .build();
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| response.into());
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be read or does not fit",
        401 => "Sign in, prove it freshly, or the password or code was wrong: `code` says which",
        403 => "The user may not",
        404 => "There is no such flow, handler or method",
        408 => "The body did not come in time",
        409 => "Not possible in this state",
        413 => "The body is too large",
        415 => "Wrong content type",
        429 => "Too many attempts; `Retry-After` says how long to wait",
        503 => "Busy, a module or the store does not answer: `code` says which",
        _ => "The host failed on this request",
    }
}

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Document::openapi);

/// The document.
pub fn document() -> &'static utoipa::openapi::OpenApi {
    &DOCUMENT
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "host", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], axum::Json(document()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{super::routes::routes, *};

    fn json() -> Value {
        serde_json::to_value(document()).unwrap()
    }

    #[test]
    fn the_document_holds_exactly_the_routes() {
        let document = json();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone())))
            .collect();
        let routed = routes().into_iter().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
        assert_eq!(described, routed);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_its_own_name() {
        let document = json();
        let text = document.to_string();
        for reference in text.split("\"#/components/").skip(1) {
            let path = format!("/components/{}", reference.split('"').next().unwrap());
            assert!(document.pointer(&path).is_some(), "{path}");
        }
        let mut names = BTreeSet::new();
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let name = operation["operationId"].as_str().unwrap().to_owned();
                assert!(names.insert(name.clone()), "{name} stands twice");
                assert!(!operation["tags"].as_array().unwrap().is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn every_login_answer_may_say_that_the_store_is_damaged() {
        let document = json();
        for (method, path, _) in routes() {
            if path.starts_with("/auth/") || path.starts_with("/api/login") {
                assert!(document["paths"][path][method]["responses"]["503"].is_object(), "{method} {path}");
            }
        }
    }
}
