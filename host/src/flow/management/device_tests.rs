//! One device of several, with a module that keeps them: which change of it costs what, and what becomes of its method.

use super::*;

#[tokio::test]
async fn a_device_gets_another_name_and_the_user_is_told_that_a_factor_changed() {
    let (stage, asked) = stage_under(A_CODE_EACH);
    has(&stage, &["app"], json!(["a"])).await;
    let epoch = listed(&stage).await.epoch;
    assert_eq!(rename(&stage, "a", " phone ").await, "not at all");
    let kept = app(&stage).await;
    assert_eq!((kept.secret.data, kept.secret.version), (json!(["phone"]), 2));
    assert_eq!(listed(&stage).await.epoch, epoch + 1, "a login that rests on it begins again");
    assert!(asked.lock().unwrap().iter().all(|(_, seed)| seed.len() == 64));
    stage.all_sent().await;
    assert_eq!(stage.flows.delivery().outbox().len(), 1);
    for (name, refused) in [("  ", "required"), ("a\u{202e}", "invalid_characters"), (&*"x".repeat(65), "too_long")] {
        assert_eq!(rename(&stage, "phone", name).await, refused);
    }
    assert_eq!(rename(&stage, "phone", &"x".repeat(64)).await, "not at all");
}

#[tokio::test]
async fn a_device_goes_alone_and_the_last_one_with_its_method() {
    let (stage, asked) = stage_under("");
    has(&stage, &["pin", "app"], json!(["a", "b"])).await;
    assert_eq!(remove(&stage, "c", &Confirmation::default()).await, "not_found");
    assert!(!is_asked(&asked, "app change_device"), "it may take another for it");
    assert_eq!(remove(&stage, "a", &Confirmation::default()).await, "not at all");
    assert_eq!(app(&stage).await.secret.data, json!(["b"]));
    assert!(listed(&stage).await.of("app").is_some());
    assert_eq!(remove(&stage, "b", &Confirmation::default()).await, "not at all");
    assert!(listed(&stage).await.of("app").is_none() && !stage.has("enrolment/ada/app").await);
    assert!(listed(&stage).await.of("pin").is_some());
}

#[tokio::test]
async fn a_name_wants_the_proof_of_a_set_up_and_a_removal_more() {
    let (stage, _) = stage_under("");
    has(&stage, &["app"], json!(["a", "b"])).await;
    let by_factor_alone = Access { first_factor_at: None, ..ada() };
    let (flows, none) = (&stage.flows, Confirmation::default());
    let removed = flows.remove_device(&by_factor_alone, "app", "a", &none, &asker()).await;
    assert_eq!(refused_with(removed), "stale_proof");
    let renamed = flows.rename_device(&by_factor_alone, "app", "a", "c", &asker()).await;
    assert_eq!(refused_with(renamed), "not at all");
}

#[tokio::test]
async fn a_removal_takes_the_code_the_settings_want_and_what_is_refused_anyway_takes_none() {
    let (stage, asked) = stage_under(A_CODE_EACH);
    has(&stage, &["app"], json!(["a", "b"])).await;
    assert_ne!(remove(&stage, "a", &Confirmation::default()).await, "not at all");
    assert_eq!(remove(&stage, "a", &a_code("wrong")).await, "invalid_code");
    assert!(!is_asked(&asked, "app change_device"));
    assert_eq!(remove(&stage, "a", &a_code("right")).await, "not at all");
    let (stage, asked) = stage_under("delete_active = false\ndelete_needs_code = true\n");
    has(&stage, &["app"], json!(["a", "b"])).await;
    assert_eq!(remove(&stage, "a", &a_code("right")).await, "not at all", "the method stays");
    asked.lock().unwrap().clear();
    assert_eq!(remove(&stage, "b", &a_code("right")).await, "is_active");
    assert!(!is_asked(&asked, "app validate"));
    assert_eq!(rename(&stage, "b", "c").await, "not at all");
}

#[tokio::test]
async fn what_another_type_set_up_is_not_shown_to_this_module() {
    let (stage, asked) = stage_under("");
    has(&stage, &["app"], json!(["a", "b"])).await;
    let mut former = app(&stage).await;
    former.open.module_type = "key".to_owned();
    stage.put("enrolment/ada/app", &former).await;
    assert_eq!(remove(&stage, "a", &Confirmation::default()).await, "module_unavailable");
    let details = stage.flows.method_details(&ada(), "app", &asker()).await.ok().unwrap();
    assert!(details.overview.is_none() && !is_asked(&asked, "app overview"));
}

#[tokio::test]
async fn a_new_name_takes_no_code_whoever_is_the_one_to_ask_for_it_meanwhile() {
    for at in ["app overview", "app change_device"] {
        let (pause, meanwhile) = pause();
        let stops = move |asked: &str| {
            if asked == at {
                pause.here();
            }
        };
        let (stage, _) = stage_that_stops(A_CODE_EACH, stops);
        has(&stage, &["pin", "app"], json!(["a"])).await;
        // A code of the app itself would be asked for; now it is one of the pin.
        let mut other = factors(&["pin", "app"]);
        other.open.factors[1].active = false;
        let change = async || stage.put("factors/ada", &other).await;
        assert_eq!(meanwhile.happens(rename(&stage, "a", "phone"), change).await, ("not at all", true), "{at}");
        assert_eq!(app(&stage).await.secret.data, json!(["phone"]));
    }
}
