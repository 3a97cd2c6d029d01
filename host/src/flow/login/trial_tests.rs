//! Trials with modules that say what a test wants: whose a trial is, what its end is called, and which code confirms.

use mfa_sdk::{
    Message,
    form::Form,
    protocol::{Answer, Cause, Description, Kind, LoginReply, Operation, Reply, Request, VerdictReply},
};
use serde_json::{Value, json};

use super::*;
use crate::flow::{
    FormStep,
    record::{Account, Address, Document, Session, SessionStage},
    test_stage::{NOW, TestStage, asker, channel_that_refuses, factors, signed_in, user, waiting},
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"mail\"\n[[module]]\n\
                        type = \"pin\"\n[[module]]\ntype = \"two\"\n[[module]]\ntype = \"asleep\"\n[[module]]\n\
                        type = \"codes\"\nrecovery = true\n[limits]\nsession_lifetime_s = 60\n";
const OUTBOX: &str = "[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"\n";
const HER_MAIL: &str = "ada@example.org";

fn verdict(answer: &Answer) -> Reply {
    let not_yet = || VerdictReply::Pending { challenge: None, retry_after_ms: 1000 };
    let Answer::Form { fields } = answer else { return Reply::Verdict(not_yet()) };
    Reply::Verdict(match fields["code"].as_str() {
        Some("right") => VerdictReply::Accepted { enrolment: None, advice: None },
        Some("not yet") => not_yet(),
        Some("broken") => return Reply::Failed { message: "it broke".to_owned() },
        _ => VerdictReply::Rejected { error: "invalid_code".to_owned(), challenge: None },
    })
}

/// Ada with `mail`, which sends its code, `pin`, which takes two wrong ones, `two`, which asks for two texts, and codes.
async fn stage_with(channel: &str) -> TestStage {
    let play = |id: &str, request: &Request| match &request.operation {
        Operation::InitializeLoginMfaStep { .. } => {
            let form = Form::new().text("code", 64);
            let form = if id == "two" { form.text("more", 64) } else { form };
            let messages = if id == "mail" { vec![Message::code("email", HER_MAIL, "123", 300)] } else { Vec::new() };
            Reply::Login(LoginReply { form, challenge: None, messages })
        }
        Operation::Validate { answer, .. } => verdict(answer),
        _ => Reply::Unsupported {},
    };
    let of = |id: &str| Description::new(id, format!("The {id}"), Kind::Knowledge);
    let descriptions = [of("mail").sends(true), of("pin").retries_max(2), of("two"), of("codes").recovery(true)];
    let stage = TestStage::playing(&format!("{SETTINGS}{channel}"), &descriptions, play);
    let mut ada = user("ada");
    let value = HER_MAIL.to_owned();
    ada.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at: Some(NOW), by_code: false }];
    stage.put("user/ada", &ada).await;
    stage.put_factors("ada", &["mail", "pin", "two", "asleep", "codes"]).await;
    let listed = factors(&["mail", "pin", "two", "asleep"]).open.with_way_back("codes", "codes", None, NOW);
    stage.put("factors/ada", &Document { open: listed, secret: () }).await;
    stage
}

fn ada() -> Access {
    Access { factor_at: Some(NOW), ..signed_in("ada", 0) }
}

async fn begin(stage: &TestStage, module: &str) -> Result<Step, FlowError> {
    stage.flows.begin_trial(&ada(), module, &asker()).await
}

async fn begun(stage: &TestStage, module: &str) -> FormStep {
    match begin(stage, module).await {
        Ok(Step::Form(form)) => form,
        other => panic!("{}", word(other)),
    }
}

async fn show(stage: &TestStage, flow_id: &str) -> String {
    word(stage.flows.show_trial(&ada(), flow_id, &asker()).await)
}

async fn submit(stage: &TestStage, flow_id: &str, fields: Value) -> String {
    let Value::Object(fields) = fields else { unreachable!("fields are an object") };
    word(stage.flows.submit_trial(&ada(), flow_id, fields, &asker()).await)
}

async fn confirm(stage: &TestStage, module: &str, given: Confirmation) -> String {
    word(stage.flows.engine.confirm(&ada(), &asker(), module, &given).await)
}

fn code(code: &str) -> Confirmation {
    Confirmation { code: Some(code.to_owned()), ..Confirmation::default() }
}

fn code_for(flow_id: &str, given: &str) -> Confirmation {
    Confirmation { flow_id: Some(flow_id.to_owned()), ..code(given) }
}

fn fields(fields: Value) -> Confirmation {
    Confirmation { fields: fields.as_object().cloned(), ..Confirmation::default() }
}

/// What an answer comes to, in a word.
fn word(answer: Result<impl Into<Came>, FlowError>) -> String {
    match answer.map(Into::into) {
        Ok(Came(word)) => word,
        Err(FlowError::InvalidCode { error }) => error,
        Err(FlowError::NotPossible { code, .. }) => code.to_owned(),
        Err(FlowError::UnknownFlow) => "unknown".to_owned(),
        Err(FlowError::NotFound { .. }) => "not found".to_owned(),
        Err(FlowError::StaleProof { .. }) => "stale".to_owned(),
        Err(FlowError::InvalidRequest(_)) => "bad request".to_owned(),
        Err(FlowError::ModuleUnavailable { module, .. }) => format!("{module} is unavailable"),
        Err(error) => error.to_string(),
    }
}

struct Came(String);

impl From<()> for Came {
    fn from((): ()) -> Self {
        Self("done".to_owned())
    }
}

impl From<Step> for Came {
    fn from(step: Step) -> Self {
        Self(match step {
            Step::Form(form) => match form.errors.get("base") {
                Some(error) => format!("{} {error}", form.step_id),
                None => form.step_id.to_owned(),
            },
            Step::Created(created) if created.result.is_none() => "passed".to_owned(),
            Step::Created(_) => "signed in".to_owned(),
            Step::Abort(abort) => abort.reason,
        })
    }
}

fn key_of(flow_id: &str) -> String {
    format!("session/{}", token::hash(flow_id))
}

#[tokio::test]
async fn a_trial_asks_its_one_method_and_grants_nothing() {
    let stage = stage_with(OUTBOX).await;
    let form = begun(&stage, "mail").await;
    assert_eq!((form.step_id, form.delivery), ("test", Some("sent")));
    assert!(form.methods.is_empty(), "a login would offer the others");
    assert_eq!(submit(&stage, &form.flow_id, json!({"multi_factor_auth_module": "pin"})).await, "bad request");
    assert_eq!(submit(&stage, &form.flow_id, json!({"code": "wrong"})).await, "test invalid_code");
    assert_eq!(submit(&stage, &form.flow_id, json!({"code": "right"})).await, "passed");
    assert_eq!(show(&stage, &form.flow_id).await, "unknown");
    let made = crate::flow::record::scan::<crate::flow::record::AccessSession>(&stage.flows.engine.store, "access/");
    assert!(made.await.unwrap().is_empty());
}

#[tokio::test]
async fn only_a_method_that_can_be_asked_is_tried() {
    let stage = stage_with(OUTBOX).await;
    for (module, expected) in
        [("codes", "is_recovery"), ("asleep", "asleep is unavailable"), ("gone", "not found"), ("pin", "test")]
    {
        assert_eq!(word(begin(&stage, module).await), expected);
    }
    let mut off = factors(&["mail", "pin"]);
    off.open.factors[1].active = false;
    stage.put("factors/ada", &off).await;
    assert_eq!(word(begin(&stage, "pin").await), "not_active");
    let stale = stage.flows.begin_trial(&signed_in("ada", 0), "mail", &asker()).await;
    assert_eq!(word(stale), "stale");
}

#[tokio::test]
async fn a_trial_is_its_users_own_in_the_same_epoch_and_no_login_is_one() {
    let stage = stage_with(OUTBOX).await;
    let flow_id = begun(&stage, "pin").await.flow_id;
    for other in [signed_in("bob", 0), signed_in("ada", 1), signed_in("bob", 1)] {
        let (whose, flows) = (format!("{} {}", other.user_id, other.user_epoch), &stage.flows);
        assert_eq!(word(flows.show_trial(&other, &flow_id, &asker()).await), "unknown", "{whose}");
        let fields = json!({"code": "right"}).as_object().cloned().unwrap();
        assert_eq!(word(flows.submit_trial(&other, &flow_id, fields, &asker()).await), "unknown", "{whose}");
        assert_eq!(word(flows.cancel_trial(&other, &flow_id, &asker()).await), "unknown", "{whose}");
    }
    assert_eq!(show(&stage, &flow_id).await, "test");
    stage.put(&key_of("login"), &waiting("ada", "pin")).await;
    assert_eq!(show(&stage, "login").await, "unknown");
    assert_eq!(submit(&stage, "login", json!({"code": "right"})).await, "unknown");
    assert_eq!(confirm(&stage, "pin", code_for("login", "right")).await, "unknown");
}

#[tokio::test]
async fn a_trial_says_by_its_own_word_that_its_time_is_over_and_other_ends_by_theirs() {
    let stage = stage_with(OUTBOX).await;
    let (end, after) = (NOW.plus_s(60), crate::clock::Timestamp(NOW.plus_s(60).0 + 1));
    let first = begun(&stage, "pin").await.flow_id;
    stage.move_clock_to(end);
    assert_eq!(show(&stage, &first).await, "test");
    stage.move_clock_to(after);
    assert_eq!(show(&stage, &first).await, "test_expired");
    assert_eq!(show(&stage, &first).await, "test_expired", "to look changes nothing");
    assert_eq!(submit(&stage, &first, json!({"code": "right"})).await, "test_expired");
    assert_eq!(submit(&stage, &first, json!({"code": "right"})).await, "unknown");
    stage.move_clock_to(NOW);
    let second = begun(&stage, "pin").await.flow_id;
    assert_eq!(submit(&stage, &second, json!({"code": "broken"})).await, "unknown_error");
    let third = begun(&stage, "pin").await.flow_id;
    assert_eq!(submit(&stage, &third, json!({"code": "wrong"})).await, "test invalid_code");
    assert_eq!(submit(&stage, &third, json!({"code": "wrong"})).await, "too_many_retry");
}

#[tokio::test]
async fn a_trial_that_was_denied_by_its_link_says_so_and_one_that_was_cut_off_is_none() {
    let stage = stage_with(OUTBOX).await;
    let flow_id = begun(&stage, "pin").await.flow_id;
    let trial: Session = stage.read(&key_of(&flow_id)).await;
    let at = async |to: SessionStage| {
        let mut next = trial.clone();
        next.open.stage = to;
        stage.put(&key_of(&flow_id), &next).await;
        show(&stage, &flow_id).await
    };
    assert_eq!(at(SessionStage::Denied { reason: "denied".to_owned() }).await, "denied");
    let cut_off = SessionStage::Initialising { module: "pin".to_owned(), cause: Cause::First };
    assert_eq!(at(cut_off).await, "unknown");
}

#[tokio::test]
async fn a_trial_ends_at_its_users_wish_and_only_once() {
    let stage = stage_with(OUTBOX).await;
    let flow_id = begun(&stage, "pin").await.flow_id;
    let cancel = async || word(stage.flows.cancel_trial(&ada(), &flow_id, &asker()).await);
    assert_eq!(cancel().await, "done");
    let ended: Session = stage.read(&key_of(&flow_id)).await;
    assert_eq!(ended.open.stage, SessionStage::Ended { reason: "aborted".to_owned() });
    assert_eq!((cancel().await, show(&stage, &flow_id).await), ("unknown".to_owned(), "unknown".to_owned()));
}

#[tokio::test]
async fn a_code_or_fields_confirm_and_what_is_wrong_counts_and_leaves_no_trial_behind() {
    let stage = stage_with(OUTBOX).await;
    assert_eq!(confirm(&stage, "pin", code("right")).await, "done");
    assert_eq!(confirm(&stage, "two", fields(json!({"code": "right", "more": "x"}))).await, "done");
    assert_eq!(confirm(&stage, "two", code("right")).await, "needs_login_flow");
    assert_eq!(confirm(&stage, "pin", Confirmation::default()).await, "bad request");
    let both = Confirmation { code: Some("right".to_owned()), ..fields(json!({"code": "right"})) };
    assert_eq!(confirm(&stage, "pin", both).await, "bad request");
    assert_eq!(confirm(&stage, "pin", code("wrong")).await, "invalid_code");
    assert_eq!(confirm(&stage, "asleep", code("right")).await, "asleep is unavailable");
    let account: Account = stage.read("account/ada").await;
    assert!(account.open.trials.is_empty());
    assert_eq!(account.open.wrong.get("pin").map(|count| count.in_a_row), Some(1));
}

#[tokio::test]
async fn each_way_a_code_is_not_right_has_its_word() {
    let stage = stage_with(OUTBOX).await;
    let flow_id = begun(&stage, "pin").await.flow_id;
    assert_eq!(confirm(&stage, "pin", code_for(&flow_id, "not yet")).await, "invalid_code", "a code is no question");
    assert_eq!(confirm(&stage, "pin", code_for(&flow_id, "wrong")).await, "too_many_retry");
    assert_eq!(confirm(&stage, "pin", code("broken")).await, "pin is unavailable");
    let flow_id = begun(&stage, "pin").await.flow_id;
    stage.move_clock_to(NOW.plus_s(61));
    assert_eq!(confirm(&stage, "pin", code_for(&flow_id, "right")).await, "unknown", "its time is over");
}

#[tokio::test]
async fn a_method_that_sends_confirms_by_the_trial_that_sent_its_code() {
    let stage = stage_with(OUTBOX).await;
    assert_eq!(confirm(&stage, "mail", code("right")).await, "needs_trial");
    let flow_id = begun(&stage, "mail").await.flow_id;
    assert_eq!(confirm(&stage, "pin", code_for(&flow_id, "right")).await, "unknown", "of another method");
    assert_eq!(confirm(&stage, "mail", code_for(&flow_id, "right")).await, "done");
    assert_eq!(confirm(&stage, "mail", code_for(&flow_id, "right")).await, "unknown", "it is used up");
    let stage = stage_with(&channel_that_refuses()).await;
    let step = begun(&stage, "mail").await;
    assert_eq!(step.delivery, Some("failed"));
    assert_eq!(confirm(&stage, "mail", code_for(&step.flow_id, "right")).await, "delivery_failed");
}

#[tokio::test]
async fn a_step_that_asks_for_nothing_confirms_nothing_before_its_method_answered() {
    let stage = stage_with(OUTBOX).await;
    let flow_id = begun(&stage, "pin").await.flow_id;
    let mut asks_nothing: Session = stage.read(&key_of(&flow_id)).await;
    asks_nothing.secret.form = None;
    stage.put(&key_of(&flow_id), &asks_nothing).await;
    let given = Confirmation { flow_id: Some(flow_id), ..fields(json!({})) };
    assert_eq!(confirm(&stage, "pin", given).await, "pending");
}

#[tokio::test]
async fn what_was_refused_behind_its_link_confirms_nothing_and_says_so_whatever_is_given() {
    let stage = stage_with(OUTBOX).await;
    for reason in ["refused_by_user", "link_refused"] {
        for given in [fields(json!({})), code("right")] {
            let flow_id = begun(&stage, "pin").await.flow_id;
            let mut denied: Session = stage.read(&key_of(&flow_id)).await;
            denied.open.stage = SessionStage::Denied { reason: reason.to_owned() };
            denied.secret.form = None;
            stage.put(&key_of(&flow_id), &denied).await;
            let given = Confirmation { flow_id: Some(flow_id), ..given };
            assert_eq!(confirm(&stage, "pin", given).await, "refused", "{reason}");
        }
    }
}

#[test]
fn a_confirmation_is_empty_without_code_and_fields() {
    assert!(Confirmation::default().is_empty() && code_for("f", "").flow_id.is_some());
    let named_only = Confirmation { flow_id: Some("f".to_owned()), ..Confirmation::default() };
    assert!(named_only.is_empty() && !code("1").is_empty() && !fields(json!({})).is_empty());
}
