//! Methods that go away, with modules that note what they are told.

use std::sync::{Arc, Mutex};

use mfa_sdk::protocol::{Description, Kind, Operation, Reply, Request};

use crate::flow::{
    Access, Confirmation, FlowError,
    record::{Address, Document, Factors},
    test_stage::{Log, NOW, TestStage, asker, enrolment, factors, signed_in, user},
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\n\
                        type = \"word\"\n[[module]]\ntype = \"asleep\"\n[[channel]]\nname = \"email\"\n\
                        type = \"outbox\"\ntarget = \"email\"\n";

/// Pin and word note of which enrolment they are to take leave; `asleep` does not run.
fn stage_under(methods: &str) -> (TestStage, Arc<Mutex<Vec<String>>>) {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&told);
    let play = move |id: &str, request: &Request| match &request.operation {
        Operation::Depose { enrolment } => {
            noted.lock().unwrap().push(format!("{id} {}", enrolment.data));
            Reply::Deposed {}
        }
        _ => Reply::Unsupported {},
    };
    let descriptions =
        [Description::new("pin", "Pin", Kind::Knowledge), Description::new("word", "Word", Kind::Knowledge)];
    (TestStage::playing(&format!("{SETTINGS}{methods}"), &descriptions, play), told)
}

fn ada() -> Access {
    Access { first_factor_at: Some(NOW), factor_at: Some(NOW), ..signed_in("ada", 0) }
}

#[tokio::test]
async fn a_module_takes_leave_of_what_was_its_own_and_of_nothing_else() {
    let (stage, told) = stage_under("");
    stage.put("user/ada", &user("ada")).await;
    stage.put_factors("ada", &["pin", "word", "asleep"]).await;
    let mut of_another_type = enrolment("word");
    of_another_type.open.module_type = "pin".to_owned();
    stage.put("enrolment/ada/word", &of_another_type).await;
    stage.flows.delete_all_methods(&ada(), &Confirmation::default(), &asker()).await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["pin \"kept\""]);
    let listed: Factors = stage.read("factors/ada").await;
    assert!(listed.open.factors.is_empty());
    for module in ["pin", "word", "asleep"] {
        assert!(!stage.has(&format!("enrolment/ada/{module}")).await, "{module}");
    }
}

#[tokio::test]
async fn one_method_goes_and_the_others_stay_and_the_user_is_told_its_name() {
    let (stage, told) = stage_under("");
    let mut ada_at_home = user("ada");
    let value = "ada@example.org".to_owned();
    ada_at_home.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at: Some(NOW), by_code: false }];
    stage.put("user/ada", &ada_at_home).await;
    stage.put_factors("ada", &["pin", "word"]).await;
    let log = Log::begin();
    stage.flows.delete_method(&ada(), "pin", &Confirmation::default(), &asker()).await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["pin \"kept\""]);
    stage.all_sent().await;
    let messages = stage.flows.delivery().outbox();
    assert!(messages.len() == 1 && messages[0].text.contains("Pin"));
    let told_of = log.lines_with("factors_removed");
    assert!(told_of.len() == 1 && told_of[0].contains("actor=\"user:ada\""), "{told_of:?}");
    let listed: Factors = stage.read("factors/ada").await;
    assert_eq!(listed.open.factors.iter().map(|factor| &*factor.module).collect::<Vec<_>>(), ["word"]);
    assert!(stage.has("enrolment/ada/word").await && !stage.has("enrolment/ada/pin").await);
}

#[tokio::test]
async fn what_the_settings_keep_is_kept_and_ways_back_go_with_what_they_lead_back_to() {
    let (stage, _) = stage_under("[methods]\ndelete_active = false\n");
    stage.put("user/ada", &user("ada")).await;
    stage.put_factors("ada", &["pin", "word"]).await;
    let none = Confirmation::default();
    let is_active = |refused| matches!(refused, Err(FlowError::NotPossible { code: "is_active", .. }));
    assert!(is_active(stage.flows.delete_method(&ada(), "word", &none, &asker()).await));
    assert!(is_active(stage.flows.delete_all_methods(&ada(), &none, &asker()).await));
    let mut open = factors(&["pin"]).open.with_way_back("word", "word", None, NOW);
    (open.factors[0].active, open.factors[0].primary) = (false, false);
    stage.put("factors/ada", &Document { open, secret: () }).await;
    stage.flows.delete_all_methods(&ada(), &none, &asker()).await.unwrap();
    let listed: Factors = stage.read("factors/ada").await;
    assert!(listed.open.factors.is_empty());
}
