//! What the flows stand on, on a store without modules.

use super::*;
use crate::{
    clock::Now,
    flow::{
        lifetime::is_alive,
        test_stage::{Log, NOW, TestStage, asker, session, signed_in, user},
    },
};

#[tokio::test]
async fn a_user_counts_only_while_switched_on_and_in_the_same_epoch() {
    let stage = TestStage::new();
    let engine = &stage.flows.engine;
    let mut off = user("bob");
    off.open.is_active = false;
    stage.put("user/ada", &user("ada")).await;
    stage.put("user/bob", &off).await;
    for (id, epoch, counts) in [("ada", 0, true), ("ada", 1, false), ("bob", 0, false), ("nobody", 0, false)] {
        assert_eq!(engine.user_in_epoch(id, epoch).await.unwrap().is_some(), counts, "{id} {epoch}");
    }
}

#[tokio::test]
async fn what_ended_without_a_record_is_known_until_its_time() {
    let stage = TestStage::new();
    let engine = &stage.flows.engine;
    assert!(!engine.is_token_ended("a"));
    assert!(engine.end_token("a", NOW) && !engine.end_token("a", NOW), "the second end is none");
    assert!(engine.end_token("b", NOW.plus_s(1)) && engine.is_token_ended("a"));
    engine.forget_ended_tokens(NOW);
    assert!(engine.is_token_ended("a") && engine.is_token_ended("b"));
    engine.forget_ended_tokens(Timestamp(NOW.0 + 1));
    assert!(!engine.is_token_ended("a") && engine.is_token_ended("b"));
}

#[tokio::test]
async fn only_so_many_ends_are_kept_and_the_one_that_is_over_first_makes_room() {
    let stage = TestStage::new();
    let engine = &stage.flows.engine;
    for place in 1..ENDED_TOKENS_MAX {
        engine.end_token(&place.to_string(), NOW.plus_s(60));
    }
    engine.end_token("first", NOW);
    assert!(engine.is_token_ended("first"), "there is room for exactly so many");
    engine.end_token("one more", NOW.plus_s(60));
    assert!(!engine.is_token_ended("first") && engine.is_token_ended("one more") && engine.is_token_ended("1"));
}

#[tokio::test]
async fn after_a_rollback_only_later_flow_ids_are_taken() {
    let stage = TestStage::new();
    let engine = &stage.flows.engine;
    assert!(!engine.is_token_too_old(Timestamp(i64::MIN)));
    engine.refuse_tokens_before(NOW);
    engine.refuse_tokens_before(Timestamp(NOW.0 - 5));
    assert!(engine.is_token_too_old(Timestamp(NOW.0 - 1)));
    assert!(!engine.is_token_too_old(NOW) && !engine.is_token_too_old(NOW.plus_s(1)));
}

#[tokio::test]
async fn modules_hear_of_a_restore_only_after_one() {
    let stage = TestStage::new();
    let engine = &stage.flows.engine;
    assert_eq!(engine.uses_unknown_until(), None);
    engine.tell_modules_of_restore(NOW);
    assert_eq!(engine.uses_unknown_until(), Some(NOW.0));
}

#[test]
fn a_session_lives_by_its_own_times() {
    let open = session("ada", NOW.plus_s(1), NOW).open;
    let at = |wall: Timestamp| Now { wall, boot_ms: wall.0, boot_id: crate::flow::test_stage::BOOT.into() };
    assert!(is_alive(open.life(), &at(NOW.plus_s(1))) && !is_alive(open.life(), &at(NOW.plus_s(2))));
}

#[test]
fn the_log_tells_that_a_module_failed_and_nothing_it_said() {
    let log = Log::begin();
    report_failure("pin", "validate", "0123", &Err(CallError::Failed("a secret".to_owned())));
    report_failure("totp", "depose", "0123", &Err(CallError::Late(7)));
    let told = log.lines_with("module_failed");
    assert!(told.len() == 2 && told[0].contains("pin") && told[1].contains("7 ms"), "{told:?}");
    assert!(log.lines_with("a secret").is_empty());
}

#[tokio::test]
async fn an_enrolment_is_for_the_type_that_made_it() {
    let stage = TestStage::with("[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"totp\"\nid = \"phone\"");
    for (module, module_type, is_its) in [("phone", "totp", true), ("phone", "pin", false), ("totp", "totp", false)] {
        let open = serde_json::json!({"module": module, "module_type": module_type, "created_at": NOW});
        let secret = serde_json::json!({"version": 1, "data": null});
        let enrolment =
            Enrolment { open: serde_json::from_value(open).unwrap(), secret: serde_json::from_value(secret).unwrap() };
        assert_eq!(stage.flows.engine.is_of_type(&enrolment), is_its, "{module} {module_type}");
    }
}

#[test]
fn a_module_gets_all_that_is_kept_for_a_user() {
    let mut kept = crate::flow::test_stage::enrolment("codes");
    let data = |kept: &Enrolment| all_for_module(kept).into_iter().map(|one| one.data).collect::<Vec<_>>();
    assert_eq!(data(&kept), ["kept"]);
    for factor in ["one", "two"] {
        let own = protocol::Enrolment { version: 1, data: factor.into() };
        kept.secret.by_factor.insert(factor.to_owned(), own);
    }
    assert_eq!(data(&kept), ["one", "two"], "and nothing twice");
}

#[tokio::test]
async fn other_settings_and_modules_take_the_place_of_the_former_and_nothing_else_does() {
    let stage = TestStage::new();
    stage.flows.engine.end_token("a", NOW);
    let mut settings = Settings::clone(&stage.flows.engine.settings);
    settings.name = "another".to_owned();
    let text = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"";
    let with_module = crate::settings::parse(std::path::Path::new("host.toml"), text).unwrap();
    let text = "[development]\n[[provider]]\ntype = \"local\"\n[[channel]]\nname = \"email\"\ntype = \"outbox\"\n\
                target = \"email\"";
    let with_channel = crate::settings::parse(std::path::Path::new("host.toml"), text).unwrap();
    let delivery = Delivery::new(&with_channel, &stage.flows.engine.config_directory);
    let next = stage.flows.engine.with(Arc::new(settings), ModuleHost::offline(&with_module), delivery);
    assert_eq!((next.settings.name.as_str(), next.modules.modules().len()), ("another", 1));
    assert_eq!(next.delivery.channels().count(), 1);
    assert!(next.is_token_ended("a"));
}

#[tokio::test]
async fn a_store_that_answers_is_well_and_one_that_ended_is_not() {
    let stage = TestStage::new();
    assert!(stage.flows.health().await.is_ok());
    stage.flows.engine.store.close().await;
    assert!(stage.flows.health().await.is_err());
}

#[tokio::test]
async fn a_caller_reads_their_own_language_where_there_are_words_in_it_and_else_their_programs() {
    let stage = TestStage::new();
    let asker = Asker { language: "fr".to_owned(), ..asker() };
    for (own, read) in [(Some("de"), "de"), (Some("tlh"), "fr"), (None, "fr")] {
        let access = Access { language: own.map(str::to_owned), ..signed_in("ada", 0) };
        assert_eq!(stage.flows.language_of(&access, &asker), read, "{own:?}");
    }
}

#[tokio::test]
async fn the_time_of_the_flows_is_their_clocks() {
    let stage = TestStage::new();
    assert_eq!(stage.flows.now(), NOW);
    stage.move_clock_to(NOW.plus_s(7));
    assert_eq!(stage.flows.now(), NOW.plus_s(7));
}
