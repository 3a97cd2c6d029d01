//! Messages on a real store: how many an hour takes, who is told, and what is tried again, when, and for how long.

use mfa_sdk::Message;

use super::*;
use crate::flow::{
    record::{
        AccountOpen, Address, AddressProof, AddressProofOpen, AddressProofSecret, Addresses, Document, FormerAddress,
        Found, MessageOpen, MessageRecord, MessageSecret, Sent, SentTo, SetupStage, Target, Unknown, User, key,
    },
    test_stage::{BOOT, NOW, TestStage, setup, user, waiting},
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[delivery]\nmessages_per_user_hour_max = 4\n\
                        messages_per_target_hour_max = 4\n";
const OUTBOX: &str = "[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"\n[[channel]]\nname = \"sms\"\n\
                      type = \"outbox\"\ntarget = \"phone\"\nprefixes = [\"+49\"]\n";
const CLOSED: &str = "[[channel]]\nname = \"email\"\ntype = \"email\"\nhost = \"localhost\"\nport = 1\n\
                      from = \"a@example.org\"\nencryption = \"none\"\ntimeout_s = 7\n";

fn stage_with(channels: &str) -> TestStage {
    TestStage::with(&format!("{SETTINGS}{channels}"))
}

/// A message `m` that belongs to this place, by a try whose lease ends in five seconds.
async fn put_message(stage: &TestStage, waits: Option<String>) {
    let open = MessageOpen {
        user: "ada".to_owned(),
        flow: None,
        channel: "email".to_owned(),
        created_at: NOW,
        dead_at: NOW.plus_s(60),
        tries: 1,
        lease_until: NOW.plus_s(5),
        unknown: Unknown::new(),
    };
    let values = [("text".to_owned(), "a text".to_owned())].into();
    let (to, template, language) = ("a@example.org".to_owned(), "plain".to_owned(), "en".to_owned());
    let secret = MessageSecret { waits, to, template, language, values };
    stage.put("message/m", &Document { open, secret }).await;
}

/// Sends what is due; how many messages went out in all.
async fn sent(stage: &TestStage) -> usize {
    stage.flows.send_due();
    // Each try begins by a commit, which is made once a later one is.
    tokio::task::yield_now().await;
    stage.put("user/later", &user("later")).await;
    stage.all_sent().await;
    stage.flows.delivery().outbox().len()
}

async fn tries(stage: &TestStage) -> u32 {
    stage.read::<MessageRecord>("message/m").await.open.tries
}

#[tokio::test]
async fn what_a_former_run_left_is_sent_to_its_last_moment_and_then_forgotten() {
    for (moment, messages) in [(NOW, 1), (NOW.plus_s(60), 1), (Timestamp(NOW.plus_s(60).0 + 1), 0)] {
        let stage = stage_with(OUTBOX);
        put_message(&stage, None).await;
        stage.move_clock_to(moment);
        stage.flows.take_up_messages(true).await.unwrap();
        assert_eq!(sent(&stage).await, messages, "{moment:?}");
        assert!(!stage.has("message/m").await);
    }
}

#[tokio::test]
async fn what_nobody_sends_any_more_is_taken_up_once_its_lease_is_over() {
    let stage = stage_with(OUTBOX);
    put_message(&stage, None).await;
    for (moment, messages) in [(NOW, 0), (NOW.plus_s(5), 0), (Timestamp(NOW.plus_s(5).0 + 1), 1)] {
        stage.move_clock_to(moment);
        stage.flows.take_up_messages(false).await.unwrap();
        assert_eq!(sent(&stage).await, messages, "{moment:?}");
    }
}

#[tokio::test]
async fn what_did_not_go_out_is_tried_again_after_longer_and_longer_and_not_sooner() {
    let stage = stage_with(CLOSED);
    put_message(&stage, None).await;
    stage.flows.take_up_messages(true).await.unwrap();
    sent(&stage).await;
    let record: MessageRecord = stage.read("message/m").await;
    assert_eq!((record.open.tries, record.open.lease_until), (2, NOW.plus_s(2 * 7 + 5)));
    for (wait_s, tried) in [(3, 2), (4, 3), (11, 3), (12, 4), (27, 4), (28, 5)] {
        stage.move_clock_to(NOW.plus_s(wait_s));
        sent(&stage).await;
        assert_eq!(tries(&stage).await, tried, "after {wait_s} s");
    }
    stage.move_clock_to(NOW.plus_s(48));
    stage.flows.take_up_messages(false).await.unwrap();
    sent(&stage).await;
    assert_eq!(tries(&stage).await, 5, "it waits already");
}

#[tokio::test]
async fn a_message_goes_out_only_while_somebody_waits_for_that_very_one() {
    let sent_for = |id: &str| Some(Sent { messages: vec![id.to_owned()], ..Sent::default() });
    let proof = |id: &str| -> AddressProof {
        let open = AddressProofOpen {
            user: "ada".to_owned(),
            user_epoch: 0,
            kind: "email".to_owned(),
            created_at: NOW,
            expires_at: NOW.plus_s(60),
            created_boot_ms: NOW.0,
            boot_id: BOOT.to_owned(),
            attempts_used: 0,
            unknown: Unknown::new(),
        };
        let (value, sent) = ("a@example.org".to_owned(), sent_for(id).unwrap());
        Document { open, secret: AddressProofSecret { value, mac: String::new(), sent } }
    };
    for place in ["session/f", "setup/f", "address/f", "access/f"] {
        for (id, is_waiting, messages) in [("m", true, 1), ("another", true, 0), ("m", false, 0)] {
            let stage = stage_with(OUTBOX);
            stage.put("user/ada", &user("ada")).await;
            let (mut session, mut set_up) = (waiting("ada", "mail"), setup("ada", NOW.plus_s(60)));
            (session.secret.sent, set_up.secret.sent) = (sent_for(id), sent_for(id));
            if !is_waiting {
                session.open.stage = crate::flow::record::SessionStage::Selecting;
                set_up.open.stage = SetupStage::Issued;
            }
            match place {
                "session/f" => stage.put(place, &session).await,
                "setup/f" => stage.put(place, &set_up).await,
                "address/f" if is_waiting => stage.put(place, &proof(id)).await,
                _ => {}
            }
            put_message(&stage, Some(place.to_owned())).await;
            stage.flows.take_up_messages(true).await.unwrap();
            let messages = if place == "access/f" { 0 } else { messages };
            assert_eq!(sent(&stage).await, messages, "{place} {id} {is_waiting}");
        }
    }
}

#[tokio::test]
async fn an_address_nothing_was_sent_to_for_an_hour_is_forgotten() {
    let stage = stage_with(OUTBOX);
    let mut target: Target = Document { open: Default::default(), secret: () };
    target.open.sent.extend([NOW]);
    stage.put("target/t", &target).await;
    assert!(stage.flows.silent_targets(NOW.plus_s(3599)).await.unwrap().is_empty());
    assert_eq!(stage.flows.silent_targets(NOW.plus_s(3600)).await.unwrap().len(), 1);
}

/// How many messages such a wish may have sent, to one address or to another each time.
async fn allowed(wanted_by: WantedBy, is_one: bool) -> usize {
    let stage = stage_with(OUTBOX);
    let engine = &stage.flows.engine;
    let mut counted = AccountOpen::default();
    for number in 0.. {
        let to = if is_one { "a@example.org".to_owned() } else { format!("a{number}@example.org") };
        let none = Addresses::default();
        let known = Known { addresses: &none, typed: std::slice::from_ref(&to), sent_to: &[] };
        let (user, language, place, link) = ("ada", "en", None, None);
        let writing = Writing { user, language, place, known, link, wanted_by, now: NOW };
        let sent_to = [SentTo { channel: "email".to_owned(), to: to.clone() }];
        let again = engine.may_send_again(&sent_to, &counted, NOW).await.unwrap();
        match engine.write(vec![Message::plain("email", &to, "a text")], writing, &mut counted).await.unwrap() {
            Ok(written) => {
                assert!(again.is_ok(), "a resend is never stricter");
                engine.store.commit(written.changes, written.expectations).await.unwrap();
            }
            Err(Unsendable::TooMany { retry_after_s }) => {
                assert_eq!((again.is_err(), retry_after_s), (wanted_by == WantedBy::Login, 3600));
                return number;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    unreachable!("it is never too many")
}

#[tokio::test]
async fn what_is_for_no_login_has_one_half_and_what_anybody_can_wish_for_half_of_a_users_too() {
    for (wanted_by, to_one, to_many) in [(WantedBy::Login, 4, 4), (WantedBy::SetUp, 2, 4), (WantedBy::Anybody, 2, 2)] {
        assert_eq!(allowed(wanted_by, true).await, to_one, "{wanted_by:?}");
        if wanted_by == WantedBy::Login {
            assert_eq!(allowed(wanted_by, false).await, to_many);
        }
    }
}

#[tokio::test]
async fn an_address_that_had_its_share_keeps_a_word_that_anybody_wished_for_from_no_other_and_a_logins_from_all() {
    let stage = stage_with(OUTBOX);
    let engine = &stage.flows.engine;
    let [first, second] = ["a@example.org", "b@example.org"];
    let has_its_share = async |to: &str| {
        let mut target: Target = Document { open: Default::default(), secret: () };
        target.open.sent.extend([NOW; 4]);
        stage.put(&format!("target/{}", engine.messages.target_tag("email", to)), &target).await;
    };
    let sent_to = async |wanted_by| -> Vec<String> {
        let (none, typed) = (Addresses::default(), [first.to_owned(), second.to_owned()]);
        let known = Known { addresses: &none, typed: &typed, sent_to: &[] };
        let (user, language, place, link) = ("ada", "en", None, None);
        let writing = Writing { user, language, place, known, link, wanted_by, now: NOW };
        let asked = [first, second].map(|to| Message::plain("email", to, "a text")).to_vec();
        match engine.write(asked, writing, &mut AccountOpen::default()).await.unwrap() {
            Ok(written) => written.sent_to().into_iter().map(|sent| sent.to).collect(),
            Err(unsendable) => vec![format!("{unsendable:?}")],
        }
    };
    let too_many = "TooMany { retry_after_s: 3600 }";
    has_its_share(first).await;
    assert_eq!(sent_to(WantedBy::Anybody).await, [second]);
    assert_eq!(sent_to(WantedBy::Login).await, [too_many]);
    has_its_share(second).await;
    assert_eq!(sent_to(WantedBy::Anybody).await, [too_many]);
}

#[tokio::test]
async fn notices_go_by_mail_to_what_is_proved_to_what_left_lately_and_to_the_factor_itself() {
    let stage = stage_with(OUTBOX);
    let mut ada: User = user("ada");
    let address =
        |value: &str, proved_at| Address { value: value.to_owned(), added_at: NOW, proved_at, by_code: false };
    ada.secret.addresses.email = vec![address("a@example.org", Some(NOW)), address("not@example.org", None)];
    ada.secret.addresses.former =
        vec![FormerAddress { value: "left@example.org".to_owned(), told_until: NOW.plus_s(60) }];
    stage.put("user/ada", &ada).await;
    let engine = &stage.flows.engine;
    let found: Found<User> = engine.read(key::user("ada")).await.unwrap();
    let also = |channel: &str, to: &str| SentTo { channel: channel.to_owned(), to: to.to_owned() };
    let also = [also("email", "factor@example.org"), also("sms", "+4915112345678"), also("email", "a@example.org")];
    let told = |now| -> Vec<String> {
        let about = About { user: &found, source: None, also: &also, now };
        engine.notices(&Notice::login_denied(), about).sent_to().into_iter().map(|sent| sent.to).collect()
    };
    let [own, left, factor] = ["a@example.org", "left@example.org", "factor@example.org"];
    assert_eq!(told(NOW.plus_s(60)), [own, left, factor]);
    assert_eq!(told(NOW.plus_s(61)), [own, factor]);
    for _ in 2..NOTICES_PER_USER_HOUR {
        assert_eq!(told(NOW.plus_s(61)).len(), 2);
    }
    engine.messages.forget_silent(NOW.plus_s(62));
    assert!(told(NOW.plus_s(62)).is_empty(), "the hour has as many as it takes");
    assert_eq!(engine.messages.notices.lock().unwrap().len(), 1);
    engine.messages.forget_silent(NOW.plus_s(3700));
    assert!(engine.messages.notices.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_notice_is_worth_sending_for_a_day_and_speaks_as_its_reader_does() {
    let stage = stage_with(OUTBOX);
    let mut ada: User = user("ada");
    (ada.open.display_name, ada.open.language) = (Some("Ada".to_owned()), Some("de".to_owned()));
    ada.open.zone = Some("Europe/Berlin".to_owned());
    let value = "a@example.org".to_owned();
    ada.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at: Some(NOW), by_code: false }];
    stage.put("user/ada", &ada).await;
    let engine = &stage.flows.engine;
    let found: Found<User> = engine.read(key::user("ada")).await.unwrap();
    let source = Some(std::net::Ipv4Addr::LOCALHOST.into());
    let written = engine.notices(&Notice::login_denied(), About { user: &found, source, also: &[], now: NOW });
    let [message] = &written.messages[..] else { panic!("one message") };
    let Document { open, secret } = &message.record;
    assert_eq!((open.dead_at, &*secret.language), (NOW.plus_s(86_400), "de"));
    assert_eq!((&*secret.values["user"], &*secret.values["source"]), ("Ada", "127.0.0.1"));
    assert!(secret.values["time"].contains("01:00"), "{}", secret.values["time"]);
}

#[tokio::test]
async fn keys_and_tags_are_of_each_module_user_and_address() {
    let stage = stage_with(OUTBOX);
    let messages = &stage.flows.engine.messages;
    let keys = [messages.mac_key("pin", "ada"), messages.mac_key("pin", "bob"), messages.mac_key("word", "ada")];
    assert!(keys.iter().all(|key| key.len() == 64) && keys[0] != keys[1] && keys[0] != keys[2]);
    let tag = |channel: &str, to: &str| messages.target_tag(channel, to);
    assert_eq!(tag("email", "Ada@example.org"), tag("email", "ada@Example.org"), "one mailbox");
    assert_ne!(tag("email", "ada@example.org"), tag("email", "bob@example.org"));
    assert_ne!(tag("email", "ada@example.org"), tag("other", "ada@example.org"));
    assert!(messages.count(1, NOW).is_ok() && messages.count(1, NOW).is_err());
}
