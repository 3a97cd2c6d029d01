//! A code is good once: RFC 6238 section 5.2, across flows, restarts, set-up and simultaneous use.

use serde_json::json;

use crate::harness::{ADA, PASSWORD, Stage, assert_form, result_of};

#[test]
fn a_used_code_is_refused_in_another_flow_and_after_a_restart() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let code = ada.totp.code(stage.now_ms());
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &code));
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code");
    stage.restart();
    assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code");
    stage.clock.advance_s(30);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn the_code_of_the_set_up_is_refused_at_the_first_login() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let used_at_ms = stage.now_ms();
    let totp = stage.set_up_totp(&tokens);
    stage.clock.advance_s(-30);
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit_code(&flow_id, &totp.code(used_at_ms))["errors"]["base"], "invalid_code");
    stage.clock.advance_s(30);
    result_of(&stage.submit_code(&flow_id, &totp.code(stage.now_ms())));
}

#[test]
fn an_earlier_step_than_the_last_accepted_is_refused() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.clock.advance_s(60);
    let now_ms = stage.now_ms();
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(now_ms)));
    let flow_id = stage.begin_to_mfa(ADA);
    let earlier = ada.totp.code(now_ms - 30_000);
    assert_eq!(stage.submit_code(&flow_id, &earlier)["errors"]["base"], "invalid_code");
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(now_ms + 30_000)));
}

#[test]
fn one_step_either_side_is_accepted_and_two_are_not() {
    for (offset_ms, accepted) in [(-60_000, false), (-30_000, true), (0, true), (30_000, true), (60_000, false)] {
        let (mut stage, ada) = Stage::ada_with_totp();
        stage.clock.advance_s(120);
        let flow_id = stage.begin_to_mfa(ADA);
        let step = stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms() + offset_ms));
        assert_eq!(step["type"] == "create_entry", accepted, "offset {offset_ms} ms: {step}");
    }
}

#[test]
fn of_two_uses_at_once_exactly_one_wins() {
    for _ in 0..5 {
        let (stage, ada) = Stage::ada_with_totp();
        let code = ada.totp.code(stage.now_ms());
        let flows: Vec<String> = (0..4).map(|_| stage.begin_to_mfa(ADA)).collect();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> =
                flows.iter().map(|flow_id| scope.spawn(|| stage.submit(flow_id, json!({"code": code})))).collect();
            tries
                .into_iter()
                .map(|run| run.join().expect("a try ends"))
                .filter(|answer| answer.status == 200 && answer.json()["type"] == "create_entry")
                .count()
        });
        assert_eq!(won, 1, "the same code in four flows at once");
    }
}

#[test]
fn a_double_submit_of_one_flow_wins_once() {
    for _ in 0..5 {
        let (stage, ada) = Stage::ada_with_totp();
        let code = ada.totp.code(stage.now_ms());
        let flow_id = stage.begin_to_mfa(ADA);
        let results: Vec<String> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4).map(|_| scope.spawn(|| stage.submit(&flow_id, json!({"code": code})))).collect();
            tries
                .into_iter()
                .map(|run| run.join().expect("a try ends"))
                .filter(|answer| answer.status == 200 && answer.json()["type"] == "create_entry")
                .map(|answer| result_of(&answer.json()))
                .collect()
        });
        assert_eq!(results.len(), 1, "one flow gives one result");
        stage.exchange(&results[0]).expect(200);
    }
}

#[test]
fn a_code_used_for_a_proof_is_used_up_for_logins() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    let code = ada.totp.code(stage.now_ms());
    stage.prove(&ada, &tokens);
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD})).expect(200);
    assert_form(&step, "mfa");
    assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code");
}
