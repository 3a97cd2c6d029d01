//! Time: exactly at the limit passes, a millisecond later nothing does, and no clock can be turned into an ally.

use serde_json::json;

use crate::harness::{
    ADA, Account, PASSWORD, Stage, assert_abort, assert_form, assert_invalid_flow, result_of, run_host_with_input,
};

fn waiting_login() -> (Stage, Account, String) {
    let (stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    (stage, ada, flow_id)
}

#[test]
fn exactly_at_the_limit_still_passes() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.clock.advance_ms(300_000);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn a_millisecond_later_the_right_code_is_refused_once_with_a_reason_and_then_unknown() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.clock.advance_ms(300_001);
    let code = ada.totp.code(stage.now_ms());
    assert_abort(&stage.submit_code(&flow_id, &code), "login_expired");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": code})));
}

#[test]
fn a_restart_does_not_forget_the_expiry() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.kill9();
    stage.clock.advance_ms(300_001);
    stage.start();
    let answer = stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}));
    match answer.status {
        404 => assert_invalid_flow(&answer),
        _ => assert_abort(&answer.expect(200), "login_expired"),
    }
}

#[test]
fn a_wrong_answer_does_not_lengthen_the_session() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.clock.advance_s(299);
    assert_form(&stage.submit_code(&flow_id, &ada.totp.wrong_code(stage.now_ms())), "mfa");
    stage.clock.advance_ms(1_001);
    assert_abort(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())), "login_expired");
}

#[test]
fn the_boot_clock_expires_a_session_while_the_wall_clock_stands() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.clock.shift_boot_ms(300_001);
    assert_abort(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())), "login_expired");
}

#[test]
fn a_wall_clock_set_back_does_not_revive_a_session() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.clock.advance_ms(300_001);
    stage.clock.shift_wall_ms(-300_001);
    let step = stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}));
    assert!(step.status == 404 || step.expect(200)["type"] == "abort", "{}", step.status);
}

#[test]
fn a_session_from_the_future_is_refused() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.clock.shift_wall_ms(-5_001);
    let step = stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}));
    assert!(step.status == 404 || step.expect(200)["type"] == "abort", "{}", step.status);
}

#[test]
fn five_seconds_of_future_are_forgiven() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.clock.shift_wall_ms(-5_000);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn a_start_with_an_earlier_clock_than_the_last_commit_ends_open_sessions_loudly() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.crash();
    let usual = warnings(&stage.host().log());
    stage.kill9();
    stage.clock.shift_wall_ms(-60_000);
    stage.start();
    let answer = stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}));
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "{}", answer.status);
    let log = stage.host().log();
    assert!(warnings(&log) > usual, "loudly:\n{log}");
}

fn warnings(log: &str) -> usize {
    log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count()
}

#[test]
fn a_flow_id_without_first_factor_ends_after_ten_minutes() {
    let mut stage = Stage::new();
    let flow_id = stage.begin();
    stage.clock.advance_ms(600_001);
    let answer = stage.submit(&flow_id, json!({"username": ADA, "password": crate::harness::PASSWORD}));
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "{}", answer.status);
}

#[test]
fn access_tokens_end_after_half_an_hour_and_refresh_goes_on() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.clock.advance_ms(1_799_000);
    stage.me(&tokens).expect(200);
    stage.clock.advance_ms(1_001);
    assert_eq!(stage.me(&tokens).status, 401);
    let fields =
        [("grant_type", "refresh_token"), ("client_id", crate::harness::CLIENT_ID), ("refresh_token", &tokens.refresh)];
    let renewed = stage.wire().post_form("/auth/token", &fields).expect(200);
    let access = renewed["access_token"].as_str().expect("a token").to_owned();
    stage.me(&crate::harness::Tokens { access, refresh: tokens.refresh }).expect(200);
}

#[test]
fn a_result_code_ends_after_ten_minutes() {
    let mut stage = Stage::new();
    let (early, late) = (stage.begin(), stage.begin());
    let early = result_of(&stage.submit_password(&early, ADA));
    let late = result_of(&stage.submit_password(&late, ADA));
    stage.clock.advance_ms(600_000);
    stage.exchange(&early).expect(200);
    stage.clock.advance_ms(1);
    assert_eq!(stage.exchange(&late).expect(400)["error"], "invalid_grant");
}

#[test]
fn a_flow_id_that_is_long_over_cannot_be_cancelled_either() {
    let mut stage = Stage::new();
    let flow_id = stage.begin();
    stage.clock.advance_s(1201);
    assert_invalid_flow(&stage.wire().delete(&format!("/auth/login_flow/{flow_id}")));
}

#[test]
fn a_command_between_does_not_hide_an_earlier_clock() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.kill9();
    stage.clock.shift_wall_ms(-4_000);
    run_host_with_input(&stage.directory.path(), &["user", "add", "eve"], &format!("{PASSWORD}\n")).success();
    stage.start();
    let answer = stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}));
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "{}", answer.status);
}

#[test]
fn an_access_token_ends_on_its_last_millisecond_and_no_sooner() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.clock.advance_ms(1_800_000);
    assert_eq!(stage.me(&tokens).status, 200, "exactly at the limit still passes");
    stage.clock.advance_ms(1);
    assert_eq!(stage.me(&tokens).status, 401);
}

#[test]
fn a_refresh_token_lives_ninety_days_since_it_was_last_used() {
    const DAY_MS: i64 = 24 * 3_600_000;
    let mut stage = Stage::new();
    let (used, unused) = (stage.login(ADA), stage.login(ADA));
    let refresh = |stage: &Stage, tokens: &crate::harness::Tokens| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh)];
        stage.wire().post_form("/auth/token", &fields)
    };
    stage.clock.advance_ms(60 * DAY_MS);
    refresh(&stage, &used).expect(200);
    stage.clock.advance_ms(30 * DAY_MS);
    assert_eq!(refresh(&stage, &unused).status, 200, "exactly at the limit still passes, and begins anew");
    stage.clock.advance_ms(60 * DAY_MS);
    assert_eq!(refresh(&stage, &used).status, 200, "its ninety days count from its last use");
    stage.restart();
    stage.clock.advance_ms(30 * DAY_MS + 1);
    assert_eq!(refresh(&stage, &unused).status, 400, "a millisecond after its ninety days");
    let again = refresh(&stage, &used).expect(200);
    let access = again["access_token"].as_str().expect("an access token");
    assert_eq!(stage.wire().get_as(access, "/api/me").status, 200);
}
