//! Which channels are offered, where a code goes, and all that must be refused.

use mfa_sdk::{
    Channel, ConfigError, FieldKind, TargetKind, Value,
    form::FieldError,
    json,
    protocol::User,
    testing::{Bench, Outcome, SetupOutcome, contract::Contract},
};

use super::Notify;

fn channels() -> Vec<Channel> {
    vec![
        Channel::new("ntfy", "Push", TargetKind::Text),
        Channel::new("mail", "", TargetKind::Email),
        Channel::new("gateway", "SMS", TargetKind::Phone),
        Channel::listed("kitchen", "Kitchen", ["speaker", "display"]),
        Channel::listed("hall", "Hall", ["bell"]),
        Channel::listed("empty", "Nothing", [""; 0]),
    ]
}

fn bench(config: Value) -> Bench<Notify> {
    let mut bench = Bench::new(config).unwrap();
    bench.channels(channels());
    bench
}

/// The channels the first form offers, with their texts' values.
fn offered(bench: &mut Bench<Notify>) -> Vec<(String, String)> {
    let begun = bench.begin_setup().unwrap();
    let FieldKind::Select { options } = &begun.form().unwrap().fields[0].kind else { panic!("{begun:?}") };
    options.iter().map(|(name, text)| (name.clone(), text.values["channel"].clone())).collect()
}

fn set_up(bench: &mut Bench<Notify>) {
    bench.begin_setup().unwrap();
    bench.fill(json!({ "channel": "ntfy" })).unwrap();
    bench.fill(json!({ "target": " my-secret-topic " })).unwrap();
    let code = code(bench);
    assert_eq!(bench.fill(json!({ "code": code })).unwrap(), SetupOutcome::Done);
}

fn code(bench: &Bench<Notify>) -> String {
    bench.code_sent().unwrap().to_owned()
}

/// A code that was not sent.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn answer(bench: &mut Bench<Notify>, code: &str) -> Outcome {
    bench.answer(json!({ "code": code })).unwrap()
}

#[test]
fn the_contract_holds() {
    Contract::<Notify>::new(json!({}))
        .prepare(|bench| {
            bench.channels(channels());
        })
        .setup(set_up)
        .right(|bench, ()| json!({ "code": code(bench) }))
        .wrong(|bench, ()| json!({ "code": other(&code(bench)) }))
        .check();
}

#[test]
fn the_channels_offered_are_the_admins_in_order_less_those_left_out() {
    let names =
        |config: Value| -> Vec<String> { offered(&mut bench(config)).into_iter().map(|(name, _)| name).collect() };
    // One that lists no target can send nowhere.
    assert_eq!(names(json!({})), ["ntfy", "mail", "gateway", "kitchen", "hall"]);
    assert_eq!(names(json!({ "exclude": ["mail", "hall", "unheard_of"] })), ["ntfy", "gateway", "kitchen"]);
    assert_eq!(names(json!({ "include": ["hall", "ntfy"] })), ["ntfy", "hall"]);
    let shown: Vec<String> = offered(&mut bench(json!({}))).into_iter().map(|(_, label)| label).collect();
    assert_eq!(shown, ["Push", "mail", "SMS", "Kitchen", "Hall"], "the name stands in for a label");
}

#[test]
fn without_a_channel_there_is_no_set_up() {
    let none = SetupOutcome::Abort { reason: "no_channel".to_owned() };
    assert_eq!(Bench::<Notify>::new(json!({})).unwrap().begin_setup().unwrap(), none);
    assert_eq!(bench(json!({ "include": ["empty"] })).begin_setup().unwrap(), none);
}

#[test]
fn the_second_form_fits_the_channel() {
    for (channel, kind) in
        [("ntfy", FieldKind::Text { length_max: 254 }), ("mail", FieldKind::Email), ("gateway", FieldKind::Phone)]
    {
        let mut bench = bench(json!({}));
        bench.begin_setup().unwrap();
        let step = bench.fill(json!({ "channel": channel })).unwrap();
        assert!(step.messages().is_empty(), "nothing is sent before it is known where to");
        assert_eq!(step.form().unwrap().fields[0].kind, kind);
    }
}

#[test]
fn only_listed_targets_can_be_chosen_and_a_single_one_is_not_asked_for() {
    let mut bench = bench(json!({}));
    bench.begin_setup().unwrap();
    bench.fill(json!({ "channel": "kitchen" })).unwrap();
    let refused = bench.fill(json!({ "target": "bedroom" })).unwrap();
    assert_eq!(refused, SetupOutcome::BadInput([("target".to_owned(), FieldError::NotAnOption)].into()));
    let sent = bench.fill(json!({ "target": "display" })).unwrap();
    assert_eq!((sent.messages()[0].channel.as_str(), sent.messages()[0].to.as_str()), ("kitchen", "display"));
    bench.begin_setup().unwrap();
    let sent = bench.fill(json!({ "channel": "hall" })).unwrap();
    assert_eq!(sent.messages()[0].to, "bell");
}

#[test]
fn a_single_channel_is_not_asked_for_either() {
    let mut bench = bench(json!({ "include": ["gateway"] }));
    let addresses = [("phone".to_owned(), vec!["+4915112345689".to_owned()])].into();
    bench.user(User { id: "1".to_owned(), name: "ann".to_owned(), addresses });
    let begun = bench.begin_setup().unwrap();
    let field = &begun.form().unwrap().fields[0];
    assert_eq!((field.name.as_str(), &field.default), ("target", &Some(Value::from("+4915112345689"))));
    assert_eq!(bench.fill(json!({ "target": "+49 151 12345689" })).unwrap().messages()[0].to, "+4915112345689");
}

#[test]
fn a_channel_that_goes_away_in_the_set_up_ends_it() {
    let mut bench = bench(json!({}));
    bench.begin_setup().unwrap();
    bench.channels([]);
    let ended = bench.fill(json!({ "channel": "ntfy" })).unwrap();
    assert_eq!(ended, SetupOutcome::Abort { reason: "channel_gone".to_owned() });
}

#[test]
fn the_admins_words_hold_the_code() {
    let mut bench = bench(json!({ "message": "Home: {code} ({code})", "lifetime_s": 120 }));
    set_up(&mut bench);
    let message = bench.login().unwrap().messages.remove(0);
    assert_eq!((message.channel.as_str(), message.to.as_str()), ("ntfy", "my-secret-topic"));
    assert_eq!((message.template.as_str(), message.lifetime_s), ("plain", 120));
    let code = &message.values["code"];
    assert_eq!(message.values["text"], format!("Home: {code} ({code})"));
}

#[test]
fn a_code_is_right_in_its_login_and_its_time() {
    let mut bench = bench(json!({}));
    set_up(&mut bench);
    let of_setup = code(&bench);
    bench.login().unwrap();
    assert_eq!(answer(&mut bench, &of_setup), Outcome::rejected("invalid_code"));
    let first = code(&bench);
    bench.resend().unwrap();
    assert_eq!(answer(&mut bench, &first), Outcome::rejected("invalid_code"));
    let second = code(&bench);
    bench.advance_ms(600_000);
    assert_eq!(answer(&mut bench, &second), Outcome::Accepted);
    bench.login().unwrap();
    let third = code(&bench);
    bench.advance_ms(600_001);
    assert_eq!(answer(&mut bench, &third), Outcome::rejected("code_expired"));
}

#[test]
fn who_has_chosen_a_channel_keeps_it_when_it_is_left_out_later() {
    let mut bench = bench(json!({}));
    set_up(&mut bench);
    bench.reconfigure(json!({ "exclude": ["ntfy"] })).unwrap();
    assert_eq!(bench.login().unwrap().messages[0].channel, "ntfy");
    let summary = bench.overview().unwrap().summary.unwrap();
    assert_eq!((summary.values["channel"].as_str(), summary.values["target"].as_str()), ("Push", "my•••"));
}

#[test]
fn an_expired_code_in_the_set_up_is_followed_by_another() {
    let mut bench = bench(json!({ "include": ["ntfy"], "lifetime_s": 60 }));
    bench.begin_setup().unwrap();
    bench.fill(json!({ "target": "topic" })).unwrap();
    let former = code(&bench);
    bench.advance_ms(60_001);
    let again = bench.fill(json!({ "code": former })).unwrap();
    assert_eq!((again.error(), again.messages().len()), (Some("code_expired"), 1));
    assert_eq!(bench.fill(json!({ "code": former })).unwrap().error(), Some("invalid_code"));
    let newest = code(&bench);
    assert_eq!(bench.fill(json!({ "code": newest })).unwrap(), SetupOutcome::Done);
}

#[test]
fn a_configuration_out_of_bounds_is_refused_with_its_path() {
    for (config, path) in [
        (json!({ "message": "Hello" }), "message"),
        (json!({ "message": format!("{{code}}{}", "x".repeat(1000)) }), "message"),
        (json!({ "message": "{code}\u{7}" }), "message"),
        (json!({ "include": ["a"], "exclude": ["b", "a"] }), "exclude[1]"),
        (json!({ "include": ["a", ""] }), "include[1]"),
        (json!({ "include": [1] }), "include[0]"),
        (json!({ "lifetime_s": 601 }), "lifetime_s"),
        (json!({ "channel": "ntfy" }), "channel"),
    ] {
        let Err(ConfigError { path: found, .. }) = Bench::<Notify>::new(config) else { panic!("{path} is taken") };
        assert_eq!(found, path);
    }
}
