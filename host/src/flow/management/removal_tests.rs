//! Methods that go away, with modules that note what they are told.

use std::sync::{Arc, Mutex};

use mfa_sdk::protocol::{Description, Kind, Operation, Reply, Request};

use crate::flow::{
    Access, Confirmation,
    record::Factors,
    test_stage::{Log, NOW, TestStage, asker, enrolment, signed_in, user},
};

const SETTINGS: &str = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\ntype = \"word\"\n\
                        [[module]]\ntype = \"asleep\"";

/// Pin and word note of which enrolment they are to take leave; `asleep` does not run.
fn stage() -> (TestStage, Arc<Mutex<Vec<String>>>) {
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
    (TestStage::playing(SETTINGS, &descriptions, play), told)
}

fn ada() -> Access {
    Access { first_factor_at: Some(NOW), factor_at: Some(NOW), ..signed_in("ada", 0) }
}

#[tokio::test]
async fn a_module_takes_leave_of_what_was_its_own_and_of_nothing_else() {
    let (stage, told) = stage();
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
async fn one_method_goes_and_the_others_stay() {
    let (stage, told) = stage();
    stage.put("user/ada", &user("ada")).await;
    stage.put_factors("ada", &["pin", "word"]).await;
    let log = Log::begin();
    stage.flows.delete_method(&ada(), "pin", &Confirmation::default(), &asker()).await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["pin \"kept\""]);
    let told_of = log.lines_with("factors_removed");
    assert!(told_of.len() == 1 && told_of[0].contains("actor=\"user:ada\""), "{told_of:?}");
    let listed: Factors = stage.read("factors/ada").await;
    assert_eq!(listed.open.factors.iter().map(|factor| &*factor.module).collect::<Vec<_>>(), ["word"]);
    assert!(stage.has("enrolment/ada/word").await && !stage.has("enrolment/ada/pin").await);
}
