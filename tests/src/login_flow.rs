//! The login flow from provider to result, for users with no, one and two factors.

use serde_json::json;

use crate::harness::{
    ADA, BOB, CLIENT_ID, PIN, REDIRECT_URI, Stage, assert_abort, assert_form, assert_invalid_flow, at_once, read_lines,
    result_of, run_host,
};

#[test]
fn providers_are_listed_in_the_established_shape() {
    let stage = Stage::new();
    let answer = stage.wire().get("/auth/providers").expect(200);
    let first = &answer["providers"][0];
    assert_eq!(first["type"], "local", "{answer}");
    assert!(first["id"].is_null() && first["name"].is_string(), "{answer}");
    assert!(answer["preselect_remember_me"].is_boolean(), "{answer}");
}

#[test]
fn a_user_without_factors_gets_in_by_password() {
    let stage = Stage::new();
    let begun = stage.begin_with(json!({})).expect(200);
    assert_eq!(begun["handler"], json!(["local", null]));
    let names: Vec<_> = begun["data_schema"].as_array().expect("a schema").iter().map(|field| &field["name"]).collect();
    assert_eq!(names, ["username", "password"]);
    let flow_id = begun["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_password(flow_id, ADA);
    assert_eq!(done["flow_id"], flow_id, "the flow id stays to the end");
    assert!(done.get("data").is_none() && done.get("context").is_none(), "{done}");
    let tokens = stage.tokens_of(&done);
    assert_eq!(stage.signed_in_name(&tokens), ADA);
    let session = stage.session(&tokens);
    assert!(session["mfa_method_used"].is_null() && session["mfa_verified_at"].is_null(), "{session}");
    assert_eq!(session["amr"], json!(["pwd"]));
}

#[test]
fn a_wrong_password_is_answered_in_the_form_with_status_200() {
    let stage = Stage::new();
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": "wrong-password"})).expect(200);
    assert_form(&step, "init");
    assert_eq!(step["errors"], json!({"base": "invalid_auth"}));
}

#[test]
fn names_are_trimmed_and_case_folded() {
    let stage = Stage::new();
    let step = stage.submit_password(&stage.begin(), "  AdA ");
    assert_eq!(stage.signed_in_name(&stage.tokens_of(&step)), ADA);
}

#[test]
fn one_factor_is_chosen_automatically_and_the_session_is_stamped() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    assert_form(&step, "mfa");
    assert_eq!(step["flow_id"], flow_id.as_str());
    assert_eq!(step["description_placeholders"]["mfa_module_id"], "totp");
    assert!(step["description_placeholders"]["mfa_module_name"].is_string());
    assert_eq!(step["data_schema"][0]["name"], "code");
    let verified_ms = stage.now_ms();
    let done = stage.submit_code(&flow_id, &ada.totp.code(verified_ms));
    stage.clock.advance_s(20);
    let session = stage.session(&stage.tokens_of(&done));
    assert_eq!(session["mfa_method_used"], "totp");
    let stamp = session["mfa_verified_at"].as_str().expect("ISO 8601");
    assert!(stamp.starts_with("2035-01-01T00:00:40"), "the moment of the check, not of the token: {stamp}");
    let amr = session["amr"].as_array().expect("a list");
    for value in ["pwd", "otp", "mfa"] {
        assert!(amr.contains(&value.into()), "{session}");
    }
}

#[test]
fn two_factors_are_offered_in_configuration_order_with_the_primary_as_default() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    // The PIN comes first in time and so becomes primary; TOTP stands first in the settings.
    stage.set_up_pin(&tokens);
    let totp = stage.set_up_totp(&tokens);
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    assert_form(&step, "select_mfa_module");
    let field = &step["data_schema"][0];
    assert_eq!(field["name"], "multi_factor_auth_module");
    assert_eq!(field["type"], "select");
    let ids: Vec<_> = field["options"].as_array().expect("options").iter().map(|option| &option[0]).collect();
    assert_eq!(ids, ["totp", "insecure_example"]);
    assert_eq!(field["default"], "insecure_example");

    let refused = stage.submit(&flow_id, json!({"multi_factor_auth_module": "nothing"}));
    match refused.status {
        400 => {}
        _ => assert_eq!(refused.expect(200)["errors"]["base"], "invalid_auth_module"),
    }
    let step = stage.submit(&flow_id, json!({"multi_factor_auth_module": "totp"})).expect(200);
    assert_form(&step, "mfa");
    assert_eq!(step["description_placeholders"]["mfa_module_id"], "totp");
    let session = stage.session(&stage.tokens_of(&stage.submit_code(&flow_id, &totp.code(stage.now_ms()))));
    assert_eq!(session["mfa_method_used"], "totp", "one login uses one factor");
}

#[test]
fn the_other_of_two_factors_lets_in_as_well() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    let step = stage.submit(&flow_id, json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    assert_eq!(step["data_schema"][0]["name"], "pin", "{step}");
    let done = stage.submit(&flow_id, json!({"pin": PIN})).expect(200);
    let session = stage.session(&stage.tokens_of(&done));
    assert_eq!(session["mfa_method_used"], "insecure_example");
    // Password and PIN are both things one knows: that is not multi-factor in the sense of RFC 8176.
    assert!(!session["amr"].as_array().expect("a list").contains(&"mfa".into()), "{session}");
}

#[test]
fn a_wrong_code_shows_the_same_step_with_status_200() {
    let (stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    let step = stage.submit_code(&flow_id, &ada.totp.wrong_code(stage.now_ms()));
    assert_form(&step, "mfa");
    assert_eq!(step["errors"], json!({"base": "invalid_code"}));
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn an_ended_flow_is_unknown_whether_it_was_won_lost_or_cancelled() {
    let (stage, ada) = Stage::ada_with_totp();
    let won = stage.begin_to_mfa(ADA);
    let code = ada.totp.code(stage.now_ms());
    result_of(&stage.submit_code(&won, &code));
    assert_invalid_flow(&stage.submit(&won, json!({"code": code})));

    let cancelled = stage.begin_to_mfa(ADA);
    let answer = stage.wire().delete(&format!("/auth/login_flow/{cancelled}"));
    assert_eq!(answer.expect(200), json!({"message": "Flow aborted"}));
    assert_invalid_flow(&stage.submit(&cancelled, json!({"code": "000000"})));
    assert_invalid_flow(&stage.wire().delete(&format!("/auth/login_flow/{cancelled}")));
}

#[test]
fn the_one_404_is_the_same_to_the_byte() {
    let (stage, _) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    let foreign = json!({"client_id": "http://127.0.0.1:10/", "code": "000000"});
    assert_invalid_flow(&stage.submit(&flow_id, foreign));
    for unknown in
        ["0", "does-not-exist", &"a".repeat(64), &format!("{flow_id}x"), &flow_id[..flow_id.len() - 1], "%00"]
    {
        assert_invalid_flow(&stage.submit(unknown, json!({"code": "000000"})));
    }
    // The foreign client changed nothing: the flow's own client goes on.
    assert_form(&stage.submit_code(&flow_id, "000000"), "mfa");
}

#[test]
fn reading_a_flow_changes_nothing_and_gives_nothing() {
    let (stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.wire().get("/auth/login_flow").status, 405);
    let status = stage.wire().get(&format!("/auth/login_flow/{flow_id}")).status;
    assert!(status == 404 || status == 405, "{status}");
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn steps_cannot_be_skipped_or_mixed() {
    let (stage, ada) = Stage::ada_with_totp();
    let code = ada.totp.code(stage.now_ms());
    let flow_id = stage.begin();
    stage.submit(&flow_id, json!({"code": code})).expect(400);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "totp"})).expect(400);
    assert_form(&stage.submit_password(&flow_id, ADA), "mfa");
    stage.submit(&flow_id, json!({"username": BOB, "password": "anything-at-all"})).expect(400);
    result_of(&stage.submit_code(&flow_id, &code));
}

#[test]
fn clients_and_redirects_must_belong_together() {
    let stage = Stage::new();
    for (client_id, redirect_uri) in [
        (CLIENT_ID, "http://127.0.0.1:8/callback"),
        (CLIENT_ID, "http://evil.example/callback"),
        (CLIENT_ID, "http://127.0.0.1:9@evil.example/"),
        (CLIENT_ID, "javascript:alert(1)"),
        (CLIENT_ID, ""),
        ("mfa-host-cli", REDIRECT_URI),
        ("no-such-client", REDIRECT_URI),
        ("", REDIRECT_URI),
    ] {
        let answer = stage.begin_with(json!({"client_id": client_id, "redirect_uri": redirect_uri}));
        assert_eq!(answer.status, 400, "{client_id} {redirect_uri}");
        assert!(answer.header("location").is_none(), "never a redirect");
    }
    let known = json!({"client_id": "mfa-host-cli", "redirect_uri": "http://127.0.0.1/mfa-host-cli"});
    assert_form(&stage.begin_with(known).expect(200), "init");
}

#[test]
fn newer_clients_fields_are_honoured_and_unknown_ones_ignored_at_the_beginning() {
    let stage = Stage::new();
    let extra = json!({"type": "authorize", "response_type": "code", "state": "s-1", "novelty": {"deep": [1]}});
    let step = stage.begin_with(extra).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    result_of(&stage.submit_password(flow_id, ADA));
}

#[test]
fn a_user_switched_off_in_mid_flow_cannot_finish() {
    let (stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login(BOB);
    stage.set_up_pin(&tokens);
    let flow_id = stage.begin_to_mfa(BOB);
    crate::harness::run_host(&stage.directory.path(), &["user", "disable", BOB]).success();
    let answer = stage.submit(&flow_id, json!({"pin": PIN}));
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "{:?}", answer.status);
    assert_eq!(stage.me(&tokens).status, 401, "the sessions ended with the user");
    // The other user is left alone.
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn a_user_removed_in_mid_flow_leaves_no_record_behind() {
    let mut stage = Stage::new();
    stage.set_up_pin(&stage.login(BOB));
    let flow_id = stage.begin_to_mfa(BOB);
    let accounts = |stage: &Stage| {
        let lines = read_lines(&stage.directory.store_files());
        let last: std::collections::BTreeMap<_, _> = lines.iter().map(|line| (line.key(), line)).collect();
        last.values().filter(|line| line.is_record_of("account")).count()
    };
    assert_eq!(accounts(&stage), 1);
    run_host(&stage.directory.path(), &["user", "remove", BOB]).success();
    assert_abort(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200), "login_expired");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"pin": PIN})));
    stage.stop();
    assert_eq!(accounts(&stage), 0);
}

#[test]
fn many_open_logins_end_the_oldest_and_no_other_users() {
    let (stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login(BOB);
    stage.set_up_pin(&tokens);
    let of_bob = stage.begin_to_mfa(BOB);
    let flows: Vec<String> = (0..11).map(|_| stage.begin_to_mfa(ADA)).collect();
    assert_invalid_flow(&stage.submit(&flows[0], json!({"code": ada.totp.code(stage.now_ms())})));
    result_of(&stage.submit_code(&flows[10], &ada.totp.code(stage.now_ms())));
    result_of(&stage.submit(&of_bob, json!({"pin": PIN})).expect(200));
}

#[test]
fn five_wrong_codes_end_the_flow() {
    let (stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    let wrong = ada.totp.wrong_code(stage.now_ms());
    for _ in 0..4 {
        assert_eq!(stage.submit_code(&flow_id, &wrong)["errors"]["base"], "invalid_code");
    }
    assert_abort(&stage.submit_code(&flow_id, &wrong), "too_many_retry");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
}

#[test]
fn three_wrong_pins_end_the_flow() {
    let stage = Stage::new();
    stage.set_up_pin(&stage.login(ADA));
    let flow_id = stage.begin_to_mfa(ADA);
    for _ in 0..2 {
        assert_form(&stage.submit(&flow_id, json!({"pin": "0000"})).expect(200), "mfa");
    }
    assert_abort(&stage.submit(&flow_id, json!({"pin": "0000"})).expect(200), "too_many_retry");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"pin": PIN})));
}

/// Five guesses may be under way at once: each counts as wrong until the module has said otherwise, and a sixth is refused
/// for as long as none of them has been answered.
#[test]
fn logins_of_one_user_at_once_do_not_hinder_each_other() {
    let stage = Stage::new();
    stage.set_up_pin(&stage.login(BOB));
    at_once(5, |_| {
        for _ in 0..3 {
            result_of(&stage.submit(&stage.begin_to_mfa(BOB), json!({"pin": PIN})).expect(200));
        }
    });
}

#[test]
fn a_state_as_long_as_is_taken_comes_back_with_the_result() {
    let stage = Stage::new();
    for state in ["s".repeat(512), "\"\\".repeat(256)] {
        let step = stage.begin_with(json!({"state": state})).expect(200);
        let flow_id = step["flow_id"].as_str().expect("a flow id");
        let done = stage.submit_password(flow_id, ADA);
        assert_eq!(done["state"], state, "{done}");
        stage.tokens_of(&done);
    }
    for state in ["s".repeat(513), "a\u{1}b".to_owned()] {
        assert_eq!(stage.begin_with(json!({"state": state})).status, 400, "{state:?}");
    }
}
