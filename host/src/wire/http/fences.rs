//! What stands around every handler: time, panics, the wording of refusals, headers, and a log line without secrets.

use std::{any::Any, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::flow::Flows;

use super::error::{Dialect, Failure};

const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Outermost: gives refusals their words and every answer its headers.
pub async fn word(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = failure.worded(dialect, response);
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// One request may take `request_timeout_s`. The work itself goes on to its own end: a client that hangs up in the
/// middle cannot cut a decision in half, nor free a place in a queue whose work is still being done.
pub async fn limit_time(State(flows): State<Flows>, request: Request, next: Next) -> Response {
    let limit = Duration::from_secs(flows.settings().limits.request_timeout_s);
    let answering = tokio::spawn(next.run(request));
    match tokio::time::timeout(limit, answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => panicked(Box::new(error)),
        Err(_) => {
            let detail = "There was no answer in time.";
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).into_response()
        }
    }
}

/// Method, route, status and time; the route is the pattern, so no flow id gets into a log.
pub async fn log(request: Request, next: Next) -> Response {
    let started = tokio::time::Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    tracing::debug!(
        %method,
        route = route.as_ref().map_or("none", MatchedPath::as_str),
        status = response.status().as_u16(),
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// A panic costs one answer and says nothing of itself.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The host failed on this request.")
        .into_response()
}

/// No such path.
pub async fn no_route() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no_such_route", "There is nothing at this address.")
}

/// The path exists, but not with this method.
pub async fn no_method() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not take this method.")
}
