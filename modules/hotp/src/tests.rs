//! The published vectors, the edges of both windows, and a counter that only grows.

use mfa_sdk::{
    ConfigError, Value,
    form::{Block, FieldError, Form},
    json,
    key_uri::SharedSecret,
    protocol::User,
    testing::{Bench, Failure, Outcome, SetupOutcome, contract::Contract},
};

use super::{Hotp, token::Token};

/// The Key URI a set-up form shows.
fn uri(form: &Form) -> String {
    let uri = form.blocks.iter().find_map(|block| match block {
        Block::Uri { name, value } if name == "url" => Some(value.clone()),
        _ => None,
    });
    uri.unwrap()
}

/// What a token makes of the URI.
fn scanned(uri: &str) -> Token {
    let parameter = |name: &str| {
        let (_, query) = uri.split_once('?').unwrap();
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap().to_owned()
    };
    assert_eq!((parameter("algorithm").as_str(), parameter("counter").as_str()), ("SHA1", "0"));
    let digits: u8 = parameter("digits").parse().unwrap();
    mfa_sdk::serde_json::from_value(json!({ "secret": parameter("secret"), "digits": digits })).unwrap()
}

/// Sets the token up with its first code; the next one is of counter 1.
fn set_up(bench: &mut Bench<Hotp>) -> Token {
    let token = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
    assert_eq!(bench.fill(json!({ "code": token.code(0) })).unwrap(), SetupOutcome::Done);
    token
}

fn enrolled(config: Value) -> (Bench<Hotp>, Token) {
    let mut bench = Bench::new(config).unwrap();
    let token = set_up(&mut bench);
    (bench, token)
}

fn counter(bench: &Bench<Hotp>) -> u64 {
    bench.enrolment().unwrap().data["counter"].as_u64().unwrap()
}

/// One answer in a login of its own.
fn answer(bench: &mut Bench<Hotp>, code: &str) -> Outcome {
    bench.login().unwrap();
    bench.answer(json!({ "code": code })).unwrap()
}

/// A code of no counter near.
fn wrong(token: &Token) -> String {
    (0..).map(|number| format!("{number:06}")).find(|code| token.matching(code, 0..=2_000).is_empty()).unwrap()
}

#[test]
fn the_contract_holds() {
    Contract::<Hotp>::new(json!({}))
        .setup(set_up)
        .right(|bench, token| json!({ "code": token.code(counter(bench)) }))
        .wrong(|_, token| json!({ "code": wrong(token) }))
        .check();
}

#[test]
fn rfc_4226_appendix_d() {
    let token = Token { secret: SharedSecret::from_bytes(*b"12345678901234567890"), digits: 6 };
    let codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    for (counter, code) in codes.into_iter().enumerate() {
        assert_eq!(token.code(counter as u64), code);
    }
    // The truncated values of the same table, to eight digits: 1284755224, 1094287082, 137359152.
    let token = Token { digits: 8, ..token };
    assert_eq!([token.code(0), token.code(1), token.code(2)], ["84755224", "94287082", "37359152"]);
}

#[test]
fn the_look_ahead_ends_where_it_is_set_to_end() {
    for look_ahead in [0, 1, 10] {
        for ahead in 0..=12 {
            let (mut bench, token) = enrolled(json!({ "look_ahead": look_ahead }));
            let right = ahead <= look_ahead;
            let outcome = answer(&mut bench, &token.code(1 + ahead));
            assert_eq!(outcome == Outcome::Accepted, right, "look-ahead {look_ahead}, {ahead} ahead");
            assert_eq!(counter(&bench), if right { 2 + ahead } else { 1 });
        }
    }
}

#[test]
fn the_look_ahead_is_the_same_in_the_set_up() {
    for (ahead, right) in [(10, true), (11, false)] {
        let mut bench = Bench::<Hotp>::new(json!({})).unwrap();
        let token = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
        let outcome = bench.fill(json!({ "code": token.code(ahead) })).unwrap();
        assert_eq!(outcome == SetupOutcome::Done, right, "{ahead}");
    }
}

#[test]
fn a_code_is_right_once_and_never_after_a_later_one() {
    let (mut bench, token) = enrolled(json!({}));
    assert_eq!(answer(&mut bench, &token.code(0)), Outcome::rejected("invalid_code"), "it proved the set-up");
    assert_eq!(answer(&mut bench, &token.code(5)), Outcome::Accepted);
    for used in 0..=5 {
        assert_eq!(answer(&mut bench, &token.code(used)), Outcome::rejected("invalid_code"), "{used}");
    }
    assert_eq!(answer(&mut bench, &token.code(6)), Outcome::Accepted);
}

#[test]
fn two_codes_in_a_row_bring_a_token_back_into_step() {
    for (ahead, right) in [(11, true), (50, true), (100, true), (101, false)] {
        let (mut bench, token) = enrolled(json!({}));
        let first = answer(&mut bench, &token.code(1 + ahead));
        let error = if right { "ran_ahead" } else { "invalid_code" };
        assert_eq!(first, Outcome::rejected(error), "{ahead}");
        assert_eq!(counter(&bench), 1, "one code alone moves nothing");
        let second = bench.answer(json!({ "code": token.code(2 + ahead) })).unwrap();
        assert_eq!(second == Outcome::Accepted, right, "{ahead}");
        if right {
            assert_eq!(counter(&bench), 3 + ahead);
            assert_eq!(answer(&mut bench, &token.code(2 + ahead)), Outcome::rejected("invalid_code"));
            assert_eq!(answer(&mut bench, &token.code(3 + ahead)), Outcome::Accepted);
        }
    }
}

#[test]
fn two_codes_that_are_not_neighbours_bring_nothing() {
    let (mut bench, token) = enrolled(json!({}));
    let fill = |bench: &mut Bench<Hotp>, counter: u64| bench.answer(json!({ "code": token.code(counter) })).unwrap();
    bench.login().unwrap();
    for counter in [40, 40, 39, 42, 60] {
        assert_eq!(fill(&mut bench, counter), Outcome::rejected("ran_ahead"), "{counter}");
    }
    // A wrong one in between begins anew.
    assert_eq!(bench.answer(json!({ "code": wrong(&token) })).unwrap(), Outcome::rejected("invalid_code"));
    assert_eq!(fill(&mut bench, 61), Outcome::rejected("ran_ahead"));
    // The other login knows nothing of the first code.
    assert_eq!(answer(&mut bench, &token.code(62)), Outcome::rejected("ran_ahead"));
    assert_eq!(fill(&mut bench, 63), Outcome::Accepted);
}

#[test]
fn a_login_that_waited_does_not_turn_the_counter_back() {
    let (mut bench, token) = enrolled(json!({}));
    assert_eq!(answer(&mut bench, &token.code(30)), Outcome::rejected("ran_ahead"));
    // Meanwhile another login has taken the token much further.
    let secret = bench.enrolment().unwrap().data["secret"].clone();
    bench.keep_enrolment(1, json!({ "secret": secret, "digits": 6, "counter": 200 }));
    assert_eq!(bench.answer(json!({ "code": token.code(31) })).unwrap(), Outcome::rejected("invalid_code"));
    assert_eq!(counter(&bench), 200);
}

#[test]
fn the_end_of_the_counter_is_no_way_around_it() {
    let (mut bench, token) = enrolled(json!({}));
    let secret = bench.enrolment().unwrap().data["secret"].clone();
    bench.keep_enrolment(1, json!({ "secret": secret, "digits": 6, "counter": u64::MAX }));
    bench.login().unwrap();
    let failure = bench.answer(json!({ "code": token.code(u64::MAX) })).unwrap_err();
    assert_eq!(failure, Failure::Failed("the counter is at its end".to_owned()));
    assert_eq!(answer(&mut bench, &token.code(0)), Outcome::rejected("invalid_code"));
}

#[test]
fn a_wrong_code_in_the_set_up_keeps_the_secret() {
    let mut bench = Bench::<Hotp>::new(json!({})).unwrap();
    let first = uri(bench.begin_setup().unwrap().form().unwrap());
    let token = scanned(&first);
    let again = bench.fill(json!({ "code": wrong(&token) })).unwrap();
    assert_eq!((again.error(), uri(again.form().unwrap())), (Some("invalid_code"), first.clone()));
    assert_eq!(token.secret.base32().len(), 32, "160 bits");
    let second = uri(bench.begin_setup().unwrap().form().unwrap());
    assert_ne!(first, second, "each set-up makes a secret of its own");
}

#[test]
fn the_uri_holds_awkward_names_in_percent_encoding() {
    let mut bench = Bench::<Hotp>::new(json!({ "issuer": "Müller & Söhne: GmbH", "digits": 8 })).unwrap();
    bench.user(User { name: "anna/ö?#%@example.org".to_owned(), ..User::default() });
    let shown = bench.begin_setup().unwrap();
    let uri = uri(shown.form().unwrap());
    let secret = scanned(&uri).secret.base32();
    let (issuer, user) = ("M%C3%BCller%20%26%20S%C3%B6hne%3A%20GmbH", "anna%2F%C3%B6%3F%23%25%40example.org");
    let expected =
        format!("otpauth://hotp/{issuer}:{user}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=8&counter=0");
    assert_eq!(uri, expected);
    assert!(shown.form().unwrap().blocks.contains(&Block::Qr { name: "qr_code".to_owned(), content: uri }));
}

#[test]
fn a_changed_configuration_strands_nobody_and_other_lengths_never_arrive() {
    let (mut bench, token) = enrolled(json!({ "digits": 8 }));
    bench.reconfigure(json!({})).unwrap();
    assert_eq!(answer(&mut bench, &token.code(1)), Outcome::Accepted);
    bench.login().unwrap();
    let Outcome::BadInput(errors) = bench.answer(json!({ "code": "123456" })).unwrap() else { panic!("taken") };
    assert_eq!(errors["code"], FieldError::TooShort);
}

#[test]
fn a_configuration_out_of_bounds_is_refused_with_its_path() {
    for (config, path) in [
        (json!({ "digits": 7 }), "digits"),
        (json!({ "look_ahead": 51 }), "look_ahead"),
        (json!({ "look_ahead": -1 }), "look_ahead"),
        (json!({ "resynchronisation": 9 }), "resynchronisation"),
        (json!({ "resynchronisation": 1001 }), "resynchronisation"),
        (json!({ "issuer": " " }), "issuer"),
        (json!({ "algorithm": "SHA256" }), "algorithm"),
    ] {
        let Err(ConfigError { path: found, .. }) = Bench::<Hotp>::new(config) else { panic!("{path} is taken") };
        assert_eq!(found, path);
    }
}
