//! `[methods]`: what may be deleted, and which change takes a code of the very method. More than the proof, never less.

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, PIN, Stage, Tokens, TotpSecret, assert_stale, result_of};

/// Ada with TOTP, the primary, and the PIN, under these settings.
fn with(settings: &str) -> (Stage, Tokens, TotpSecret) {
    let mut stage = Stage::with(|directory| directory.append_settings(&format!("[methods]\n{settings}")));
    let tokens = stage.login(ADA);
    let totp = stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    (stage, tokens, totp)
}

#[track_caller]
fn assert_code(answer: &Answer, status: u16, code: &str) {
    let problem = answer.expect(status);
    assert_eq!(problem["code"], code, "{problem}");
}

#[track_caller]
fn assert_code_required(answer: &Answer) {
    let problem = answer.expect(400);
    assert_eq!(
        (&problem["code"], &problem["errors"]["code"]),
        (&json!("invalid_input"), &json!("required")),
        "{problem}"
    );
}

fn delete(stage: &Stage, tokens: &Tokens, path: &str, body: &Value) -> Answer {
    stage.wire().delete_with(&tokens.access, path, body)
}

#[test]
fn an_active_one_can_be_kept_from_being_deleted() {
    let (stage, tokens, _) = with("delete_active = false");
    assert_code(&stage.delete_method(&tokens, "insecure_example"), 409, "is_active");
    assert_code(&stage.wire().delete_as(&tokens.access, "/api/mfa"), 409, "is_active");
    stage.method_deed(&tokens, "insecure_example", "deactivate", &json!({})).expect(200);
    assert_eq!(stage.delete_method(&tokens, "insecure_example").status, 204);
    let device = stage.devices(&tokens, "totp")[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/mfa/totp/devices/{device}");
    assert_code(&stage.wire().delete_as(&tokens.access, &path), 409, "is_active");
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], true, "nor by the last of its devices");
}

#[test]
fn the_primary_can_be_kept_from_being_deleted() {
    let (stage, tokens, _) = with("delete_primary = false");
    assert_code(&stage.delete_method(&tokens, "totp"), 409, "is_primary");
    assert_code(&stage.wire().delete_as(&tokens.access, "/api/mfa"), 409, "is_primary");
    stage.method_deed(&tokens, "insecure_example", "primary", &json!({})).expect(200);
    assert_eq!(stage.delete_method(&tokens, "totp").status, 204);
    assert_code(&stage.delete_method(&tokens, "insecure_example"), 409, "is_primary");
    // What an admin does is not bound by it.
    crate::harness::run_host(&stage.directory.path(), &["mfa", "reset", ADA]).success();
}

#[test]
fn a_deletion_can_take_a_code_of_the_very_method() {
    let (stage, tokens, totp) = with("delete_needs_code = true");
    assert_code_required(&stage.delete_method(&tokens, "insecure_example"));
    let of_another = json!({"code": totp.code(stage.now_ms())});
    let answer = delete(&stage, &tokens, "/api/mfa/insecure_example", &of_another);
    assert!([400, 401].contains(&answer.status), "{}", answer.status);
    let wrong = delete(&stage, &tokens, "/api/mfa/insecure_example", &json!({"code": "9999"}));
    assert_code(&wrong, 401, "invalid_code");
    assert!(wrong.header("www-authenticate").is_some());
    assert_eq!(stage.method(&tokens, "insecure_example")["is_setup"], true);
    assert_eq!(delete(&stage, &tokens, "/api/mfa/insecure_example", &json!({"fields": {"pin": PIN}})).status, 204);
    assert_eq!(stage.method(&tokens, "insecure_example")["is_setup"], false);
    // All of them take one of the primary.
    assert_code_required(&stage.wire().delete_as(&tokens.access, "/api/mfa"));
    assert_eq!(delete(&stage, &tokens, "/api/mfa", &of_another).status, 204);
    assert!(stage.methods(&tokens).iter().all(|method| method["is_setup"] == false));
}

#[test]
fn what_is_out_of_use_goes_by_a_code_of_the_primary() {
    let (stage, tokens, totp) = with("delete_needs_code = true");
    stage.method_deed(&tokens, "insecure_example", "deactivate", &json!({})).expect(200);
    assert_code(&delete(&stage, &tokens, "/api/mfa/insecure_example", &json!({"code": PIN})), 400, "invalid_input");
    let code = json!({"code": totp.code(stage.now_ms())});
    assert_eq!(delete(&stage, &tokens, "/api/mfa/insecure_example", &code).status, 204);
}

#[test]
fn a_change_of_primary_can_take_a_code_of_the_former_one() {
    let (stage, tokens, totp) = with("primary_needs_code = true");
    let change = |body: &Value| stage.method_deed(&tokens, "insecure_example", "primary", body);
    assert_code_required(&change(&json!({})));
    let code = totp.code(stage.now_ms());
    assert_eq!(change(&json!({"code": code})).expect(200)["is_primary"], true);
    // It is used up, as one of a login is.
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "totp"})).expect(200);
    assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code");
    // What is so already takes none.
    change(&json!({})).expect(200);
    let back = stage.method_deed(&tokens, "totp", "primary", &json!({"code": PIN})).expect(200);
    assert_eq!(back["is_primary"], true);
}

#[test]
fn to_take_a_method_out_of_use_can_take_its_code() {
    let (stage, tokens, _) = with("deactivate_needs_code = true");
    let deactivate = |body: &Value| stage.method_deed(&tokens, "insecure_example", "deactivate", body);
    assert_code_required(&deactivate(&json!({})));
    assert_code(&deactivate(&json!({"code": "9999"})), 401, "invalid_code");
    assert_eq!(deactivate(&json!({"code": PIN})).expect(200)["is_active"], false);
    // What cannot be done at all costs no code.
    assert_code(&stage.method_deed(&tokens, "totp", "deactivate", &json!({"code": "000000"})), 409, "is_primary");
}

#[test]
fn a_code_that_comes_unasked_has_to_be_right_and_stands_in_for_no_proof() {
    let (mut stage, tokens, _) = with("");
    let deactivate = |stage: &Stage, body: &Value| stage.method_deed(&tokens, "insecure_example", "deactivate", body);
    assert_code(&deactivate(&stage, &json!({"code": "9999"})), 401, "invalid_code");
    assert_code(&deactivate(&stage, &json!({"code": PIN, "fields": {"pin": PIN}})), 400, "invalid_request");
    assert_eq!(stage.method(&tokens, "insecure_example")["is_active"], true);
    stage.clock.advance_s(301);
    assert_stale(&deactivate(&stage, &json!({"code": PIN})));
    assert_stale(&delete(&stage, &tokens, "/api/mfa/insecure_example", &json!({"code": PIN})));
}

#[test]
fn codes_of_management_and_of_logins_are_one_count() {
    let (mut stage, tokens, _) = with("deactivate_needs_code = true");
    let deactivate = |stage: &Stage, code: &str| {
        stage.method_deed(&tokens, "insecure_example", "deactivate", &json!({"code": code}))
    };
    for _ in 0..4 {
        assert_code(&deactivate(&stage, "9999"), 401, "invalid_code");
    }
    stage.crash();
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    stage.submit(&flow_id, json!({"pin": "9999"})).expect(200);
    let locked = deactivate(&stage, PIN);
    assert_code(&locked, 429, "throttled");
    assert!(locked.header("retry-after").is_some());
    assert_eq!(stage.submit(&flow_id, json!({"pin": PIN})).status, 429, "the right one is refused here too");
    stage.clock.advance_s(61);
    assert_eq!(deactivate(&stage, PIN).expect(200)["is_active"], false);
}

#[test]
fn fifty_guesses_at_once_get_no_more_than_the_limit() {
    let (stage, tokens, _) = with("deactivate_needs_code = true");
    let answers = crate::harness::at_once(50, |_| {
        stage.method_deed(&tokens, "insecure_example", "deactivate", &json!({"code": "9999"}))
    });
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((1..=5).contains(&judged), "{judged} were judged");
    assert_eq!(stage.method(&tokens, "insecure_example")["is_active"], true);
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    result_of_totp_is_still_possible(&stage, &flow_id);
}

/// The lock is of one module; the other one goes on.
fn result_of_totp_is_still_possible(stage: &Stage, flow_id: &str) {
    stage.submit(flow_id, json!({"multi_factor_auth_module": "totp"})).expect(200);
    let step = stage.submit(flow_id, json!({"code": "000000"})).expect(200);
    assert_eq!(step["type"], "form", "{step}");
}

#[test]
fn a_code_can_answer_a_trial_that_was_begun_for_it() {
    let (stage, tokens, _) = with("deactivate_needs_code = true");
    let deactivate = |body: &Value| stage.method_deed(&tokens, "insecure_example", "deactivate", body);
    assert_eq!(deactivate(&json!({"flow_id": "nothing", "code": PIN})).status, 404);
    let of_another = stage.method_deed(&tokens, "totp", "test", &json!({})).expect(200);
    let other_id = of_another["flow_id"].as_str().expect("a flow id");
    assert_eq!(deactivate(&json!({"flow_id": other_id, "code": PIN})).status, 404);
    let step = stage.method_deed(&tokens, "insecure_example", "test", &json!({})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    assert_eq!(deactivate(&json!({"flow_id": flow_id, "code": PIN})).expect(200)["is_active"], false);
    result_of_nothing(&stage, &tokens, flow_id);
}

/// The trial is over with the change it was for.
fn result_of_nothing(stage: &Stage, tokens: &Tokens, flow_id: &str) {
    let answer = stage.wire().post_as(&tokens.access, &format!("/api/mfa/test/{flow_id}"), &json!({"pin": PIN}));
    assert_eq!(answer.status, 404);
}

#[test]
fn a_changed_setting_counts_for_the_next_change() {
    let (stage, tokens, _) = with("delete_primary = false");
    assert_code(&stage.delete_method(&tokens, "totp"), 409, "is_primary");
    stage.directory.replace_setting("delete_primary = false", "delete_primary = true");
    crate::harness::until(&stage, "the setting counts", |_| stage.delete_method(&tokens, "totp").status == 204);
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}
