//! Codes that are sent: who gets them, what they open, when another comes, and what happens when they cannot be sent.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    ADA, BOB, CLIENT_ID, Directory, PASSWORD, PATIENCE, PIN, Server, Stage, Tokens, assert_abort, assert_form,
    assert_invalid_flow, closed_port, result_of,
};

const ADDRESS: &str = "ada@example.org";

/// Ada with codes by mail.
fn stage_with_email() -> Stage {
    let stage = Stage::with(Directory::with_outbox);
    stage.set_up_email(&stage.login(ADA), ADDRESS);
    stage
}

/// Ada with codes by mail, which are the first asked for, and a PIN.
fn stage_with_two() -> (Stage, Tokens) {
    let stage = Stage::with(Directory::with_outbox);
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, ADDRESS);
    stage.set_up_pin(&tokens);
    (stage, tokens)
}

fn flow_of(step: &Value) -> String {
    step["flow_id"].as_str().unwrap_or_else(|| panic!("a flow id in {step}")).to_owned()
}

/// The step after the password, and the flow it is of.
fn to_code(stage: &Stage) -> (String, Value) {
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    (flow_id, step)
}

fn to_code_of_two(stage: &Stage) -> (String, Value) {
    let (flow_id, step) = to_code(stage);
    assert_form(&step, "select_mfa_module");
    let step = stage.submit(&flow_id, json!({"multi_factor_auth_module": "email"})).expect(200);
    (flow_id, step)
}

fn submit_code(stage: &Stage, flow_id: &str, code: &str) -> Value {
    stage.submit(flow_id, json!({"code": code})).expect(200)
}

fn another(code: &str) -> String {
    if code == "000000" { "000001".to_owned() } else { "000000".to_owned() }
}

/// Waits until nothing is left to be sent.
#[track_caller]
fn until_no_message_is_kept(stage: &Stage) {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut kept = std::collections::BTreeSet::new();
        // A snapshot comes before the journals that go on from it.
        let mut files = stage.directory.store_files();
        files.sort_by_key(|file| file.to_string_lossy().contains("journal"));
        for text in files.into_iter().filter_map(|file| std::fs::read_to_string(file).ok()) {
            // The host writes meanwhile: a line that is not whole yet is looked at in the next round.
            for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                let Some(key) = line["key"].as_str().filter(|key| key.starts_with("message/")) else { continue };
                if line["deleted"] == true {
                    kept.remove(key)
                } else {
                    kept.insert(key.to_owned())
                };
            }
        }
        if kept.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "still kept: {kept:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_code_by_mail_proves_the_address_and_then_lets_in() {
    let server = Server::mail(&["--tls", "none"]);
    let mut stage = Stage::with(|directory| directory.with_mail_server(server.port));
    let tokens = stage.login(ADA);
    let flow_id = flow_of(&stage.begin_setup(&tokens, "email").expect(200));
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"email": ADDRESS})).expect(200);
    assert_eq!((&step["delivery"], &step["errors"]), (&json!("sent"), &json!({})), "{step}");
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": server.next_code()})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");

    let (flow_id, step) = to_code(&stage);
    assert_form(&step, "mfa");
    assert_eq!((&step["delivery"], step["resend_at"].is_string()), (&json!("sent"), true), "{step}");
    let code = server.next_code();
    assert!(!step.to_string().contains(&code) && !stage.host().log().contains(&code), "the code went by mail alone");
    let tokens = stage.tokens_of(&submit_code(&stage, &flow_id, &code));
    assert_eq!(stage.session(&tokens)["mfa_method_used"], "email");

    // The next one survives a crash, as the flow does.
    let (flow_id, _) = to_code(&stage);
    let code = server.next_code();
    stage.crash();
    stage.tokens_of(&submit_code(&stage, &flow_id, &code));
    until_no_message_is_kept(&stage);
}

#[test]
fn nothing_on_disk_holds_a_code_or_an_address() {
    let stage = stage_with_email();
    let (_, _) = to_code(&stage);
    let code = stage.sent_code();
    until_no_message_is_kept(&stage);
    for file in stage.directory.store_files() {
        let text = std::fs::read_to_string(file).expect("text");
        assert!(!text.contains(ADDRESS) && !text.contains(&format!("\"{code}\"")), "sealed");
    }
}

#[test]
fn a_code_opens_only_the_flow_it_was_sent_for_and_only_once() {
    let stage = stage_with_email();
    let (first, _) = to_code(&stage);
    let of_first = stage.sent_code();
    let (second, _) = to_code(&stage);
    let of_second = stage.sent_code();
    assert_eq!(submit_code(&stage, &first, &of_second)["errors"]["base"], "invalid_code");
    assert_eq!(submit_code(&stage, &second, &of_first)["errors"]["base"], "invalid_code");
    result_of(&submit_code(&stage, &first, &of_first));
    assert_invalid_flow(&stage.submit(&first, json!({"code": of_first})));
    result_of(&submit_code(&stage, &second, &of_second));
}

#[test]
fn a_code_that_went_to_a_former_address_opens_nothing() {
    let stage = Stage::with(Directory::with_outbox);
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, ADDRESS);
    let (flow_id, code) = (to_code(&stage).0, stage.sent_code());
    stage.set_up_email(&tokens, "ada@new.example");
    assert_abort(&submit_code(&stage, &flow_id, &code), "unknown_error");
    let (flow_id, _) = to_code(&stage);
    result_of(&submit_code(&stage, &flow_id, &stage.sent_code()));
}

#[test]
fn five_wrong_codes_end_the_flow_and_the_right_one_is_then_too_late() {
    let stage = stage_with_email();
    let (flow_id, _) = to_code(&stage);
    let code = stage.sent_code();
    for _ in 0..4 {
        assert_eq!(submit_code(&stage, &flow_id, &another(&code))["errors"]["base"], "invalid_code");
    }
    assert_abort(&submit_code(&stage, &flow_id, &another(&code)), "too_many_retry");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": code})));
}

#[test]
fn a_resend_waits_kills_the_former_code_and_flow_and_resets_nothing() {
    let mut stage = stage_with_email();
    let (flow_id, _) = to_code(&stage);
    let former = stage.sent_code();
    assert_eq!(submit_code(&stage, &flow_id, &another(&former))["errors"]["base"], "invalid_code");
    let early = stage.wish(&flow_id, &json!({"resend": true}));
    assert_eq!((early.status, early.header("retry-after")), (429, Some("30")));
    stage.clock.advance_s(30);
    let step = stage.wish(&flow_id, &json!({"resend": true})).expect(200);
    assert_form(&step, "mfa");
    let next = flow_of(&step);
    assert_ne!(next, flow_id);
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": former})));
    let code = stage.sent_code();
    if code != former {
        assert_eq!(submit_code(&stage, &next, &former)["errors"]["base"], "invalid_code");
    }
    for _ in 0..2 {
        assert_eq!(submit_code(&stage, &next, &another(&code))["errors"]["base"], "invalid_code");
    }
    let last = submit_code(&stage, &next, &another(&code));
    assert_eq!(last["type"], if code == former { "form" } else { "abort" }, "attempts go on: {last}");
}

#[test]
fn a_session_lives_as_long_as_its_code_and_no_resend_moves_that() {
    let mut stage = stage_with_email();
    let (flow_id, step) = to_code(&stage);
    assert_eq!(step["expires_at"], "2035-01-01T00:10:10.000Z", "{step}");
    let code = stage.sent_code();
    stage.clock.advance_s(590);
    let step = stage.wish(&flow_id, &json!({"resend": true})).expect(200);
    assert_eq!(step["expires_at"], "2035-01-01T00:10:10.000Z", "{step}");
    let (flow_id, _) = (flow_of(&step), code);
    stage.clock.advance_ms(10_000);
    result_of(&submit_code(&stage, &flow_id, &stage.sent_code()));
    let (flow_id, _) = to_code(&stage);
    let code = stage.sent_code();
    stage.clock.advance_ms(600_001);
    assert_abort(&submit_code(&stage, &flow_id, &code), "login_expired");
}

#[test]
fn another_method_can_be_chosen_in_mid_login_and_back_again() {
    let (stage, _) = stage_with_two();
    let (flow_id, step) = to_code_of_two(&stage);
    assert_eq!(step["methods"].as_array().map(Vec::len), Some(2), "{step}");
    let code = stage.sent_code();
    let step = stage.wish(&flow_id, &json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    assert_eq!(step["description_placeholders"]["mfa_module_id"], "insecure_example", "{step}");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": code})));
    let flow_id = flow_of(&step);
    assert_eq!(stage.wish(&flow_id, &json!({"multi_factor_auth_module": "insecure_example"})).status, 409);
    assert_eq!(stage.wish(&flow_id, &json!({"multi_factor_auth_module": "totp"})).status, 404);
    assert_eq!(stage.wish(&flow_id, &json!({"resend": true})).status, 409);
    assert_eq!(stage.wish(&flow_id, &json!({"resend": true, "pin": PIN})).status, 400);
    let step = stage.wish(&flow_id, &json!({"multi_factor_auth_module": "email"})).expect(200);
    let flow_id = flow_of(&step);
    let again = stage.sent_code();
    if again != code {
        assert_eq!(submit_code(&stage, &flow_id, &code)["errors"]["base"], "invalid_code", "of a former step");
    }
    result_of(&submit_code(&stage, &flow_id, &again));
}

#[test]
fn an_hour_takes_so_many_messages_for_one_user_and_then_offers_other_ways() {
    let mut stage = Stage::with(|directory| {
        directory.append_settings("[delivery]\nmessages_per_user_hour_max = 3");
        directory.with_outbox();
    });
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, ADDRESS);
    stage.set_up_pin(&tokens);
    let (flow_id, _) = to_code_of_two(&stage);
    stage.clock.advance_s(30);
    let step = stage.wish(&flow_id, &json!({"resend": true})).expect(200);
    let flow_id = flow_of(&step);
    stage.clock.advance_s(30);
    let refused = stage.wish(&flow_id, &json!({"resend": true}));
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("3540"), "{refused:?}");
    let code = stage.sent_code();
    let (other, step) = to_code_of_two(&stage);
    assert_eq!(step["errors"]["base"], "delivery_failed", "{step}");
    assert_eq!(stage.asked_for().len(), 3, "nothing more was sent");
    assert_eq!(submit_code(&stage, &other, "123456")["errors"]["base"], "delivery_failed", "no attempt was spent");
    let step = stage.wish(&other, &json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    result_of(&stage.submit(&flow_of(&step), json!({"pin": PIN})).expect(200));
    result_of(&submit_code(&stage, &flow_id, &code));
    stage.clock.advance_s(3600);
    let (_, step) = to_code_of_two(&stage);
    assert_eq!(step["delivery"], "sent", "{step}");
}

#[test]
fn an_hour_takes_so_many_messages_for_one_address_whoever_asks() {
    let stage = Stage::with(|directory| {
        directory.append_settings("[delivery]\nmessages_per_target_hour_max = 4");
        directory.with_outbox();
    });
    let ada = stage.login(ADA);
    stage.set_up_email(&ada, ADDRESS);
    let bob = stage.login(BOB);
    for (address, status) in [("ADA@example.org", 200), ("bob@example.org", 200), ("Ada@Example.org", 429)] {
        // The part before the @ belongs to its server, which may tell large letters from small ones.
        let address = if address.starts_with("bob") { address.to_owned() } else { format!("ada{}", &address[3..]) };
        let flow_id = flow_of(&stage.begin_setup(&bob, "email").expect(200));
        let answer = stage.submit_setup(&bob, &flow_id, &json!({"email": address}));
        assert_eq!(answer.status, status, "{address}: {answer:?}");
        if status == 429 {
            // It cost nothing, and another address can be given.
            let step = stage.submit_setup(&bob, &flow_id, &json!({"email": "bob2@example.org"})).expect(200);
            assert_eq!(step["delivery"], "sent", "{step}");
        }
    }
}

#[test]
fn a_set_up_sends_again_when_asked_and_goes_back_when_the_address_is_refused() {
    let server = Server::mail(&["--tls", "none", "--refuse-recipient", "nobody@example.org"]);
    let mut stage = Stage::with(|directory| directory.with_mail_server(server.port));
    let tokens = stage.login(ADA);
    let flow_id = flow_of(&stage.begin_setup(&tokens, "email").expect(200));
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"email": "nobody@example.org"})).expect(200);
    assert_eq!((&step["errors"]["base"], &step["delivery"]), (&json!("delivery_failed"), &json!("failed")), "{step}");
    assert_eq!(step["data_schema"][0]["name"], "email", "the address can be given again");
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"email": ADDRESS})).expect(200);
    assert_eq!(step["data_schema"][0]["name"], "code", "{step}");
    let former = server.next_code();
    assert_eq!(stage.submit_setup(&tokens, &flow_id, &json!({"resend": true})).status, 429);
    stage.clock.advance_s(30);
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"resend": true})).expect(200);
    assert_eq!(step["delivery"], "sent", "{step}");
    let code = server.next_code();
    if code != former {
        let step = stage.submit_setup(&tokens, &flow_id, &json!({"code": former})).expect(200);
        assert_eq!(step["errors"]["base"], "invalid_code", "{step}");
    }
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": code})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

#[test]
fn what_cannot_be_sent_costs_no_attempt_and_other_methods_are_offered() {
    let (mut stage, _) = stage_with_two();
    let server = Server::mail(&["--tls", "none", "--refuse-recipient", ADDRESS]);
    stage.stop();
    stage.directory.replace_setting(
        "type = \"outbox\"\ntarget = \"email\"",
        &format!(
            "type = \"email\"\nhost = \"localhost\"\nport = {}\nfrom = \"a@example.org\"\nencryption = \"none\"",
            server.port
        ),
    );
    stage.start();
    let (flow_id, step) = to_code_of_two(&stage);
    assert_eq!((&step["errors"]["base"], &step["delivery"]), (&json!("delivery_failed"), &json!("failed")), "{step}");
    let offered: Vec<&str> =
        step["methods"].as_array().expect("methods").iter().filter_map(|one| one[0].as_str()).collect();
    assert_eq!(offered, ["insecure_example", "email"]);
    for _ in 0..7 {
        assert_eq!(submit_code(&stage, &flow_id, "123456")["errors"]["base"], "delivery_failed", "not an attempt");
    }
    let step = stage.wish(&flow_id, &json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    result_of(&stage.submit(&flow_of(&step), json!({"pin": PIN})).expect(200));
    until_no_message_is_kept(&stage);
    let log = stage.host().log();
    assert!(log.contains("message_not_sent") && !log.contains(ADDRESS), "told without the address");
    let plain =
        stage.wire().post("/api/login", &json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD}));
    let plain = plain.expect(200);
    assert_eq!((&plain["delivery"], &plain["method"]), (&json!("failed"), &json!("email")), "{plain}");
    let refused = stage.wire().post("/api/login/verify", &json!({"token": plain["token"], "code": "123456"}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("delivery_failed")));
}

#[test]
fn a_message_that_was_not_taken_is_tried_again_also_after_a_crash_with_the_code_that_waits() {
    let (mut stage, _) = stage_with_two();
    let gone = closed_port();
    let mail = |port: u16| {
        format!(
            "type = \"email\"\nhost = \"localhost\"\nport = {port}\nfrom = \"a@example.org\"\nencryption = \"none\""
        )
    };
    stage.stop();
    stage.directory.replace_setting("type = \"outbox\"\ntarget = \"email\"", &mail(gone));
    stage.start();
    let (flow_id, step) = to_code_of_two(&stage);
    assert_eq!((&step["errors"]["base"], &step["delivery"]), (&json!("delivery_failed"), &json!("failed")), "{step}");
    stage.kill9();
    let server = Server::mail(&["--tls", "none"]);
    stage.directory.replace_setting(&mail(gone), &mail(server.port));
    stage.start();
    result_of(&submit_code(&stage, &flow_id, &server.next_code()));
    until_no_message_is_kept(&stage);
    assert!(server.is_quiet());
}

#[test]
fn a_message_is_withdrawn_once_nobody_waits_for_it() {
    let (mut stage, _) = stage_with_two();
    let server = Server::mail(&["--tls", "none"]);
    let mail = |port: u16| {
        format!(
            "type = \"email\"\nhost = \"localhost\"\nport = {port}\nfrom = \"a@example.org\"\nencryption = \"none\""
        )
    };
    let gone = closed_port();
    stage.stop();
    stage.directory.replace_setting("type = \"outbox\"\ntarget = \"email\"", &mail(gone));
    stage.start();
    let (flow_id, _) = to_code_of_two(&stage);
    let step = stage.wish(&flow_id, &json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    result_of(&stage.submit(&flow_of(&step), json!({"pin": PIN})).expect(200));
    stage.stop();
    stage.directory.replace_setting(&mail(gone), &mail(server.port));
    stage.start();
    until_no_message_is_kept(&stage);
    assert!(server.is_quiet(), "the code of a login that is over goes nowhere");
    assert!(stage.host().log().contains("message_withdrawn"));
}

#[test]
fn a_slow_server_leaves_the_message_on_its_way() {
    let server = Server::mail(&["--tls", "none", "--slow-s", "3"]);
    let stage = Stage::with(|directory| {
        directory.append_settings("[delivery]\nhand_over_wait_ms = 100");
        directory.with_mail_server(server.port);
    });
    let tokens = stage.login(ADA);
    let flow_id = flow_of(&stage.begin_setup(&tokens, "email").expect(200));
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"email": ADDRESS})).expect(200);
    assert_eq!((&step["delivery"], &step["errors"]), (&json!("queued"), &json!({})), "{step}");
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": server.next_code()})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    until_no_message_is_kept(&stage);
}
