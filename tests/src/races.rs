//! Many at once on one flow and on one code: limits hold, and what is good once is good once.

use serde_json::{Value, json};

use crate::harness::{
    ADA, Account, Answer, PIN, Stage, assert_invalid_flow, at_once, read_lines, result_of, run_host, spread,
};

const AT_ONCE: usize = 50;
const WRONG_PIN: &str = "9999";

/// Answers that are a verdict: the step again, its end, or the result. 404, 429 and 503 judged nothing.
fn judged(answers: &[Answer]) -> Vec<Value> {
    for answer in answers {
        assert!([200, 404, 429, 503].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
    }
    answers.iter().filter(|answer| answer.status == 200).map(Answer::json).collect()
}

fn results(answers: &[Answer]) -> Vec<String> {
    judged(answers).iter().filter(|step| step["type"] == "create_entry").map(result_of).collect()
}

fn with_pin() -> Stage {
    let stage = Stage::new();
    stage.set_up_pin(&stage.login(ADA));
    stage
}

#[test]
fn fifty_wrong_codes_at_once_on_one_flow_get_no_more_than_its_limit() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    let wrong = ada.totp.wrong_code(stage.now_ms());
    let answers = at_once(AT_ONCE, |_| stage.submit(&flow_id, json!({"code": wrong})));
    let judged = judged(&answers);
    assert!((1..=5).contains(&judged.len()), "{} were judged", judged.len());
    assert!(judged.iter().filter(|step| step["reason"] == "too_many_retry").count() <= 1, "it ends once");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
    stage.crash();
    assert_invalid_flow(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
    let next = stage.begin_to_mfa(ADA);
    let locked = stage.submit(&next, json!({"code": ada.totp.code(stage.now_ms())}));
    assert_eq!(locked.status, 429, "all five attempts of the account are spent");
}

#[test]
fn the_right_code_among_fifty_wrong_ones_is_worth_one_attempt_and_at_most_one_success() {
    for round in 0..5 {
        let stage = with_pin();
        let flow_id = stage.begin_to_mfa(ADA);
        let right = round * 7 % AT_ONCE;
        let answers = at_once(AT_ONCE, |number| {
            let pin = if number == right { PIN } else { WRONG_PIN };
            stage.submit(&flow_id, json!({"pin": pin}))
        });
        let (judged, results) = (judged(&answers), results(&answers));
        assert!(judged.len() <= 3, "{} were judged by a module that takes three", judged.len());
        assert!(
            results.len() <= 1
                && answers.iter().enumerate().all(|(number, answer)| {
                    number == right || answer.status != 200 || answer.json()["type"] != "create_entry"
                })
        );
        for result in &results {
            stage.exchange(result).expect(200);
        }
        assert_invalid_flow(&stage.submit(&flow_id, json!({"pin": PIN})));
    }
}

#[test]
fn fifty_right_codes_at_once_on_one_flow_give_one_session() {
    for _ in 0..4 {
        let stage = with_pin();
        let flow_id = stage.begin_to_mfa(ADA);
        let results = results(&at_once(AT_ONCE, |_| stage.submit(&flow_id, json!({"pin": PIN}))));
        assert_eq!(results.len(), 1, "one of them wins, and one only");
        stage.exchange(&results[0]).expect(200);
        assert_invalid_flow(&stage.submit(&flow_id, json!({"pin": PIN})));
    }
}

#[test]
fn one_code_in_twenty_flows_at_once_opens_one() {
    for _ in 0..3 {
        let mut stage = Stage::with(|directory| directory.append_settings("[limits]\nsessions_per_user_max = 30"));
        let ada: Account = stage.enrol_totp(ADA);
        let flows: Vec<String> = (0..20).map(|_| stage.begin_to_mfa(ADA)).collect();
        let code = ada.totp.code(stage.now_ms());
        let answers = at_once(flows.len(), |number| stage.submit(&flows[number], json!({"code": code})));
        let results = results(&answers);
        assert_eq!(results.len(), 1, "the same code in twenty flows");
        stage.crash();
        stage.exchange(&results[0]).expect(200);
        let waiting = answers.iter().position(|answer| answer.status == 429 || answer.status == 503);
        if let Some(number) = waiting {
            let late = stage.submit(&flows[number], json!({"code": code}));
            assert!(late.status != 200 || late.json()["type"] != "create_entry", "used is used");
        }
        // Past any lock the wrong ones may have brought, the next code is good.
        stage.clock.advance_s(120);
        let flow_id = stage.begin_to_mfa(ADA);
        result_of(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})).expect(200));
    }
}

/// The user's second factor as a login meets it: none, or the PIN that opens.
fn pin_of_login(stage: &Stage, candidates: [&str; 2]) -> Option<usize> {
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    if step["type"] == "create_entry" {
        return None;
    }
    let opens = |pin: &str| stage.submit(&flow_id, json!({"pin": pin})).expect(200)["type"] == "create_entry";
    let found = candidates.iter().position(|pin| opens(pin));
    Some(found.unwrap_or_else(|| panic!("a factor that no PIN opens is half there: {step}")))
}

#[test]
fn a_set_up_racing_a_delete_leaves_a_whole_factor_or_none() {
    let mut stage = Stage::new();
    let mut pin = PIN.to_owned();
    let mut tokens = stage.login(ADA);
    for round in 0..20 {
        if stage.method(&tokens, "insecure_example")["is_setup"] == false {
            tokens = stage.login(ADA);
            stage.set_up_pin_of(&tokens, "insecure_example", &pin);
        }
        let new_pin = format!("{}", 5000 + round);
        let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
        let flow_id = step["flow_id"].as_str().expect("a flow id");
        let answers = at_once(3, |number| match number {
            0 => {
                spread(round, 4_000);
                stage.submit_setup(&tokens, flow_id, &json!({"pin": new_pin}))
            }
            // Twice, since a user who waits too long clicks again.
            _ => {
                spread(round + 100 * number, 4_000);
                stage.delete_method(&tokens, "insecure_example")
            }
        });
        let was_set_up = answers[0].status == 200 && answers[0].json()["type"] == "create_entry";
        let was_deleted = answers[1..].iter().any(|answer| answer.status < 300);
        let listed = stage.method(&tokens, "insecure_example")["is_setup"] == true;
        let found = pin_of_login(&stage, [&new_pin, &pin]);
        assert_eq!(listed, found.is_some(), "list and login agree in round {round}");
        match (was_set_up, was_deleted) {
            (true, false) => assert_eq!(found, Some(0), "round {round}"),
            (false, true) => assert_eq!(found, None, "round {round}"),
            (false, false) => panic!("both were refused in round {round}: {answers:?}"),
            (true, true) => assert_ne!(found, Some(1), "the former one is gone in round {round}"),
        }
        if found == Some(0) {
            pin = new_pin;
        }
    }
    stage.stop();
    assert_lists_and_enrolments_agree(&stage);
}

/// Of each user, the list of factors names exactly the enrolments that are there.
fn assert_lists_and_enrolments_agree(stage: &Stage) {
    let mut last = std::collections::BTreeMap::new();
    for line in read_lines(&stage.directory.store_files()) {
        if let Some(key) = line.key() {
            last.insert(key.to_owned(), line.json.get("value").cloned());
        }
    }
    let enrolled = last.iter().filter(|(key, value)| key.starts_with("enrolment/") && value.is_some());
    let mut enrolled: Vec<String> = enrolled.map(|(key, _)| key["enrolment/".len()..].to_owned()).collect();
    let mut listed = Vec::new();
    for (key, value) in &last {
        if let (Some(user), Some(value)) = (key.strip_prefix("factors/"), value) {
            let factors = value["factors"].as_array().expect("a list of factors");
            listed.extend(factors.iter().map(|factor| format!("{user}/{}", factor["module"].as_str().expect("an id"))));
        }
    }
    enrolled.sort();
    listed.sort();
    assert_eq!(enrolled, listed);
}

#[test]
fn a_reset_racing_a_set_up_leaves_a_whole_factor_or_none() {
    for round in 0..6 {
        let stage = with_pin();
        let tokens = stage.login_with_pin(ADA, PIN);
        let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
        let flow_id = step["flow_id"].as_str().expect("a flow id");
        let new_pin = "6006";
        at_once(2, |number| match number {
            0 => {
                spread(round, 60_000);
                drop(stage.submit_setup(&tokens, flow_id, &json!({"pin": new_pin})));
            }
            _ => drop(run_host(&stage.directory.path(), &["mfa", "reset", ADA]).success()),
        });
        assert_eq!(stage.me(&tokens).status, 401, "the reset ended the session of the set-up");
        let late = stage.submit_setup(&tokens, flow_id, &json!({"pin": new_pin}));
        assert_eq!(late.status, 401, "and with it the set-up");
        assert_eq!(pin_of_login(&stage, [new_pin, PIN]), None, "a reset is the last word");
    }
}
