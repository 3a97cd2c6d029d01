//! What stands around every handler: time, panics, the wording of refusals, headers, and a log line without secrets.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::unbroken::Unbroken;

use super::{
    error::{Dialect, Failure},
    routes::Site,
};

const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// RFC 6797: a year, and no word about names below this one, which may be other machines.
const STRICT: &str = "max-age=31536000";

/// One request, within all fences.
pub async fn answer(site: &Site, request: Request) -> Response {
    let started = tokio::time::Instant::now();
    let dialect = Dialect::of(request.uri().path());
    let method = request.method().clone();
    let is_strict = is_strictly_secure(site, &request);
    let mut response = in_time(site, request).await;
    log(&method, &response, started);
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = failure.worded(dialect, response);
    }
    for (name, value) in HEADERS {
        // A page says for itself what it may load.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_strict {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT));
    }
    response
}

/// Only under the name users are told: what was reached by another may be a machine with other things on it.
fn is_strictly_secure(site: &Site, request: &Request) -> bool {
    let Some(host) = site.flows.settings().strictly_secure_host() else { return false };
    let named = request.headers().get(header::HOST).and_then(|named| named.to_str().ok()).unwrap_or_default();
    let bare = named.rsplit_once(':').map_or(named, |(bare, _)| bare);
    host.eq_ignore_ascii_case(bare)
}

/// One request may take `request_timeout_s`. The work itself goes on to its own end: a client that hangs up in the
/// middle cannot cut a decision in half, nor free a place in a queue whose work is still being done.
async fn in_time(site: &Site, request: Request) -> Response {
    let limit = Duration::from_secs(site.flows.settings().limits.request_timeout_s);
    let answering = Unbroken::new(unless_it_panics(site.router.clone(), request));
    tokio::time::timeout(limit, answering).await.unwrap_or_else(|_| {
        let detail = "There was no answer in time.";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).into_response()
    })
}

/// A panic costs one answer and says nothing of itself.
async fn unless_it_panics(router: Router, request: Request) -> Response {
    let mut answering = std::pin::pin!(tower::ServiceExt::oneshot(router, request));
    std::future::poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context))) {
        Ok(polled) => polled.map(|answered| answered.unwrap_or_else(|never| match never {})),
        Err(_) => {
            tracing::error!("a request handler panicked");
            let detail = "The host failed on this request.";
            let failure = Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail);
            Poll::Ready(failure.into_response())
        }
    })
    .await
}

/// Method, route, status and time; the route is the pattern, so no flow id gets into a log.
fn log(method: &Method, response: &Response, started: tokio::time::Instant) {
    tracing::debug!(
        %method,
        route = response.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str),
        status = response.status().as_u16(),
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
}

/// The answer carries its route, for the log.
pub async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// No such path.
pub async fn no_route() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no_such_route", "There is nothing at this address.")
}

/// The path exists, but not with this method.
pub async fn no_method() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not take this method.")
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};

    use super::*;

    async fn panics() -> &'static str {
        panic!("in a handler")
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_says_nothing_of_itself() {
        let router = Router::new().route("/", get(panics)).route("/fine", get(|| async { "fine" }));
        let to = |path: &str| {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = path.parse().unwrap();
            unless_it_panics(router.clone(), request)
        };
        let response = to("/").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let failure = response.extensions().get::<Failure>().unwrap();
        assert!(!format!("{failure:?}").contains("in a handler"));
        assert_eq!(to("/fine").await.status(), StatusCode::OK);
    }
}
