//! A way back in at a step: what its module gets of the step and of the user, and how many wrong codes it takes.

use std::sync::{Arc, Mutex};

use mfa_sdk::{
    form::Form,
    protocol::{self, Description, Kind, Operation, Reply, Request, VerdictReply},
};
use serde_json::{Value, json};

use crate::{
    flow::{
        FlowError, Step,
        record::{self, AccessSession, Account, AccountOpen, Address, Count, Document, Session, SessionStage},
        test_stage::{NOW, TestStage, asker, enrolment, factors, user, waiting},
        token,
    },
    module_host::pause,
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\n\
                        type = \"codes\"\nrecovery = true\n[[channel]]\nname = \"email\"\ntype = \"outbox\"\n\
                        target = \"email\"";

/// Data and challenge that each module was asked to judge an answer by.
type Heard = Arc<Mutex<Vec<(String, Value, Option<Value>)>>>;

/// A login `f` that waits for the pin, with codes that stand in for it; both take so many wrong answers.
async fn stage_with(
    pin_retries_max: u32,
    codes_retries_max: u32,
    verdict: impl Fn() -> VerdictReply + Send + Sync + 'static,
) -> (TestStage, Heard) {
    let heard = Heard::default();
    let noted = Arc::clone(&heard);
    let play = move |id: &str, request: &Request| match &request.operation {
        Operation::Validate { enrolment, challenge, .. } => {
            noted.lock().unwrap().push((id.to_owned(), enrolment.data.clone(), challenge.clone()));
            Reply::Verdict(verdict())
        }
        Operation::InputSchema {} => Reply::Form { form: Form::new().text("code", 64), code: None },
        _ => Reply::Unsupported {},
    };
    let codes = Description::new("codes", "Codes", Kind::Possession).recovery(true).retries_max(codes_retries_max);
    let pin = Description::new("pin", "Pin", Kind::Knowledge).retries_max(pin_retries_max);
    let stage = TestStage::playing(SETTINGS, &[pin, codes], play);
    let mut ada = user("ada");
    let value = "ada@example.org".to_owned();
    ada.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at: Some(NOW), by_code: false }];
    stage.put("user/ada", &ada).await;
    stage.put_factors("ada", &["pin"]).await;
    let open = factors(&["pin"]).open.with_way_back("codes", "codes", Some("pin"), NOW);
    stage.put("factors/ada", &Document { open, secret: () }).await;
    let mut kept = enrolment("codes");
    let of_pin = protocol::Enrolment { version: 1, data: json!("of pin") };
    kept.secret.by_factor.insert("pin".to_owned(), of_pin);
    stage.put("enrolment/ada/codes", &kept).await;
    let mut session = waiting("ada", "pin");
    session.secret.challenge = Some(json!("the pin's"));
    stage.put(&key_of_f(), &session).await;
    (stage, heard)
}

fn rejected() -> VerdictReply {
    VerdictReply::Rejected { error: "invalid_code".to_owned(), challenge: None }
}

fn key_of_f() -> String {
    format!("session/{}", token::hash("f"))
}

async fn answer(stage: &TestStage, fields: Value) -> Result<Step, FlowError> {
    let Value::Object(fields) = fields else { unreachable!("fields are an object") };
    stage.flows.submit_login("f", "app", fields, None, &asker()).await
}

fn is_wrong(step: &Result<Step, FlowError>) -> bool {
    matches!(step, Ok(Step::Form(form)) if form.errors["base"] == "invalid_code")
}

fn is_aborted(step: &Result<Step, FlowError>, with: &str) -> bool {
    matches!(step, Ok(Step::Abort(abort)) if abort.reason == with)
}

async fn has_wrong(stage: &TestStage, of: &str, in_a_row: u32) {
    let wrong = [(of.to_owned(), Count { in_a_row, locked_until: None })].into();
    let open = AccountOpen { wrong, ..AccountOpen::default() };
    stage.put("account/ada", &Document { open, secret: () }).await;
}

#[tokio::test]
async fn a_way_back_gets_what_it_keeps_for_the_factor_and_nothing_of_its_step() {
    let (stage, heard) = stage_with(3, 3, rejected).await;
    assert!(is_wrong(&answer(&stage, json!({"recovery_code": "x"})).await));
    assert!(is_wrong(&answer(&stage, json!({"code": "x"})).await));
    let of = |id: &str, data: &str, challenge| (id.to_owned(), json!(data), challenge);
    let all = [of("codes", "of pin", None), of("pin", "kept", Some(json!("the pin's")))];
    assert_eq!(*heard.lock().unwrap(), all);
}

#[tokio::test]
async fn a_way_back_takes_as_many_wrong_codes_as_the_stricter_of_both_modules() {
    for (pin, codes, taken) in [(0, 2, 2), (2, 0, 2), (3, 2, 2), (2, 3, 2), (0, 0, 4)] {
        let (stage, _) = stage_with(pin, codes, rejected).await;
        for given in 1..taken {
            let step = answer(&stage, json!({"recovery_code": "x"})).await;
            assert!(is_wrong(&step), "{pin} {codes}: {given}");
        }
        let last = answer(&stage, json!({"recovery_code": "x"})).await;
        assert_eq!(is_aborted(&last, "too_many_retry"), taken == 2, "{pin} {codes}");
    }
}

#[tokio::test]
async fn a_way_back_that_takes_no_more_leaves_the_step_and_a_factor_that_takes_no_more_ends_it() {
    let (stage, heard) = stage_with(3, 3, rejected).await;
    has_wrong(&stage, "codes", 100).await;
    let refused = answer(&stage, json!({"recovery_code": "x"})).await;
    assert!(matches!(refused, Err(FlowError::Throttled { retry_after_s: 3600 })));
    let session: Session = stage.read(&key_of_f()).await;
    assert_eq!(session.open.stage, SessionStage::Waiting { module: "pin".to_owned() });
    has_wrong(&stage, "pin", 100).await;
    assert!(is_aborted(&answer(&stage, json!({"code": "x"})).await, "too_many_retry"));
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_module_advises_is_told_to_whom_it_lets_in() {
    let accepted = || VerdictReply::Accepted { enrolment: None, advice: Some("Make new ones.".into()) };
    let (stage, _) = stage_with(3, 3, accepted).await;
    let step = answer(&stage, json!({"recovery_code": "x"})).await;
    assert!(matches!(step, Ok(Step::Created(created)) if created.advice.as_deref() == Some("Make new ones.")));
    assert!(only_message(&stage).await.contains("Make new ones."), "and to the user's addresses");
}

#[tokio::test]
async fn what_a_module_advised_is_told_after_a_new_password_as_well() {
    let accepted = || VerdictReply::Accepted { enrolment: None, advice: Some("Make new ones.".into()) };
    let (stage, _) = stage_with(3, 3, accepted).await;
    let mut session: Session = stage.read(&key_of_f()).await;
    session.open.must_set_password = true;
    stage.put(&key_of_f(), &session).await;
    let step = answer(&stage, json!({"recovery_code": "x"})).await;
    assert!(matches!(step, Ok(Step::Form(form)) if form.step_id == "set_password"));
    let step = answer(&stage, json!({"new_password": "another horse entirely"})).await;
    assert!(matches!(step, Ok(Step::Created(created)) if created.advice.as_deref() == Some("Make new ones.")));
}

#[tokio::test]
async fn a_wrong_answer_is_told_although_its_login_ended_while_it_was_looked_at() {
    let (pause, meanwhile) = pause();
    let no = move || {
        pause.here();
        VerdictReply::Rejected { error: "no".to_owned(), challenge: Some(json!("next")) }
    };
    let (stage, _) = stage_with(9, 9, no).await;
    has_wrong(&stage, "pin", 4).await;
    let end = async || stage.flows.abort_login("f").await.unwrap();
    let (step, is_ended) = meanwhile.happens(answer(&stage, json!({"code": "x"})), end).await;
    assert!(is_ended && matches!(step, Err(FlowError::UnknownFlow)));
    assert!(only_message(&stage).await.contains("Pin"));
}

#[tokio::test]
async fn a_user_is_told_when_wrong_answers_lock_a_factor() {
    let (stage, _) = stage_with(3, 3, rejected).await;
    has_wrong(&stage, "pin", 3).await;
    assert!(is_wrong(&answer(&stage, json!({"code": "x"})).await));
    stage.all_sent().await;
    assert!(stage.flows.delivery().outbox().is_empty(), "four are not worth telling");
    assert!(is_wrong(&answer(&stage, json!({"code": "x"})).await));
    assert!(only_message(&stage).await.contains("Pin"));
}

/// The text of the one message that was sent.
async fn only_message(stage: &TestStage) -> String {
    stage.all_sent().await;
    let mut messages = stage.flows.delivery().outbox();
    assert_eq!(messages.len(), 1);
    messages.remove(0).text
}

#[tokio::test]
async fn a_way_back_may_stamp_with_a_word_of_its_own_that_is_no_other_modules_id() {
    for (own, stamped) in [("on_paper", "on_paper"), ("pin", "codes")] {
        let play = |_: &str, request: &Request| match &request.operation {
            Operation::InputSchema {} => Reply::Form { form: Form::new().text("code", 64), code: None },
            _ => Reply::Verdict(VerdictReply::Accepted { enrolment: None, advice: None }),
        };
        let codes = Description::new("codes", "Codes", Kind::Possession).recovery(true).stamp(own);
        let stage = TestStage::playing(SETTINGS, &[Description::new("pin", "Pin", Kind::Knowledge), codes], play);
        stage.put("user/ada", &user("ada")).await;
        let open = factors(&["pin"]).open.with_way_back("codes", "codes", None, NOW);
        stage.put("factors/ada", &Document { open, secret: () }).await;
        stage.put("enrolment/ada/codes", &enrolment("codes")).await;
        stage.put(&key_of_f(), &waiting("ada", "pin")).await;
        assert!(matches!(answer(&stage, json!({"recovery_code": "x"})).await, Ok(Step::Created(_))));
        let made = record::scan::<AccessSession>(&stage.flows.engine.store, "access/").await.unwrap();
        assert_eq!(made[0].2.open.mfa_method_used.as_deref(), Some(stamped));
    }
}

#[tokio::test]
async fn a_no_to_a_question_makes_the_next_one_wait_as_a_not_yet_does() {
    let no = || VerdictReply::Rejected { error: "no".to_owned(), challenge: Some(json!("next")) };
    let (stage, heard) = stage_with(3, 3, no).await;
    let mut asks_nothing = waiting("ada", "pin");
    asks_nothing.secret.form = None;
    stage.put(&key_of_f(), &asks_nothing).await;
    for _ in 0..2 {
        let step = answer(&stage, json!({})).await;
        assert!(matches!(step, Ok(Step::Form(_))));
        let session: Session = stage.read(&key_of_f()).await;
        let in_half_a_second = crate::clock::Timestamp(NOW.0 + 500);
        assert_eq!(session.secret.poll_not_before, Some(in_half_a_second));
        assert_eq!((session.secret.challenge, session.open.attempts_used), (Some(json!("next")), 0));
    }
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert!(!stage.has("account/ada").await || stage.read::<Account>("account/ada").await.open.wrong.is_empty());
}
