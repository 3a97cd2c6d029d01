//! What the account counts beyond one module and one lock: all modules together, a hundred in a row, refunds, and an
//! admin's word.

use serde_json::json;

use crate::harness::{ADA, Answer, PASSWORD, PIN, Stage, outside_module, result_of, run_host};

const WRONG_PIN: &str = "9999";

/// A user with the PIN and this many further instances of its module.
fn with_pins(further: usize) -> (Stage, Vec<String>) {
    let ids: Vec<String> = (0..further).map(|number| format!("pin{number}")).collect();
    let stage = Stage::with(|directory| {
        for id in &ids {
            directory.append_settings(&format!("[[module]]\ntype = \"insecure_example\"\nid = \"{id}\"\n"));
        }
    });
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    ids.iter().for_each(|id| stage.set_up_pin_of(&tokens, id, PIN));
    let all = std::iter::once("insecure_example".to_owned()).chain(ids).collect();
    (stage, all)
}

/// A new login with one guess at this module.
fn guess(stage: &Stage, module: &str, pin: &str) -> Answer {
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD}));
    if step.status != 200 {
        return step;
    }
    if step.json()["step_id"] == "select_mfa_module" {
        stage.submit(&flow_id, json!({"multi_factor_auth_module": module})).expect(200);
    }
    stage.submit(&flow_id, json!({"pin": pin}))
}

fn unlock(stage: &Stage) {
    let told = run_host(&stage.directory.path(), &["unlock", ADA]).success();
    assert!(told.stdout.contains(ADA) && told.stdout.contains("unlocked"), "{}", told.stdout);
}

#[test]
fn fifteen_wrong_over_all_modules_lock_them_all() {
    let (stage, modules) = with_pins(4);
    // Four at each of three modules and three at the fourth: none of them is locked by its own count.
    for module in &modules[..3] {
        (0..4).for_each(|_| drop(guess(&stage, module, WRONG_PIN).expect(200)));
    }
    (0..3).for_each(|_| drop(guess(&stage, &modules[3], WRONG_PIN).expect(200)));
    assert_eq!(guess(&stage, &modules[4], PIN).status, 429, "a module nobody guessed at is locked too");
    unlock(&stage);
    result_of(&guess(&stage, &modules[4], PIN).expect(200));
}

#[test]
fn a_hundred_wrong_in_a_row_disable_the_factor_until_an_admin_unlocks_it() {
    let (mut stage, _) = with_pins(0);
    for _ in 0..100 {
        guess(&stage, "insecure_example", WRONG_PIN).expect(200);
        stage.clock.advance_s(3601);
    }
    let flow_id = stage.begin();
    let refused = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD})).expect(200);
    assert_eq!(refused["type"], "abort", "still required, and refused whatever the time: {refused}");
    stage.crash();
    let flow_id = stage.begin();
    let refused = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD})).expect(200);
    assert_eq!(refused["type"], "abort", "{refused}");
    unlock(&stage);
    result_of(&guess(&stage, "insecure_example", PIN).expect(200));
}

#[test]
fn answers_without_a_verdict_cost_no_attempt() {
    let stage = Stage::with(|directory| {
        directory.install(&outside_module("misbehaving"), "misbehaving");
        directory.append_settings("[[module]]\ntype = \"misbehaving\"\n");
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "misbehaving").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    stage.submit_setup(&tokens, &flow_id, &json!({"word": "anything"})).expect(200);
    // More than the ledger takes: a module that fails must not lock its user out.
    for _ in 0..7 {
        let flow_id = stage.begin_to_mfa(ADA);
        let over = stage.submit(&flow_id, json!({"word": "fail"})).expect(200);
        assert_eq!(over["reason"], "unknown_error", "{over}");
    }
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit(&flow_id, json!({"word": "fine"})).expect(200));
}

#[test]
fn a_module_without_a_limit_of_its_own_lifts_none_of_the_accounts() {
    let mut stage = Stage::with(|directory| {
        directory.install(&outside_module("misbehaving"), "misbehaving");
        directory.append_settings("[[module]]\ntype = \"misbehaving\"\n");
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "misbehaving").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    stage.submit_setup(&tokens, &flow_id, &json!({"word": "anything"})).expect(200);
    let flow_id = stage.begin_to_mfa(ADA);
    let guess = |stage: &Stage, word: &str| stage.submit(&flow_id, json!({"word": word}));
    for _ in 0..5 {
        let step = guess(&stage, "wrong").expect(200);
        assert_eq!((&step["type"], &step["errors"]["base"]), (&json!("form"), &json!("invalid_code")), "{step}");
    }
    let locked = guess(&stage, "fine");
    assert_eq!(locked.status, 429, "the right word too");
    assert_eq!(locked.header("retry-after"), Some("60"));
    // The lock goes with the account, not with the flow.
    let other = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit(&other, json!({"word": "fine"})).status, 429);
    stage.clock.advance_ms(60_001);
    assert_eq!(guess(&stage, "wrong").expect(200)["type"], "form", "one guess after the lock, and the flow goes on");
    assert_eq!(guess(&stage, "fine").status, 429, "one guess only");
    stage.clock.advance_ms(120_001);
    result_of(&guess(&stage, "fine").expect(200));
}
