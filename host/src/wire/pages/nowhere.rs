//! An address where nothing is, typed or followed by a person; programs are told in their own way.

use axum::{
    extract::{FromRequestParts, Request},
    http::{Method, StatusCode, header, request::Parts},
    response::Response,
};
use minijinja::context;

use super::{profile::HOME, visit::Visit};
use crate::flow::Flows;

/// A page that leads on; none for a program.
pub async fn page(flows: &Flows, request: Request) -> Option<Response> {
    let (mut parts, _) = request.into_parts();
    if !is_of_a_person(&parts) {
        return None;
    }
    let visit = match Visit::from_request_parts(&mut parts, flows).await {
        Ok(visit) => visit,
        Err(said_already) => return Some(said_already),
    };
    let (title, text) = (visit.say("page.not_found.title"), visit.say("page.not_found.text"));
    let links = vec![context! { address => HOME, words => visit.say("page.profile.back") }];
    let page = visit.page("page_message.html", context! { title, text, links });
    Some(page.status(StatusCode::NOT_FOUND).reply(&visit))
}

fn is_of_a_person(parts: &Parts) -> bool {
    let accepted = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    parts.method == Method::GET && accepted.contains("text/html") && !parts.uri.path().starts_with("/api/")
}
