//! Attempts, and what is kept of a verdict.

use super::*;
use crate::flow::record::EnrolmentSecret;

#[test]
fn the_last_of_so_many_attempts_is_the_last_and_none_is_where_none_are_counted() {
    assert!(!is_spent(2, 3) && is_spent(3, 3) && is_spent(4, 3));
    assert!(!is_spent(0, 1) && is_spent(1, 1));
    assert!(!is_spent(0, 0) && !is_spent(1000, 0));
}

#[tokio::test]
async fn an_attempt_is_spent_on_the_session_as_it_is_and_not_as_it_was_read() {
    use crate::flow::test_stage::{NOW, TestStage, asker, session, user};

    let (stage, asker) = (TestStage::with(PIN), asker());
    stage.put("user/ada", &user("ada")).await;
    let turn = Turn::new(&stage.flows.engine, "f", &asker);
    let key = format!("session/{}", turn.flow_hash());
    let mut record = session("ada", NOW.plus_s(60), NOW.plus_s(60));
    record.open.stage = SessionStage::Waiting { module: "pin".to_owned() };
    stage.put(&key, &record).await;
    let read = turn.session().await.unwrap();
    record.open.attempts_used = 1;
    stage.put(&key, &record).await;
    let user = turn.may_go_on(&read).await.unwrap().unwrap();
    let mut alive = Alive { found: read, user };
    let module = stage.flows.engine.modules.module("pin").unwrap();
    let target = Target::login("pin", false);
    let guess = Guess { module, in_place_of: None, fields: Fields::new(), target, ordinal: None, alarm: None };
    assert!(matches!(turn.spend(&mut alive, &guess).await, Ok(Spent::Attempt { ordinal: 2, alarm: None })));
    let kept: Session = stage.read(&key).await;
    assert_eq!(kept.open.attempts_used, 2);
    let account: Account = stage.read("account/ada").await;
    assert_eq!(account.open.wrong["pin"].in_a_row, 1);
}

#[tokio::test]
async fn an_alarm_is_told_once_whatever_comes_between_and_when_the_flow_is_gone() {
    use crate::flow::{
        record::Address,
        test_stage::{NOW, TestStage, asker, session, user},
    };

    // Nothing answers there, so that what was told stays in the store.
    let channel = "[[channel]]\nname = \"email\"\ntype = \"email\"\nhost = \"127.0.0.1\"\nport = 1\n\
                   encryption = \"none\"\nfrom = \"host@example.org\"";
    let (stage, asker) = (TestStage::with(&format!("{PIN}\n{channel}")), asker());
    let mut ada = user("ada");
    let proved_at = Some(NOW);
    let address = Address { value: "ada@example.org".into(), added_at: NOW, proved_at, by_code: false };
    ada.secret.addresses.email.push(address);
    stage.put("user/ada", &ada).await;
    let turn = Turn::new(&stage.flows.engine, "f", &asker);
    let key = format!("session/{}", turn.flow_hash());
    let mut record = session("ada", NOW.plus_s(60), NOW.plus_s(60));
    record.open.stage = SessionStage::Waiting { module: "pin".to_owned() };
    stage.put(&key, &record).await;
    let (engine, alarm) = (&stage.flows.engine, Some(Alarm::SeveralWrong { count: 5 }));
    let module = engine.modules.module("pin").unwrap();
    let target = Target::login("pin", false);
    let guess = |ordinal| {
        let (module, target) = (module.clone(), target.clone());
        Guess { module, in_place_of: None, fields: Fields::new(), target, ordinal: Some(ordinal), alarm }
    };
    let (user, former) = (engine.user_in_epoch("ada", 0).await.unwrap().unwrap(), turn.session().await.unwrap());
    let enrolment = engine.enrolment("ada", "pin").await.unwrap();
    let factors: Found<Factors> = engine.read(key::factors("ada")).await.unwrap();
    let told = async || engine.store.scan("message/").await.unwrap().len();
    let reject = async |found: &Found<Session>, ordinal, untold: &mut Untold| {
        let session = found.record.as_ref().unwrap();
        let basis = Basis { found, session, user: &user, enrolment: &enrolment, factors: &factors };
        let refused = Refused { error: "invalid_code".into(), challenge: Some(Value::from(1)) };
        turn.reject(&guess(ordinal), &basis, refused, untold).await
    };
    stage.put(&key, &record).await;
    let mut untold = Untold::default();
    assert!(matches!(reject(&former, 1, &mut untold).await, Ok(None)), "the session changed meanwhile");
    assert_eq!(told().await, 0, "nothing is told of what did not happen");
    let found = turn.session().await.unwrap();
    assert!(matches!(reject(&found, 1, &mut untold).await, Ok(Some(Outcome::Shown { .. }))));
    turn.tell_rest(untold).await;
    assert_eq!(told().await, 1);

    let found = turn.session().await.unwrap();
    let mut untold = Untold::default();
    assert!(matches!(reject(&found, 3, &mut untold).await, Ok(Some(Outcome::Aborted { .. }))));
    assert_eq!(told().await, 2, "in the commit that ends the flow");
    assert!(matches!(reject(&found, 3, &mut untold).await, Err(FlowError::UnknownFlow)), "it ended elsewhere");
    turn.tell_rest(untold).await;
    assert_eq!(told().await, 3, "and the answer was wrong all the same");
}

const PIN: &str = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"";

#[tokio::test]
async fn a_modules_own_number_of_attempts_counts_and_its_data_is_kept_with_its_version() {
    use serde_json::json;

    let stage = crate::flow::test_stage::TestStage::with(PIN);
    let mut module = stage.flows.engine.modules.module("pin").unwrap();
    assert_eq!(attempts_max(&module), 3);
    let description = json!({
        "module_type": "pin", "name": "Pin", "kind": "knowledge", "retries_max": 5, "enrolment_version": 7,
    });
    module.description = Some(std::sync::Arc::new(serde_json::from_value(description).unwrap()));
    assert_eq!(attempts_max(&module), 5);
    let open = json!({"module": "pin", "module_type": "pin", "created_at": crate::flow::test_stage::NOW});
    let secret = EnrolmentSecret {
        version: 1,
        data: json!(1),
        by_factor: std::collections::BTreeMap::new(),
        sent_to: Vec::new(),
    };
    let record = Enrolment { open: serde_json::from_value(open).unwrap(), secret };
    let found = Found { key: stage.key("enrolment/ada/pin"), revision: None, record: Some(record) };
    let kept = with_data(&found, &module, "pin", json!(2)).unwrap().secret;
    assert_eq!((kept.version, kept.data), (7, json!(2)));
}
