//! A module that lies: replies that are none or claim too much, and descriptions of itself.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::harness::{ADA, BOB, PASSWORD, PIN, Stage, number_of, outside_module, result_of, run_host, until_reason};

const LYING: &str = "lying";

/// What is answered to a login, and the reason the log has.
const LIES: [(&str, &str); 14] = [
    ("not_utf8", "it is not UTF-8"),
    ("deep", "not a known reply"),
    ("unknown_verdict", "not a known reply"),
    ("unknown_reply", "not a known reply"),
    ("other_kind", "its kind does not answer this operation"),
    ("other_user", "it is about another user"),
    ("two_verdicts", "not a known reply"),
    ("two_replies", "not a known reply"),
    ("nothing", "not a known reply"),
    ("null", "not a known reply"),
    ("true", "not a known reply"),
    ("large", "larger than 64 KiB"),
    ("huge", "the limit is 1048576"),
    ("no_key", "an error or reason is not"),
];

/// What it says of itself, and why the host does not take it.
const DESCRIPTIONS: [(&str, &str); 11] = [
    ("panic", "killed by signal 6"),
    ("exit", "it ended itself with status 7"),
    ("abort", "killed by signal 6"),
    ("not_utf8", "its description is not UTF-8"),
    ("no_json", "its description is not well-formed"),
    ("huge", "its description has 104857600 bytes"),
    ("deep", "its description is not well-formed"),
    ("mfa", "amr value \"mfa\""),
    ("magic", "its description is not well-formed"),
    ("no_texts", "no English texts"),
    ("loop", "did not start within 1500 ms"),
];

/// A reply of 100 MB fits into the worker, so that it is the host that refuses it.
fn stage() -> Stage {
    Stage::with(|directory| {
        install(directory.path().as_path(), "honest");
        directory.append_settings(
            "[[module]]\ntype = \"lying\"\n\n[limits]\nmodule_deadline_ms = 1500\nmodule_memory_mib_max = 640\n",
        );
    })
}

/// The module that describes itself in this way, in place of a former one at once.
fn install(config_directory: &Path, word: &str) {
    let mut bytes = fs::read(outside_module(LYING)).expect("the module");
    let place = b"DESCRIBED=honest................";
    let start = bytes.windows(place.len()).position(|window| window == place).expect("the word in its file");
    bytes[start..start + place.len()].copy_from_slice(format!("DESCRIBED={word:.<22}").as_bytes());
    let beside = config_directory.join("next.so");
    fs::write(&beside, bytes).expect("the module is written");
    fs::rename(beside, config_directory.join("modules/lying.so")).expect("it is put in place");
}

fn set_up(stage: &Stage, name: &str) {
    let tokens = stage.login(name);
    let step = stage.begin_setup(&tokens, LYING).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"word": "any"})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

fn answer(stage: &Stage, word: &str) -> Value {
    let flow_id = stage.begin_to_mfa(ADA);
    stage.submit(&flow_id, json!({"word": word})).expect(200)
}

fn bob_gets_in(stage: &Stage) {
    result_of(&stage.submit(&stage.begin_to_mfa(BOB), json!({"pin": PIN})).expect(200));
}

#[test]
fn a_lie_is_a_no_with_a_reason_and_costs_nobody_an_attempt() {
    let stage = stage();
    set_up(&stage, ADA);
    stage.set_up_pin(&stage.login(BOB));
    for (lie, reason) in LIES {
        let said_before = stage.host().log().len();
        let step = answer(&stage, lie);
        assert_eq!((&step["type"], &step["reason"]), (&json!("abort"), &json!("unknown_error")), "{lie}: {step}");
        let told = stage.host().until_logged(said_before, "module_failed");
        assert!(told.contains(reason), "{lie}: {reason:?} in {told:?}");
        bob_gets_in(&stage);
    }
    // Fourteen without a verdict: had they counted, five would have locked the account.
    result_of(&answer(&stage, "fine"));
}

#[test]
fn a_set_up_that_takes_an_unknown_turn_ends_and_enrols_nothing() {
    let stage = stage();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, LYING).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let over = stage.submit_setup(&tokens, flow_id, &json!({"word": "unknown_step"})).expect(200);
    assert_eq!(over["reason"], "unknown_error", "{over}");
    assert_eq!(stage.method(&tokens, LYING)["is_setup"], false);
}

#[test]
fn what_a_module_lets_a_user_choose_is_no_address_the_user_typed() {
    let stage = Stage::with(|directory| {
        install(directory.path().as_path(), "sends");
        directory.append_settings("[[module]]\ntype = \"lying\"");
        directory.with_outbox();
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, LYING).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let step = stage.submit_setup(&tokens, flow_id, &json!({"word": "choose"})).expect(200);
    assert_eq!(step["data_schema"][0]["name"], "next", "{step}");
    let over = stage.submit_setup(&tokens, flow_id, &json!({"next": "eve@example.net"})).expect(200);
    assert_eq!(over["reason"], "unknown_error", "{over}");
    assert!(stage.outbox().is_empty(), "nothing went to an address of the module's own");
    assert!(stage.host().log().contains("it writes where it may not"));
}

#[test]
fn what_a_module_fills_in_is_no_address_the_user_typed() {
    let stage = Stage::with(|directory| {
        install(directory.path().as_path(), "sends");
        directory.append_settings("[[module]]\ntype = \"lying\"");
        directory.with_outbox();
    });
    let tokens = stage.login(ADA);
    let submit = |next: &str| {
        let step = stage.begin_setup(&tokens, LYING).expect(200);
        let flow_id = step["flow_id"].as_str().expect("a flow id");
        stage.submit_setup(&tokens, flow_id, &json!({"word": "fill_in"})).expect(200);
        stage.submit_setup(&tokens, flow_id, &json!({"next": next})).expect(200)
    };
    let over = submit("eve@example.net");
    assert_eq!(over["reason"], "unknown_error", "{over}");
    assert!(stage.outbox().is_empty(), "nothing went to an address of the module's own");
    let step = submit("ada@example.org");
    assert_eq!((&step["type"], &step["delivery"]), (&json!("form"), &json!("sent")), "{step}");
    // It is this user's now where an admin says so.
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", "eve@example.net", "--proved"]).success();
    assert_eq!(submit("eve@example.net")["delivery"], "sent");
}

#[test]
fn what_a_module_advises_at_a_click_is_told_when_the_login_passes() {
    let stage = Stage::with(|directory| {
        install(directory.path().as_path(), "sends");
        directory.append_settings("[[module]]\ntype = \"lying\"");
        directory.with_outbox();
    });
    run_host(&stage.directory.path(), &["user", "set", ADA, "--email", "ada@example.org", "--proved"]).success();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, LYING).expect(200);
    stage.submit_setup(&tokens, step["flow_id"].as_str().expect("a flow id"), &json!({"word": "link"})).expect(200);
    let flow_id = stage.begin();
    let number = number_of(&stage.submit_password(&flow_id, ADA));
    assert_eq!(stage.wire().confirm(&stage.sent_link(), Some(&number)).status, 200);
    let done = stage.submit(&flow_id, json!({})).expect(200);
    assert_eq!((&done["type"], &done["advice"]), (&json!("create_entry"), &json!("Look after yourself.")), "{done}");
}

#[test]
fn what_a_module_says_of_itself_is_refused_with_a_reason_and_its_users_stay_out() {
    let stage = stage();
    let path = stage.directory.path();
    set_up(&stage, ADA);
    stage.set_up_pin(&stage.login(BOB));
    // Nothing that served before may serve on in its place.
    fs::remove_file(path.join("modules/lying.so")).expect("the file is taken away");
    until_reason(&stage, LYING, "there is no");
    for (description, reason) in DESCRIPTIONS {
        install(&path, description);
        until_reason(&stage, LYING, reason);
        let listed = run_host(&path, &["module", "list"]).success().stdout;
        assert!(listed.contains(reason), "{description}: {listed}");
        let step = stage.submit(&stage.begin(), json!({"username": ADA, "password": PASSWORD})).expect(200);
        assert_eq!(step["type"], "abort", "{description}: {step}");
        bob_gets_in(&stage);
    }
    install(&path, "honest");
    until_reason(&stage, LYING, "");
    result_of(&answer(&stage, "fine"));
}

#[test]
fn a_module_that_calls_itself_something_else_when_it_is_started_again_is_refused() {
    let stage = stage();
    let path = stage.directory.path();
    set_up(&stage, ADA);
    let tokens = stage.login(BOB);
    // It lies at one start in two. What counts is a lie at a start after one that was honest.
    let mut was_ready = false;
    for _ in 0..60 {
        // What is told from now on is told of the file that comes next.
        fs::remove_file(path.join("modules/lying.so")).expect("the file is taken away");
        until_reason(&stage, LYING, "there is no");
        install(&path, "changing");
        loop {
            let reason = settled(&stage);
            if !reason.is_empty() {
                assert!(reason.contains("it is the module honest and not lying"), "{reason}");
                break;
            }
            was_ready = true;
            // It may have gone since.
            let step = stage.begin_setup(&tokens, LYING).json();
            if let Some(flow_id) = step["flow_id"].as_str().filter(|_| step["type"] == "form") {
                stage.submit_setup(&tokens, flow_id, &json!({"word": "abort"})).expect(200);
            }
        }
        if was_ready {
            let step = stage.submit(&stage.begin(), json!({"username": ADA, "password": PASSWORD})).expect(200);
            assert_eq!(step["type"], "abort", "{step}");
            return;
        }
    }
    panic!("a coin fell on the same side sixty times");
}

/// Why the module does not serve, once that is certain; empty if it serves.
fn settled(stage: &Stage) -> String {
    for _ in 0..600 {
        let status = run_host(&stage.directory.path(), &["status", "--json"]).success().json();
        let modules = status["modules"].as_array().expect("modules");
        let module = modules.iter().find(|module| module["id"] == LYING).expect("the module");
        let reason = module["reason"].as_str().unwrap_or_default();
        match module["state"].as_str() {
            Some("ready") => return String::new(),
            Some("failed") if !reason.contains("there is no") => return reason.to_owned(),
            _ => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
    panic!("the module never settled:\n{}", stage.host().log());
}

#[test]
fn its_own_word_makes_no_way_back_of_a_module() {
    let mut stage = stage();
    install(&stage.directory.path(), "way_back");
    stage.restart();
    // Another's factor brings none of its codes, and its own step asks for none.
    let bob = stage.login(BOB);
    let step = stage.begin_setup(&bob, "insecure_example").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&bob, flow_id, &json!({"pin": PIN})).expect(200);
    assert!(done.get("recovery").is_none(), "{done}");
    assert_eq!(stage.regenerate(&bob, LYING, &json!({})).expect(409)["code"], "no_recovery");
    // Who sets it up has a second factor, and is asked for it.
    set_up(&stage, ADA);
    assert_eq!(answer(&stage, "wrong")["errors"]["base"], "invalid_code");
    result_of(&answer(&stage, "fine"));
}

#[test]
fn a_factor_whose_module_turns_into_a_way_back_stays_a_factor() {
    let mut stage = stage();
    set_up(&stage, ADA);
    stage.directory.replace_setting("type = \"lying\"\n", "type = \"lying\"\nrecovery = true\n");
    install(&stage.directory.path(), "way_back");
    stage.restart();
    let step = answer(&stage, "fine");
    let tokens = stage.tokens_of(&step);
    assert_eq!(stage.regenerate(&tokens, LYING, &json!({})).expect(409)["code"], "is_factor");
    assert_eq!(stage.begin_setup(&tokens, LYING).expect(409)["code"], "is_factor");
    let method = stage.method(&tokens, LYING);
    assert_eq!((&method["is_primary"], &method["recovery"]), (&json!(true), &json!(false)), "{method}");
    assert_eq!(answer(&stage, "wrong")["errors"]["base"], "invalid_code", "and is asked for");
}
