//! A login step that waits: whoever asks whether it may go on spends no attempt, is not heard more often than the
//! module wishes, and gets round no lock.

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, Stage, assert_form, outside_module, result_of};

const WAITING: &str = "waiting";

/// Ada with a step that waits; `word` is what becomes of it.
fn waiting(word: &str) -> Stage {
    let stage = Stage::with(|directory| {
        directory.install(&outside_module(WAITING), WAITING);
        directory.append_settings("[[module]]\ntype = \"waiting\"\n");
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, WAITING).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"word": word})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    stage
}

fn poll(stage: &Stage, flow_id: &str) -> Answer {
    stage.submit(flow_id, json!({}))
}

/// How often the module was asked so far.
fn questions(stage: &Stage) -> usize {
    // What a worker writes reaches the log a moment later than its reply reaches us. A second module call that is
    // answered afterwards would prove nothing either, so this waits until the number stays.
    let count = || stage.host().log().matches("asked whether it may go on").count();
    let mut seen = count();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(150));
        match count() {
            now if now == seen => return seen,
            now => seen = now,
        }
    }
}

#[track_caller]
fn assert_waits(step: &Value) {
    assert_form(step, "mfa");
    assert_eq!(step["errors"], json!({}), "{step}");
}

#[test]
fn a_step_that_waits_goes_on_when_its_module_says_so() {
    let mut stage = waiting("accept");
    let flow_id = stage.begin_to_mfa(ADA);
    assert_waits(&poll(&stage, &flow_id).expect(200));
    for _ in 0..5 {
        assert_waits(&poll(&stage, &flow_id).expect(200));
    }
    assert_eq!(questions(&stage), 1, "who asks again too soon is answered without the module");
    stage.clock.advance_ms(2999);
    assert_waits(&poll(&stage, &flow_id).expect(200));
    assert_eq!(questions(&stage), 1);
    stage.clock.advance_ms(1);
    assert_waits(&poll(&stage, &flow_id).expect(200));
    assert_eq!(questions(&stage), 2);
    stage.crash();
    stage.clock.advance_s(10);
    let done = poll(&stage, &flow_id).expect(200);
    assert_eq!(stage.session(&stage.tokens_of(&done))["mfa_method_used"], WAITING);
    assert_eq!(poll(&stage, &flow_id).status, 404, "it is over");
}

#[test]
fn who_does_not_wait_may_type_instead() {
    let stage = waiting("never");
    let flow_id = stage.begin_to_mfa(ADA);
    assert_waits(&poll(&stage, &flow_id).expect(200));
    let wrong = stage.submit(&flow_id, json!({"word": "later"})).expect(200);
    assert_eq!(wrong["errors"]["base"], "invalid_code", "{wrong}");
    result_of(&stage.submit(&flow_id, json!({"word": "now"})).expect(200));
}

#[test]
fn a_no_makes_the_next_question_wait_too_and_costs_no_attempt() {
    let mut stage = waiting("refuse");
    let flow_id = stage.begin_to_mfa(ADA);
    let refused = poll(&stage, &flow_id).expect(200);
    assert_eq!(refused["errors"]["base"], "invalid_code", "{refused}");
    assert_eq!(refused["error_texts"]["base"], "It was refused elsewhere.", "{refused}");
    for _ in 0..20 {
        assert_waits(&poll(&stage, &flow_id).expect(200));
    }
    assert_eq!(questions(&stage), 1);
    stage.clock.advance_ms(500);
    assert_eq!(poll(&stage, &flow_id).expect(200)["errors"]["base"], "invalid_code");
    assert_eq!(questions(&stage), 2);
    result_of(&stage.submit(&flow_id, json!({"word": "now"})).expect(200));
}

#[test]
fn many_questions_at_once_are_one() {
    let stage = waiting("never");
    let flow_id = stage.begin_to_mfa(ADA);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_waits(&poll(&stage, &flow_id).expect(200)));
        }
    });
    assert_eq!(questions(&stage), 1);
}

#[test]
fn a_locked_account_is_not_let_in_by_waiting() {
    let mut stage = waiting("accept");
    let flow_id = stage.begin_to_mfa(ADA);
    for _ in 0..5 {
        stage.submit(&flow_id, json!({"word": "wrong"})).expect(200);
    }
    // Longer than the module waits, shorter than the lock.
    stage.clock.advance_s(20);
    let locked = poll(&stage, &flow_id);
    assert_eq!(locked.status, 429, "{}", String::from_utf8_lossy(&locked.body));
    assert_eq!(locked.header("retry-after"), Some("40"));
    assert_eq!(questions(&stage), 0);
    stage.clock.advance_s(40);
    result_of(&poll(&stage, &flow_id).expect(200));
}
