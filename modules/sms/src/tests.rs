//! Codes from being sent to being used, and all that must be refused.

use mfa_sdk::{
    ConfigError, Value,
    form::FieldError,
    json,
    protocol::User,
    testing::{Bench, Failure, Outcome, SetupOutcome, contract::Contract},
};

use super::Sms;

const PHONE: &str = "+4915112345689";

fn set_up(bench: &mut Bench<Sms>) {
    bench.begin_setup().unwrap();
    bench.fill(json!({ "phone": "+49 (151) 123-456.89" })).unwrap();
    let code = code(bench);
    assert_eq!(bench.fill(json!({ "code": code })).unwrap(), SetupOutcome::Done);
}

fn enrolled(config: Value) -> Bench<Sms> {
    let mut bench = Bench::new(config).unwrap();
    set_up(&mut bench);
    bench
}

fn code(bench: &Bench<Sms>) -> String {
    bench.code_sent().unwrap().to_owned()
}

/// A code that was not sent.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn answer(bench: &mut Bench<Sms>, code: &str) -> Outcome {
    bench.answer(json!({ "code": code })).unwrap()
}

#[test]
fn the_contract_holds() {
    Contract::<Sms>::new(json!({}))
        .setup(set_up)
        .right(|bench, ()| json!({ "code": code(bench) }))
        .wrong(|bench, ()| json!({ "code": other(&code(bench)) }))
        .check();
}

#[test]
fn a_message_goes_to_the_number_and_is_kept_nowhere() {
    let mut bench = enrolled(json!({ "channel": "gateway", "lifetime_s": 300 }));
    let login = bench.login().unwrap();
    let [message] = &login.messages[..] else { panic!("not one message") };
    assert_eq!((message.channel.as_str(), message.to.as_str()), ("gateway", PHONE));
    assert_eq!((message.template.as_str(), message.link, message.lifetime_s), ("code", false, 300));
    assert_eq!(bench.enrolment().unwrap().data, json!({ "phone": PHONE }));
    let shown = mfa_sdk::serde_json::to_string(&login.form).unwrap();
    assert!(shown.contains("+49•••••89") && !shown.contains("123456"), "{shown}");
}

#[test]
fn the_first_form_offers_the_proved_number() {
    let mut bench = Bench::<Sms>::new(json!({})).unwrap();
    let addresses = [("phone".to_owned(), vec![PHONE.to_owned()])].into();
    bench.user(User { id: "1".to_owned(), name: "ann".to_owned(), addresses });
    let begun = bench.begin_setup().unwrap();
    assert_eq!(begun.form().unwrap().fields[0].default, Some(Value::from(PHONE)));
}

#[test]
fn a_number_is_proved_before_it_counts() {
    let mut bench = Bench::<Sms>::new(json!({ "lifetime_s": 60 })).unwrap();
    bench.begin_setup().unwrap();
    bench.fill(json!({ "phone": PHONE })).unwrap();
    let former = code(&bench);
    assert_eq!(bench.fill(json!({ "code": other(&former) })).unwrap().error(), Some("invalid_code"));
    assert!(bench.enrolment().is_none());
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
    let of_setup = code(&bench);
    bench.login().unwrap();
    assert_eq!(answer(&mut bench, &of_setup), Outcome::rejected("invalid_code"));
    let first = code(&bench);
    bench.resend().unwrap();
    let second = code(&bench);
    assert_eq!(answer(&mut bench, &first), Outcome::rejected("invalid_code"));
    bench.advance_ms(600_000);
    assert_eq!(answer(&mut bench, &second), Outcome::Accepted);
    bench.login().unwrap();
    let third = code(&bench);
    bench.advance_ms(600_001);
    assert_eq!(answer(&mut bench, &third), Outcome::rejected("code_expired"));
}

#[test]
fn what_is_no_number_never_reaches_the_module() {
    let mut bench = Bench::<Sms>::new(json!({})).unwrap();
    bench.begin_setup().unwrap();
    for phone in ["0151 12345689", "+49", "+0123456789", "+1234567890123456", "+49151x2345689", "+٤٩١٥١١٢٣٤٥"]
    {
        let SetupOutcome::BadInput(errors) = bench.fill(json!({ "phone": phone })).unwrap() else { panic!("{phone}") };
        assert_eq!(errors["phone"], FieldError::InvalidAddress, "{phone}");
    }
}

#[test]
fn without_a_key_nothing_is_sent() {
    let mut bench = enrolled(json!({}));
    bench.mac_key("");
    assert!(matches!(bench.login(), Err(Failure::Failed(_))));
}

#[test]
fn a_configuration_out_of_bounds_is_refused_with_its_path() {
    for (config, path) in [
        (json!({ "channel": "" }), "channel"),
        (json!({ "lifetime_s": 59 }), "lifetime_s"),
        (json!({ "lifetime_s": 601 }), "lifetime_s"),
        (json!({ "mode": "link" }), "mode"),
    ] {
        let Err(ConfigError { path: found, .. }) = Bench::<Sms>::new(config) else { panic!("{path} is taken") };
        assert_eq!(found, path);
    }
}
