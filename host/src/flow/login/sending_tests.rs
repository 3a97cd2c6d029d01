//! Steps that send, and the wishes at a step: what is sent and kept, how long it lives, and what comes in its place.

use mfa_sdk::{
    Message,
    form::Form,
    protocol::{Cause, Description, Kind, LoginReply, Operation, Reply, Request, VerdictReply},
};
use serde_json::{Value, json};

use super::{switch::Wish, *};
use crate::{
    clock::Timestamp,
    flow::{
        FormStep,
        record::{Account, AccountOpen, Address, Document, OpenFlow, Sent, Session, SessionStage},
        test_stage::{NOW, TestStage, asker, channel_that_refuses, interrupted, session, user, waiting},
    },
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"mail\"\n[[module]]\n\
                        type = \"pin\"\n[delivery]\nresend_wait_s = 30\n";
const OUTBOX: &str = "[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"\n";
const ADA: &str = "ada@example.org";

/// `mail` sends one message that lives so long, to this address; `pin` sends nothing and takes two wrong answers.
fn stage_sending(channel: &str, to: &'static str, lifetime_s: u32) -> TestStage {
    let play = move |id: &str, request: &Request| match (&request.operation, id) {
        (Operation::InitializeLoginMfaStep { .. }, _) => {
            let message = Message::code("email", to, "123", lifetime_s);
            let messages = if id == "mail" { vec![message] } else { Vec::new() };
            Reply::Login(LoginReply { form: Form::new().text("code", 64), challenge: Some(json!("kept")), messages })
        }
        (Operation::Validate { .. }, _) => {
            Reply::Verdict(VerdictReply::Rejected { error: "invalid_code".to_owned(), challenge: None })
        }
        _ => Reply::Unsupported {},
    };
    let descriptions = [
        Description::new("mail", "Mail", Kind::Possession).sends(true),
        Description::new("pin", "Pin", Kind::Knowledge).retries_max(2),
    ];
    TestStage::playing(&format!("{SETTINGS}{channel}"), &descriptions, play)
}

fn key_of_f() -> String {
    format!("session/{}", token::hash("f"))
}

fn flow(name: &str) -> OpenFlow {
    OpenFlow { flow: name.to_owned(), until: NOW.plus_s(60) }
}

/// Ada with an address and these factors, whose login `f` is about to ask for her mail, beside another login.
async fn is_about_to_send(stage: &TestStage, factors: &[&str], cause: Cause) {
    let mut ada = user("ada");
    let address = Address { value: ADA.to_owned(), added_at: NOW, proved_at: Some(NOW), by_code: false };
    ada.secret.addresses.email.push(address);
    stage.put("user/ada", &ada).await;
    stage.put_factors("ada", factors).await;
    let mut beginning = waiting("ada", "mail");
    beginning.open.stage = SessionStage::Initialising { module: "mail".to_owned(), cause };
    stage.put(&key_of_f(), &beginning).await;
    let sessions = vec![flow(&token::hash("f")), flow("other")];
    let open = AccountOpen { sessions, ..AccountOpen::default() };
    stage.put("account/ada", &Document { open, secret: () }).await;
}

async fn submit(stage: &TestStage, fields: Value) -> Result<Step, FlowError> {
    let Value::Object(fields) = fields else { unreachable!("fields are an object") };
    stage.flows.submit_login("f", "app", fields, None, &asker()).await
}

async fn shown(stage: &TestStage, fields: Value) -> FormStep {
    match submit(stage, fields).await {
        Ok(Step::Form(form)) => form,
        Ok(Step::Abort(abort)) => panic!("it was aborted: {}", abort.reason),
        Ok(Step::Created(_)) => panic!("it passed"),
        Err(error) => panic!("{error}"),
    }
}

async fn kept(stage: &TestStage) -> Session {
    stage.read(&key_of_f()).await
}

fn is_aborted(step: &Result<Step, FlowError>, with: &str) -> bool {
    matches!(step, Ok(Step::Abort(abort)) if abort.reason == with)
}

#[tokio::test]
async fn a_step_that_sends_is_kept_with_its_message_and_lives_as_long_as_the_code() {
    for (lifetime_s, lives_s) in [(300, 300), (900, 600), (30, 60)] {
        let stage = stage_sending(OUTBOX, ADA, lifetime_s);
        is_about_to_send(&stage, &["mail"], Cause::First).await;
        let step = shown(&stage, json!({})).await;
        assert_eq!((step.delivery, step.resend_at), (Some("sent"), Some(NOW.plus_s(30))));
        assert!(step.errors.is_empty() && step.methods.is_empty(), "there is nothing to change to");
        let Session { open, secret } = kept(&stage).await;
        let sent = secret.sent.unwrap();
        assert_eq!((sent.messages.len(), &*sent.to[0].to, sent.refused), (1, ADA, false));
        assert_eq!(secret.challenge, Some(json!("kept")));
        assert_eq!(open.expires_at, NOW.plus_s(lives_s), "{lifetime_s}");
        assert!(open.retain_until >= open.expires_at.plus_s(600) || lives_s == 60);
        let account: Account = stage.read("account/ada").await;
        let until: Vec<Timestamp> = account.open.sessions.iter().map(|open| open.until).collect();
        assert_eq!(until, [NOW.plus_s(lives_s), NOW.plus_s(60)], "{lifetime_s}");
        assert_eq!(stage.flows.delivery().outbox().len(), 1);
    }
}

#[tokio::test]
async fn another_message_for_the_same_step_makes_its_login_no_longer() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    is_about_to_send(&stage, &["mail"], Cause::Resend).await;
    shown(&stage, json!({})).await;
    assert_eq!(kept(&stage).await.open.expires_at, NOW.plus_s(60));
}

#[tokio::test]
async fn who_has_another_method_is_offered_it_beside_a_step_that_sends() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    is_about_to_send(&stage, &["mail", "pin"], Cause::First).await;
    let names = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    assert_eq!(shown(&stage, json!({})).await.methods, [names("mail", "Mail"), names("pin", "Pin")]);
}

#[tokio::test]
async fn what_no_channel_takes_is_told_and_no_answer_to_it_is_an_attempt() {
    let stage = stage_sending("", ADA, 300);
    is_about_to_send(&stage, &["mail"], Cause::First).await;
    for fields in [json!({}), json!({"code": "1"})] {
        let step = shown(&stage, fields).await;
        assert_eq!((step.delivery, &*step.errors["base"]), (Some("failed"), "delivery_failed"));
        assert_eq!(step.resend_at, Some(NOW.plus_s(30)));
        let Session { open, secret } = kept(&stage).await;
        assert!(secret.sent.unwrap().refused && open.attempts_used == 0);
    }
}

#[tokio::test]
async fn an_hour_that_is_full_says_when_another_message_can_be_asked_for() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    is_about_to_send(&stage, &["mail"], Cause::First).await;
    let sent = std::iter::repeat_n(NOW, 200).collect();
    stage.put("account/ada", &Document { open: AccountOpen { sent, ..AccountOpen::default() }, secret: () }).await;
    let step = shown(&stage, json!({})).await;
    assert_eq!((step.delivery, step.resend_at), (Some("failed"), Some(NOW.plus_s(3600))));
    assert!(stage.flows.delivery().outbox().is_empty());
}

#[tokio::test]
async fn what_the_other_side_refuses_is_told_and_remembered() {
    let stage = stage_sending(&channel_that_refuses(), ADA, 300);
    is_about_to_send(&stage, &["mail"], Cause::First).await;
    let step = shown(&stage, json!({})).await;
    assert_eq!((step.delivery, &*step.errors["base"]), (Some("failed"), "delivery_failed"));
    let sent = kept(&stage).await.secret.sent.unwrap();
    assert!(sent.refused && sent.messages.len() == 1);
}

#[tokio::test]
async fn what_was_sent_since_is_not_refused_with_what_was_sent_before() {
    let mut is_refused = Vec::new();
    for nth in 1.. {
        let stage = stage_sending(&channel_that_refuses(), ADA, 300);
        is_about_to_send(&stage, &["mail"], Cause::First).await;
        let sent_since = async || {
            let mut next = waiting("ada", "mail");
            next.secret.sent = Some(Sent { messages: vec!["since".to_owned()], ..Sent::default() });
            stage.put(&key_of_f(), &next).await;
        };
        if !interrupted(submit(&stage, json!({})), nth, sent_since).await.1 {
            break;
        }
        let sent = kept(&stage).await.secret.sent.unwrap();
        assert_eq!(sent.messages, ["since"]);
        is_refused.push(sent.refused);
    }
    assert!(is_refused.len() > 1 && !is_refused.contains(&true), "{is_refused:?}");
}

#[tokio::test]
async fn a_module_that_writes_to_somebody_else_ends_the_login() {
    let stage = stage_sending(OUTBOX, "eve@example.org", 300);
    is_about_to_send(&stage, &["mail"], Cause::First).await;
    assert!(is_aborted(&submit(&stage, json!({})).await, "unknown_error"));
    assert!(stage.flows.delivery().outbox().is_empty());
}

#[tokio::test]
async fn a_message_is_sent_again_from_its_moment_on_under_another_flow_id() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    is_about_to_send(&stage, &["mail"], Cause::First).await;
    shown(&stage, json!({})).await;
    let again = async || submit(&stage, json!({"resend": true})).await;
    assert!(matches!(again().await, Err(FlowError::Throttled { retry_after_s: 30 })));
    stage.move_clock_to(Timestamp(NOW.plus_s(30).0 - 1));
    assert!(matches!(again().await, Err(FlowError::Throttled { retry_after_s: 1 })));
    stage.move_clock_to(NOW.plus_s(30));
    let Ok(Step::Form(step)) = again().await else { panic!("it is not sent again") };
    assert!(step.flow_id != "f" && step.delivery == Some("sent"));
    let former = kept(&stage).await;
    assert_eq!(former.open.stage, SessionStage::Ended { reason: "switched".to_owned() });
    let next: Session = stage.read(&format!("session/{}", token::hash(&step.flow_id))).await;
    assert_eq!(next.open.stage, SessionStage::Waiting { module: "mail".to_owned() });
    let account: Account = stage.read("account/ada").await;
    let open: Vec<&str> = account.open.sessions.iter().map(|open| &*open.flow).collect();
    assert_eq!(open, ["other", &token::hash(&step.flow_id)]);
}

#[tokio::test]
async fn a_method_that_sends_nothing_has_nothing_to_send_again() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    is_about_to_send(&stage, &["pin"], Cause::First).await;
    stage.put(&key_of_f(), &waiting("ada", "pin")).await;
    let refused = submit(&stage, json!({"resend": true})).await;
    assert!(matches!(refused, Err(FlowError::NotPossible { code: "resend_not_supported", .. })));
}

#[tokio::test]
async fn another_method_of_ones_own_takes_over_while_it_has_attempts_left() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    for (attempts_used, pin_has_some) in [(0, true), (1, true), (2, false), (3, false)] {
        is_about_to_send(&stage, &["mail", "pin"], Cause::First).await;
        let mut at_mail = waiting("ada", "mail");
        at_mail.open.attempts_used = attempts_used;
        stage.put(&key_of_f(), &at_mail).await;
        let to = async |method: &str| submit(&stage, json!({"multi_factor_auth_module": method})).await;
        assert!(matches!(to("word").await, Err(FlowError::NotFound { .. })));
        assert!(matches!(to("mail").await, Err(FlowError::NotPossible { code: "same_method", .. })));
        match to("pin").await {
            Ok(Step::Form(step)) => {
                assert!(pin_has_some, "{attempts_used}");
                let next: Session = stage.read(&format!("session/{}", token::hash(&step.flow_id))).await;
                assert_eq!(next.open.attempts_used, attempts_used, "they go along");
            }
            Err(FlowError::NotPossible { code: "no_attempts_left", .. }) => assert!(!pin_has_some, "{attempts_used}"),
            _ => panic!("neither taken nor refused: {attempts_used}"),
        }
    }
}

#[tokio::test]
async fn a_method_without_a_limit_always_has_attempts_left() {
    let description = |id: &str| Description::new(id, id, Kind::Knowledge).retries_max(0);
    let play = |_: &str, _: &Request| {
        Reply::Login(LoginReply { form: Form::new().text("code", 64), challenge: None, messages: Vec::new() })
    };
    let stage = TestStage::playing(SETTINGS, &[description("mail"), description("pin")], play);
    is_about_to_send(&stage, &["mail", "pin"], Cause::First).await;
    let mut at_mail = waiting("ada", "mail");
    at_mail.open.attempts_used = 9;
    stage.put(&key_of_f(), &at_mail).await;
    assert!(matches!(submit(&stage, json!({"multi_factor_auth_module": "pin"})).await, Ok(Step::Form(_))));
}

#[tokio::test]
async fn a_choice_is_among_ones_own_methods() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    is_about_to_send(&stage, &["mail", "pin"], Cause::First).await;
    let mut choosing = waiting("ada", "pin");
    choosing.open.stage = SessionStage::Selecting;
    stage.put(&key_of_f(), &choosing).await;
    let step = shown(&stage, json!({"multi_factor_auth_module": "word"})).await;
    assert_eq!(step.errors["base"], "invalid_auth_module");
    assert_eq!(kept(&stage).await.open.stage, SessionStage::Selecting);
    assert!(shown(&stage, json!({"multi_factor_auth_module": "pin"})).await.errors.is_empty());
    assert_eq!(kept(&stage).await.open.stage, SessionStage::Waiting { module: "pin".to_owned() });
}

#[tokio::test]
async fn a_wish_comes_too_late_when_the_login_is_over() {
    let stage = stage_sending(OUTBOX, ADA, 300);
    is_about_to_send(&stage, &["mail", "pin"], Cause::First).await;
    stage.put(&key_of_f(), &waiting("ada", "mail")).await;
    stage.move_clock_to(NOW.plus_s(61));
    assert!(is_aborted(&submit(&stage, json!({"multi_factor_auth_module": "pin"})).await, "login_expired"));
}

#[test]
fn a_wish_stands_alone_and_only_where_a_method_is_asked() {
    let at = |stage: &SessionStage, fields: Value| match Wish::of(stage, fields.as_object().unwrap()) {
        Ok(Some(Wish::Method(method))) => method,
        Ok(Some(Wish::Resend)) => "resend".to_owned(),
        Ok(None) => "none".to_owned(),
        Err(_) => "refused".to_owned(),
    };
    let asked = SessionStage::Waiting { module: "mail".to_owned() };
    let about_to_ask = SessionStage::Initialising { module: "mail".to_owned(), cause: Cause::First };
    for stage in [&asked, &about_to_ask] {
        assert_eq!(at(stage, json!({"multi_factor_auth_module": "pin"})), "pin");
        assert_eq!(at(stage, json!({"resend": true})), "resend");
        assert_eq!(at(stage, json!({"code": "1"})), "none");
        for mixed in [
            json!({"multi_factor_auth_module": "pin", "code": "1"}),
            json!({"resend": true, "code": "1"}),
            json!({"resend": true, "multi_factor_auth_module": "pin"}),
            json!({"resend": false}),
            json!({"multi_factor_auth_module": 1}),
        ] {
            assert_eq!(at(stage, mixed.clone()), "refused", "{mixed}");
        }
    }
    let choosing = session("ada", NOW, NOW).open.stage;
    assert_eq!(at(&choosing, json!({"multi_factor_auth_module": "pin"})), "none", "it is the answer there");
}

#[tokio::test]
async fn a_link_that_was_sent_is_the_sessions_own_and_shows_its_number() {
    let play = |_: &str, _: &Request| {
        let messages = vec![Message::link("email", ADA, 300)];
        Reply::Login(LoginReply { form: Form::new(), challenge: None, messages })
    };
    let description = Description::new("mail", "Mail", Kind::Possession).sends(true);
    let stage = TestStage::playing(&format!("{SETTINGS}{OUTBOX}"), &[description], play);
    is_about_to_send(&stage, &["mail"], Cause::First).await;
    let step = shown(&stage, json!({})).await;
    let Sent { link, .. } = kept(&stage).await.secret.sent.unwrap();
    let kept: crate::flow::record::Link = stage.read(&format!("link/{}", link.unwrap().hash)).await;
    assert_eq!(step.placeholders["link_number"], kept.secret.number.to_string());
    assert!(stage.flows.delivery().outbox()[0].text.contains("/auth/link/"));
}
