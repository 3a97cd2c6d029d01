//! A module that does harm when it is called. Each misdeed costs one call: that flow ends with a reason and without a
//! "yes", the attempt is given back, the log says what happened, and everybody else goes on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{ADA, BOB, PIN, Stage, outside_module, read_lines, result_of, run_host};

const MISBEHAVING: &str = "misbehaving";
const RIGHT: &str = "fine";

/// The word that asks for it, and what the log says of it.
const MISDEEDS: [(&str, &str); 12] = [
    ("panic", "the module says it failed"),
    ("bomb", "the module says it failed"),
    ("fail", "the module says it failed"),
    ("abort", "killed by signal 6 (abort)"),
    ("exit", "it ended itself with status 0"),
    ("segfault", "killed by signal 11 (segmentation fault)"),
    ("overflow", "killed by signal"),
    ("memory", "memory allocation of"),
    ("loop", "no answer within 1500 ms"),
    ("close", "the module crashed"),
    ("close_control", "killed by signal 6 (abort)"),
    ("forge", ""),
];

/// With the module that misbehaves; a hanging call is given up sooner than by default.
fn stage(config: &str) -> Stage {
    Stage::with(|directory| {
        directory.install(&outside_module(MISBEHAVING), MISBEHAVING);
        directory.append_settings(&format!(
            "[[module]]\ntype = \"misbehaving\"\n{config}\n[limits]\nmodule_deadline_ms = 1500\nmodule_memory_mib_max = 96\n"
        ));
    })
}

fn set_up(stage: &Stage, name: &str, word: &str) -> Value {
    let tokens = stage.login(name);
    let step = stage.begin_setup(&tokens, MISBEHAVING).expect(200);
    let Some(flow_id) = step["flow_id"].as_str().filter(|_| step["type"] == "form") else { return step };
    stage.submit_setup(&tokens, flow_id, &json!({"word": word})).expect(200)
}

/// A login of this user up to an answer.
fn answer(stage: &Stage, name: &str, word: &str) -> Value {
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, name);
    if step["type"] != "form" {
        return step;
    }
    stage.submit(&flow_id, json!({"word": word})).expect(200)
}

#[test]
fn what_a_module_cannot_say_of_its_devices_is_left_out() {
    let stage = stage("[module.config]\nmisbehaviour = \"panic_in_overview\"");
    set_up(&stage, ADA, RIGHT);
    let flow_id = stage.begin_to_mfa(ADA);
    let tokens = stage.tokens_of(&stage.submit(&flow_id, json!({"word": RIGHT})).expect(200));
    let details = stage.method_details(&tokens, MISBEHAVING);
    assert_eq!((&details["is_setup"], &details["setup_schema"][0]["name"]), (&json!(true), &json!("word")));
    assert!(details.get("overview").is_none(), "{details}");
    let path = format!("/api/mfa/{MISBEHAVING}/devices/first");
    let refused = stage.wire().delete_as(&tokens.access, &path).expect(503);
    assert_eq!(refused["code"], "module_unavailable", "{refused}");
    assert!(!refused.to_string().contains("asked to panic"), "a module's own words stay in the log: {refused}");
    assert_eq!(stage.method(&tokens, MISBEHAVING)["is_setup"], true);
    assert_eq!(stage.delete_method(&tokens, MISBEHAVING).status, 204, "it can be removed all the same");
}

/// The worker comes back by itself; until then a login is refused with a reason, never let in.
fn until_it_answers_again(stage: &Stage, after: &str) {
    let recovered = (0..300).any(|_| {
        let step = answer(stage, ADA, RIGHT);
        if step["type"] != "create_entry" {
            assert_eq!(step["reason"], "unknown_error", "{after}: {step}");
            std::thread::sleep(Duration::from_millis(100));
        }
        step["type"] == "create_entry"
    });
    assert!(recovered, "the module answers again after {after}:\n{}", stage.host().log());
}

/// Wrong answers the store has counted for anybody, by module.
fn counted_wrong(stage: &Stage) -> Vec<Value> {
    let mut last = std::collections::BTreeMap::new();
    for line in read_lines(&stage.directory.store_files()) {
        if line.is_record_of("account") {
            last.insert(line.key().expect("a key").to_owned(), line.json["value"].clone());
        }
    }
    let counted = |value: &Value| value.get("wrong").cloned().filter(|wrong| *wrong != json!({}));
    last.values().filter_map(counted).collect()
}

#[test]
fn a_misdeed_costs_one_call_and_the_other_module_goes_on() {
    let stage = stage("");
    assert_eq!(set_up(&stage, ADA, RIGHT)["type"], "create_entry");
    stage.set_up_pin(&stage.login(BOB));
    for (misdeed, words) in MISDEEDS {
        let waiting = stage.begin_to_mfa(BOB);
        let said_before = stage.host().log().len();
        let step = std::thread::scope(|scope| {
            let of_ada = scope.spawn(|| answer(&stage, ADA, misdeed));
            result_of(&stage.submit(&waiting, json!({"pin": PIN})).expect(200));
            of_ada.join().expect("an answer")
        });
        // Forged replies may be taken for the module's own word on the user it was asked about: that is its to say.
        if misdeed != "forge" {
            assert_eq!(
                (&step["type"], &step["reason"]),
                (&json!("abort"), &json!("unknown_error")),
                "{misdeed}: {step}"
            );
            assert_eq!(counted_wrong(&stage), Vec::<Value>::new(), "{misdeed}: the attempt is given back");
        }
        until_it_answers_again(&stage, misdeed);
        let log = stage.host().log();
        assert!(log[said_before..].contains(words), "{words:?} after {misdeed} in\n{}", &log[said_before..]);
    }
}

/// A wrong answer is counted where the module gave a verdict, or the other test proves nothing.
#[test]
fn what_a_module_prints_is_no_answer_and_its_verdict_counts() {
    let stage = stage("");
    assert_eq!(set_up(&stage, ADA, RIGHT)["type"], "create_entry");
    let step = answer(&stage, ADA, "stdout");
    assert_eq!(step["errors"]["base"], "invalid_code", "{step}");
    assert_eq!(counted_wrong(&stage).len(), 1);
    result_of(&answer(&stage, ADA, RIGHT));
}

#[test]
fn a_yes_forged_for_others_lets_nobody_in() {
    let stage = stage("");
    assert_eq!(set_up(&stage, ADA, RIGHT)["type"], "create_entry");
    assert_eq!(set_up(&stage, BOB, RIGHT)["type"], "create_entry");
    for _ in 0..5 {
        let waiting: Vec<String> = (0..4).map(|_| stage.begin_to_mfa(BOB)).collect();
        answer(&stage, ADA, "forge");
        std::thread::scope(|scope| {
            for flow_id in &waiting {
                scope.spawn(|| {
                    let step = stage.submit(flow_id, json!({"word": "wrong"}));
                    let is_no = step.status == 429 || step.json()["type"] != "create_entry";
                    assert!(is_no, "{}", step.json());
                });
            }
        });
        run_host(&stage.directory.path(), &["unlock", BOB]).success();
    }
}

#[test]
fn a_panic_in_any_function_is_a_no_and_a_word_in_the_log() {
    for misbehaviour in ["panic_in_setup", "panic_in_login", "panic_in_depose", "panic_in_drop"] {
        let stage = stage(&format!("[module.config]\nmisbehaviour = \"{misbehaviour}\"\n"));
        stage.set_up_pin(&stage.login(BOB));
        let step = set_up(&stage, ADA, RIGHT);
        match misbehaviour {
            "panic_in_setup" => assert_eq!(step["reason"], "unknown_error", "{step}"),
            _ => assert_eq!(step["type"], "create_entry", "{step}"),
        }
        let step = answer(&stage, ADA, RIGHT);
        match misbehaviour {
            "panic_in_setup" => drop(result_of(&step)),
            "panic_in_login" => assert_eq!(step["reason"], "unknown_error", "{step}"),
            _ => {
                // What goes away goes, whatever its module does meanwhile.
                let tokens = stage.tokens_of(&step);
                assert!(stage.delete_method(&tokens, MISBEHAVING).status < 300);
                result_of(&stage.submit_password(&stage.begin(), ADA));
            }
        }
        result_of(&stage.submit(&stage.begin_to_mfa(BOB), json!({"pin": PIN})).expect(200));
        if misbehaviour != "panic_in_drop" {
            assert!(stage.host().log().contains("asked to panic in"), "{misbehaviour}");
        }
    }
}
