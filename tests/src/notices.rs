//! What users are told out of band: of changes of their factors, passwords and addresses, and of wrong answers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    ADA, Directory, PASSWORD, PATIENCE, PIN, Server, Stage, Tokens, another_number, assert_abort, closed_port,
    number_of, run_host,
};

const HOME: &str = "ada@home.example";

/// A host that keeps its mails, with a proved address of Ada's.
fn stage() -> Stage {
    let stage = Stage::with(Directory::with_outbox);
    set_address(&stage, HOME);
    stage
}

fn set_address(stage: &Stage, address: &str) {
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", address, "--proved"]).success();
}

/// What was told to this address, by subject; waits until there are so many.
#[track_caller]
fn told(stage: &Stage, address: &str, count: usize) -> Vec<Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        let told: Vec<Value> = stage.outbox().into_iter().filter(|message| message["to"] == address).collect();
        if told.len() >= count {
            assert_eq!(told.len(), count, "{told:#?}");
            return told;
        }
        assert!(Instant::now() < end, "only {} of {count}: {told:#?}", told.len());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn assert_told(message: &Value, subject: &str, words: &[&str]) {
    assert_eq!(message["subject"], subject, "{message:#}");
    for part in ["text", "html"] {
        let text = message[part].as_str().expect("text");
        for word in words {
            assert!(text.contains(word), "{word:?} in {text}");
        }
    }
    assert!(message["text"].as_str().is_some_and(|text| text.contains("If this was not you")), "{message:#}");
}

fn wrong_pin(stage: &Stage, tries: usize) {
    for _ in 0..tries {
        let flow_id = stage.begin();
        stage.submit_password(&flow_id, ADA);
        stage.submit(&flow_id, json!({"pin": "0000"})).expect(200);
    }
}

#[test]
fn a_factor_that_comes_or_goes_is_told_with_time_and_address() {
    let mut stage = stage();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    let told_once = told(&stage, HOME, 1);
    assert_told(&told_once[0], "A second factor was added", &["Hello ada", "PIN", "2035-01-01 00:00 UTC", "127.0.0.1"]);
    stage.set_up_pin(&tokens);
    assert_told(&told(&stage, HOME, 2)[1], "A second factor was changed", &["PIN"]);
    stage.delete_method(&tokens, "insecure_example").expect(204);
    assert_told(&told(&stage, HOME, 3)[2], "A second factor was removed", &["PIN"]);
    stage.clock.advance_s(1);
    assert!(!told(&stage, HOME, 3).iter().any(|message| message.to_string().contains(PIN)), "no secret in a notice");
}

#[test]
fn the_address_of_a_factor_is_told_of_it_too() {
    let stage = stage();
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, "ada@work.example");
    assert_told(&told(&stage, HOME, 1)[0], "A second factor was added", &["E-mail"]);
    assert_told(&told(&stage, "ada@work.example", 2)[1], "A second factor was added", &["E-mail"]);
    stage.delete_method(&tokens, "email").expect(204);
    assert_told(&told(&stage, "ada@work.example", 3)[2], "A second factor was removed", &["E-mail"]);
}

#[test]
fn a_lock_is_told_once_and_right_answers_never() {
    let mut stage = stage();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    wrong_pin(&stage, 4);
    stage.login_with_pin(ADA, PIN);
    wrong_pin(&stage, 5);
    assert_told(&told(&stage, HOME, 2)[1], "A second factor is locked", &["PIN", "127.0.0.1"]);
    stage.clock.advance_s(60);
    wrong_pin(&stage, 1);
    stage.clock.advance_s(120);
    stage.login_with_pin(ADA, PIN);
    told(&stage, HOME, 2);
}

#[test]
fn wrong_numbers_of_links_that_lock_a_factor_are_told() {
    let stage = Stage::with(Directory::with_links);
    set_address(&stage, HOME);
    stage.set_up_email(&stage.login(ADA), "ada@work.example");
    told(&stage, HOME, 1);
    told(&stage, "ada@work.example", 2);
    for tries in [3, 2] {
        let flow_id = stage.begin();
        let number = number_of(&stage.submit_password(&flow_id, ADA));
        let link = stage.sent_link();
        for _ in 0..tries {
            assert_eq!(stage.wire().confirm(&link, Some(&another_number(&number))).status, 403);
        }
    }
    assert_told(&told(&stage, HOME, 2)[1], "A second factor is locked", &["E-mail", "127.0.0.1"]);
}

#[test]
fn wrong_answers_over_several_factors_are_told() {
    let stage = stage();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    stage.set_up_email(&tokens, "ada@work.example");
    for (method, fields, tries) in [("insecure_example", json!({"pin": "0000"}), 3), ("email", json!({"code": "0"}), 0)]
    {
        for _ in 0..tries {
            let flow_id = stage.begin();
            stage.submit_password(&flow_id, ADA);
            stage.submit(&flow_id, json!({"multi_factor_auth_module": method})).expect(200);
            stage.submit(&flow_id, fields.clone()).expect(200);
        }
    }
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "email"})).expect(200);
    let right = stage.sent_code();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..2 {
        stage.submit(&flow_id, json!({"code": wrong})).expect(200);
    }
    let message = told(&stage, HOME, 3)[2].clone();
    assert_told(&message, "Wrong codes after your right password", &["5 wrong answers", "127.0.0.1"]);
}

#[test]
fn resets_and_new_passwords_are_told() {
    let stage = stage();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    let body = json!({"old_password": PASSWORD, "new_password": "another-7Zq-long-one"});
    stage.wire().post_as(&tokens.access, "/api/password", &body).expect(204);
    assert_told(&told(&stage, HOME, 2)[1], "Your password was changed", &["Test host"]);
    run_host(&stage.directory.path(), &["user", "reset", ADA, "--mfa"]).success();
    let told = told(&stage, HOME, 4);
    // Two mails of one moment overtake each other.
    for subject in ["Your second factors were reset", "Your password was reset"] {
        let message = told.iter().find(|message| message["subject"] == subject);
        assert_told(message.unwrap_or_else(|| panic!("{subject} in {told:#?}")), subject, &["Test host"]);
    }
}

#[test]
fn a_former_address_is_told_for_seven_days() {
    let mut stage = stage();
    set_address(&stage, "ada@new.example");
    assert_told(&told(&stage, HOME, 1)[0], "An address of your account was changed", &["ada@new.example"]);
    assert!(
        stage.outbox().iter().all(|message| message["to"] != "ada@new.example"),
        "it hears nothing of its own coming"
    );
    stage.set_up_pin(&stage.login(ADA));
    told(&stage, HOME, 2);
    told(&stage, "ada@new.example", 1);
    stage.clock.advance_s(7 * 24 * 3600 + 1);
    let tokens: Tokens = stage.login_with_pin(ADA, PIN);
    stage.delete_method(&tokens, "insecure_example").expect(204);
    told(&stage, "ada@new.example", 2);
    told(&stage, HOME, 2);
}

#[test]
fn an_address_nobody_proved_is_told_nothing() {
    let stage = Stage::with(Directory::with_outbox);
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME]).success();
    stage.set_up_pin(&stage.login(ADA));
    assert!(stage.host().log().contains("notice_has_no_address"));
    assert!(stage.outbox().is_empty());
}

#[test]
fn who_makes_notices_come_cannot_bury_a_user_in_them_nor_use_up_the_codes() {
    let stage = stage();
    let tokens = stage.login(ADA);
    for _ in 0..35 {
        stage.set_up_pin(&tokens);
    }
    told(&stage, HOME, 30);
    assert!(stage.host().log().contains("notice_left_out"));
    stage.set_up_email(&tokens, "ada@work.example");
}

#[test]
fn a_notice_survives_a_crash_before_it_could_be_sent() {
    let gone = closed_port();
    let mut stage = Stage::with(|directory| directory.with_mail_server(gone));
    set_address(&stage, HOME);
    stage.set_up_pin(&stage.login(ADA));
    stage.kill9();
    let server = Server::mail(&["--tls", "none"]);
    stage.directory.replace_setting(&format!("port = {gone}"), &format!("port = {}", server.port));
    stage.start();
    let mail = server.next();
    assert_eq!(mail["envelope_to"][0], HOME, "{mail:#}");
    assert!(mail["parts"]["text/plain"].as_str().is_some_and(|text| text.contains("PIN")), "{mail:#}");
}

#[test]
fn a_lock_of_a_flow_that_ends_with_it_is_told_as_well() {
    let stage = stage();
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, "ada@work.example");
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    let wrong = if stage.sent_code() == "000000" { "000001" } else { "000000" };
    for _ in 0..4 {
        stage.submit(&flow_id, json!({"code": wrong})).expect(200);
    }
    assert_abort(&stage.submit(&flow_id, json!({"code": wrong})).expect(200), "too_many_retry");
    assert_told(&told(&stage, HOME, 2)[1], "A second factor is locked", &["E-mail"]);
}
