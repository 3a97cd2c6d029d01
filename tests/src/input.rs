//! Bad input: 400 with field errors, the same step, no attempt spent, the module not asked.

use serde_json::{Value, json};

use crate::harness::{ADA, Account, Answer, CLIENT_ID, Stage, assert_abort, assert_form, result_of};

fn waiting_login() -> (Stage, Account, String) {
    let (stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    (stage, ada, flow_id)
}

/// All five attempts are still there: four wrong codes show the form again, the fifth ends the flow.
fn assert_no_attempt_spent(stage: &Stage, ada: &Account, flow_id: &str) {
    let wrong = ada.totp.wrong_code(stage.now_ms());
    for _ in 0..4 {
        assert_form(&stage.submit_code(flow_id, &wrong), "mfa");
    }
    assert_abort(&stage.submit_code(flow_id, &wrong), "too_many_retry");
}

fn assert_refused(answer: &Answer, what: &str) {
    assert!(
        matches!(answer.status, 400 | 413 | 415 | 422),
        "{what}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
}

#[test]
fn codes_that_are_no_codes_spend_no_attempt() {
    let (stage, ada, flow_id) = waiting_login();
    let fields = [
        json!({}),
        json!({"code": null}),
        json!({"code": ""}),
        json!({"code": "   "}),
        json!({"code": 123456}),
        json!({"code": true}),
        json!({"code": ["123456"]}),
        json!({"code": {"code": "123456"}}),
        json!({"code": "12345"}),
        json!({"code": "1234567"}),
        json!({"code": "12345a"}),
        json!({"code": "١٢٣٤٥٦"}),
        json!({"code": "１２３４５６"}),
        json!({"code": "123456\n"}),
        json!({"code": "9".repeat(5000)}),
        json!({"code": "123456", "extra": "x"}),
        json!({"kode": "123456"}),
    ];
    for fields in fields {
        let answer = stage.submit(&flow_id, fields.clone());
        assert_eq!(answer.status, 400, "{fields}");
        let body = answer.json();
        assert!(body["errors"].as_object().is_some_and(|errors| !errors.is_empty()), "{fields}: {body}");
    }
    // A NUL is refused before anything is looked at field by field.
    assert_eq!(stage.submit(&flow_id, json!({"code": "123\u{0}456"})).status, 400);
    assert_no_attempt_spent(&stage, &ada, &flow_id);
}

#[test]
fn bodies_that_are_no_json_objects_spend_no_attempt() {
    let (stage, ada, flow_id) = waiting_login();
    let path = format!("/auth/login_flow/{flow_id}");
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"123456\"",
        b"{\"code\":\"123456\"",
        b"{\"client_id\":\"http://127.0.0.1:9/\",\"code\":\"\xff\xfe\"}",
        b"code=123456&client_id=http%3A%2F%2F127.0.0.1%3A9%2F",
        b"\x00\x01\x02",
    ];
    for body in bodies {
        let answer = stage.wire().post_bytes(&path, "application/json", body.to_vec());
        assert_refused(&answer, &String::from_utf8_lossy(body));
    }
    let deep = format!("{{\"client_id\":\"{CLIENT_ID}\",\"code\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_refused(&stage.wire().post_bytes(&path, "application/json", deep.into_bytes()), "deep nesting");
    assert_no_attempt_spent(&stage, &ada, &flow_id);
}

#[test]
fn oversized_bodies_are_refused() {
    let (stage, ada, flow_id) = waiting_login();
    let body = json!({"client_id": CLIENT_ID, "code": "1".repeat(70 * 1024)}).to_string().into_bytes();
    let answer = stage.wire().post_bytes(&format!("/auth/login_flow/{flow_id}"), "application/json", body);
    assert!(matches!(answer.status, 400 | 413), "{}", answer.status);
    assert_no_attempt_spent(&stage, &ada, &flow_id);
}

#[test]
fn digits_may_be_written_with_spaces() {
    let (stage, ada, flow_id) = waiting_login();
    let code = ada.totp.code(stage.now_ms());
    result_of(&stage.submit_code(&flow_id, &format!(" {} {} ", &code[..3], &code[3..])));
}

#[test]
fn a_submission_without_client_is_refused_and_spends_nothing() {
    let (stage, ada, flow_id) = waiting_login();
    let path = format!("/auth/login_flow/{flow_id}");
    for body in
        [json!({"code": "000000"}), json!({"code": "000000", "client_id": 7}), json!({"code": "1", "client_id": null})]
    {
        let answer = stage.wire().post(&path, &body);
        assert!(matches!(answer.status, 400 | 404), "{body}: {}", answer.status);
    }
    assert_no_attempt_spent(&stage, &ada, &flow_id);
}

#[test]
fn names_and_passwords_are_bounded() {
    let stage = Stage::new();
    let flow_id = stage.begin();
    let fields = [
        json!({"username": ADA}),
        json!({"password": "x"}),
        json!({"username": 1, "password": "x"}),
        json!({"username": ADA, "password": ["x"]}),
        json!({"username": "a\u{0}", "password": "x"}),
        json!({"username": "a".repeat(4000), "password": "x"}),
        json!({"username": ADA, "password": "x".repeat(20_000)}),
        json!({"username": ADA, "password": "x", "admin": true}),
    ];
    for fields in fields {
        assert_eq!(stage.submit(&flow_id, fields.clone()).status, 400, "{fields}");
    }
    result_of(&stage.submit_password(&flow_id, ADA));
}

#[test]
fn a_login_cannot_begin_with_nonsense() {
    let stage = Stage::new();
    let changes = [
        json!({"handler": null}),
        json!({"handler": "local"}),
        json!({"handler": []}),
        json!({"handler": ["local"]}),
        json!({"handler": [1, 2]}),
        json!({"handler": ["local", null, "x"]}),
        json!({"client_id": 5}),
        json!({"redirect_uri": {}}),
    ];
    for change in changes {
        assert_refused(&stage.begin_with(change.clone()), &change.to_string());
    }
    for handler in [json!(["nothing", null]), json!(["local", "other"]), json!(["service", null])] {
        let status = stage.begin_with(json!({"handler": handler})).status;
        assert!(matches!(status, 400 | 404), "{handler}: {status}");
    }
}

#[test]
fn set_up_input_is_checked_the_same_way() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    for fields in [json!({}), json!({"code": 1}), json!({"code": "12345"}), json!({"code": "123456", "secret": "x"})] {
        let answer = stage.submit_setup(&tokens, flow_id, &fields);
        assert_eq!(answer.status, 400, "{fields}");
    }
    let secret = step["description_placeholders"]["code"].as_str().expect("a secret");
    let code = crate::harness::totp(secret, stage.now_ms());
    let done = stage.submit_setup(&tokens, flow_id, &json!({"code": code})).expect(200);
    assert_eq!(done["type"], "create_entry");
}

#[test]
fn errors_under_api_are_problem_details_with_a_machine_code() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let answers = [
        stage.wire().get("/api/mfa"),
        stage.wire().get("/api/no-such-thing"),
        stage.begin_setup(&tokens, "nothing"),
        stage
            .wire()
            .post("/api/login", &json!({"client_id": CLIENT_ID, "username": ADA, "password": "wrong-password"})),
        stage.wire().post("/api/login/verify", &json!({"token": "nonsense", "code": "123456"})),
        stage.wire().post_bytes("/api/login", "application/json", b"{".to_vec()),
    ];
    for answer in answers {
        let body: Value = answer.json();
        assert!(answer.status >= 400, "{body}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "{kind}: {body}");
        assert!(body["code"].is_string() && body["detail"].is_string(), "{body}");
        assert_eq!(body["status"], answer.status, "{body}");
    }
}

#[test]
fn nothing_of_the_input_brings_the_host_down() {
    let stage = Stage::new();
    for path in ["/", "/auth", "/api", "/auth/login_flow/%ff", "/auth/login_flow/..%2f..", "/api/mfa/%00/setup"] {
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"] {
            let body = matches!(method, "POST" | "PUT" | "PATCH").then(|| b"{}".to_vec());
            let answer =
                stage.wire().send(method, path, &[("content-type", "application/json")], body).expect("an answer");
            assert!(answer.status < 500, "{method} {path}: {}", answer.status);
        }
    }
    result_of(&stage.submit_password(&stage.begin(), ADA));
}
