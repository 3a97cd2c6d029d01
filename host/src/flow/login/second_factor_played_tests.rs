//! The second factor with modules that say what a test wants: what is kept, whom is asked, and what a word of theirs means.

use std::sync::{Arc, Mutex};

use mfa_sdk::protocol::{Answer, Description, Kind, Operation, Reply, Request, VerdictReply};
use serde_json::{Map, Value, json};

use crate::{
    clock::Timestamp,
    flow::{
        FlowError, Step,
        record::{
            Account, AccountOpen, Document, Enrolment, Factors, Grant, OpenFlow, Sent, SentLink, Session, SessionStage,
        },
        test_stage::{Log, NOW, TestStage, asker, enrolment, factors, user, waiting},
        token,
    },
    module_host::{pause, word},
};

const SETTINGS: &str = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\ntype = \"word\"\n\
                        [[module]]\ntype = \"codes\"\nrecovery = true";

fn accepted() -> Reply {
    Reply::Verdict(VerdictReply::Accepted { enrolment: None, advice: None })
}

fn rejected() -> Reply {
    Reply::Verdict(VerdictReply::Rejected { error: "invalid_code".to_owned(), challenge: None })
}

/// What was asked of whom, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// A stage whose modules say this to an answer, and what they are asked.
fn stage_that_says(verdict: impl Fn(&str, &Answer) -> Reply + Send + Sync + 'static) -> (TestStage, Asked) {
    stage_that_stops(|_| (), verdict)
}

/// The same with modules that do this before they answer what they are asked.
fn stage_that_stops(
    first: impl Fn(&str) + Send + Sync + 'static,
    verdict: impl Fn(&str, &Answer) -> Reply + Send + Sync + 'static,
) -> (TestStage, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let descriptions = [
        Description::new("pin", "Pin", Kind::Knowledge),
        Description::new("word", "Word", Kind::Knowledge),
        Description::new("codes", "Codes", Kind::Possession).recovery(true).fixed_step(true),
    ];
    let play = move |id: &str, request: &Request| {
        let asked = format!("{id} {}", word(&request.operation));
        noted.lock().unwrap().push(asked.clone());
        first(&asked);
        match &request.operation {
            Operation::Validate { answer, .. } => verdict(id, answer),
            Operation::InputSchema {} => Reply::Form { form: mfa_sdk::form::Form::new().text("code", 64), code: None },
            _ => Reply::Failed { message: "nobody asks for this".to_owned() },
        }
    };
    (TestStage::playing(SETTINGS, &descriptions, play), asked)
}

fn key_of_f() -> String {
    format!("session/{}", token::hash("f"))
}

fn flow(name: &str) -> OpenFlow {
    OpenFlow { flow: name.to_owned(), until: NOW.plus_s(60) }
}

/// A user with pin, whose login `f` waits for it beside another.
async fn waits_for_pin(stage: &TestStage) {
    stage.put("user/ada", &user("ada")).await;
    stage.put_factors("ada", &["pin"]).await;
    stage.put(&key_of_f(), &waiting("ada", "pin")).await;
    let sessions = vec![flow(&token::hash("f")), flow("other")];
    let open = AccountOpen { sessions, ..AccountOpen::default() };
    stage.put("account/ada", &Document { open, secret: () }).await;
}

async fn answer(stage: &TestStage, fields: Value) -> Result<Step, FlowError> {
    let Value::Object(fields) = fields else { unreachable!("fields are an object") };
    stage.flows.submit_login("f", "app", fields, None, &asker()).await
}

fn is_aborted(step: &Result<Step, FlowError>, with: &str) -> bool {
    matches!(step, Ok(Step::Abort(abort)) if abort.reason == with)
}

#[tokio::test]
async fn a_login_that_passed_leaves_the_list_and_the_others_stay() {
    let (stage, _) = stage_that_says(|_, _| accepted());
    waits_for_pin(&stage).await;
    let mut of_a_client = waiting("ada", "pin");
    let state = Some("the client's own".to_owned());
    of_a_client.secret.grant = Grant::Code { redirect_hash: String::new(), code_challenge: None, state: state.clone() };
    stage.put(&key_of_f(), &of_a_client).await;
    let Ok(Step::Created(created)) = answer(&stage, json!({"code": "1"})).await else { panic!("it did not pass") };
    assert!(created.result.is_some() && created.state == state);
    let account: Account = stage.read("account/ada").await;
    assert_eq!(account.open.sessions, [flow("other")]);
    assert_eq!(account.open.last_used["pin"], NOW);
}

#[tokio::test]
async fn a_factor_that_was_switched_off_while_its_step_waits_lets_nobody_in_and_is_not_asked() {
    let (stage, asked) = stage_that_says(|_, _| accepted());
    waits_for_pin(&stage).await;
    let mut off = factors(&["pin"]);
    off.open.factors[0].active = false;
    stage.put("factors/ada", &off).await;
    assert!(is_aborted(&answer(&stage, json!({"code": "1"})).await, "unknown_error"));
    assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
}

#[tokio::test]
async fn a_module_that_became_of_another_type_is_not_asked_about_the_former_ones_enrolment() {
    let (stage, asked) = stage_that_says(|_, _| accepted());
    waits_for_pin(&stage).await;
    let mut former = enrolment("pin");
    former.open.module_type = "word".to_owned();
    stage.put("enrolment/ada/pin", &former).await;
    assert!(is_aborted(&answer(&stage, json!({"code": "1"})).await, "unknown_error"));
    assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
}

#[tokio::test]
async fn a_code_that_was_sent_for_one_enrolment_is_no_answer_to_the_next() {
    let (stage, asked) = stage_that_says(|_, _| accepted());
    waits_for_pin(&stage).await;
    let mut sent = waiting("ada", "pin");
    let set_up = Some("former".to_owned());
    sent.secret.sent = Some(Sent { messages: vec!["m".to_owned()], set_up, ..Sent::default() });
    stage.put(&key_of_f(), &sent).await;
    assert!(is_aborted(&answer(&stage, json!({"code": "1"})).await, "unknown_error"));
    assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
}

#[tokio::test]
async fn a_typed_code_a_module_is_not_sure_of_yet_is_a_wrong_one() {
    let (stage, _) = stage_that_says(|_, _| {
        Reply::Verdict(VerdictReply::Pending { challenge: Some(json!("next")), retry_after_ms: 5000 })
    });
    waits_for_pin(&stage).await;
    let step = answer(&stage, json!({"code": "1"})).await;
    assert!(matches!(step, Ok(Step::Form(form)) if form.errors["base"] == "invalid_code"));
    let kept: Session = stage.read(&key_of_f()).await;
    assert_eq!((kept.open.attempts_used, kept.secret.poll_not_before), (1, None));
    assert_eq!(kept.secret.challenge, Some(json!("next")));
}

#[tokio::test]
async fn a_step_asked_about_without_a_code_waits_as_long_as_its_module_says() {
    let (stage, asked) = stage_that_says(|_, answer| {
        assert!(matches!(answer, Answer::Poll));
        Reply::Verdict(VerdictReply::Pending { challenge: None, retry_after_ms: 5000 })
    });
    waits_for_pin(&stage).await;
    let mut asks_nothing = waiting("ada", "pin");
    asks_nothing.secret.form = None;
    stage.put(&key_of_f(), &asks_nothing).await;
    let step = answer(&stage, json!({})).await;
    assert!(matches!(step, Ok(Step::Form(form)) if form.errors.is_empty()));
    let kept: Session = stage.read(&key_of_f()).await;
    assert_eq!((kept.open.attempts_used, kept.secret.poll_not_before), (0, Some(NOW.plus_s(5))));
    for (wait_ms, questions) in [(0, 1), (4999, 1), (5000, 2)] {
        stage.move_clock_to(Timestamp(NOW.0 + wait_ms));
        assert!(matches!(answer(&stage, json!({})).await, Ok(Step::Form(_))));
        assert_eq!(asked.lock().unwrap().len(), questions, "after {wait_ms} ms");
    }
}

#[tokio::test]
async fn a_commit_that_is_still_under_way_costs_an_answer_no_attempt_and_ends_nothing() {
    let (stage, _) = stage_that_says(|_, _| rejected());
    waits_for_pin(&stage).await;
    // Each time the answer reads the session before the other commit of it has come through.
    for _ in 0..20 {
        stage.put(&key_of_f(), &waiting("ada", "pin")).await;
        stage.put("account/ada", &Document { open: AccountOpen::default(), secret: () }).await;
        let mut other = waiting("ada", "pin");
        other.secret.poll_not_before = Some(NOW);
        let key = key_of_f();
        let ((), step) = tokio::join!(stage.put(&key, &other), answer(&stage, json!({"code": "1"})));
        assert!(matches!(step, Ok(Step::Form(_))), "{:?}", step.err());
    }
}

/// A user with pin and word, and with codes that stand in for the pin; their login waits for it.
async fn has_a_way_back(stage: &TestStage) {
    waits_for_pin(stage).await;
    let mut listed = factors(&["pin", "word"]);
    listed.open = listed.open.with_way_back("codes", "codes", Some("pin"), NOW);
    stage.put("factors/ada", &listed).await;
    let mut kept = enrolment("codes");
    let data = mfa_sdk::protocol::Enrolment { version: 1, data: json!("of pin") };
    kept.secret.by_factor.insert("pin".to_owned(), data);
    stage.put("enrolment/ada/codes", &kept).await;
}

#[tokio::test]
async fn a_way_back_in_is_asked_in_place_of_the_factor_and_its_no_is_the_steps_own() {
    let (stage, asked) = stage_that_says(|id, _| match id {
        "codes" => Reply::Verdict(VerdictReply::Rejected { error: "odd".to_owned(), challenge: Some(json!("its")) }),
        _ => accepted(),
    });
    has_a_way_back(&stage).await;
    let step = answer(&stage, json!({"recovery_code": "x"})).await;
    assert!(matches!(step, Ok(Step::Form(form)) if form.errors["base"] == "invalid_code"));
    assert_eq!(*asked.lock().unwrap(), ["codes input_schema", "codes validate"]);
    let kept: Session = stage.read(&key_of_f()).await;
    assert_eq!((kept.secret.challenge, kept.open.attempts_used), (None, 1), "the challenge is the pin's");
}

#[tokio::test]
async fn what_a_way_back_in_wants_kept_is_kept_for_the_factor_it_stood_in_for() {
    let (stage, _) = stage_that_says(|_, _| {
        Reply::Verdict(VerdictReply::Accepted { enrolment: Some(json!("one less")), advice: None })
    });
    has_a_way_back(&stage).await;
    assert!(matches!(answer(&stage, json!({"recovery_code": "x"})).await, Ok(Step::Created(_))));
    let kept: Enrolment = stage.read("enrolment/ada/codes").await;
    let of_pin = &kept.secret.by_factor["pin"];
    assert_eq!((of_pin.data.clone(), of_pin.version, kept.secret.data), (json!("one less"), 1, json!("kept")));
    let pin: Enrolment = stage.read("enrolment/ada/pin").await;
    assert_eq!(pin.secret.data, json!("kept"), "and the factor's own is as it was");
}

#[tokio::test]
async fn codes_that_stand_in_for_the_factor_no_more_when_they_are_looked_at_let_nobody_in() {
    for (at, is_asked) in [("codes input_schema", false), ("codes validate", true)] {
        let (pause, meanwhile) = pause();
        let stops = move |asked: &str| {
            if asked == at {
                pause.here();
            }
        };
        let (stage, asked) = stage_that_stops(stops, |_, _| accepted());
        has_a_way_back(&stage).await;
        let mut changed = factors(&["pin", "word"]);
        changed.open = changed.open.with_way_back("codes", "codes", Some("word"), NOW);
        let change = async || stage.put("factors/ada", &changed).await;
        let (step, is_changed) = meanwhile.happens(answer(&stage, json!({"recovery_code": "x"})), change).await;
        assert!(is_changed && !matches!(step, Ok(Step::Created(_))), "{at}");
        assert_eq!(asked.lock().unwrap().contains(&"codes validate".to_owned()), is_asked, "{at}");
    }
}

#[tokio::test]
async fn a_confirmed_link_passes_without_its_module_and_only_while_its_factor_stands() {
    for is_active in [true, false] {
        let (stage, asked) = stage_that_says(|_, _| rejected());
        waits_for_pin(&stage).await;
        let mut confirmed = waiting("ada", "pin");
        confirmed.secret.form = None;
        let link = SentLink { hash: "link".to_owned(), confirmed_at: Some(NOW) };
        confirmed.secret.sent = Some(Sent { link: Some(link), ..Sent::default() });
        stage.put(&key_of_f(), &confirmed).await;
        let mut listed: Factors = factors(&["pin"]);
        listed.open.factors[0].active = is_active;
        stage.put("factors/ada", &listed).await;
        let step = stage.flows.submit_login("f", "app", Map::new(), None, &asker()).await;
        assert_eq!(matches!(step, Ok(Step::Created(_))), is_active);
        assert_eq!(is_aborted(&step, "unknown_error"), !is_active);
        assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
    }
}

#[tokio::test]
async fn no_answer_of_a_module_ends_the_login_and_costs_nothing() {
    let (stage, _) = stage_that_says(|_, _| Reply::Failed { message: "no".to_owned() });
    waits_for_pin(&stage).await;
    let log = Log::begin();
    assert!(is_aborted(&answer(&stage, json!({"code": "1"})).await, "unknown_error"));
    assert_eq!(log.lines_with("module_failed").len(), 1);
    let account: Account = stage.read("account/ada").await;
    assert!(account.open.wrong.is_empty());
    let ended: Session = stage.read(&key_of_f()).await;
    assert!(matches!(ended.open.stage, SessionStage::Ended { .. }));
    let kept: Enrolment = stage.read("enrolment/ada/pin").await;
    assert_eq!(kept.secret.data, json!("kept"));
}
