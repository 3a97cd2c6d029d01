//! A user's own methods: fresh proof for every change, primary and active kept sane, nobody reaches another's.

use serde_json::json;

use crate::harness::{ADA, Answer, BOB, PIN, Stage, assert_form, assert_stale, result_of};

#[test]
fn a_factor_change_needs_a_proof_of_the_last_five_minutes() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    stage.clock.advance_s(301);
    assert_stale(&stage.delete_method(&tokens, "totp"));
    assert_stale(&stage.begin_setup(&tokens, "insecure_example"));
    assert_stale(&stage.begin_setup(&tokens, "totp"));
    assert_stale(&stage.wire().delete_as(&tokens.access, "/api/mfa"));
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], true);
    let before = stage.session(&tokens);
    stage.prove(&ada, &tokens);
    let after = stage.session(&tokens);
    assert!(after["auth_time"].as_str() > before["auth_time"].as_str(), "the real time of the check: {after}");
    assert_eq!((&after["id"], &after["created_at"]), (&before["id"], &before["created_at"]));
    stage.set_up_pin(&tokens);
    assert!(stage.delete_method(&tokens, "totp").status < 300);
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
}

#[test]
fn a_password_alone_is_no_fresh_proof_once_there_is_a_factor() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    // Another session of the same user, proved by password before there was a factor.
    let second = stage.login(ADA);
    stage.set_up_totp(&tokens);
    assert_stale(&stage.delete_method(&second, "totp"));
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], true);
}

#[test]
fn a_user_without_factors_needs_a_fresh_password() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.clock.advance_s(301);
    assert_stale(&stage.begin_setup(&tokens, "totp"));
    stage.set_up_pin(&stage.login(ADA));
}

#[test]
fn a_proof_is_for_its_own_user_and_session() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    stage.clock.advance_s(301);
    let (flow_id, client_id) = stage.begin_proof(&tokens);
    let of_bob = json!({"client_id": client_id, "username": BOB, "password": crate::harness::PASSWORD});
    assert_eq!(stage.submit(&flow_id, of_bob).status, 400, "whose proof it is stands fast");
    assert_stale(&stage.delete_method(&tokens, "totp"));
}

#[test]
fn a_set_up_begun_before_there_was_a_factor_does_not_get_round_it() {
    let mut stage = Stage::new();
    // Somebody who knows the password keeps two set-ups waiting while the user sets up a first factor.
    let thief = stage.login(ADA);
    let flow_of = |answer: &Answer| answer.expect(200)["flow_id"].as_str().expect("a flow id").to_owned();
    let pin = flow_of(&stage.begin_setup(&thief, "insecure_example"));
    let replacing = stage.begin_setup(&thief, "totp").expect(200);
    let secret = replacing["description_placeholders"]["code"].as_str().expect("a secret");
    let code = crate::harness::totp(secret, stage.now_ms());
    let tokens = stage.login(ADA);
    let totp = stage.set_up_totp(&tokens);
    assert_stale(&stage.submit_setup(&thief, &pin, &json!({"pin": PIN})));
    let flow_id = replacing["flow_id"].as_str().expect("a flow id");
    assert_stale(&stage.submit_setup(&thief, flow_id, &json!({"code": code})));
    assert_eq!(stage.method(&tokens, "insecure_example")["is_setup"], false);
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &totp.code(stage.now_ms())));
}

#[test]
fn two_set_ups_side_by_side_in_one_session_both_end_well() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let pin = stage.begin_setup(&tokens, "insecure_example").expect(200);
    stage.set_up_totp(&tokens);
    let flow_id = pin["flow_id"].as_str().expect("a flow id");
    stage.submit_setup(&tokens, flow_id, &json!({"pin": PIN})).expect(200);
    assert_eq!(stage.method(&tokens, "insecure_example")["is_setup"], true);
}

#[test]
fn a_set_up_may_take_longer_than_the_proof_it_began_with() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    stage.clock.advance_s(200);
    let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
    stage.clock.advance_s(599);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    stage.submit_setup(&tokens, flow_id, &json!({"pin": PIN})).expect(200);
}

#[test]
fn deleting_the_last_factor_turns_the_second_step_off() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    let waiting = stage.begin_to_mfa(ADA);
    assert!(stage.delete_method(&tokens, "totp").status < 300);
    let answer = stage.submit(&waiting, json!({"code": ada.totp.code(stage.now_ms())}));
    assert!(answer.status == 404 || answer.expect(200)["type"] != "create_entry", "its enrolment is gone");
    result_of(&stage.submit_password(&stage.begin(), ADA));
}

#[test]
fn deleting_the_primary_leaves_one_primary() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    assert!(stage.delete_method(&tokens, "totp").status < 300);
    let primaries: Vec<_> = stage.methods(&tokens).into_iter().filter(|method| method["is_primary"] == true).collect();
    assert_eq!(primaries.len(), 1);
    assert_eq!(primaries[0]["id"], "insecure_example");
    assert_eq!(primaries[0]["is_active"], true, "a primary is active");
    assert_form(&stage.submit_password(&stage.begin(), ADA), "mfa");
}

#[test]
fn all_methods_can_be_deleted_at_once() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    assert!(stage.wire().delete_as(&tokens.access, "/api/mfa").status < 300);
    assert!(stage.methods(&tokens).iter().all(|method| method["is_setup"] == false));
    result_of(&stage.submit_password(&stage.begin(), ADA));
}

#[test]
fn nobody_acts_on_anothers_methods() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let of_bob = stage.login(BOB);
    assert!(stage.delete_method(&of_bob, "totp").status >= 400, "bob has none to delete");
    assert!(stage.methods(&of_bob).iter().all(|method| method["is_setup"] == false));
    stage.wire().delete_as(&of_bob.access, "/api/mfa");
    let tokens = stage.login_totp(&ada);
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], true);
    for answer in [stage.wire().get("/api/mfa"), stage.wire().delete("/api/mfa"), stage.wire().delete("/api/mfa/totp")]
    {
        assert_eq!(answer.status, 401);
    }
}

#[test]
fn an_admins_reset_ends_logins_in_progress_and_removes_factors() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    let waiting = stage.begin_to_mfa(ADA);
    crate::harness::run_host(&stage.directory.path(), &["mfa", "reset", ADA]).success();
    assert_eq!(stage.me(&tokens).status, 401, "sessions end with the reset");
    let answer = stage.submit(&waiting, json!({"code": ada.totp.code(stage.now_ms())}));
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "{}", answer.status);
}
