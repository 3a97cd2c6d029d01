//! Addresses users add themselves, and the code that stands in the place of a forgotten password.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    ADA, Answer, BOB, Directory, PASSWORD, PATIENCE, PIN, Stage, Tokens, assert_form, result_of, run_host,
};

const HOME: &str = "ada@home.example";
const NEW_PASSWORD: &str = "a-new-one-8Qw-entirely";

fn begin(stage: &Stage, tokens: &Tokens, address: &str) -> Answer {
    stage.wire().post_as(&tokens.access, "/api/me/addresses", &json!({"kind": "email", "value": address}))
}

fn prove(stage: &Stage, tokens: &Tokens, flow_id: &str, proof: &Value) -> Answer {
    stage.wire().post_as(&tokens.access, &format!("/api/me/addresses/{flow_id}"), proof)
}

fn flow_of(answer: &Value) -> String {
    answer["flow_id"].as_str().unwrap_or_else(|| panic!("a flow id in {answer}")).to_owned()
}

fn add(stage: &Stage, tokens: &Tokens, address: &str) {
    let flow_id = flow_of(&begin(stage, tokens, address).expect(200));
    prove(stage, tokens, &flow_id, &json!({"code": stage.code_sent_to(address)})).expect(200);
}

fn remove(stage: &Stage, tokens: &Tokens, address: &str) -> Answer {
    let gone = json!({"kind": "email", "value": address});
    stage.wire().post_as(&tokens.access, "/api/me/addresses/remove", &gone)
}

/// A host that mails codes for forgotten passwords.
fn stage_with_mail() -> Stage {
    Stage::with(|directory| {
        directory.append_settings("[passwords]\nforgotten = \"mail\"");
        directory.with_outbox();
    })
}

fn forget(stage: &Stage, name: &str) -> Answer {
    stage.wire().post("/api/password/forgotten", &json!({"username": name}))
}

/// The code of the latest mail about a new password; waits for so many of them.
#[track_caller]
fn mailed_code(stage: &Stage, count: usize) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let mails = stage.outbox().into_iter().filter(|mail| mail["subject"] == "A new password for Test host");
        let mails: Vec<Value> = mails.collect();
        if mails.len() >= count {
            assert_eq!(mails.len(), count, "{mails:#?}");
            let short = mails.last().and_then(|mail| mail["short"].as_str()).expect("a line").to_owned();
            return short.split(' ').next().expect("the code stands first").to_owned();
        }
        assert!(Instant::now() < end, "only {mails:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn submit_password(stage: &Stage, password: &str) -> Value {
    let flow_id = stage.begin();
    stage.submit(&flow_id, json!({"username": ADA, "password": password})).expect(200)
}

#[test]
fn an_address_is_a_users_own_once_its_code_came_back() {
    let mut stage = Stage::with(Directory::with_outbox);
    let tokens = stage.login(ADA);
    let step = begin(&stage, &tokens, &format!(" {HOME} ")).expect(200);
    assert_eq!(step["delivery"], "sent", "{step}");
    let (flow_id, former) = (flow_of(&step), stage.sent_code());
    assert_eq!(stage.outbox()[0]["to"], HOME);
    assert_eq!(prove(&stage, &tokens, &flow_id, &json!({"resend": true})).status, 429);
    stage.clock.advance_s(30);
    prove(&stage, &tokens, &flow_id, &json!({"resend": true})).expect(200);
    let code = stage.sent_code();
    if code != former {
        assert_eq!(prove(&stage, &tokens, &flow_id, &json!({"code": former})).json()["code"], "invalid_code");
    }
    stage.crash();
    let me = prove(&stage, &tokens, &flow_id, &json!({"code": code})).expect(200);
    assert_eq!((&me["email"][0]["value"], me["email"][0]["proved_at"].is_string()), (&json!(HOME), true), "{me}");
    assert_eq!(prove(&stage, &tokens, &flow_id, &json!({"code": code})).status, 404, "used up");
    let gone = json!({"kind": "email", "value": HOME});
    let remove = |stage: &Stage| stage.wire().post_as(&tokens.access, "/api/me/addresses/remove", &gone).status;
    assert_eq!((remove(&stage), remove(&stage)), (204, 404));
}

#[test]
fn a_code_for_an_address_is_guessed_five_times_and_no_more() {
    let stage = Stage::with(Directory::with_outbox);
    let (ada, bob) = (stage.login(ADA), stage.login(BOB));
    let flow_id = flow_of(&begin(&stage, &ada, HOME).expect(200));
    let code = stage.sent_code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(prove(&stage, &bob, &flow_id, &json!({"code": code})).status, 404, "of another user");
    for _ in 0..5 {
        assert_eq!(prove(&stage, &ada, &flow_id, &json!({"code": wrong})).status, 401);
    }
    let late = prove(&stage, &ada, &flow_id, &json!({"code": code}));
    assert!(matches!(late.status, 404 | 429), "{late:?}");
    assert_eq!(stage.me(&ada).expect(200)["user"]["email"].as_array().map(Vec::len).unwrap_or_default(), 0);
}

#[test]
fn what_is_no_address_or_comes_too_late_is_refused() {
    let mut stage = Stage::with(Directory::with_outbox);
    let tokens = stage.login(ADA);
    for odd in ["", "ada", "a@b\r\nBcc: c@d", "@example.org"] {
        assert_eq!(begin(&stage, &tokens, odd).status, 400, "{odd:?}");
    }
    let phone = json!({"kind": "phone", "value": "+4930123456"});
    let refused = stage.wire().post_as(&tokens.access, "/api/me/addresses", &phone);
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("no_channel")));
    let flow_id = flow_of(&begin(&stage, &tokens, HOME).expect(200));
    let code = stage.sent_code();
    for odd in [json!({}), json!({"code": code, "resend": true}), json!({"code": 1}), json!({"resend": false})] {
        assert_eq!(prove(&stage, &tokens, &flow_id, &odd).status, 400, "{odd}");
    }
    stage.clock.advance_ms(600_001);
    assert_eq!(prove(&stage, &tokens, &flow_id, &json!({"code": code})).status, 404);
    assert_eq!(begin(&stage, &tokens, HOME).status, 401, "the proof of the session is old");
}

#[test]
fn a_forgotten_password_is_replaced_by_mail_and_the_second_factor_is_asked_all_the_same() {
    let stage = stage_with_mail();
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    forget(&stage, ADA).expect(202);
    let code = mailed_code(&stage, 1);
    assert_form(&submit_password(&stage, PASSWORD), "mfa");
    let step = submit_password(&stage, &code.to_lowercase().replace('-', " "));
    assert_form(&step, "mfa");
    let step = stage.submit(&flow_of(&step), json!({"pin": PIN})).expect(200);
    assert_form(&step, "set_password");
    result_of(&stage.submit(&flow_of(&step), json!({"new_password": NEW_PASSWORD})).expect(200));
    assert_eq!(submit_password(&stage, &code)["errors"]["base"], "invalid_auth", "once");
    assert_form(&submit_password(&stage, NEW_PASSWORD), "mfa");
    assert_eq!(stage.me(&tokens).status, 401, "sessions of before have ended");
    for file in stage.directory.store_files() {
        assert!(!std::fs::read_to_string(file).expect("text").contains(&code), "not on disk");
    }
    // An outbox shows its mails at the terminal; the log proper does not.
    let log = stage.host().log();
    assert!(log.lines().filter(|line| line.contains("audit")).all(|line| !line.contains(&code)), "not in the log");
}

#[test]
fn the_latest_two_codes_are_good_so_that_nobody_elses_request_takes_one_away() {
    let mut stage = stage_with_mail();
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    let codes = [1, 2, 3].map(|count| {
        stage.clock.advance_s(120);
        forget(&stage, ADA).expect(202);
        mailed_code(&stage, count)
    });
    stage.clock.advance_s(300);
    assert_eq!(submit_password(&stage, &codes[0])["errors"]["base"], "invalid_auth", "two later ones");
    stage.clock.advance_s(300);
    let (former, latest) = (submit_password(&stage, &codes[1]), submit_password(&stage, &codes[2]));
    assert_form(&latest, "set_password");
    let new_password = json!({"new_password": NEW_PASSWORD});
    result_of(&stage.submit(&flow_of(&former), new_password.clone()).expect(200));
    assert_eq!(submit_password(&stage, &codes[2])["errors"]["base"], "invalid_auth", "one use ends both");
    assert_eq!(stage.submit(&flow_of(&latest), new_password).expect(200)["type"], "abort");
}

#[test]
fn each_code_of_two_dies_at_its_own_time() {
    let mut stage = stage_with_mail();
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    forget(&stage, ADA).expect(202);
    let first = mailed_code(&stage, 1);
    stage.clock.advance_s(900);
    forget(&stage, ADA).expect(202);
    let second = mailed_code(&stage, 2);
    stage.clock.advance_ms(900_001);
    assert_eq!(submit_password(&stage, &first)["errors"]["base"], "invalid_auth");
    assert_form(&submit_password(&stage, &second), "set_password");
}

#[test]
fn an_address_that_had_its_share_keeps_the_code_from_no_other() {
    let stage = Stage::with(|directory| {
        directory.append_settings("[passwords]\nforgotten = \"mail\"\n[delivery]\nmessages_per_target_hour_max = 2");
        directory.with_outbox();
    });
    let set = |addresses: &[&str]| {
        let emails = addresses.iter().flat_map(|address| ["--email", address]);
        let arguments: Vec<&str> = ["user", "set", ADA].into_iter().chain(emails).chain(["--proved"]).collect();
        run_host(&stage.directory.path(), &arguments).success();
    };
    set(&[HOME]);
    forget(&stage, ADA).expect(202);
    mailed_code(&stage, 1);
    set(&[HOME, "ada@work.example"]);
    forget(&stage, ADA).expect(202);
    let code = mailed_code(&stage, 2);
    assert_eq!(stage.outbox().last().map(|mail| mail["to"].clone()), Some(json!("ada@work.example")));
    assert_form(&submit_password(&stage, &code), "set_password");
    let said = stage.host().log().len();
    forget(&stage, ADA).expect(202);
    assert!(stage.host().until_logged(said, "forgotten_password").contains("too_many_messages"));
    assert_form(&submit_password(&stage, &code), "set_password");
}

#[test]
fn who_asks_for_somebody_else_changes_nothing_and_learns_nothing() {
    let mut stage = stage_with_mail();
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    let (known, unknown) = (forget(&stage, ADA), forget(&stage, "nobody"));
    assert_eq!((known.status, &known.body), (202, &unknown.body));
    assert_eq!(unknown.status, 202);
    let code = mailed_code(&stage, 1);
    assert!(submit_password(&stage, PASSWORD)["result"].is_string(), "the password goes on opening");
    assert_eq!(forget(&stage, BOB).status, 202);
    stage.clock.advance_ms(1_800_001);
    assert_eq!(submit_password(&stage, &code)["errors"]["base"], "invalid_auth", "after half an hour");
    let refusals = (0..20).filter(|_| forget(&stage, ADA).status == 429).count();
    assert!(refusals > 0, "nobody floods a mailbox");
}

#[test]
fn an_address_the_user_added_confirms_nothing_for_seven_days() {
    let mut stage = stage_with_mail();
    let tokens = stage.login(ADA);
    add(&stage, &tokens, HOME);
    forget(&stage, ADA).expect(202);
    stage.host().until_logged(0, "no_address");
    stage.clock.advance_s(7 * 24 * 3600);
    forget(&stage, ADA).expect(202);
    let step = submit_password(&stage, &mailed_code(&stage, 1));
    assert_form(&step, "set_password");
}

#[test]
fn a_code_by_mail_is_off_unless_the_settings_say_so_and_proves_nothing_in_a_session() {
    let stage = Stage::with(Directory::with_outbox);
    assert_eq!(forget(&stage, ADA).status, 404);
    let stage = stage_with_mail();
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    let tokens = stage.login(ADA);
    forget(&stage, ADA).expect(202);
    let code = mailed_code(&stage, 1);
    let (flow_id, client_id) = stage.begin_proof(&tokens);
    let step = stage.submit(&flow_id, json!({"client_id": client_id, "password": code})).expect(200);
    assert_eq!(step["errors"]["base"], "invalid_auth", "a mailbox is no proof of a password: {step}");
    // After an admin's reset the admin's code is the only way.
    run_host(&stage.directory.path(), &["user", "reset", ADA]).success();
    assert_eq!(submit_password(&stage, &code)["errors"]["base"], "invalid_auth");
}

#[test]
fn who_knows_a_name_alone_uses_up_no_code_of_its_login() {
    let mut stage = stage_with_mail();
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    stage.set_up_email(&stage.login(ADA), HOME);
    let mut asked = 0;
    for _ in 0..30 {
        asked += usize::from(forget(&stage, ADA).status == 202);
        stage.clock.advance_s(60);
    }
    assert!(asked > 20, "the throttle leaves room for {asked}");
    let end = Instant::now() + PATIENCE;
    while stage.host().log().matches("forgotten_password").count() < asked {
        assert!(Instant::now() < end, "not all of {asked} were looked at");
        std::thread::sleep(Duration::from_millis(20));
    }
    let code = mailed_code(&stage, 4);
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD})).expect(200);
    assert_eq!((&step["delivery"], &step["errors"]), (&json!("sent"), &json!({})), "{step}");
    result_of(&stage.submit(&flow_id, json!({"code": stage.sent_code()})).expect(200));
    assert_form(&submit_password(&stage, &code), "mfa");
}

#[test]
fn an_address_that_leaves_takes_the_code_with_it_that_was_mailed_there() {
    let mut stage = stage_with_mail();
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    let tokens = stage.login(ADA);
    forget(&stage, ADA).expect(202);
    let code = mailed_code(&stage, 1);
    remove(&stage, &tokens, HOME).expect(204);
    assert_eq!(submit_password(&stage, &code)["errors"]["base"], "invalid_auth");
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    forget(&stage, ADA).expect(202);
    let code = mailed_code(&stage, 2);
    stage.clock.advance_s(60);
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", "ada@new.example", "--proved"]).success();
    assert_eq!(submit_password(&stage, &code)["errors"]["base"], "invalid_auth");
}

#[test]
fn no_number_of_addresses_pushes_out_the_one_that_is_still_told() {
    let mut stage = Stage::with(|directory| {
        directory.append_settings("[delivery]\nmessages_per_user_hour_max = 100");
        directory.with_outbox();
    });
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", HOME, "--proved"]).success();
    let tokens = stage.login(ADA);
    remove(&stage, &tokens, HOME).expect(204);
    for index in 0..9 {
        let address = format!("eve{index}@example.net");
        add(&stage, &tokens, &address);
        remove(&stage, &tokens, &address).expect(204);
    }
    add(&stage, &tokens, "eve9@example.net");
    let refused = remove(&stage, &tokens, "eve9@example.net");
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("too_many_addresses")));
    stage.clock.advance_s(7 * 24 * 3600 + 1);
    let tokens = stage.login(ADA);
    remove(&stage, &tokens, "eve9@example.net").expect(204);
}

#[test]
fn several_proofs_at_once_find_no_more_room_than_there_is() {
    let stage = Stage::with(Directory::with_outbox);
    let tokens = stage.login(ADA);
    for index in 0..4 {
        add(&stage, &tokens, &format!("ada{index}@example.org"));
    }
    let begun = |address: &str| (flow_of(&begin(&stage, &tokens, address).expect(200)), stage.code_sent_to(address));
    let (fifth, sixth) = (begun("ada4@example.org"), begun("ada5@example.org"));
    prove(&stage, &tokens, &fifth.0, &json!({"code": fifth.1})).expect(200);
    let refused = prove(&stage, &tokens, &sixth.0, &json!({"code": sixth.1}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("too_many_addresses")));
}
