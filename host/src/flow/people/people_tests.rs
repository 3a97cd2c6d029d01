//! What admins and users change of users, on a real store: what goes, what stays, and which sessions end by it.

use secrecy::SecretString;

use super::{OwnChanges, PeopleError, UserChanges, Who};
use crate::{
    clock::Timestamp,
    flow::{
        Asker, FlowError,
        record::{
            AccessSession, AccessStage, Account, AccountOpen, Address, Count, Document, EnrolmentOpen, EnrolmentSecret,
            Factors, FactorsOpen, OpenFlow, Unknown, User,
        },
        test_stage::{Log, NOW, TestStage, access, asker, interrupted, signed_in, user},
    },
    provider::Metadata,
    store::Change,
};

const OLD: &str = "correct horse battery";
const NEW: &str = "another horse entirely";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// Ada with a password, a method, a wrong answer and a login in progress.
async fn stage() -> TestStage {
    let stage = TestStage::with("[[provider]]\ntype = \"local\"\n[sign_up]\nmode = \"invite\"");
    stage.put_person("ada", &user("ada"), Some(OLD)).await;
    let listed = FactorsOpen::default().with_confirmed("pin", "pin", false, NOW);
    stage.put("factors/ada", &Document { open: listed, secret: () }).await;
    let made = EnrolmentOpen {
        set_up: None,
        module: "pin".to_owned(),
        module_type: "pin".to_owned(),
        created_at: NOW,
        unknown: Unknown::new(),
    };
    let data = EnrolmentSecret {
        version: 1,
        data: serde_json::Value::Null,
        by_factor: std::collections::BTreeMap::new(),
        sent_to: Vec::new(),
    };
    stage.put("enrolment/ada/pin", &Document { open: made, secret: data }).await;
    let counted = AccountOpen {
        wrong: [("pin".to_owned(), Count { in_a_row: 3, locked_until: None })].into(),
        wrong_in_all: Count { in_a_row: 3, locked_until: None },
        sessions: vec![OpenFlow { flow: "f".to_owned(), until: NOW }],
        last_used: [("pin".to_owned(), NOW)].into(),
        unknown: serde_json::json!({"newer": 7}).as_object().cloned().unwrap(),
        ..AccountOpen::default()
    };
    stage.put("account/ada", &Document { open: counted, secret: () }).await;
    stage
}

async fn ada(stage: &TestStage) -> User {
    stage.read("user/ada").await
}

#[tokio::test]
async fn a_reset_leaves_a_code_for_a_day_and_takes_the_factors_only_if_it_is_to() {
    for factors in [false, true] {
        let stage = stage().await;
        let reset = stage.flows.reset_user("test", Who::Name("ada"), factors).await.unwrap();
        assert_eq!(reset.expires_at, Timestamp(NOW.0 + 86_400_000));
        assert_eq!(reset.code.0.len(), 14);
        let ada = ada(&stage).await;
        assert_eq!((ada.open.epoch, ada.open.must_change_password), (1, true));
        assert!(ada.secret.password.is_none() && ada.secret.reset.is_some());
        assert_eq!(reset.removed, if factors { vec!["pin".to_owned()] } else { Vec::new() });
        assert_eq!(stage.has("enrolment/ada/pin").await, !factors);
        let account: Account = stage.read("account/ada").await;
        assert_eq!(account.open.wrong.is_empty(), factors);
        assert_eq!((account.open.last_used.len(), account.open.unknown.len()), (1, 1), "what is no factor stays");
    }
}

#[tokio::test]
async fn taking_the_methods_away_leaves_the_password() {
    let stage = stage().await;
    assert_eq!(stage.flows.reset_methods("test", "ada").await.unwrap(), ["pin"]);
    let ada = ada(&stage).await;
    assert_eq!((ada.open.epoch, ada.open.must_change_password, ada.secret.password.is_some()), (1, false, true));
    let factors: Factors = stage.read("factors/ada").await;
    assert!(factors.open.factors.is_empty());
}

#[tokio::test]
async fn unlocking_forgets_wrong_answers_and_nothing_else() {
    let stage = stage().await;
    assert_eq!(stage.flows.unlock("test", "ada").await.unwrap().methods, ["pin"]);
    let account: Account = stage.read("account/ada").await;
    assert!(account.open.wrong.is_empty() && account.open.wrong_in_all == Count::default());
    assert_eq!((account.open.sessions.len(), account.open.last_used.len()), (1, 1));
    assert_eq!(ada(&stage).await.open.epoch, 0, "sessions stay");
}

#[tokio::test]
async fn a_new_password_and_a_switch_end_the_sessions_of_before() {
    let stage = stage().await;
    assert!(stage.flows.set_password("test", "ada", &secret(NEW)).await.unwrap().has_password);
    let changed = ada(&stage).await;
    assert_eq!((changed.open.epoch, changed.secret.password.is_some()), (1, true));
    assert!(!stage.flows.set_active("test", "ada", false).await.unwrap().is_active);
    assert!(stage.flows.set_active("test", "ada", true).await.unwrap().is_active);
    assert_eq!(ada(&stage).await.open.epoch, 3);
}

#[tokio::test]
async fn a_removed_user_leaves_nothing() {
    let stage = stage().await;
    stage.flows.remove_user("test", "ada").await.unwrap();
    for key in ["user/ada", "factors/ada", "account/ada", "enrolment/ada/pin"] {
        assert!(!stage.has(key).await, "{key}");
    }
    assert!(matches!(stage.flows.user_details(Who::Name("ada")).await, Err(PeopleError::UnknownUser(_))));
    assert!(matches!(stage.flows.methods_of("ada").await, Err(PeopleError::UnknownUser(_))));
}

#[tokio::test]
async fn users_are_listed_by_name_with_what_they_have() {
    let stage = stage().await;
    stage.put_person("0zoe", &user("zoe"), None).await;
    let users = stage.flows.users().await.unwrap();
    let shown = users.iter().map(|view| (&*view.id, &*view.name, view.has_password, view.methods.len()));
    assert_eq!(shown.collect::<Vec<_>>(), [("ada", "ada", true, 1), ("0zoe", "zoe", false, 0)]);
    let methods = stage.flows.methods_of("ada").await.unwrap();
    assert!(methods.len() == 1 && methods[0].is_setup && !methods[0].is_available, "of a module that went away");
}

#[tokio::test]
async fn a_name_is_had_once() {
    let stage = stage().await;
    let added = stage.flows.add_user("test", " Zoe ", &secret(NEW), true).await.unwrap();
    assert_eq!((&*added.name, added.is_owner, added.has_password), ("Zoe", true, true));
    let again = stage.flows.add_user("test", "zoe", &secret(NEW), false).await;
    assert!(matches!(again, Err(PeopleError::NameTaken(_))));
    let weak = stage.flows.add_user("test", "eve", &secret("short"), false).await;
    assert!(matches!(weak, Err(PeopleError::PasswordRefused(_))));
}

#[tokio::test]
async fn what_a_program_says_of_a_new_user_counts_once_and_only_where_it_is_well_formed() {
    let stage = stage().await;
    let engine = &stage.flows.engine;
    let said = |name: &str, group: &str| Metadata {
        name: Some(name.to_owned()),
        group: Some(group.to_owned()),
        local_only: true,
    };
    let found = engine.user_of_program("bob", said("Bob B.", "family")).await.unwrap();
    let bob = found.and_then(|found| found.record).unwrap();
    assert_eq!((bob.open.display_name.as_deref(), bob.open.local_only), (Some("Bob B."), true));
    assert_eq!(bob.open.groups, ["family"]);
    let odd = engine.user_of_program("eve", said("E\u{202e}", "Not A Group")).await.unwrap();
    let eve = odd.and_then(|found| found.record).unwrap();
    assert!(eve.open.display_name.is_none() && eve.open.groups.is_empty());
    let known = engine.user_of_program("bob", said("Another", "other")).await.unwrap();
    assert_eq!(known.and_then(|found| found.record).unwrap().open.display_name.as_deref(), Some("Bob B."));
    assert!(engine.user_of_program("no\nname", Metadata::default()).await.unwrap().is_none());
}

#[tokio::test]
async fn users_change_of_their_own_what_is_given_and_no_more() {
    let stage = stage().await;
    let text = |text: &str| Some(text.to_owned());
    let changes = OwnChanges { display_name: text("Ada"), language: text("de"), zone: text("Europe/Berlin") };
    let shown = stage.flows.change_own(&signed_in("ada", 0), changes).await.unwrap();
    assert_eq!(shown.display_name.as_deref(), Some("Ada"));
    assert_eq!((shown.language.as_deref(), shown.zone.as_deref()), (Some("de"), Some("Europe/Berlin")));
    let email = UserChanges { email: Some(vec!["ada@example.org".to_owned()]), ..UserChanges::default() };
    let shown = stage.flows.change_profile("test", Who::Id("ada"), &email).await.unwrap();
    assert_eq!((shown.email.len(), shown.language.as_deref()), (1, Some("de")));
    assert!(shown.email[0].proved_at.is_none());
}

#[tokio::test]
async fn ones_own_new_password_takes_the_old_one_and_ends_others_only_if_it_is_to() {
    for end_others in [false, true] {
        let stage = stage().await;
        stage.put("factors/ada", &Document { open: FactorsOpen::default(), secret: () }).await;
        let own = signed_in("ada", 0);
        let active = access("ada", AccessStage::Active { expires_at: NOW.plus_s(60) });
        let key = format!("access/{}", own.session_id);
        stage.put(&key, &active).await;
        let change = async |old: &str, new: &str| {
            stage.flows.change_own_password(&own, &secret(old), &secret(new), end_others, &asker()).await
        };
        assert!(matches!(change("wrong", NEW).await, Err(FlowError::InvalidAuth)));
        assert!(matches!(change(OLD, OLD).await, Err(FlowError::PasswordRefused { .. })));
        assert_eq!(ada(&stage).await.open.epoch, 0);
        change(OLD, NEW).await.unwrap();
        let epoch = u64::from(end_others);
        assert_eq!(ada(&stage).await.open.epoch, epoch);
        let session: AccessSession = stage.read(&key).await;
        assert_eq!((session.open.user_epoch, session.open.password_at), (epoch, Some(NOW)), "one's own goes on");
    }
}

#[tokio::test]
async fn an_invitation_is_good_once_to_its_last_millisecond() {
    let stage = stage().await;
    let invited = stage.flows.invite("test", &["family".to_owned()]).await.unwrap();
    let other = stage.flows.invite("test", &[]).await.unwrap();
    assert_ne!(invited.code.0, other.code.0);
    let sign_up = async |name: &str, code: Option<&str>| stage.flows.sign_up(name, &secret(NEW), code, &asker()).await;
    let is_invalid = |done| matches!(done, Err(FlowError::Forbidden { code: "invalid_invite", .. }));
    assert!(is_invalid(sign_up("bob", None).await) && is_invalid(sign_up("bob", Some("AAAA")).await));
    stage.move_clock_to(invited.expires_at);
    let taken = sign_up("ada", Some(&invited.code.0)).await;
    assert!(matches!(taken, Err(FlowError::NotPossible { code: "name_taken", .. })));
    let bob = sign_up("bob", Some(&invited.code.0.to_lowercase())).await.unwrap();
    assert_eq!((bob.groups, bob.has_password), (vec!["family".to_owned()], true));
    assert!(is_invalid(sign_up("eve", Some(&invited.code.0)).await), "used");
    stage.move_clock_to(Timestamp(other.expires_at.0 + 1));
    // From another address: from here so many were tried that the next would have to wait.
    let elsewhere = Asker { address: std::net::Ipv4Addr::new(192, 0, 2, 1).into(), ..asker() };
    let late = stage.flows.sign_up("eve", &secret(NEW), Some(&other.code.0), &elsewhere).await;
    assert!(is_invalid(late), "too late");
}

#[tokio::test]
async fn an_invitation_used_while_the_password_is_hashed_is_none_and_a_name_taken_then_is_taken() {
    for takes_name in [false, true] {
        let stage = stage().await;
        let invited = stage.flows.invite("test", &[]).await.unwrap();
        let (password, asker) = (secret(NEW), asker());
        let work = stage.flows.sign_up("bob", &password, Some(&invited.code.0), &asker);
        let other = async || match takes_name {
            true => stage.put_person("b", &user("bob"), None).await,
            false => {
                let store = &stage.flows.engine.store;
                let (invitation, _) = store.scan("invitation/").await.unwrap().remove(0);
                store.commit(vec![Change::Delete(invitation)], Vec::new()).await.unwrap();
            }
        };
        let (signed_up, is_interrupted) = interrupted(work, 1, other).await;
        assert!(is_interrupted);
        let code = match signed_up {
            Err(FlowError::Forbidden { code, .. } | FlowError::NotPossible { code, .. }) => code,
            _ => "neither",
        };
        assert_eq!(code, if takes_name { "name_taken" } else { "invalid_invite" });
    }
}

#[tokio::test]
async fn whoever_invites_learns_whether_anybody_can_sign_up() {
    for (mode, is_off) in [("off", true), ("invite", false), ("open", false)] {
        let stage = TestStage::with(&format!("[[provider]]\ntype = \"local\"\n[sign_up]\nmode = \"{mode}\""));
        assert_eq!(stage.flows.invite("test", &[]).await.unwrap().sign_up_is_off, is_off, "{mode}");
    }
}

#[tokio::test]
async fn who_may_sign_up_is_the_settings_word() {
    let sign_up = async |mode: &str, code| {
        let stage = TestStage::with(&format!("[[provider]]\ntype = \"local\"\n[sign_up]\nmode = \"{mode}\""));
        stage.flows.sign_up("bob", &secret(NEW), code, &asker()).await
    };
    assert!(matches!(sign_up("off", None).await, Err(FlowError::Forbidden { code: "sign_up_off", .. })));
    assert!(sign_up("open", None).await.is_ok());
    let wrong = sign_up("open", Some("AAAA")).await;
    assert!(matches!(wrong, Err(FlowError::Forbidden { code: "invalid_invite", .. })), "a wrong code is not no code");
}

#[tokio::test]
async fn the_log_says_that_addresses_were_proved_by_word_only_where_addresses_changed() {
    let stage = stage().await;
    let log = Log::begin();
    let language = UserChanges { language: Some("de".to_owned()), proved: true, ..UserChanges::default() };
    stage.flows.change_profile("test", Who::Id("ada"), &language).await.unwrap();
    let email =
        |address: &str, proved| UserChanges { email: Some(vec![address.to_owned()]), proved, ..UserChanges::default() };
    stage.flows.change_profile("test", Who::Id("ada"), &email("a@example.org", false)).await.unwrap();
    stage.flows.change_profile("test", Who::Id("ada"), &email("b@example.org", true)).await.unwrap();
    let told: Vec<bool> = log.lines_with("user_changed").iter().map(|line| line.contains("proved=true")).collect();
    assert_eq!(told, [false, false, true]);
}

#[tokio::test]
async fn a_sign_up_that_could_not_be_tried_does_not_count() {
    let stage = stage().await;
    stage.flows.engine.store.close().await;
    for _ in 0..30 {
        let failed = stage.flows.sign_up("bob", &secret(NEW), Some("AAAA"), &asker()).await;
        assert!(matches!(failed, Err(FlowError::Store(_))));
    }
}

#[tokio::test]
async fn a_reset_tells_the_user_of_what_it_took_and_of_nothing_else() {
    let channel = "[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"";
    for (factors, has_some, messages) in [(true, true, 2), (true, false, 1), (false, true, 1)] {
        let stage = TestStage::with(&format!("[development]\n[[provider]]\ntype = \"local\"\n{channel}"));
        let mut ada = user("ada");
        let (value, proved_at) = ("ada@example.org".to_owned(), Some(NOW));
        ada.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at, by_code: false }];
        stage.put_person("ada", &ada, Some(OLD)).await;
        stage.put_factors("ada", if has_some { &["pin"] } else { &[] }).await;
        stage.flows.reset_user("test", Who::Name("ada"), factors).await.unwrap();
        stage.all_sent().await;
        assert_eq!(stage.flows.delivery().outbox().len(), messages, "{factors} {has_some}");
    }
}
