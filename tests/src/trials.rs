//! A trial of a method: a login's step that changes nothing, grants nothing, and counts like any other guess.

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, BOB, PIN, Stage, Tokens, assert_invalid_flow, assert_stale, result_of};

fn begin(stage: &Stage, tokens: &Tokens, module: &str) -> String {
    let step = stage.method_deed(tokens, module, "test", &json!({})).expect(200);
    assert_eq!((&step["type"], &step["step_id"]), (&json!("form"), &json!("test")), "{step}");
    step["flow_id"].as_str().expect("a flow id").to_owned()
}

fn answer(stage: &Stage, tokens: &Tokens, flow_id: &str, fields: &Value) -> Answer {
    stage.wire().post_as(&tokens.access, &format!("/api/mfa/test/{flow_id}"), fields)
}

#[test]
fn a_right_code_says_that_it_works_and_gives_nothing() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    stage.clock.advance_s(200);
    let (before, used_at) = (stage.session(&tokens), stage.method(&tokens, "totp")["last_used_at"].clone());
    let flow_id = begin(&stage, &tokens, "totp");
    stage.crash();
    stage.clock.advance_s(101);
    let code = ada.totp.code(stage.now_ms());
    let done = answer(&stage, &tokens, &flow_id, &json!({"code": code})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    assert!(done.get("result").is_none(), "no code for tokens: {done}");
    assert_eq!(stage.session(&tokens), before, "the session has proved nothing by it");
    assert_stale(&stage.delete_method(&tokens, "totp"));
    assert_eq!(stage.method(&tokens, "totp")["last_used_at"], used_at);
    assert_eq!(answer(&stage, &tokens, &flow_id, &json!({"code": code})).status, 404, "it is over");
    // A code is good once, wherever.
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code");
    stage.clock.advance_s(30);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn who_stole_a_session_locks_no_factor_by_trials() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    stage.clock.advance_s(301);
    assert_stale(&stage.method_deed(&tokens, "totp", "test", &json!({})));
    stage.prove(&ada, &tokens);
    begin(&stage, &tokens, "totp");
}

#[test]
fn a_trial_is_one_at_a_time_and_takes_no_logins_place() {
    let stage = Stage::with(|directory| directory.append_settings("[limits]\nsessions_per_user_max = 1"));
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    let login = stage.begin_to_mfa(ADA);
    let (first, second) = (begin(&stage, &tokens, "insecure_example"), begin(&stage, &tokens, "insecure_example"));
    let pin = json!({"pin": PIN});
    let (over, never) = (answer(&stage, &tokens, &first, &pin), answer(&stage, &tokens, "never-was", &pin));
    assert_eq!((over.status, &over.body), (404, &never.body), "the new trial ended it");
    result_of(&stage.submit(&login, pin.clone()).expect(200));
    assert_eq!(answer(&stage, &tokens, &second, &pin).expect(200)["type"], "create_entry");
}

#[test]
fn a_trial_ends_at_its_users_wish() {
    let stage = Stage::new();
    let (tokens, bob) = (stage.login(ADA), stage.login(BOB));
    stage.set_up_pin(&tokens);
    let path = format!("/api/mfa/test/{}", begin(&stage, &tokens, "insecure_example"));
    assert_eq!(stage.wire().delete_as(&bob.access, &path).status, 404);
    assert_eq!(stage.wire().delete_as(&tokens.access, &path).status, 204);
    assert_eq!(stage.wire().delete_as(&tokens.access, &path).status, 404);
    assert_eq!(stage.wire().post_as(&tokens.access, &path, &json!({"pin": PIN})).status, 404);
}

#[test]
fn a_trial_sends_again_as_a_login_does() {
    let mut stage = Stage::with(|directory| directory.with_outbox());
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, "ada@example.org");
    let first = begin(&stage, &tokens, "email");
    let former = stage.sent_code();
    let again = json!({"resend": true});
    assert_eq!(answer(&stage, &tokens, &first, &again).status, 429, "not so soon");
    stage.clock.advance_s(30);
    let step = answer(&stage, &tokens, &first, &again).expect(200);
    assert_eq!((&step["type"], &step["step_id"], &step["delivery"]), (&json!("form"), &json!("test"), &json!("sent")));
    assert_eq!(answer(&stage, &tokens, &first, &json!({"code": former})).status, 404, "the former id is dead");
    let second = step["flow_id"].as_str().expect("a flow id").to_owned();
    let another = json!({"multi_factor_auth_module": "email"});
    assert_eq!(answer(&stage, &tokens, &second, &another).status, 400);
    let done = answer(&stage, &tokens, &second, &json!({"code": stage.sent_code()})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

#[test]
fn wrong_codes_count_with_those_of_logins() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    let wrong = json!({"code": ada.totp.wrong_code(stage.now_ms())});
    let first = begin(&stage, &tokens, "totp");
    for _ in 0..3 {
        let step = answer(&stage, &tokens, &first, &wrong).expect(200);
        assert_eq!(step["errors"]["base"], "invalid_code", "{step}");
    }
    let login = stage.begin_to_mfa(ADA);
    stage.submit(&login, wrong.clone()).expect(200);
    let second = begin(&stage, &tokens, "totp");
    answer(&stage, &tokens, &second, &wrong).expect(200);
    let right = json!({"code": ada.totp.code(stage.now_ms())});
    assert_eq!(answer(&stage, &tokens, &second, &right).status, 429);
    assert_eq!(stage.submit(&login, right).status, 429, "and the login is locked with it");
}

#[test]
fn the_last_wrong_one_of_a_trial_ends_it() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    let flow_id = begin(&stage, &tokens, "insecure_example");
    for _ in 0..2 {
        answer(&stage, &tokens, &flow_id, &json!({"pin": "9999"})).expect(200);
    }
    let over = answer(&stage, &tokens, &flow_id, &json!({"pin": "9999"})).expect(200);
    assert_eq!((&over["type"], &over["reason"]), (&json!("abort"), &json!("too_many_retry")), "{over}");
    assert_eq!(answer(&stage, &tokens, &flow_id, &json!({"pin": PIN})).status, 404);
}

#[test]
fn a_trial_is_its_users_and_no_login() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    let bob = stage.login(BOB);
    let flow_id = begin(&stage, &tokens, "totp");
    let code = json!({"code": ada.totp.code(stage.now_ms())});
    let (foreign, never) = (answer(&stage, &bob, &flow_id, &code), answer(&stage, &bob, "never-was", &code));
    assert_eq!((foreign.status, &foreign.body), (404, &never.body), "a foreign one looks like none");
    assert_eq!(stage.wire().post(&format!("/api/mfa/test/{flow_id}"), &code).status, 401);
    assert_invalid_flow(&stage.submit(&flow_id, code.clone()));
    for path in ["/api/login/verify", "/api/login/resend"] {
        let mut body = json!({"token": flow_id});
        if path.ends_with("verify") {
            body["code"] = code["code"].clone();
        }
        assert_eq!(stage.wire().post(path, &body).status, 404, "{path}");
    }
    // Nor is a login, a set-up or a proof a trial.
    let (proof, _) = stage.begin_proof(&tokens);
    for other in [stage.begin_to_mfa(ADA), proof] {
        assert_eq!(answer(&stage, &tokens, &other, &code).status, 404);
    }
    let done = answer(&stage, &tokens, &flow_id, &code).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

#[test]
fn a_trial_ends_by_itself_and_with_its_user() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    let late = begin(&stage, &tokens, "insecure_example");
    stage.clock.advance_ms(300_001);
    let over = answer(&stage, &tokens, &late, &json!({"pin": PIN})).expect(200);
    assert_eq!((&over["type"], &over["reason"]), (&json!("abort"), &json!("test_expired")), "{over}");
    assert_eq!(answer(&stage, &tokens, &late, &json!({"pin": PIN})).status, 404);
    let tokens = stage.login_with_pin(ADA, PIN);
    let waiting = begin(&stage, &tokens, "insecure_example");
    assert_eq!(stage.delete_method(&tokens, "insecure_example").status, 204);
    let gone = answer(&stage, &tokens, &waiting, &json!({"pin": PIN})).expect(200);
    assert_eq!(gone["type"], "abort", "what it asks for is gone: {gone}");
}

#[test]
fn only_what_is_active_can_be_tried() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    stage.method_deed(&tokens, "insecure_example", "deactivate", &json!({})).expect(200);
    let refused = stage.method_deed(&tokens, "insecure_example", "test", &json!({})).expect(409);
    assert_eq!(refused["code"], "not_active");
    let bad = begin(&stage, &tokens, "totp");
    let problem = answer(&stage, &tokens, &bad, &json!({"code": "12"})).expect(400);
    assert_eq!(problem["errors"]["code"], "too_short", "{problem}");
    assert_eq!(answer(&stage, &tokens, &bad, &json!([])).status, 400);
}

#[test]
fn a_method_that_sends_is_tried_and_its_code_confirms_a_change() {
    let stage = Stage::with(|directory| {
        directory.append_settings("[methods]\ndeactivate_needs_code = true");
        directory.with_outbox();
    });
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    stage.set_up_email(&tokens, "ada@example.org");
    let step = stage.method_deed(&tokens, "email", "test", &json!({})).expect(200);
    assert_eq!(step["delivery"], "sent", "{step}");
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    let code = stage.sent_code();
    let done = answer(&stage, &tokens, &flow_id, &json!({"code": code})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    // A code that is to come with a change is sent by a trial of its own, and is good for that change alone.
    let needed = stage.method_deed(&tokens, "email", "deactivate", &json!({"code": code}));
    assert_eq!((needed.status, &needed.json()["code"]), (409, &json!("needs_trial")));
    let flow_id = begin(&stage, &tokens, "email");
    let given = json!({"code": stage.sent_code(), "flow_id": flow_id});
    let changed = stage.method_deed(&tokens, "email", "deactivate", &given).expect(200);
    assert_eq!(changed["is_active"], false, "{changed}");
}
