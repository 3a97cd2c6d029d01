//! Codes and links from being sent to being used, and all that must be refused.

use mfa_sdk::{
    ConfigError, Value,
    form::FieldError,
    json,
    protocol::User,
    testing::{
        Bench, Failure, Outcome, SetupOutcome,
        contract::{Contract, Given},
    },
};

use super::Email;

const ADDRESS: &str = "ann@example.org";

fn set_up(bench: &mut Bench<Email>) {
    bench.begin_setup().unwrap();
    bench.fill(json!({ "email": format!(" {ADDRESS} ") })).unwrap();
    let code = code(bench);
    assert_eq!(bench.fill(json!({ "code": code })).unwrap(), SetupOutcome::Done);
}

fn enrolled(config: Value) -> Bench<Email> {
    let mut bench = Bench::new(config).unwrap();
    set_up(&mut bench);
    bench
}

fn code(bench: &Bench<Email>) -> String {
    bench.code_sent().unwrap().to_owned()
}

/// A code that was not sent.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn answer(bench: &mut Bench<Email>, code: &str) -> Outcome {
    bench.answer(json!({ "code": code })).unwrap()
}

#[test]
fn the_contract_holds_for_codes() {
    Contract::<Email>::new(json!({}))
        .setup(set_up)
        .right(|bench, ()| json!({ "code": code(bench) }))
        .wrong(|bench, ()| json!({ "code": other(&code(bench)) }))
        .check();
}

#[test]
fn the_contract_holds_for_links() {
    Contract::<Email>::new(json!({ "mode": "link", "lifetime_s": 300 }))
        .setup(set_up)
        .right(|_, ()| Given::Link)
        .wrong(|_, ()| json!({}))
        .check();
}

#[test]
fn the_first_form_offers_the_proved_address() {
    let mut bench = Bench::<Email>::new(json!({ "channel": "mail" })).unwrap();
    let offered = |bench: &mut Bench<Email>| bench.begin_setup().unwrap().form().unwrap().fields[0].default.clone();
    assert_eq!(offered(&mut bench), None);
    let addresses = |channel: &str| [(channel.to_owned(), vec![ADDRESS.to_owned(), "b@c.example".to_owned()])].into();
    for channel in ["email", "mail"] {
        bench.user(User { id: "1".to_owned(), name: "ann".to_owned(), addresses: addresses(channel) });
        assert_eq!(offered(&mut bench), Some(Value::from(ADDRESS)), "{channel}");
    }
}

#[test]
fn a_message_goes_to_the_address_by_the_channel_and_is_kept_nowhere() {
    let mut bench = enrolled(json!({ "channel": "mail", "lifetime_s": 300 }));
    let login = bench.login().unwrap();
    let [message] = &login.messages[..] else { panic!("not one message") };
    assert_eq!((message.channel.as_str(), message.to.as_str()), ("mail", ADDRESS));
    assert_eq!((message.template.as_str(), message.link, message.lifetime_s), ("code", false, 300));
    assert_eq!(bench.enrolment().unwrap().data, json!({ "address": ADDRESS }));
    assert!(!login.challenge.unwrap().to_string().contains(&code(&bench)));
    let shown = mfa_sdk::serde_json::to_string(&login.form).unwrap();
    assert!(shown.contains("a•••@example.org") && !shown.contains(ADDRESS), "{shown}");
}

#[test]
fn a_wrong_code_in_the_set_up_keeps_the_one_that_was_sent() {
    let mut bench = Bench::<Email>::new(json!({})).unwrap();
    bench.begin_setup().unwrap();
    bench.fill(json!({ "email": ADDRESS })).unwrap();
    let right = code(&bench);
    let again = bench.fill(json!({ "code": other(&right) })).unwrap();
    assert_eq!((again.error(), again.messages().len()), (Some("invalid_code"), 0));
    assert!(bench.enrolment().is_none());
    assert_eq!(bench.fill(json!({ "code": right })).unwrap(), SetupOutcome::Done);
}

#[test]
fn a_code_that_expired_in_the_set_up_is_followed_by_another() {
    let mut bench = Bench::<Email>::new(json!({ "lifetime_s": 60 })).unwrap();
    bench.begin_setup().unwrap();
    bench.fill(json!({ "email": ADDRESS })).unwrap();
    let former = code(&bench);
    bench.advance_ms(60_001);
    let again = bench.fill(json!({ "code": former })).unwrap();
    assert_eq!((again.error(), again.messages().len()), (Some("code_expired"), 1));
    assert_eq!(bench.fill(json!({ "code": former })).unwrap().error(), Some("invalid_code"));
    let newest = code(&bench);
    assert_eq!(bench.fill(json!({ "code": newest })).unwrap(), SetupOutcome::Done);
}

#[test]
fn a_code_is_right_to_its_last_moment_and_a_resend_ends_it() {
    let mut bench = enrolled(json!({}));
    bench.login().unwrap();
    let first = code(&bench);
    assert_eq!(answer(&mut bench, &other(&first)), Outcome::rejected("invalid_code"));
    bench.resend().unwrap();
    let second = code(&bench);
    assert_ne!(first, second);
    assert_eq!(answer(&mut bench, &first), Outcome::rejected("invalid_code"));
    bench.advance_ms(600_000);
    assert_eq!(answer(&mut bench, &second), Outcome::Accepted);
    bench.login().unwrap();
    let third = code(&bench);
    bench.advance_ms(600_001);
    assert_eq!(answer(&mut bench, &third), Outcome::rejected("code_expired"));
}

#[test]
fn the_code_of_a_set_up_is_none_for_a_login() {
    let mut bench = enrolled(json!({}));
    let of_setup = code(&bench);
    bench.login().unwrap();
    assert_eq!(answer(&mut bench, &of_setup), Outcome::rejected("invalid_code"));
    // Nor is a code for one address right after the factor went to another.
    let sent = code(&bench);
    bench.keep_enrolment(1, json!({ "address": "other@example.org" }));
    assert_eq!(answer(&mut bench, &sent), Outcome::rejected("invalid_code"));
}

#[test]
fn a_link_waits_and_is_confirmed() {
    let mut bench = enrolled(json!({ "mode": "link" }));
    let login = bench.login().unwrap();
    assert!(login.form.fields.is_empty(), "there is nothing to type");
    assert!(login.messages[0].link && !login.messages[0].values.contains_key("code"), "and no code beside the link");
    assert_eq!(bench.poll().unwrap(), Outcome::Pending { retry_after_ms: 2000 });
    assert_eq!(bench.answer(json!({})).unwrap(), Outcome::Pending { retry_after_ms: 2000 });
    assert_eq!(bench.follow_link().unwrap(), Outcome::Accepted);
    bench.login().unwrap();
    bench.advance_ms(600_001);
    assert_eq!(bench.poll().unwrap(), Outcome::rejected("link_expired"));
    assert_eq!(bench.follow_link().unwrap(), Outcome::rejected("link_expired"));
}

#[test]
fn a_login_goes_on_as_it_began_when_the_mode_changes() {
    let mut bench = enrolled(json!({}));
    bench.login().unwrap();
    bench.reconfigure(json!({ "mode": "link" })).unwrap();
    assert_eq!(bench.follow_link().unwrap(), Outcome::rejected("invalid_code"));
    let sent = code(&bench);
    assert_eq!(answer(&mut bench, &sent), Outcome::Accepted);
}

#[test]
fn what_is_no_address_never_reaches_the_module() {
    let mut bench = Bench::<Email>::new(json!({})).unwrap();
    bench.begin_setup().unwrap();
    for address in ["ann", "@example.org", "a b@example.org", "a@b\r\nBcc: c@d", "a@b@c"] {
        let SetupOutcome::BadInput(errors) = bench.fill(json!({ "email": address })).unwrap() else {
            panic!("{address}")
        };
        assert!([FieldError::InvalidAddress, FieldError::InvalidCharacters].contains(&errors["email"]), "{address}");
    }
}

#[test]
fn without_a_key_nothing_is_sent() {
    let mut bench = enrolled(json!({}));
    bench.mac_key("");
    assert!(matches!(bench.login(), Err(Failure::Failed(_))));
}

#[test]
fn an_overview_says_where_it_goes_without_telling() {
    let summary = enrolled(json!({})).overview().unwrap().summary.unwrap();
    assert_eq!(summary.values["target"], "a•••@example.org");
}

#[test]
fn a_configuration_out_of_bounds_is_refused_with_its_path() {
    for (config, path) in [
        (json!({ "channel": "" }), "channel"),
        (json!({ "mode": "pigeon" }), "mode"),
        (json!({ "lifetime_s": 59 }), "lifetime_s"),
        (json!({ "lifetime_s": 601 }), "lifetime_s"),
        (json!({ "lifetime": 600 }), "lifetime"),
    ] {
        let Err(ConfigError { path: found, .. }) = Bench::<Email>::new(config) else { panic!("{path} is taken") };
        assert_eq!(found, path);
    }
}
