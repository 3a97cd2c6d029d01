//! Set-ups with a module that says what a test wants: what an input costs, what is kept, and what is sent.

use std::sync::{Arc, Mutex};

use mfa_sdk::{
    Message,
    form::{Fields, Form},
    protocol::{Description, Kind, Operation, Reply, Request, SetupReply},
};
use serde_json::{Value, json};

use super::*;
use crate::flow::{
    FormStep,
    record::{AccessSession, AccessStage, Enrolment, Factors, OpenFlow, SentTo},
    test_stage::{NOW, TestStage, access, asker, channel_that_refuses, factors, setup, signed_in, user},
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\n\
                        type = \"mail\"\n[[module]]\ntype = \"word\"\n[delivery]\nresend_wait_s = 30\n";
const OUTBOX: &str = "[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"";
const WAIT_S: u64 = 30;

/// State and input of each call.
type Asked = Arc<Mutex<Vec<(Option<Value>, Option<Fields>)>>>;

/// Asks for an address, sends it `123`, and is done with that. Module `mail` may send, the others may not.
fn answer(request: &Request, to: &str) -> Reply {
    let Operation::SetupFlow { input, .. } = &request.operation else {
        return Reply::Failed { message: "nobody asks for this".to_owned() };
    };
    let form = |form: Form, messages: Vec<Message>, error: Option<&str>| {
        let error = error.map(str::to_owned);
        Reply::Setup(SetupReply::Form { form, state: json!("state"), messages, error, error_text: None })
    };
    let code = Form::new().text("code", 64);
    let given = |name: &str| input.as_ref().and_then(|input| input.get(name)).and_then(Value::as_str);
    match (given("to"), given("code")) {
        (Some(typed), _) => {
            let to = if to.is_empty() { typed } else { to };
            form(code, vec![Message::code("email", to, "123", 600)], None)
        }
        (_, Some("123")) => Reply::Setup(SetupReply::Done { enrolment: json!("proved") }),
        (_, Some("next")) => form(code, Vec::new(), None),
        (_, Some(reason @ ("full" | "odd"))) => Reply::Setup(SetupReply::Abort { reason: reason.to_owned() }),
        (_, Some("break")) => Reply::Failed { message: "no".to_owned() },
        (_, Some(_)) => form(code, Vec::new(), Some("invalid_code")),
        (None, None) => form(Form::new().email("to"), Vec::new(), None),
    }
}

/// A stage whose modules send to `to`, or where that is empty to the address that was typed.
fn stage_sending(channel: &str, to: &'static str) -> (TestStage, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let play = move |_: &str, request: &Request| {
        if let Operation::SetupFlow { state, input, .. } = &request.operation {
            noted.lock().unwrap().push((state.clone(), input.clone()));
        }
        answer(request, to)
    };
    let mut pin = Description::new("pin", "Pin", Kind::Knowledge);
    let words = [("full".to_owned(), "There is no room for another pin.".to_owned())];
    pin.texts.insert("en".to_owned(), words.into());
    let descriptions = [pin, Description::new("mail", "Mail", Kind::Possession).sends(true)];
    (TestStage::playing(&format!("{SETTINGS}{channel}"), &descriptions, play), asked)
}

fn key_of_f() -> String {
    format!("setup/{}", token::hash("f"))
}

fn ada() -> Access {
    Access { first_factor_at: Some(NOW), ..signed_in("ada", 0) }
}

fn flow(name: &str) -> OpenFlow {
    OpenFlow { flow: name.to_owned(), until: NOW.plus_s(60) }
}

/// A set-up `f` of this module that waits for this form, beside another of the same user.
async fn waits_with(stage: &TestStage, module: &str, form: Form) {
    stage.put("user/ada", &user("ada")).await;
    let mut waiting = setup("ada", NOW.plus_s(3600));
    (waiting.open.module, waiting.open.module_type) = (module.to_owned(), module.to_owned());
    waiting.open.access = ada().session_id;
    waiting.secret.form = Some(form);
    waiting.secret.state = Some(json!("before"));
    stage.put(&key_of_f(), &waiting).await;
    let setups = vec![flow(&token::hash("f")), flow("other")];
    let open = AccountOpen { setups, ..AccountOpen::default() };
    stage.put("account/ada", &Document { open, secret: () }).await;
}

async fn submit(stage: &TestStage, fields: Value) -> Result<Step, FlowError> {
    let Value::Object(fields) = fields else { unreachable!("fields are an object") };
    stage.flows.submit_setup(&ada(), "f", fields, &asker()).await
}

async fn shown(stage: &TestStage, fields: Value) -> FormStep {
    match submit(stage, fields).await {
        Ok(Step::Form(form)) => form,
        Ok(Step::Abort(abort)) => panic!("it was aborted: {}", abort.reason),
        Ok(Step::Created(_)) => panic!("it was done"),
        Err(error) => panic!("{error}"),
    }
}

async fn kept(stage: &TestStage) -> Setup {
    stage.read(&key_of_f()).await
}

async fn wrong(stage: &TestStage, name: &str) -> u32 {
    let account: Account = stage.read("account/ada").await;
    account.open.wrong.get(name).map_or(0, |count| count.in_a_row)
}

fn is_aborted(step: &Result<Step, FlowError>, with: &str) -> bool {
    matches!(step, Ok(Step::Abort(abort)) if abort.reason == with)
}

fn code_form() -> Form {
    Form::new().text("code", 64)
}

#[tokio::test]
async fn a_set_up_that_is_done_leaves_the_list_and_the_others_stay() {
    let (stage, _) = stage_sending(OUTBOX, "");
    waits_with(&stage, "pin", code_form()).await;
    let session = access("ada", AccessStage::Active { expires_at: NOW.plus_s(60) });
    stage.put(&format!("access/{}", ada().session_id), &session).await;
    assert!(matches!(submit(&stage, json!({"code": "123"})).await, Ok(Step::Created(_))));
    let session: AccessSession = stage.read(&format!("access/{}", ada().session_id)).await;
    assert_eq!(session.open.factor_at, Some(NOW), "and proves something");
    let account: Account = stage.read("account/ada").await;
    assert_eq!(account.open.setups, [flow("other")]);
    let enrolled: Enrolment = stage.read("enrolment/ada/pin").await;
    assert_eq!((enrolled.secret.data, enrolled.open.created_at), (json!("proved"), NOW));
    let listed: Factors = stage.read("factors/ada").await;
    assert!(listed.open.factors[0].active && listed.open.factors[0].primary);
    assert!(account.open.wrong.is_empty());
}

#[tokio::test]
async fn a_wrong_input_costs_an_attempt_the_last_one_the_set_up_and_a_right_one_nothing() {
    let (stage, _) = stage_sending(OUTBOX, "");
    waits_with(&stage, "pin", code_form()).await;
    let step = shown(&stage, json!({"code": "1"})).await;
    assert_eq!((&*step.errors["base"], step.delivery), ("invalid_code", None));
    assert_eq!((kept(&stage).await.open.attempts_used, wrong(&stage, "setup.pin").await), (1, 1));
    assert!(shown(&stage, json!({"code": "next"})).await.errors.is_empty());
    assert_eq!((kept(&stage).await.open.attempts_used, wrong(&stage, "setup.pin").await), (1, 1));
    assert!(kept(&stage).await.secret.typed.is_empty(), "a module that sends nothing needs no address");
    shown(&stage, json!({"code": "2"})).await;
    assert!(is_aborted(&submit(&stage, json!({"code": "3"})).await, "too_many_retry"));
    assert_eq!(wrong(&stage, "setup.pin").await, 3);
}

#[tokio::test]
async fn a_set_up_ends_at_its_users_wish() {
    let (stage, _) = stage_sending(OUTBOX, "");
    waits_with(&stage, "pin", code_form()).await;
    stage.flows.cancel_setup(&ada(), "f").await.unwrap();
    assert_eq!(kept(&stage).await.open.stage, SetupStage::Ended { reason: "cancelled".to_owned() });
    assert!(matches!(submit(&stage, json!({"code": "123"})).await, Err(FlowError::UnknownFlow)));
}

#[tokio::test]
async fn a_module_without_an_answer_ends_the_set_up_and_costs_nothing() {
    let (stage, _) = stage_sending(OUTBOX, "");
    waits_with(&stage, "pin", code_form()).await;
    assert!(is_aborted(&submit(&stage, json!({"code": "break"})).await, "unknown_error"));
    assert_eq!(wrong(&stage, "setup.pin").await, 0);
}

#[tokio::test]
async fn a_module_that_ends_its_set_up_says_why_in_its_own_words_or_in_the_hosts() {
    for (reason, text) in [("full", "There is no room for another pin."), ("odd", "odd")] {
        let (stage, _) = stage_sending(OUTBOX, "");
        waits_with(&stage, "pin", code_form()).await;
        let ended = submit(&stage, json!({"code": reason})).await;
        let Ok(Step::Abort(abort)) = ended else { panic!("it goes on") };
        assert_eq!((&*abort.reason, &*abort.text), (reason, text));
    }
}

#[tokio::test]
async fn a_factor_that_came_since_asks_for_its_own_proof_before_another_is_kept() {
    let (stage, _) = stage_sending(OUTBOX, "");
    waits_with(&stage, "pin", code_form()).await;
    stage.put("factors/ada", &factors(&["word"])).await;
    let refused = submit(&stage, json!({"code": "123"})).await;
    assert!(matches!(refused, Err(FlowError::StaleProof { .. })));
    assert!(!stage.has("enrolment/ada/pin").await);
}

#[tokio::test]
async fn an_address_that_was_typed_is_written_to_and_kept_with_what_was_asked() {
    let (stage, _) = stage_sending(OUTBOX, "");
    waits_with(&stage, "mail", Form::new().email("to")).await;
    let step = shown(&stage, json!({"to": "ada@example.org"})).await;
    assert_eq!((step.delivery, step.resend_at), (Some("sent"), Some(NOW.plus_s(WAIT_S))));
    assert!(step.errors.is_empty());
    let Setup { open, secret } = kept(&stage).await;
    assert_eq!((open.attempts_used, wrong(&stage, "setup.mail").await), (0, 0));
    assert_eq!(secret.typed, ["ada@example.org"]);
    let at = SentTo { channel: "email".to_owned(), to: "ada@example.org".to_owned() };
    assert!(secret.sent_to == [at.clone()]);
    assert_eq!(secret.asked.unwrap().input.unwrap()["to"], "ada@example.org");
    assert_eq!(stage.flows.delivery().outbox().len(), 1);
    assert!(matches!(submit(&stage, json!({"code": "123"})).await, Ok(Step::Created(_))));
    let enrolled: Enrolment = stage.read("enrolment/ada/mail").await;
    assert!(enrolled.secret.sent_to == [at]);
}

#[tokio::test]
async fn a_message_is_sent_again_from_its_moment_on_by_the_same_question() {
    let (stage, asked) = stage_sending(OUTBOX, "");
    waits_with(&stage, "mail", Form::new().email("to")).await;
    let none = submit(&stage, json!({"resend": true})).await;
    assert!(matches!(none, Err(FlowError::NotPossible { code: "resend_not_supported", .. })));
    shown(&stage, json!({"to": "ada@example.org"})).await;
    let first = kept(&stage).await.secret.sent.unwrap().messages;
    let again = async || submit(&stage, json!({"resend": true})).await;
    assert!(matches!(again().await, Err(FlowError::Throttled { retry_after_s: WAIT_S })));
    stage.move_clock_to(crate::clock::Timestamp(NOW.plus_s(WAIT_S).0 - 1));
    assert!(matches!(again().await, Err(FlowError::Throttled { retry_after_s: 1 })));
    stage.move_clock_to(NOW.plus_s(WAIT_S));
    assert!(matches!(again().await, Ok(Step::Form(form)) if form.delivery == Some("sent")));
    let Setup { open, secret } = kept(&stage).await;
    assert_ne!(secret.sent.unwrap().messages, first);
    assert_eq!((open.attempts_used, secret.typed.len(), secret.sent_to.len()), (0, 1, 1));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
    assert_eq!(asked[0].0, Some(json!("before")));
}

#[tokio::test]
async fn a_module_that_writes_where_it_may_not_ends_the_set_up() {
    let (stage, _) = stage_sending(OUTBOX, "eve@example.org");
    waits_with(&stage, "mail", Form::new().email("to")).await;
    assert!(is_aborted(&submit(&stage, json!({"to": "ada@example.org"})).await, "unknown_error"));
    let (stage, _) = stage_sending(OUTBOX, "");
    waits_with(&stage, "pin", Form::new().email("to")).await;
    let says_it_sends_nothing = submit(&stage, json!({"to": "ada@example.org"})).await;
    assert!(is_aborted(&says_it_sends_nothing, "unknown_error"));
    assert!(stage.flows.delivery().outbox().is_empty());
}

#[tokio::test]
async fn what_no_channel_takes_leaves_the_step_before_and_costs_nothing() {
    let (stage, _) = stage_sending("", "");
    waits_with(&stage, "mail", Form::new().email("to")).await;
    let step = shown(&stage, json!({"to": "ada@example.org"})).await;
    assert_eq!((step.delivery, &*step.errors["base"]), (Some("failed"), "delivery_failed"));
    assert_eq!(step.fields[0].name, "to", "another address can be given");
    assert_eq!((kept(&stage).await.open.attempts_used, wrong(&stage, "setup.mail").await), (0, 0));
}

#[tokio::test]
async fn what_the_other_side_does_not_take_now_is_told_and_tried_again() {
    let closed = "[[channel]]\nname = \"email\"\ntype = \"email\"\nhost = \"localhost\"\nport = 1\n\
                  from = \"a@example.org\"\nencryption = \"none\"";
    let (stage, _) = stage_sending(closed, "");
    waits_with(&stage, "mail", Form::new().email("to")).await;
    let step = shown(&stage, json!({"to": "ada@example.org"})).await;
    assert_eq!((step.delivery, &*step.errors["base"]), (Some("failed"), "delivery_failed"));
    assert_eq!(step.fields[0].name, "code");
    assert!(kept(&stage).await.secret.sent.is_some());
}

#[tokio::test]
async fn what_the_other_side_refuses_leaves_the_step_before_where_another_address_can_be_given() {
    let (stage, _) = stage_sending(&channel_that_refuses(), "");
    waits_with(&stage, "mail", Form::new().email("to")).await;
    let before = kept(&stage).await.secret.seed;
    let step = shown(&stage, json!({"to": "ada@example.org"})).await;
    assert_eq!((step.delivery, &*step.errors["base"]), (Some("failed"), "delivery_failed"));
    assert_eq!(step.fields[0].name, "to");
    let secret = kept(&stage).await.secret;
    assert!(secret.sent.is_none() && secret.seed != before, "no two calls of one seed");
    let mut beginning = kept(&stage).await;
    beginning.open.stage = SetupStage::Beginning;
    stage.put(&key_of_f(), &beginning).await;
    let step = first_step(&stage, &beginning, "ada@example.org").await;
    assert!(is_aborted(&step, "delivery_failed"), "there is no step before");
}

/// What comes of a first step with a message to this address, which was typed.
async fn first_step(stage: &TestStage, beginning: &Setup, to: &str) -> Result<Step, FlowError> {
    let (access, asker) = (ada(), asker());
    let engine = &stage.flows.engine;
    let turn = Turn { engine, access: &access, flow_id: "f", asker: &asker, now: engine.clock.now() };
    let mut beginning = beginning.clone();
    beginning.secret.typed = vec![to.to_owned()];
    stage.put(&key_of_f(), &beginning).await;
    let shown = sending::Shown {
        form: code_form(),
        state: json!(1),
        messages: vec![Message::code("email", to, "123", 600)],
        asked: Default::default(),
        error: None,
    };
    let found = turn.own_open().await?;
    turn.keep_step(&found, &beginning, shown, sending::Attempt::None).await.map(Option::unwrap)
}

#[tokio::test]
async fn a_first_step_that_cannot_be_sent_ends_the_set_up() {
    let (stage, _) = stage_sending("", "");
    waits_with(&stage, "mail", code_form()).await;
    let mut beginning = kept(&stage).await;
    beginning.open.stage = SetupStage::Beginning;
    assert!(is_aborted(&first_step(&stage, &beginning, "ada@example.org").await, "delivery_failed"));
}

#[tokio::test]
async fn only_the_wish_alone_is_a_wish_to_send_again() {
    let of = |fields: Value| sending::is_resend(fields.as_object().unwrap());
    assert!(of(json!({"resend": true})));
    for other in [json!({"resend": false}), json!({"resend": "true"}), json!({"resend": true, "code": "1"}), json!({})]
    {
        assert!(!of(other.clone()), "{other}");
    }
    assert!(!of(json!({"code": true})));
}

/// The texts a set-up remembers that remembered these, once this was given to its form.
async fn typed(before: &[&str], given: Value) -> Vec<String> {
    let (stage, _) = stage_sending(OUTBOX, "");
    let form = Form::new().text("text", 300).optional().email("mail").optional().boolean("yes").optional();
    waits_with(&stage, "mail", form.digits("number", 6).optional()).await;
    let mut waiting = kept(&stage).await;
    waiting.secret.typed = before.iter().map(|text| (*text).to_owned()).collect();
    stage.put(&key_of_f(), &waiting).await;
    shown(&stage, given).await;
    kept(&stage).await.secret.typed
}

#[tokio::test]
async fn texts_are_remembered_once_the_last_ones_and_only_where_an_address_is_typed() {
    assert_eq!(typed(&["a"], json!({"mail": "c@example.org", "text": "b"})).await, ["a", "c@example.org", "b"]);
    assert_eq!(typed(&["a"], json!({"text": "a"})).await, ["a"]);
    assert_eq!(typed(&["a"], json!({"text": "", "yes": true, "number": "123456"})).await, ["a"]);
    let (longest, too_long) = ("x".repeat(254), "x".repeat(255));
    assert_eq!(typed(&[], json!({"text": longest})).await, [longest]);
    assert!(typed(&[], json!({"text": too_long})).await.is_empty());
    let many: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(typed(&many, json!({"text": "last"})).await, [&many[1..], &["last"]].concat());
}

#[tokio::test]
async fn a_module_hears_which_language_the_user_reads() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&heard);
    let play = move |_: &str, request: &Request| {
        noted.lock().unwrap().push(request.context.language.clone());
        answer(request, "")
    };
    let stage = TestStage::playing(SETTINGS, &[Description::new("pin", "Pin", Kind::Knowledge)], play);
    waits_with(&stage, "pin", code_form()).await;
    for language in ["de", "fr"] {
        let access = Access { language: Some(language.to_owned()), ..ada() };
        let fields = json!({"code": "next"}).as_object().cloned().unwrap();
        assert!(matches!(stage.flows.submit_setup(&access, "f", fields, &asker()).await, Ok(Step::Form(_))));
    }
    assert_eq!(*heard.lock().unwrap(), ["de", "fr"]);
}
