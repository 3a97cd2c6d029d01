//! The plainer rendering under `/api/login`: the same flow, the same ledger, a token between the steps.

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, CLIENT_ID, PASSWORD, PIN, Stage, Tokens, assert_invalid_flow, read_lines};

fn login(stage: &Stage) -> Value {
    stage.wire().post("/api/login", &json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD})).expect(200)
}

fn verify(stage: &Stage, token: &str, code: &str) -> Answer {
    stage.wire().post("/api/login/verify", &json!({"token": token, "code": code}))
}

fn token_of(answer: &Value) -> String {
    assert_eq!(answer["mfa_enabled"], true, "{answer}");
    answer["token"].as_str().expect("a token").to_owned()
}

#[test]
fn without_factors_the_answer_is_tokens() {
    let stage = Stage::new();
    assert_eq!(stage.signed_in_name(&Tokens::of(&login(&stage))), ADA);
}

#[test]
fn with_a_factor_the_token_and_a_code_give_tokens() {
    let (stage, ada) = Stage::ada_with_totp();
    let answer = login(&stage);
    assert_eq!(answer["method"], "totp", "{answer}");
    assert!(answer["methods"].is_array() && answer.get("access_token").is_none(), "{answer}");
    let token = token_of(&answer);
    let tokens = Tokens::of(&verify(&stage, &token, &ada.totp.code(stage.now_ms())).expect(200));
    assert_eq!(stage.session(&tokens)["mfa_method_used"], "totp");
}

#[test]
fn the_token_between_the_steps_opens_nothing_else_and_is_used_up() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let token = token_of(&login(&stage));
    let limbo = Tokens { access: token.clone(), refresh: token.clone() };
    assert_eq!(stage.me(&limbo).status, 401);
    assert_eq!(stage.wire().get_as(&token, "/api/mfa").status, 401);
    verify(&stage, &token, &ada.totp.code(stage.now_ms())).expect(200);
    stage.clock.advance_s(30);
    assert!(verify(&stage, &token, &ada.totp.code(stage.now_ms())).status >= 400, "replayed");
}

#[test]
fn the_token_survives_a_crash_and_expires() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let (kept, late) = (token_of(&login(&stage)), token_of(&login(&stage)));
    stage.crash();
    verify(&stage, &kept, &ada.totp.code(stage.now_ms())).expect(200);
    stage.clock.advance_ms(300_001);
    assert!(verify(&stage, &late, &ada.totp.code(stage.now_ms())).status >= 400);
}

#[test]
fn both_renderings_share_one_ledger() {
    let (stage, ada) = Stage::ada_with_totp();
    let token = token_of(&login(&stage));
    let wrong = ada.totp.wrong_code(stage.now_ms());
    for _ in 0..3 {
        let answer = verify(&stage, &token, &wrong);
        assert_eq!(answer.status, 401, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.json()["code"], "invalid_code");
    }
    let flow_id = stage.begin_to_mfa(ADA);
    stage.submit_code(&flow_id, &wrong);
    stage.submit_code(&flow_id, &wrong);
    let locked = verify(&stage, &token, &ada.totp.code(stage.now_ms()));
    assert_eq!(locked.status, 429);
    assert!(locked.header("retry-after").is_some());
}

#[test]
fn a_change_of_method_gives_a_new_token_and_keeps_the_attempts() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    let token = token_of(&login(&stage));
    let change =
        |token: &str, method: &str| stage.wire().post("/api/login/change", &json!({"token": token, "method": method}));
    assert!(change(&token, "totp").status >= 400, "the same method");
    assert!(change(&token, "nothing").status >= 400, "no method");
    let changed = change(&token, "insecure_example").expect(200);
    let newer = token_of(&changed);
    assert_ne!(newer, token);
    assert!(verify(&stage, &token, PIN).status >= 400, "the former token is dead");
    assert!(verify(&stage, &newer, "0000").status >= 400);
    let tokens = Tokens::of(&verify(&stage, &newer, PIN).expect(200));
    assert_eq!(stage.session(&tokens)["mfa_method_used"], "insecure_example");
}

#[test]
fn nothing_is_sent_again_that_was_never_sent() {
    let (stage, ada) = Stage::ada_with_totp();
    let token = token_of(&login(&stage));
    let answer = stage.wire().post("/api/login/resend", &json!({"token": token}));
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    verify(&stage, &token, &ada.totp.code(stage.now_ms())).expect(200);
}

#[test]
fn wrong_passwords_and_unknown_users_look_alike() {
    let stage = Stage::new();
    let ask = |name: &str| {
        stage
            .wire()
            .post("/api/login", &json!({"client_id": CLIENT_ID, "username": name, "password": "wrong-password"}))
    };
    let (known, unknown) = (ask(ADA), ask("nobody-of-this-name"));
    assert_eq!((known.status, &known.body), (401, &unknown.body));
}

#[test]
fn a_hundred_changes_of_method_leave_one_session_record() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    let sessions = |stage: &Stage| {
        let lines = read_lines(&stage.directory.store_files());
        let last: std::collections::BTreeMap<_, _> = lines.iter().map(|line| (line.key(), line)).collect();
        last.values().filter(|line| line.is_record_of("session")).count()
    };
    let mut token = token_of(&login(&stage));
    let before = sessions(&stage);
    for number in 0..100 {
        let method = ["insecure_example", "totp"][number % 2];
        let body = json!({"token": token, "method": method});
        let newer = token_of(&stage.wire().post("/api/login/change", &body).expect(200));
        assert_eq!(verify(&stage, &token, PIN).expect(404)["code"], "unknown_flow", "the former token is dead");
        token = newer;
    }
    assert_eq!(sessions(&stage), before);
}

#[test]
fn a_method_without_attempts_left_cannot_be_changed_to() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let totp = stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    let token = token_of(&login(&stage));
    let wrong = totp.wrong_code(stage.now_ms());
    for _ in 0..3 {
        assert_eq!(verify(&stage, &token, &wrong).status, 401);
    }
    // The PIN takes three wrong answers in one login, and this login has had them.
    let body = json!({"token": token, "method": "insecure_example"});
    let refused = stage.wire().post("/api/login/change", &body).expect(409);
    assert_eq!(refused["code"], "no_attempts_left", "{refused}");
    verify(&stage, &token, &totp.code(stage.now_ms())).expect(200);
}

#[test]
fn the_ids_of_one_rendering_mean_nothing_in_the_other() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    let (proof, client_id) = stage.begin_proof(&tokens);
    stage.submit(&proof, json!({"client_id": client_id, "password": PASSWORD})).expect(200);
    let code = ada.totp.code(stage.now_ms());
    for flow_id in [stage.begin(), stage.begin_to_mfa(ADA), proof] {
        assert_eq!(verify(&stage, &flow_id, &code).expect(404)["code"], "unknown_flow");
        for (route, body) in
            [("change", json!({"token": flow_id, "method": "totp"})), ("resend", json!({"token": flow_id}))]
        {
            assert_eq!(stage.wire().post(&format!("/api/login/{route}"), &body).expect(404)["code"], "unknown_flow");
        }
    }
    let token = token_of(&login(&stage));
    assert_invalid_flow(&stage.submit(&token, json!({"code": code})));
    verify(&stage, &token, &code).expect(200);
}
