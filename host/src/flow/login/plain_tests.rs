//! The plainer login with modules that say what a test wants: what it asks, what its one code is for, and its words.

use mfa_sdk::{
    form::Form,
    protocol::{Answer, Description, Kind, LoginReply, Operation, Reply, Request, VerdictReply},
};

use serde_json::json;

use super::*;
use crate::flow::{
    BeginLogin, Step,
    record::Document,
    test_stage::{NOW, TestStage, asker, enrolment, factors, session, user},
};

const SETTINGS: &str = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\ntype = \"two\"\n\
                        [[module]]\ntype = \"codes\"\nrecovery = true\n[limits]\nsession_lifetime_s = 60\n";
const APP: &str = "https://app.example/";
const PASSWORD: &str = "correct horse battery";

fn verdict(id: &str, answer: &Answer) -> Reply {
    let Answer::Form { fields } = answer else { return Reply::Unsupported {} };
    Reply::Verdict(match fields["code"].as_str() {
        Some(given) if given == format!("right for {id}") => {
            VerdictReply::Accepted { enrolment: None, advice: Some("Well done.".into()) }
        }
        _ => VerdictReply::Rejected { error: "invalid_code".to_owned(), challenge: None },
    })
}

/// Ada with a password; `two` asks for two texts, `pin` and `codes` for one.
async fn stage() -> TestStage {
    let play = |id: &str, request: &Request| match &request.operation {
        Operation::InitializeLoginMfaStep { .. } => {
            let form = Form::new().text("code", 64);
            let form = if id == "two" { form.text("more", 64) } else { form };
            Reply::Login(LoginReply { form, challenge: None, messages: Vec::new() })
        }
        Operation::InputSchema {} => Reply::Form { form: Form::new().text("code", 64), code: None },
        Operation::Validate { answer, .. } => verdict(id, answer),
        _ => Reply::Unsupported {},
    };
    let of = |id: &str| Description::new(id, format!("The {id}"), Kind::Knowledge);
    let stage = TestStage::playing(SETTINGS, &[of("pin").retries_max(2), of("two"), of("codes").recovery(true)], play);
    stage.put_person("ada", &user("ada"), Some(PASSWORD)).await;
    stage
}

/// These factors, and codes that stand in for any of them.
async fn has_with_codes(stage: &TestStage, modules: &[&str]) {
    stage.put_factors("ada", modules).await;
    let open = factors(modules).open.with_way_back("codes", "codes", None, NOW);
    stage.put("factors/ada", &Document { open, secret: () }).await;
    stage.put("enrolment/ada/codes", &enrolment("codes")).await;
}

async fn login(stage: &TestStage) -> SecondFactor {
    match stage.flows.api_login(APP, "ada", &SecretString::from(PASSWORD), &asker()).await {
        Ok(ApiLogin::SecondFactor(due)) => due,
        Ok(ApiLogin::Tokens(_)) => panic!("no second factor"),
        Err(error) => panic!("{error}"),
    }
}

async fn verify(stage: &TestStage, token: &str, answer: PlainAnswer) -> String {
    match stage.flows.api_verify(token, Some(answer), &asker()).await {
        Ok(verified) => verified.advice.unwrap_or_default(),
        Err(FlowError::InvalidCode { error }) => error,
        Err(FlowError::NotPossible { code, .. }) => code.to_owned(),
        Err(FlowError::UnknownFlow) => "unknown".to_owned(),
        Err(FlowError::Ended { reason }) => format!("ended: {reason}"),
        Err(error) => error.to_string(),
    }
}

fn code(code: &str) -> PlainAnswer {
    PlainAnswer::Code(code.to_owned())
}

#[tokio::test]
async fn the_plainer_login_asks_the_primary_at_once_where_the_protocol_asks_which() {
    let stage = stage().await;
    stage.put_factors("ada", &["two", "pin"]).await;
    let due = login(&stage).await;
    let named = |id: &str| (id.to_owned(), format!("The {id}"));
    assert_eq!((&*due.method, due.methods), ("two", vec![named("pin"), named("two")]));
    let begin = BeginLogin {
        client_id: APP.to_owned(),
        handler: ("local".to_owned(), None),
        redirect_uri: APP.to_owned(),
        state: None,
        code_challenge: None,
        code_challenge_method: None,
    };
    let Ok(Step::Form(form)) = stage.flows.begin_login(begin, &asker()).await else { panic!("a form") };
    let fields = [("username", "ada"), ("password", PASSWORD)].map(|(name, text)| (name.to_owned(), text.into()));
    let step = stage.flows.submit_login(&form.flow_id, APP, Map::from_iter(fields), None, &asker()).await;
    assert!(matches!(step, Ok(Step::Form(form)) if form.step_id == "select_mfa_module"));
}

#[tokio::test]
async fn a_code_that_is_right_gives_tokens_and_each_other_has_its_word() {
    let stage = stage().await;
    stage.put_factors("ada", &["pin"]).await;
    let due = login(&stage).await;
    assert_eq!(verify(&stage, &due.token, code("wrong")).await, "invalid_code");
    assert_eq!(verify(&stage, &due.token, code("right for pin")).await, "Well done.");
    assert_eq!(verify(&stage, &due.token, code("right for pin")).await, "unknown");
    let due = login(&stage).await;
    assert_eq!(verify(&stage, &due.token, code("wrong")).await, "invalid_code");
    assert_eq!(verify(&stage, &due.token, code("wrong")).await, "ended: too_many_retry");
    let due = login(&stage).await;
    stage.move_clock_to(NOW.plus_s(61));
    assert_eq!(verify(&stage, &due.token, code("right for pin")).await, "ended: login_expired");
}

#[tokio::test]
async fn a_code_that_the_step_takes_none_of_is_for_a_way_back_if_there_is_one() {
    let stage = stage().await;
    stage.put_factors("ada", &["two"]).await;
    let due = login(&stage).await;
    assert_eq!(verify(&stage, &due.token, code("right for codes")).await, "needs_login_flow");
    has_with_codes(&stage, &["two"]).await;
    let due = login(&stage).await;
    assert_eq!(verify(&stage, &due.token, code("right for codes")).await, "Well done.");
}

#[tokio::test]
async fn a_code_that_is_said_to_be_for_a_way_back_is_for_no_other() {
    let stage = stage().await;
    has_with_codes(&stage, &["pin"]).await;
    let due = login(&stage).await;
    let for_codes = |given: &str| PlainAnswer::Recovery { code: given.to_owned(), module: Some("codes".to_owned()) };
    assert_eq!(verify(&stage, &due.token, for_codes("right for pin")).await, "invalid_code");
    assert_eq!(verify(&stage, &due.token, for_codes("right for codes")).await, "Well done.");
}

#[tokio::test]
async fn another_method_has_another_token_and_the_former_is_dead() {
    let stage = stage().await;
    stage.put_factors("ada", &["two", "pin"]).await;
    let former = login(&stage).await;
    let Ok(ApiLogin::SecondFactor(next)) = stage.flows.api_change(&former.token, "pin", &asker()).await else {
        panic!("a second factor")
    };
    assert_eq!((&*next.method, next.token == former.token), ("pin", false));
    assert_eq!(verify(&stage, &former.token, code("right for pin")).await, "unknown");
    let again = stage.flows.api_resend(&next.token, &asker()).await;
    assert!(matches!(again, Err(FlowError::NotPossible { code: "resend_not_supported", .. })));
    assert_eq!(verify(&stage, &next.token, code("right for pin")).await, "Well done.");
}

#[tokio::test]
async fn a_code_answers_a_step_that_asks_for_one_text_and_no_other() {
    let stage = TestStage::new();
    let answered = |fields: Vec<Value>| {
        let mut record = session("ada", NOW, NOW);
        record.secret.form = serde_json::from_value(json!({"blocks": [], "fields": fields})).unwrap();
        let found = Found { key: stage.key("session/s"), revision: None, record: Some(record) };
        answer_of(&found, "123").map(Value::Object)
    };
    let field = |name: &str, kind: &str, required: bool| json!({"name": name, "kind": kind, "length_max": 9, "required": required});
    let code = || field("code", "text", true);
    assert_eq!(answered(vec![code()]).unwrap(), json!({"code": "123"}));
    assert_eq!(answered(vec![field("note", "text", false), code()]).unwrap(), json!({"code": "123"}));
    assert!(answered(vec![code(), field("more", "text", true)]).is_err());
    assert!(answered(vec![field("yes", "boolean", true)]).is_err());
    assert!(answered(Vec::new()).is_err());
}
