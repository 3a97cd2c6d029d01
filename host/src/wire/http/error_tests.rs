//! What each refusal looks like from outside.

use super::*;

fn worded(error: impl Into<Failure>, dialect: Dialect) -> (u16, String, Response) {
    let failure = error.into();
    let status = failure.status.as_u16();
    let response = failure.worded(dialect, Response::new(Body::empty()));
    let (parts, body) = response.into_parts();
    let bytes = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(axum::body::to_bytes(body, 1 << 20))
        .unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap(), Response::from_parts(parts, Body::empty()))
}

#[test]
fn the_login_protocols_refusals_are_exact() {
    let expected = [
        (FlowError::UnknownFlow, 404, r#"{"message":"Invalid flow specified"}"#),
        (FlowError::UnknownHandler, 404, r#"{"message":"Invalid handler specified"}"#),
        (FlowError::InvalidClient, 400, r#"{"message":"invalid client id or redirect uri"}"#),
        (
            FlowError::InvalidInput([("code".to_owned(), mfa_sdk::form::FieldError::TooShort)].into()),
            400,
            r#"{"message":"User input malformed","errors":{"code":"too_short"}}"#,
        ),
    ];
    for (error, status, body) in expected {
        let (got, text, _) = worded(error, Dialect::Message);
        assert_eq!((got, text.as_str()), (status, body));
    }
}

#[test]
fn a_stale_proof_is_an_rfc_9470_challenge() {
    let (status, body, response) = worded(FlowError::StaleProof { max_age_s: 300 }, Dialect::Problem);
    assert_eq!(status, 401);
    assert!(body.contains(r#""code":"insufficient_user_authentication""#), "{body}");
    assert_eq!(
        response.headers()[header::WWW_AUTHENTICATE],
        r#"Bearer error="insufficient_user_authentication", max_age="300""#
    );
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
}

#[test]
fn waiting_times_stand_in_the_header() {
    let (status, _, response) = worded(FlowError::Throttled { retry_after_s: 61 }, Dialect::Message);
    assert_eq!((status, &response.headers()[header::RETRY_AFTER]), (429, &HeaderValue::from_static("61")));
    let (status, _, response) = worded(FlowError::Busy, Dialect::OAuth);
    assert_eq!((status, &response.headers()[header::RETRY_AFTER]), (503, &HeaderValue::from_static("1")));
}

#[test]
fn a_broken_store_says_so_in_every_dialect_and_tells_no_more() {
    for dialect in [Dialect::Message, Dialect::OAuth, Dialect::Problem] {
        let (status, body, _) = worded(StoreError::Damaged("journal-0007 at byte 4711".into()), dialect);
        assert_eq!(status, 503);
        assert!(body.contains(r#""code":"storage_damaged""#), "{body}");
        assert!(!body.contains("4711"), "{body}");
    }
    assert!(worded(StoreError::Poisoned("EIO".into()), Dialect::Problem).1.contains("storage_unavailable"));
}

#[test]
fn token_errors_speak_oauth() {
    let (status, body, _) = worded(TokenError::InvalidGrant, Dialect::OAuth);
    assert_eq!(status, 400);
    assert!(body.starts_with(r#"{"error":"invalid_grant","error_description":""#), "{body}");
    assert_eq!(worded(TokenError::AccessDenied, Dialect::OAuth).0, 403);
    let (_, body, _) = worded(FlowError::InvalidClient, Dialect::OAuth);
    assert!(body.starts_with(r#"{"error":"invalid_request""#), "{body}");
}

#[test]
fn the_path_chooses_the_dialect() {
    assert_eq!(Dialect::of("/auth/token"), Dialect::OAuth);
    assert_eq!(Dialect::of("/auth/login_flow/x"), Dialect::Message);
    assert_eq!(Dialect::of("/api/me"), Dialect::Problem);
    assert_eq!(Dialect::of("/nowhere"), Dialect::Problem);
}
