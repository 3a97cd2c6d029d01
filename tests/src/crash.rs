//! `kill -9` between any two steps: the same flow goes on, nothing is regained, nothing is half done.

use serde_json::json;

use crate::harness::{ADA, PIN, Stage, TotpSecret, assert_abort, assert_form, assert_invalid_flow, result_of};

#[test]
fn a_login_survives_a_crash_between_any_two_steps() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let totp = stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);

    let flow_id = stage.begin();
    stage.crash();
    assert_form(&stage.submit_password(&flow_id, ADA), "select_mfa_module");
    stage.crash();
    let step = stage.submit(&flow_id, json!({"multi_factor_auth_module": "totp"})).expect(200);
    assert_form(&step, "mfa");
    assert_eq!(step["flow_id"], flow_id.as_str());
    stage.crash();
    let result = result_of(&stage.submit_code(&flow_id, &totp.code(stage.now_ms())));
    stage.crash();
    stage.exchange(&result).expect(200);
    stage.crash();
    assert_eq!(stage.exchange(&result).status, 400, "a result code is used up for good");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": "000000"})));
    assert_eq!(stage.signed_in_name(&tokens), ADA, "access sessions survive as well");
}

#[test]
fn a_crash_gives_no_attempt_back() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    let wrong = ada.totp.wrong_code(stage.now_ms());
    for _ in 0..4 {
        assert_eq!(stage.submit_code(&flow_id, &wrong)["errors"]["base"], "invalid_code");
        stage.crash();
    }
    assert_abort(&stage.submit_code(&flow_id, &wrong), "too_many_retry");
    stage.crash();
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
}

#[test]
fn a_crash_does_not_lengthen_a_session() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    stage.clock.advance_s(200);
    stage.crash();
    stage.clock.advance_ms(100_001);
    assert_abort(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())), "login_expired");
}

#[test]
fn a_lock_survives_a_crash() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    let wrong = ada.totp.wrong_code(stage.now_ms());
    for _ in 0..5 {
        stage.submit_code(&flow_id, &wrong);
    }
    stage.crash();
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": crate::harness::PASSWORD}));
    let locked =
        if step.status == 429 { step } else { stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})) };
    assert_eq!(locked.status, 429);
}

#[test]
fn a_set_up_survives_a_crash_between_any_two_steps() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let secret = TotpSecret(step["description_placeholders"]["code"].as_str().expect("a secret").to_owned());
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    stage.crash();
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false, "no half enrolment");
    let wrong = json!({"code": secret.wrong_code(stage.now_ms())});
    let again = stage.submit_setup(&tokens, &flow_id, &wrong).expect(200);
    assert_eq!(again["description_placeholders"]["code"], secret.0.as_str(), "the same secret");
    stage.crash();
    let code = secret.code(stage.now_ms());
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": code})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    stage.crash();
    let method = stage.method(&tokens, "totp");
    assert_eq!(
        (&method["is_setup"], &method["is_active"], &method["is_primary"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!(stage.submit_setup(&tokens, &flow_id, &json!({"code": code})).status, 404);
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code", "set-up's code is used up");
}

#[test]
fn a_code_accepted_just_before_a_crash_is_not_accepted_again() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let (one, two) = (stage.begin_to_mfa(ADA), stage.begin_to_mfa(ADA));
    let code = ada.totp.code(stage.now_ms());
    result_of(&stage.submit_code(&one, &code));
    stage.crash();
    assert_eq!(stage.submit_code(&two, &code)["errors"]["base"], "invalid_code");
}

/// The kill falls wherever it falls while a code is being checked: either the code was used, or the attempt was.
#[test]
fn a_kill_in_the_middle_of_a_submission_leaves_no_third_state() {
    for delay_us in [0_u64, 300, 1_000, 3_000, 6_000, 10_000] {
        let mut stage = Stage::new();
        stage.set_up_pin(&stage.login(ADA));
        let flow_id = stage.begin_to_mfa(ADA);
        let path = format!("/auth/login_flow/{flow_id}");
        let body = json!({"client_id": crate::harness::CLIENT_ID, "pin": "0000"}).to_string();
        let wire = stage.wire().clone();
        let sender = std::thread::spawn(move || {
            wire.send("POST", &path, &[("content-type", "application/json")], Some(body.into_bytes())).is_ok()
        });
        // Not a wait for time to pass: it spreads the moment of the kill over the submission.
        std::thread::sleep(std::time::Duration::from_micros(delay_us));
        stage.kill9();
        let answered = sender.join().expect("the sender ends");
        stage.start();
        // Of the three guesses a PIN flow takes, at most one is gone, and an answered one is gone for certain.
        let mut left = 0;
        while stage.submit(&flow_id, json!({"pin": "0000"})).expect(200)["type"] == "form" {
            left += 1;
            assert!(left < 3, "a crash gave a free guess");
        }
        assert!(left >= 1 && (!answered || left == 1), "{left} guesses stayed, answered: {answered}");
        assert_invalid_flow(&stage.submit(&flow_id, json!({"pin": PIN})));
    }
}

#[test]
fn a_clean_stop_ends_with_success_and_loses_nothing() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    stage.restart();
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}
