//! Codes of ways back in, by a module that makes what a test wants: who gets them, when they count, and which ones end.

use std::sync::{Arc, Mutex};

use mfa_sdk::{
    form::Form,
    protocol::{self, Description, Kind, Operation, Reply, Request, SetupReply},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    flow::{
        record::{Enrolment, Factors, FactorsOpen, OpenFlow},
        test_stage::{NOW, TestStage, asker, enrolment, factors, signed_in, user},
    },
    module_host::word,
};

const MODULES: &str = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\ntype = \"word\"\n\
                       [[module]]\ntype = \"codes\"\nrecovery = true\n[[module]]\ntype = \"mute\"\nrecovery = true\n\
                       [[module]]\ntype = \"asleep\"\nrecovery = true\n[recovery]\n";
const ONE_FOR_ALL: &str = "issue_at = \"confirm\"\nscope = \"user\"\n";
const ONE_EACH: &str = "issue_at = \"confirm\"\nscope = \"enrolment\"\n";
const AT_ONCE: &str = "issue_at = \"create\"\nscope = \"user\"\n";

/// What was asked of whom, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// Pin and word are set up by any text; `codes` makes two codes, `mute` makes none, and `asleep` does not run.
fn stage_under(recovery: &str) -> (TestStage, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let play = move |id: &str, request: &Request| {
        noted.lock().unwrap().push(format!("{id} {}", word(&request.operation)));
        match (&request.operation, id) {
            (Operation::Issue {}, "codes") => {
                Reply::Issued { enrolment: json!("new"), codes: vec!["one".to_owned(), "two".to_owned()] }
            }
            (Operation::SetupFlow { input: Some(_), .. }, _) => {
                Reply::Setup(SetupReply::Done { enrolment: json!("proved") })
            }
            (Operation::SetupFlow { .. }, _) => {
                let (form, state) = (Form::new().text("code", 64), json!(1));
                Reply::Setup(SetupReply::Form { form, state, messages: Vec::new(), error: None, error_text: None })
            }
            (Operation::Depose { .. }, _) => Reply::Deposed {},
            _ => Reply::Unsupported {},
        }
    };
    let descriptions = [
        Description::new("pin", "Pin", Kind::Knowledge),
        Description::new("word", "Word", Kind::Knowledge),
        Description::new("codes", "Codes", Kind::Possession).recovery(true),
        Description::new("mute", "Mute", Kind::Possession).recovery(true),
    ];
    (TestStage::playing(&format!("{MODULES}{recovery}"), &descriptions, play), asked)
}

/// Somebody who has just proved all there is to prove.
fn ada() -> Access {
    Access { first_factor_at: Some(NOW), factor_at: Some(NOW), ..signed_in("ada", 0) }
}

async fn has(stage: &TestStage, listed: FactorsOpen) {
    stage.put("user/ada", &user("ada")).await;
    stage.put("factors/ada", &Document { open: listed, secret: () }).await;
}

fn with_codes(listed: FactorsOpen, of: Option<&str>) -> FactorsOpen {
    listed.with_way_back("codes", "codes", of, NOW)
}

async fn begin(stage: &TestStage, module: &str, factor: Option<&str>) -> Result<Step, FlowError> {
    stage.flows.begin_setup(&ada(), module, factor, &asker()).await
}

async fn renew(stage: &TestStage, module: &str, factor: Option<&str>) -> Result<IssuedCodes, FlowError> {
    stage.flows.regenerate(&ada(), module, factor, &asker()).await
}

async fn save(stage: &TestStage, flow_id: &str, saved: bool) -> Result<Step, FlowError> {
    let Value::Object(fields) = json!({"saved": saved}) else { unreachable!("it is an object") };
    stage.flows.submit_setup(&ada(), flow_id, fields, &asker()).await
}

async fn listed(stage: &TestStage) -> FactorsOpen {
    stage.read::<Factors>("factors/ada").await.open
}

fn refused_with<T>(answer: Result<T, FlowError>) -> &'static str {
    match answer {
        Ok(_) => "not at all",
        Err(FlowError::NotPossible { code, .. }) => code,
        Err(FlowError::StaleProof { .. }) => "stale_proof",
        Err(FlowError::InvalidRequest(_)) => "invalid_request",
        Err(FlowError::ModuleUnavailable { .. }) => "module_unavailable",
        Err(FlowError::NotFound { .. }) => "not_found",
        Err(_) => "something else",
    }
}

/// The form of a step.
fn form_of(step: Result<Step, FlowError>) -> crate::flow::FormStep {
    match step {
        Ok(Step::Form(form)) => form,
        Ok(_) => panic!("it is no form"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn codes_are_shown_once_and_count_once_they_are_saved() {
    let (stage, _) = stage_under(ONE_FOR_ALL);
    has(&stage, factors(&["pin"]).open).await;
    let step = form_of(begin(&stage, "codes", None).await);
    assert_eq!(step.expires_at, Some(NOW.plus_s(stage.flows.settings().limits.setup_lifetime_s)));
    let key = format!("setup/{}", token::hash(&step.flow_id));
    let waiting: Setup = stage.read(&key).await;
    assert_eq!((waiting.open.stage, waiting.open.of), (SetupStage::Issued, None));
    assert!(listed(&stage).await.of("codes").is_none(), "they open nothing yet");
    let account: Account = stage.read("account/ada").await;
    assert_eq!(account.open.setups[0].flow, token::hash(&step.flow_id));
    let other = OpenFlow { flow: "other".to_owned(), until: NOW.plus_s(60) };
    let setups = vec![account.open.setups[0].clone(), other.clone()];
    let open = AccountOpen { setups, ..AccountOpen::default() };
    stage.put("account/ada", &Document { open, secret: () }).await;
    let not_saved = form_of(save(&stage, &step.flow_id, false).await);
    assert_eq!(not_saved.errors["base"], "not_saved");
    assert!(listed(&stage).await.of("codes").is_none());
    assert!(matches!(save(&stage, &step.flow_id, true).await, Ok(Step::Created(_))));
    assert!(listed(&stage).await.of("codes").unwrap().stands_in_for("pin"));
    let kept: Enrolment = stage.read("enrolment/ada/codes").await;
    assert_eq!((kept.secret.data, kept.secret.by_factor.len()), (json!("new"), 0));
    let account: Account = stage.read("account/ada").await;
    assert_eq!(account.open.setups, [other]);
}

#[tokio::test]
async fn of_two_batches_that_wait_the_one_saved_first_counts() {
    let (stage, _) = stage_under(ONE_FOR_ALL);
    has(&stage, factors(&["pin"]).open).await;
    let (first, second) = (form_of(begin(&stage, "codes", None).await), form_of(begin(&stage, "codes", None).await));
    assert!(matches!(save(&stage, &second.flow_id, true).await, Ok(Step::Created(_))));
    let late = save(&stage, &first.flow_id, true).await;
    assert!(matches!(late, Ok(Step::Abort(abort)) if abort.reason == "superseded"));
}

#[tokio::test]
async fn codes_of_a_factor_that_is_gone_cannot_be_saved() {
    let (stage, _) = stage_under(ONE_EACH);
    has(&stage, factors(&["pin", "word"]).open).await;
    let step = form_of(begin(&stage, "codes", Some("pin")).await);
    let waiting: Setup = stage.read(&format!("setup/{}", token::hash(&step.flow_id))).await;
    assert_eq!(waiting.open.of.as_deref(), Some("pin"));
    has(&stage, factors(&["word"]).open).await;
    assert_eq!(refused_with(save(&stage, &step.flow_id, true).await), "confirm_first");
    has(&stage, with_codes(FactorsOpen::default(), None)).await;
    assert_eq!(refused_with(save(&stage, &step.flow_id, true).await), "confirm_first");
}

#[tokio::test]
async fn who_asks_for_what_there_is_not_is_told_so() {
    let (stage, _) = stage_under(ONE_FOR_ALL);
    has(&stage, factors(&["pin"]).open).await;
    assert_eq!(refused_with(begin(&stage, "pin", Some("pin")).await), "invalid_request");
    assert_eq!(refused_with(renew(&stage, "pin", None).await), "no_recovery");
    assert_eq!(refused_with(renew(&stage, "mute", None).await), "issues_nothing");
    assert_eq!(refused_with(renew(&stage, "asleep", None).await), "module_unavailable");
    assert!(matches!(begin(&stage, "pin", None).await, Ok(Step::Form(_))));
    assert!(matches!(begin(&stage, "mute", None).await, Ok(Step::Form(form)) if form.fields[0].name == "code"));
    has(&stage, with_codes(factors(&["pin"]).open, None)).await;
    assert_eq!(refused_with(begin(&stage, "codes", None).await), "use_regenerate");
    has(&stage, factors(&["pin", "codes"]).open).await;
    assert_eq!(refused_with(begin(&stage, "codes", None).await), "is_factor");
}

#[tokio::test]
async fn first_codes_want_the_proof_of_a_set_up_and_new_ones_that_of_a_removal() {
    let (stage, _) = stage_under(ONE_FOR_ALL);
    has(&stage, factors(&["pin"]).open).await;
    let by_factor_alone = Access { first_factor_at: None, ..ada() };
    let begun = stage.flows.begin_setup(&by_factor_alone, "codes", None, &asker()).await;
    assert!(matches!(begun, Ok(Step::Form(_))));
    let renewed = stage.flows.regenerate(&by_factor_alone, "codes", None, &asker()).await;
    assert_eq!(refused_with(renewed), "stale_proof");
}

#[tokio::test]
async fn new_codes_end_the_former_at_once_and_their_module_takes_leave_of_those() {
    let (stage, asked) = stage_under(ONE_FOR_ALL);
    has(&stage, with_codes(factors(&["pin"]).open, None)).await;
    stage.put("enrolment/ada/codes", &enrolment("codes")).await;
    let issued = renew(&stage, "codes", None).await.ok().unwrap();
    assert_eq!((issued.codes.len(), issued.of.as_deref()), (2, None));
    assert!(listed(&stage).await.of("codes").is_none() && !stage.has("enrolment/ada/codes").await);
    assert_eq!(*asked.lock().unwrap(), ["codes issue", "codes depose"]);
    renew(&stage, "codes", None).await.map(drop).unwrap();
    assert_eq!(asked.lock().unwrap().len(), 3, "of none there is no leave to take");
}

#[tokio::test]
async fn codes_for_one_factor_leave_those_of_another_alone() {
    let (stage, asked) = stage_under(ONE_EACH);
    has(&stage, with_codes(factors(&["pin", "word"]).open, Some("pin"))).await;
    let mut kept = enrolment("codes");
    let of_pin = protocol::Enrolment { version: 1, data: json!("of pin") };
    kept.secret.by_factor.insert("pin".to_owned(), of_pin);
    stage.put("enrolment/ada/codes", &kept).await;
    let step = form_of(begin(&stage, "codes", Some("word")).await);
    assert!(listed(&stage).await.of("codes").unwrap().stands_in_for("pin"));
    assert_eq!(*asked.lock().unwrap(), ["codes issue"], "nothing ends yet");
    save(&stage, &step.flow_id, true).await.map(drop).unwrap();
    let kept: Enrolment = stage.read("enrolment/ada/codes").await;
    assert_eq!(kept.secret.by_factor["pin"].data, json!("of pin"));
    assert_eq!(kept.secret.by_factor["word"].data, json!("new"));
    let issued = renew(&stage, "codes", Some("pin")).await.ok().unwrap();
    assert_eq!(issued.of.as_deref(), Some("pin"));
    let kept: Enrolment = stage.read("enrolment/ada/codes").await;
    assert_eq!(kept.secret.by_factor.keys().collect::<Vec<_>>(), ["word"]);
    let codes = listed(&stage).await.of("codes").cloned().unwrap();
    assert!(codes.stands_in_for("word") && !codes.stands_in_for("pin"));
}

#[tokio::test]
async fn the_first_factor_brings_codes_of_every_way_back_that_makes_them_and_no_other_factor_does() {
    let (stage, asked) = stage_under(ONE_FOR_ALL);
    has(&stage, FactorsOpen::default()).await;
    for (module, batches) in [("pin", 1), ("word", 0), ("pin", 0)] {
        let step = form_of(begin(&stage, module, None).await);
        assert!(step.recovery_codes.is_empty(), "they come when it is proved");
        asked.lock().unwrap().clear();
        let Value::Object(fields) = json!({"code": "1"}) else { unreachable!("it is an object") };
        let done = stage.flows.submit_setup(&ada(), &step.flow_id, fields, &asker()).await;
        let Ok(Step::Created(created)) = done else { panic!("{module} was not set up") };
        assert_eq!(created.recovery.len(), batches, "{module}");
        let is_asked = asked.lock().unwrap().contains(&"codes issue".to_owned());
        assert_eq!(is_asked, batches > 0, "{module}");
        for codes in created.recovery {
            assert!(matches!(save(&stage, &codes.flow_id, true).await, Ok(Step::Created(_))));
        }
    }
}

#[tokio::test]
async fn each_factor_brings_its_own_codes_once() {
    let (stage, _) = stage_under(ONE_EACH);
    has(&stage, with_codes(factors(&["pin"]).open, Some("pin"))).await;
    let (access, asker) = (ada(), asker());
    let engine = &stage.flows.engine;
    let turn = Turn { engine, access: &access, flow_id: "f", asker: &asker, now: engine.clock.now() };
    let at = crate::settings::IssueAt::Confirm;
    let of = async |factor: &str, listed: &FactorsOpen| -> Vec<Option<String>> {
        turn.issue_beside(at, factor, listed).await.into_iter().map(|batch| batch.shown.of).collect()
    };
    let pin_with_codes = listed(&stage).await;
    assert_eq!(of("word", &pin_with_codes).await, [Some("word".to_owned())]);
    assert!(of("pin", &pin_with_codes).await.is_empty(), "it is the user's already");
    let word_with_codes_of_both = with_codes(pin_with_codes.clone(), Some("word"));
    assert!(of("word", &word_with_codes_of_both).await.is_empty(), "it has them already");
    let codes_are_a_factor = factors(&["codes"]).open;
    assert!(of("word", &codes_are_a_factor).await.is_empty(), "a factor makes no codes");
    assert!(turn.issue_beside(crate::settings::IssueAt::Create, "word", &pin_with_codes).await.is_empty());
}

#[tokio::test]
async fn codes_for_all_come_with_the_first_factor_alone_and_only_from_ways_back_that_run() {
    let (stage, asked) = stage_under(ONE_FOR_ALL);
    has(&stage, FactorsOpen::default()).await;
    let (access, asker) = (ada(), asker());
    let engine = &stage.flows.engine;
    let turn = Turn { engine, access: &access, flow_id: "f", asker: &asker, now: engine.clock.now() };
    let at = crate::settings::IssueAt::Confirm;
    assert!(turn.issue_beside(at, "word", &factors(&["pin"]).open).await.is_empty(), "the pin has brought them");
    assert!(asked.lock().unwrap().is_empty());
    let paper_alone = FactorsOpen::default().with_way_back("paper", "paper", None, NOW);
    assert_eq!(turn.issue_beside(at, "word", &paper_alone).await.len(), 1);
    assert_eq!(*asked.lock().unwrap(), ["codes issue", "mute issue"]);
}

#[tokio::test]
async fn codes_with_the_first_step_leave_room_for_the_set_up_they_come_with() {
    for (setups_max, batches) in [(1, 0), (2, 1)] {
        let (stage, _) = stage_under(&format!("{AT_ONCE}[limits]\nsetups_per_user_max = {setups_max}\n"));
        has(&stage, FactorsOpen::default()).await;
        let step = form_of(begin(&stage, "pin", None).await);
        assert_eq!(step.recovery_codes.len(), batches, "{setups_max}");
        let pin: Setup = stage.read(&format!("setup/{}", token::hash(&step.flow_id))).await;
        assert_eq!(pin.open.stage, SetupStage::Waiting, "{setups_max}");
        for codes in &step.recovery_codes {
            let batch: Setup = stage.read(&format!("setup/{}", token::hash(&codes.flow_id))).await;
            assert_eq!(batch.open.stage, SetupStage::Issued);
            assert_eq!(refused_with(save(&stage, &codes.flow_id, true).await), "confirm_first");
        }
    }
}

#[test]
fn what_is_kept_for_some_factors_goes_without_the_rest() {
    let kept_for = |by_factor: &[&str]| {
        let mut kept = enrolment("codes");
        for factor in by_factor {
            let data = protocol::Enrolment { version: 1, data: json!(factor) };
            kept.secret.by_factor.insert((*factor).to_owned(), data);
        }
        let key = crate::store::Key::new(&["enrolment", "ada", "codes"]).unwrap();
        Found { key, revision: None, record: Some(kept) }
    };
    let found = kept_for(&["pin", "word"]);
    let of = |found: Found<Enrolment>| -> Vec<String> { found.record.unwrap().secret.by_factor.into_keys().collect() };
    assert_eq!(of(going(&found, Some(&["word".to_owned()]))), ["pin"]);
    assert_eq!(of(going(&found, None)), ["pin", "word"]);
    let nothing: Found<Enrolment> = Found { record: None, ..found.clone() };
    assert!(reduced(&nothing, None).is_none() && reduced(&found, None).is_some());
}
