//! Ways back in at a step: which of them are offered, and whom an input is for.

use mfa_sdk::{
    form::{FieldError, Form},
    protocol::{Description, Kind, Operation, Reply, Request},
};
use serde_json::{Value, json};

use super::{recovery::Routed, *};
use crate::flow::{
    record::{Document, Factors, FactorsOpen},
    test_stage::{NOW, TestStage, asker, factors, user, waiting},
};

const SETTINGS: &str = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\ntype = \"word\"\n\
                        [[module]]\ntype = \"codes\"\nrecovery = true\n[[module]]\ntype = \"paper\"\nrecovery = true\n\
                        [[module]]\ntype = \"asleep\"\nrecovery = true";

/// `codes` takes 10 letters or digits, `paper` 10 or 11; the former shows everybody the same.
fn stage() -> TestStage {
    let play = |id: &str, request: &Request| match &request.operation {
        Operation::InputSchema {} => {
            let length_max = if id == "codes" { 10 } else { 11 };
            Reply::Form { form: Form::new().code_between("code", 10, length_max), code: None }
        }
        _ => Reply::Unsupported {},
    };
    let way_back = |id: &str| Description::new(id, id, Kind::Possession).recovery(true);
    let descriptions = [
        Description::new("pin", "Pin", Kind::Knowledge),
        Description::new("word", "Word", Kind::Knowledge),
        way_back("codes").fixed_step(true),
        way_back("paper"),
    ];
    TestStage::playing(SETTINGS, &descriptions, play)
}

/// Pin and word, with codes for the pin, paper for all, and a way back that does not run.
fn all_ways() -> FactorsOpen {
    let listed = factors(&["pin", "word"]).open.with_way_back("codes", "codes", Some("pin"), NOW);
    listed.with_way_back("paper", "paper", None, NOW).with_way_back("asleep", "asleep", None, NOW)
}

async fn offered(stage: &TestStage, listed: FactorsOpen, at: &str) -> Vec<String> {
    let factors: Factors = Document { open: listed, secret: () };
    stage.put("factors/ada", &factors).await;
    let asker = asker();
    let turn = Turn::new(&stage.flows.engine, "f", &asker);
    let offered = turn.offered(&waiting("ada", at)).await.unwrap();
    offered.into_iter().map(|way_back| way_back.module).collect()
}

#[tokio::test]
async fn ways_back_are_offered_that_run_and_stand_in_for_what_is_asked() {
    let stage = stage();
    assert_eq!(offered(&stage, all_ways(), "pin").await, ["codes", "paper"]);
    assert_eq!(offered(&stage, all_ways(), "word").await, ["paper"]);
    assert_eq!(offered(&stage, all_ways(), "paper").await, [""; 0], "a way back is asked by itself");
    let changed = |change: fn(&mut crate::flow::record::Factor)| {
        let mut listed = all_ways();
        listed.factors.iter_mut().filter(|factor| factor.module == "codes").for_each(change);
        listed
    };
    let off = changed(|factor| factor.active = false);
    assert_eq!(offered(&stage, off, "pin").await, ["paper"]);
    let of_another_type = changed(|factor| factor.module_type = "paper".to_owned());
    assert_eq!(offered(&stage, of_another_type, "pin").await, ["paper"]);
    let a_factor = changed(|factor| factor.recovery = false);
    assert_eq!(offered(&stage, a_factor, "pin").await, ["paper"]);
    let of_what_is_none = factors(&["pin"]).open.with_way_back("word", "word", None, NOW);
    assert_eq!(offered(&stage, of_what_is_none, "pin").await, [""; 0], "its module is no way back any more");
    let asker = asker();
    let turn = Turn::new(&stage.flows.engine, "f", &asker);
    let mut choosing = waiting("ada", "pin");
    choosing.open.stage = crate::flow::record::SessionStage::Selecting;
    assert!(turn.offered(&choosing).await.unwrap().is_empty());
}

/// Whom these fields are for at the step of the pin, or which fields are wrong and how.
async fn routed(stage: &TestStage, fields: Value) -> String {
    let factors: Factors = Document { open: all_ways(), secret: () };
    stage.put("factors/ada", &factors).await;
    let (asker, ada) = (asker(), user("ada"));
    let turn = Turn::new(&stage.flows.engine, "f", &asker);
    let mut session = waiting("ada", "pin");
    let form = Form::new().digits("code", 6);
    session.secret.form = Some(form.clone());
    let Value::Object(fields) = fields else { unreachable!("fields are an object") };
    match turn.route(&session, Some(&ada), &form, fields).await {
        Ok(Routed::Asked(fields)) => format!("pin {}", fields["code"].as_str().unwrap()),
        Ok(Routed::WayBack(module, fields)) => format!("{} {}", module.id, fields["code"].as_str().unwrap()),
        Err(FlowError::InvalidInput(errors)) => {
            let word = |error: &FieldError| serde_json::to_value(error).unwrap().as_str().unwrap().to_owned();
            let all = errors.iter().map(|(name, error)| format!("{name} {}", word(error)));
            all.collect::<Vec<_>>().join(", ")
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_input_is_for_one_and_never_for_two() {
    let stage = stage();
    let (ten, eleven) = ("abcdefghjk", "abcdefghjkm");
    for (fields, whom) in [
        (json!({"code": "123 456"}), "pin 123456".to_owned()),
        (json!({"code": "123456", "recovery_code": ""}), "pin 123456".to_owned()),
        (json!({"recovery_code": eleven}), format!("paper {eleven}")),
        (json!({"recovery_code": eleven, "code": ""}), format!("paper {eleven}")),
        (json!({"recovery_code": eleven, "code": null}), format!("paper {eleven}")),
        (json!({"recovery_code": eleven, "code": "1"}), "code unexpected".to_owned()),
        (json!({"recovery_code": ten}), "recovery_module required".to_owned()),
        (json!({"recovery_code": ten, "recovery_module": "codes"}), format!("codes {ten}")),
        (json!({"recovery_code": ten, "recovery_module": "paper"}), format!("paper {ten}")),
        (json!({"recovery_code": ten, "recovery_module": "word"}), "recovery_code unexpected".to_owned()),
        // What the pin cannot be is for the one way back it fits, and for none if it fits two.
        (json!({"code": eleven}), format!("paper {eleven}")),
    ] {
        assert_eq!(routed(&stage, fields.clone()).await, whom, "{fields}");
    }
    assert!(routed(&stage, json!({"code": ten})).await.starts_with("code "), "it fits two");
    assert!(routed(&stage, json!({"code": "abc"})).await.starts_with("code "), "it fits none");
    assert!(routed(&stage, json!({"recovery_code": "abc"})).await.starts_with("recovery_code "));
    let (long, too_long) = ("x".repeat(64), "x".repeat(65));
    assert_eq!(routed(&stage, json!({"recovery_code": ten, long.clone(): "1"})).await, format!("{long} unexpected"));
    assert_eq!(routed(&stage, json!({"recovery_code": ten, too_long: "1"})).await, "base unexpected");
}
