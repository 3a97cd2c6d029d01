//! Links: which of them stand, what a click costs and confirms, and what ends a login from elsewhere.

use std::sync::{Arc, Mutex};

use mfa_sdk::{
    Message,
    protocol::{Answer, Description, Kind, Operation, Reply, Request, VerdictReply},
};
use serde_json::json;

use super::{link::NUMBERS_MAX, *};
use crate::{
    clock::Timestamp,
    flow::{
        record::{
            Account, AccountOpen, Address, Count, Document, Enrolment, Link, LinkOpen, LinkSecret, OpenFlow, Sent,
            SentLink, SessionStage, Unknown, User,
        },
        test_stage::{Log, NOW, TestStage, asker, enrolment, factors, user, waiting},
    },
    module_host::word,
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"mail\"\n[[channel]]\n\
                        name = \"email\"\ntype = \"outbox\"\ntarget = \"email\"";
/// Longer than the login lives.
const DEAD_AT: Timestamp = Timestamp(NOW.0 + 90_000);

/// What was asked, in order.
type Asked = Arc<Mutex<Vec<&'static str>>>;

/// A login `f` that waits for the link behind `token`, of a module that takes so many wrong answers and says this.
async fn stage_with(retries_max: u32, verdict: fn() -> Reply) -> (TestStage, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let play = move |_: &str, request: &Request| {
        noted.lock().unwrap().push(word(&request.operation));
        match &request.operation {
            Operation::Validate { answer: Answer::Link, .. } => verdict(),
            _ => Reply::Failed { message: "nobody asks for this".to_owned() },
        }
    };
    let description = Description::new("mail", "Mail", Kind::Possession).sends(true).retries_max(retries_max);
    let stage = TestStage::playing(SETTINGS, &[description], play);
    stage.put("user/ada", &user("ada")).await;
    stage.put_factors("ada", &["mail"]).await;
    stage.put(&session_key(), &waits_for_link()).await;
    stage.put(&link_key(), &link()).await;
    let flow = |flow: String| OpenFlow { flow, until: NOW.plus_s(60) };
    let sessions = vec![flow(token::hash("f")), flow("other".to_owned())];
    put_account(&stage, AccountOpen { sessions, ..AccountOpen::default() }).await;
    (stage, asked)
}

fn accepted() -> Reply {
    Reply::Verdict(VerdictReply::Accepted { enrolment: Some(json!("new")), advice: None })
}

fn rejected() -> Reply {
    Reply::Verdict(VerdictReply::Rejected { error: "no".to_owned(), challenge: Some(json!("next")) })
}

fn session_key() -> String {
    format!("session/{}", token::hash("f"))
}

fn link_key() -> String {
    format!("link/{}", token::hash("token"))
}

fn waits_for_link() -> Session {
    let mut session = waiting("ada", "mail");
    let link = Some(SentLink { hash: token::hash("token"), confirmed_at: None });
    session.secret.sent = Some(Sent { messages: vec!["m".to_owned()], link, ..Sent::default() });
    session.secret.challenge = Some(json!("first"));
    session
}

fn link() -> Link {
    let open = LinkOpen {
        user: "ada".to_owned(),
        session: token::hash("f"),
        created_at: NOW,
        dead_at: DEAD_AT,
        numbers_given: 0,
        unknown: Unknown::new(),
    };
    let address = std::net::Ipv4Addr::new(192, 0, 2, 7).into();
    let secret = LinkSecret { number: 42, address, browser: Some("a browser".to_owned()), seed: token::new_seed() };
    Document { open, secret }
}

async fn put_account(stage: &TestStage, open: AccountOpen) {
    stage.put("account/ada", &Document { open, secret: () }).await;
}

async fn account(stage: &TestStage) -> AccountOpen {
    stage.read::<Account>("account/ada").await.open
}

/// An account with so many wrong answers to the module in a row.
fn wrong(in_a_row: u32, locked_until: Option<Timestamp>) -> AccountOpen {
    let wrong = [("mail".to_owned(), Count { in_a_row, locked_until })].into();
    AccountOpen { wrong, ..AccountOpen::default() }
}

async fn click(stage: &TestStage, number: Option<&str>, waiting: Option<&str>) -> Result<Clicked, FlowError> {
    let click = Click { number: number.map(str::to_owned), waiting: waiting.map(str::to_owned) };
    stage.flows.confirm_link("token", click, &asker()).await
}

async fn is_shown(stage: &TestStage) -> bool {
    stage.flows.link("token", None).await.unwrap().is_some()
}

#[tokio::test]
async fn a_link_stands_to_the_last_moment_of_it_and_of_its_login() {
    let (stage, _) = stage_with(3, accepted).await;
    let mut long = waits_for_link();
    long.open.expires_at = DEAD_AT.plus_s(60);
    stage.put(&session_key(), &long).await;
    stage.move_clock_to(DEAD_AT);
    assert!(is_shown(&stage).await);
    stage.move_clock_to(DEAD_AT.plus_s(1));
    assert!(!is_shown(&stage).await, "the link is over");
    stage.put(&session_key(), &waits_for_link()).await;
    stage.move_clock_to(NOW.plus_s(60));
    assert!(is_shown(&stage).await);
    stage.move_clock_to(NOW.plus_s(61));
    assert!(!is_shown(&stage).await, "the login is over");
}

#[tokio::test]
async fn a_link_is_of_the_very_step_that_waits_for_it() {
    let (stage, _) = stage_with(3, accepted).await;
    let changes: [fn(&mut Session); 4] = [
        |session| session.open.stage = SessionStage::Selecting,
        |session| session.secret.sent.as_mut().unwrap().refused = true,
        |session| session.secret.sent.as_mut().unwrap().link.as_mut().unwrap().hash = "another".to_owned(),
        |session| session.secret.sent.as_mut().unwrap().link.as_mut().unwrap().confirmed_at = Some(NOW),
    ];
    assert!(is_shown(&stage).await);
    for (place, change) in changes.into_iter().enumerate() {
        let mut session = waits_for_link();
        change(&mut session);
        stage.put(&session_key(), &session).await;
        assert!(!is_shown(&stage).await, "{place}");
    }
}

#[tokio::test]
async fn a_page_shows_who_waits_where_and_asks_for_the_number_unless_it_is_the_browser_that_waits() {
    let (stage, _) = stage_with(3, accepted).await;
    let mut reads_german: User = user("ada");
    reads_german.open.language = Some("de".to_owned());
    stage.put("user/ada", &reads_german).await;
    let own = stage.flows.waiting_tag("f");
    let another = stage.flows.waiting_tag("g");
    for (waiting, asks_number) in [(None, true), (Some(&*another), true), (Some(&*own), false)] {
        let view = stage.flows.link("token", waiting).await.unwrap().unwrap();
        assert_eq!(view.asks_number, asks_number);
        assert_eq!((view.began_at, view.address.to_string()), (NOW, "192.0.2.7".to_owned()));
        assert_eq!((view.browser.as_deref(), view.language.as_deref()), (Some("a browser"), Some("de")));
    }
    for (numbers_given, stands) in [(NUMBERS_MAX - 1, true), (NUMBERS_MAX, false), (NUMBERS_MAX + 1, false)] {
        let mut used = link();
        used.open.numbers_given = numbers_given;
        stage.put(&link_key(), &used).await;
        assert_eq!(is_shown(&stage).await, stands, "{numbers_given}");
    }
}

#[tokio::test]
async fn links_are_dead_after_their_last_moment_and_when_nobody_waits_for_them() {
    let (stage, _) = stage_with(3, accepted).await;
    let dead = async |now| stage.flows.dead_links(now).await.unwrap().len();
    assert_eq!((dead(DEAD_AT).await, dead(DEAD_AT.plus_s(1)).await), (0, 1));
    let mut waits_for_another = waits_for_link();
    waits_for_another.secret.sent = None;
    stage.put(&session_key(), &waits_for_another).await;
    assert_eq!(dead(NOW).await, 1);
    let keys = stage.flows.dead_links(NOW).await.unwrap();
    assert_eq!(keys[0].0.as_str(), link_key());
}

#[tokio::test]
async fn a_click_without_a_number_costs_nothing_and_a_wrong_one_an_attempt() {
    let (stage, asked) = stage_with(0, accepted).await;
    for none in [None, Some("x7"), Some("123")] {
        assert!(matches!(click(&stage, none, None).await, Ok(Clicked::Number { is_wrong: false, .. })));
    }
    assert!(account(&stage).await.wrong.is_empty());
    let log = Log::begin();
    for given in 1..NUMBERS_MAX {
        assert!(matches!(click(&stage, Some("41"), None).await, Ok(Clicked::Number { is_wrong: true, .. })));
        let (link, session): (Link, Session) = (stage.read(&link_key()).await, stage.read(&session_key()).await);
        assert_eq!((link.open.numbers_given, session.open.attempts_used), (given, given));
        assert_eq!(account(&stage).await.wrong["mail"].in_a_row, given);
        assert_eq!(log.lines_with("second_factor_refused").len(), usize::try_from(given).unwrap());
    }
    assert!(matches!(click(&stage, Some("41"), None).await, Ok(Clicked::Refused)), "no more for this link");
    assert!(asked.lock().unwrap().is_empty(), "and the module knows nothing of it");
    let session: Session = stage.read(&session_key()).await;
    assert_eq!(session.open.stage, SessionStage::Denied { reason: "link_refused".to_owned() });
    let still_open: Vec<String> = account(&stage).await.sessions.into_iter().map(|open| open.flow).collect();
    assert_eq!(still_open, ["other"]);
    assert!(!stage.has(&link_key()).await);
}

#[tokio::test]
async fn the_last_attempt_of_the_login_is_the_last_number() {
    let (stage, _) = stage_with(2, accepted).await;
    assert!(matches!(click(&stage, Some("41"), None).await, Ok(Clicked::Number { is_wrong: true, .. })));
    assert!(matches!(click(&stage, Some("41"), None).await, Ok(Clicked::Refused)));
    let (stage, _) = stage_with(2, accepted).await;
    let mut used = waits_for_link();
    used.open.attempts_used = 2;
    stage.put(&session_key(), &used).await;
    assert!(matches!(click(&stage, Some("42"), None).await, Ok(Clicked::Gone)), "there is none left for it");
    assert!(matches!(stage.read::<Link>(&link_key()).await.open.numbers_given, 0));
}

#[tokio::test]
async fn a_link_that_took_all_its_numbers_takes_not_even_the_right_one() {
    let (stage, asked) = stage_with(0, accepted).await;
    let mut used = link();
    used.open.numbers_given = NUMBERS_MAX;
    stage.put(&link_key(), &used).await;
    assert!(matches!(click(&stage, Some("42"), None).await, Ok(Clicked::Gone)));
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_right_number_and_the_browser_that_waits_confirm_and_cost_nothing() {
    for is_own in [false, true] {
        let (stage, asked) = stage_with(3, accepted).await;
        let before = wrong(2, None);
        put_account(&stage, before).await;
        let own = stage.flows.waiting_tag("f");
        let clicked = match is_own {
            true => click(&stage, None, Some(&own)).await,
            false => click(&stage, Some(" 42"), None).await,
        };
        assert!(matches!(clicked, Ok(Clicked::Confirmed)));
        assert_eq!(*asked.lock().unwrap(), ["validate"]);
        let session: Session = stage.read(&session_key()).await;
        assert_eq!((link::confirmed_at(&session), session.open.attempts_used), (Some(NOW), 0));
        let kept: Enrolment = stage.read("enrolment/ada/mail").await;
        assert_eq!(kept.secret.data, json!("new"));
        assert_eq!(account(&stage).await.wrong["mail"].in_a_row, 2, "what was wrong before stays counted");
        assert!(!stage.has(&link_key()).await, "it is used up");
    }
}

#[tokio::test]
async fn a_locked_factor_takes_no_click_and_one_that_is_disabled_ends_the_login() {
    for waits in [false, true] {
        let (stage, asked) = stage_with(3, accepted).await;
        let own = stage.flows.waiting_tag("f");
        let (number, own) = if waits { (None, Some(&*own)) } else { (Some("42"), None) };
        put_account(&stage, wrong(5, Some(NOW.plus_s(7)))).await;
        assert!(matches!(click(&stage, number, own).await, Err(FlowError::Throttled { retry_after_s: 7 })));
        put_account(&stage, wrong(100, None)).await;
        assert!(matches!(click(&stage, number, own).await, Ok(Clicked::Refused)));
        let session: Session = stage.read(&session_key()).await;
        assert_eq!(session.open.stage, SessionStage::Denied { reason: "too_many_retry".to_owned() });
        assert!(asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_link_its_module_does_not_take_is_used_up_and_the_login_waits_on() {
    let (stage, _) = stage_with(3, rejected).await;
    assert!(matches!(click(&stage, Some("42"), None).await, Ok(Clicked::Gone)));
    let session: Session = stage.read(&session_key()).await;
    assert_eq!(session.open.stage, SessionStage::Waiting { module: "mail".to_owned() });
    assert!(session.secret.sent.as_ref().unwrap().link.is_none());
    assert_eq!((session.secret.challenge, session.open.attempts_used), (Some(json!("next")), 0));
    assert!(account(&stage).await.wrong.is_empty() && !stage.has(&link_key()).await);
}

#[tokio::test]
async fn a_click_on_what_the_user_has_no_more_ends_the_login_unasked_and_costs_nothing() {
    let gone: [fn(&mut Enrolment, &mut bool); 3] = [
        |_, is_active| *is_active = false,
        |enrolment, _| enrolment.open.module_type = "another".to_owned(),
        |enrolment, _| enrolment.open.set_up = Some("since".to_owned()),
    ];
    for (place, change) in gone.into_iter().enumerate() {
        let (stage, asked) = stage_with(3, accepted).await;
        let (mut kept, mut is_active) = (enrolment("mail"), true);
        change(&mut kept, &mut is_active);
        let mut listed = factors(&["mail"]);
        listed.open.factors[0].active = is_active;
        stage.put("enrolment/ada/mail", &kept).await;
        stage.put("factors/ada", &listed).await;
        assert!(matches!(click(&stage, Some("42"), None).await, Ok(Clicked::Failed)), "{place}");
        assert!(asked.lock().unwrap().is_empty() && account(&stage).await.wrong.is_empty(), "{place}");
        let session: Session = stage.read(&session_key()).await;
        assert_eq!(session.open.stage, SessionStage::Denied { reason: "unknown_error".to_owned() });
    }
}

#[tokio::test]
async fn a_module_without_an_answer_to_a_click_ends_the_login_and_costs_nothing() {
    let (stage, asked) = stage_with(3, || Reply::Failed { message: "no".to_owned() }).await;
    assert!(matches!(click(&stage, Some("42"), None).await, Ok(Clicked::Failed)));
    assert_eq!(*asked.lock().unwrap(), ["validate"]);
    assert!(account(&stage).await.wrong.is_empty());
}

#[tokio::test]
async fn who_says_it_was_not_me_ends_the_login_that_waits_and_no_other() {
    let (stage, _) = stage_with(3, accepted).await;
    assert_eq!(stage.flows.deny_link("another", &asker()).await.unwrap(), None);
    assert_eq!(stage.flows.deny_link("token", &asker()).await.unwrap(), Some(Denied::Login));
    assert_eq!(stage.flows.deny_link("token", &asker()).await.unwrap(), None, "it is over");
    let session: Session = stage.read(&session_key()).await;
    assert_eq!(session.open.stage, SessionStage::Denied { reason: "refused_by_user".to_owned() });
    assert!(matches!(session.secret.grant, Grant::Code { .. }) && session.secret.form.is_none());
    let still_open: Vec<String> = account(&stage).await.sessions.into_iter().map(|open| open.flow).collect();
    assert_eq!(still_open, ["other"]);
}

#[tokio::test]
async fn who_says_it_was_not_me_of_a_change_is_told_that_a_session_is_in_other_hands() {
    let (stage, _) = stage_with(3, accepted).await;
    let mut trial = waits_for_link();
    trial.secret.grant = Grant::Trial;
    stage.put(&session_key(), &trial).await;
    assert_eq!(stage.flows.deny_link("token", &asker()).await.unwrap(), Some(Denied::Change));
}

#[tokio::test]
async fn messages_share_a_link_that_lives_as_long_as_the_longest_and_not_beyond_the_login() {
    let (stage, asker) = (TestStage::with(SETTINGS), asker());
    let turn = Turn::new(&stage.flows.engine, "f", &asker);
    let text = |lifetime_s| Message::plain("mail", "a", "b").lives_s(lifetime_s);
    assert!(turn.new_link(&[text(50)]).is_none());
    let two = [Message::link("mail", "a", 20), Message::link("mail", "b", 30), text(50)];
    for (expires_at, dead_at) in [(NOW.plus_s(60), NOW.plus_s(30)), (NOW.plus_s(10), NOW.plus_s(10))] {
        let mut session = waiting("ada", "mail");
        session.open.expires_at = expires_at;
        let made = turn.new_link(&two).unwrap();
        let (url, sent) = (made.url().to_owned(), made.sent());
        let shown = url.rsplit('/').next().unwrap();
        assert_eq!((token::hash(shown), sent.confirmed_at), (sent.hash.clone(), None), "{url}");
        let (change, expectation) = turn.keep_link(made, &session).unwrap();
        stage.flows.engine.store.commit(vec![change], vec![expectation]).await.unwrap();
        let kept: Link = stage.read(&format!("link/{}", sent.hash)).await;
        assert_eq!((kept.open.dead_at, kept.open.numbers_given), (dead_at, 0));
        session.secret.sent = Some(Sent { link: Some(sent), ..Sent::default() });
        let number = turn.link_number(&session).await.unwrap();
        assert_eq!(number, Some(kept.secret.number.to_string()));
    }
    assert_eq!(turn.link_number(&waiting("ada", "mail")).await.unwrap(), None);
}

#[tokio::test]
async fn a_wrong_number_that_locks_the_factor_is_told_and_a_right_one_is_not() {
    for (number, messages) in [("41", 1), ("42", 0)] {
        let (stage, _) = stage_with(0, accepted).await;
        let mut ada: User = user("ada");
        let value = "ada@example.org".to_owned();
        ada.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at: Some(NOW), by_code: false }];
        stage.put("user/ada", &ada).await;
        put_account(&stage, wrong(4, None)).await;
        assert!(click(&stage, Some(number), None).await.is_ok());
        stage.all_sent().await;
        assert_eq!(stage.flows.delivery().outbox().len(), messages, "{number}");
    }
}

#[tokio::test]
async fn what_a_module_advises_at_a_click_is_kept_for_the_login_that_waits() {
    let advised = || Reply::Verdict(VerdictReply::Accepted { enrolment: None, advice: Some("Make new ones.".into()) });
    let (stage, _) = stage_with(3, advised).await;
    let mut asks_nothing = waits_for_link();
    asks_nothing.secret.form = None;
    stage.put(&session_key(), &asks_nothing).await;
    assert!(matches!(click(&stage, Some("42"), None).await, Ok(Clicked::Confirmed)));
    let step = stage.flows.submit_login("f", "app", Map::new(), None, &asker()).await;
    assert!(matches!(step, Ok(Step::Created(created)) if created.advice.as_deref() == Some("Make new ones.")));
}
