//! A forgotten password on a real store: to whom a code goes, where it goes, and what it opens until when.

use super::*;
use crate::flow::{
    record::{Address, ResetCode},
    test_stage::{Log, NOW, TestStage, asker, user},
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[passwords]\nforgotten = \"mail\"\n";
const CHANNELS: &str = "[[channel]]\nname = \"sms\"\ntype = \"outbox\"\ntarget = \"phone\"\nprefixes = [\"+49\"]\n\
                        [[channel]]\nname = \"post\"\ntype = \"outbox\"\ntarget = \"email\"\n";
const PASSWORD: &str = "correct horse battery";
const HER_MAIL: &str = "ada@example.org";

fn address(value: &str, proved_at: Option<Timestamp>, by_code: bool) -> Address {
    Address { value: value.to_owned(), added_at: NOW, proved_at, by_code }
}

/// Somebody an admin gave an address.
fn person(name: &str) -> User {
    let mut person = user(name);
    person.secret.addresses.email = vec![address(HER_MAIL, Some(NOW), false)];
    person
}

async fn stage_with(channels: &str, ada: &User, password: Option<&str>) -> TestStage {
    let stage = TestStage::with(&format!("{SETTINGS}{channels}"));
    stage.put_person("ada", ada, password).await;
    stage
}

/// Asks for a code, and says to which channels and addresses one went.
async fn asked(stage: &TestStage, name: &str) -> Vec<(String, String)> {
    let before = stage.flows.delivery().outbox().len();
    stage.flows.engine.mail_code(name, &asker(), stage.flows.engine.clock.now().wall).await.unwrap();
    stage.all_sent().await;
    let sent = stage.flows.delivery().outbox();
    sent[before..].iter().map(|message| (message.channel.clone(), message.to.clone())).collect()
}

/// The code of the latest mail.
fn code(stage: &TestStage) -> String {
    let text = stage.flows.delivery().outbox().pop().unwrap().text;
    let is_code = |line: &&str| line.len() == 14 && line.split('-').all(|group| group.len() == 4);
    text.lines().map(str::trim).find(is_code).unwrap().to_owned()
}

#[tokio::test]
async fn a_code_goes_by_mail_to_every_address_that_may_confirm_and_to_no_other() {
    let mut ada = person("ada");
    let week_ago = Timestamp(NOW.0 - 7 * 86_400_000);
    ada.secret.addresses.email = vec![
        address("admins-word@example.org", Some(NOW), false),
        address("of-a-week@example.org", Some(week_ago), true),
        address("of-today@example.org", Some(NOW), true),
        address("not-proved@example.org", None, false),
    ];
    ada.secret.addresses.phone = vec![address("+4915112345678", Some(NOW), false)];
    let stage = stage_with(CHANNELS, &ada, Some(PASSWORD)).await;
    let by_post = |to: &str| ("post".to_owned(), to.to_owned());
    assert_eq!(asked(&stage, " ADA ").await, [by_post("admins-word@example.org"), by_post("of-a-week@example.org")]);
    let texts: Vec<String> = stage.flows.delivery().outbox().into_iter().map(|message| message.text).collect();
    assert!(texts.iter().all(|text| text.contains("good for 30 minutes")), "{texts:?}");
    assert!(texts.iter().all(|text| text.contains(&code(&stage))), "the same code");
    let kept: User = stage.read("user/ada").await;
    let [kept] = &kept.secret.mailed_codes[..] else { panic!("one code") };
    assert_eq!(kept.expires_at, NOW.plus_s(1800));
    assert!(!kept.mac.contains(&token::folded_spoken_code(&code(&stage))));
}

#[tokio::test]
async fn the_latest_two_codes_count() {
    let stage = stage_with(CHANNELS, &person("ada"), Some(PASSWORD)).await;
    let macs = async || {
        let ada: User = stage.read("user/ada").await;
        ada.secret.mailed_codes.into_iter().map(|code| code.mac).collect::<Vec<_>>()
    };
    let mut made = Vec::new();
    for _ in 0..3 {
        assert_eq!(asked(&stage, "ada").await.len(), 1);
        made.extend(macs().await.pop());
    }
    assert_eq!(macs().await, made[1..]);
}

#[tokio::test]
async fn only_who_is_switched_on_and_has_a_password_of_their_own_gets_one() {
    let (mut off, mut after_reset) = (person("ada"), person("ada"));
    off.open.is_active = false;
    after_reset.secret.reset = Some(ResetCode { phc: String::new(), expires_at: NOW.plus_s(60) });
    for (whose, ada, password) in [
        ("switched off", &off, Some(PASSWORD)),
        ("without a password", &person("ada"), None),
        ("after a reset", &after_reset, Some(PASSWORD)),
    ] {
        let stage = stage_with(CHANNELS, ada, password).await;
        let log = Log::begin();
        assert_eq!(asked(&stage, "ada").await, [], "{whose}");
        assert_eq!(outcomes(&log), ["not_possible"], "{whose}");
        assert!(stage.read::<User>("user/ada").await.secret.mailed_codes.is_empty(), "{whose}");
    }
}

/// What the log says became of each wish.
fn outcomes(log: &Log) -> Vec<String> {
    let lines = log.lines_with("forgotten_password");
    let outcome = |line: &String| line.split("outcome=\"").nth(1)?.split('"').next().map(str::to_owned);
    lines.iter().map(|line| outcome(line).unwrap()).collect()
}

#[tokio::test]
async fn the_log_says_what_became_of_each_wish_and_the_asker_learns_nothing() {
    let stage = stage_with(CHANNELS, &person("ada"), Some(PASSWORD)).await;
    let log = Log::begin();
    assert_eq!((asked(&stage, "ada").await.len(), asked(&stage, "nobody").await.len()), (1, 0));
    assert_eq!(outcomes(&log), ["sent", "unknown"]);
    drop(log);
    for (channels, ada) in [("", person("ada")), (CHANNELS, user("ada"))] {
        let stage = stage_with(channels, &ada, Some(PASSWORD)).await;
        let log = Log::begin();
        assert_eq!(asked(&stage, "ada").await, []);
        assert_eq!(outcomes(&log), ["no_address"]);
    }
}

#[tokio::test]
async fn nobody_floods_a_mailbox_by_a_name() {
    let limits = "[delivery]\nmessages_per_user_hour_max = 2\n";
    let stage = stage_with(&format!("{limits}{CHANNELS}"), &person("ada"), Some(PASSWORD)).await;
    let log = Log::begin();
    assert_eq!((asked(&stage, "ada").await.len(), asked(&stage, "ada").await.len()), (1, 0));
    assert_eq!(outcomes(&log), ["sent", "too_many_messages"]);
}

#[tokio::test]
async fn nobody_goes_through_names_by_it() {
    let stage = stage_with(CHANNELS, &person("ada"), Some(PASSWORD)).await;
    let ask = || stage.flows.forgot_password("nobody", &asker());
    assert!((0..3).all(|_| ask().is_ok()));
    assert!(matches!(ask(), Err(FlowError::Throttled { .. })));
}

#[tokio::test]
async fn there_is_a_way_to_a_forgotten_password_where_the_settings_say_so() {
    for (forgotten, is_there) in [("off", false), ("mail", true)] {
        let settings = format!("[[provider]]\ntype = \"local\"\n[passwords]\nforgotten = \"{forgotten}\"\n");
        let stage = TestStage::with(&settings);
        let answer = stage.flows.forgot_password("nobody", &asker());
        assert_eq!(answer.is_ok(), is_there, "{forgotten}");
        assert!(is_there || matches!(answer, Err(FlowError::NotFound { .. })));
    }
}
