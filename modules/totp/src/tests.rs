//! The published vectors, the window's edges, and what must be refused.

mod devices;

use mfa_sdk::{
    ConfigError, Value,
    form::{Block, FieldError, Form},
    json,
    key_uri::SharedSecret,
    protocol::User,
    testing::{Bench, Failure, Outcome, SetupOutcome, contract::Contract},
};

use super::{
    Totp,
    authenticator::{Algorithm, Authenticator},
};

/// A moment at the very start of a step of 30 s.
const STEP: u64 = 58_907_520;
const START_MS: i64 = STEP as i64 * 30_000;

fn bench(config: Value) -> Bench<Totp> {
    let mut bench = Bench::new(config).unwrap();
    bench.at(START_MS);
    bench
}

/// The Key URI a set-up form shows.
fn uri(form: &Form) -> String {
    let uri = form.blocks.iter().find_map(|block| match block {
        Block::Uri { name, value } if name == "url" => Some(value.clone()),
        _ => None,
    });
    uri.unwrap()
}

/// What an app makes of the URI.
fn scanned(uri: &str) -> Authenticator {
    let parameter = |name: &str| {
        let (_, query) = uri.split_once('?').unwrap();
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap().to_owned()
    };
    mfa_sdk::serde_json::from_value(json!({
        "secret": parameter("secret"),
        "algorithm": parameter("algorithm"),
        "digits": parameter("digits").parse::<u8>().unwrap(),
        "period_s": parameter("period").parse::<u64>().unwrap(),
    }))
    .unwrap()
}

/// Sets the module up at `START_MS`, and returns the app.
fn set_up(bench: &mut Bench<Totp>) -> Authenticator {
    bench.at(START_MS);
    let app = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
    let step = START_MS.unsigned_abs() / 1000 / app.period_s;
    assert_eq!(bench.fill(json!({ "code": app.code(step) })).unwrap(), SetupOutcome::Done);
    app
}

/// A bench whose user set the module up, and the app.
fn enrolled(config: Value) -> (Bench<Totp>, Authenticator) {
    let mut bench = bench(config);
    let app = set_up(&mut bench);
    (bench, app)
}

#[test]
fn the_contract_holds() {
    Contract::<Totp>::new(json!({}))
        .older(1, json!({ "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "algorithm": "SHA1", "digits": 6, "period_s": 30, "last_step": 1 }))
        .setup(set_up)
        .right(|bench, app| {
            bench.at(START_MS + 60_000);
            json!({ "code": app.code(STEP + 2) })
        })
        // Of a step far outside of the window.
        .wrong(|_, app| json!({ "code": app.code(STEP + 100) }))
        .check();
}

fn answer(bench: &mut Bench<Totp>, code: &str) -> Outcome {
    bench.login().unwrap();
    bench.answer(json!({ "code": code })).unwrap()
}

fn wrong() -> Outcome {
    Outcome::rejected("invalid_code")
}

fn used() -> Outcome {
    Outcome::rejected("code_used")
}

#[test]
fn rfc_6238_appendix_b() {
    let key = |length: usize| -> Vec<u8> { b"1234567890".iter().copied().cycle().take(length).collect() };
    let of = |algorithm, bytes: Vec<u8>| {
        let secret = SharedSecret::from_bytes(bytes);
        Authenticator { secret, algorithm, digits: 8, period_s: 30 }
    };
    let sha1 = of(Algorithm::Sha1, key(20));
    let sha256 = of(Algorithm::Sha256, key(32));
    let sha512 = of(Algorithm::Sha512, key(64));
    for (time_s, codes) in [
        (59_i64, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ] {
        for (authenticator, code) in [&sha1, &sha256, &sha512].into_iter().zip(codes) {
            let step = u64::try_from(time_s / 30).unwrap();
            assert_eq!(authenticator.matching_step(code, time_s * 1000, 0), Some(step), "{time_s} {code}");
            assert_eq!(authenticator.matching_step(code, (time_s + 30) * 1000, 0), None, "{time_s} {code}");
        }
    }
}

#[test]
fn rfc_4226_appendix_d_with_the_step_as_counter() {
    let secret = SharedSecret::from_bytes(*b"12345678901234567890");
    let authenticator = Authenticator { secret, algorithm: Algorithm::Sha1, digits: 6, period_s: 30 };
    let codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    for (counter, code) in codes.into_iter().enumerate() {
        assert_eq!(authenticator.code(counter as u64), code);
    }
}

#[test]
fn the_window_ends_where_it_is_set_to_end() {
    for window in 0..=2_u64 {
        for distance in -3_i64..=3 {
            let (mut bench, app) = enrolled(json!({ "window": window }));
            // Ten steps after the set-up, so that the bar against replay plays no part; the last millisecond of it.
            bench.at(START_MS + 10 * 30_000 + 29_999);
            let code = app.code((STEP + 10).checked_add_signed(distance).unwrap());
            let right = distance.unsigned_abs() <= window;
            assert_eq!(answer(&mut bench, &code) == Outcome::Accepted, right, "window {window}, distance {distance}");
        }
    }
}

#[test]
fn the_window_is_the_same_in_the_set_up() {
    for (distance, right) in [(-2_i64, false), (-1, true), (1, true), (2, false)] {
        let mut bench = bench(json!({}));
        let app = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
        let code = app.code(STEP.checked_add_signed(distance).unwrap());
        assert_eq!(bench.fill(json!({ "code": code })).unwrap() == SetupOutcome::Done, right, "{distance}");
    }
}

#[test]
fn a_code_is_right_once_and_never_after_a_later_one() {
    let (mut bench, app) = enrolled(json!({}));
    bench.at(START_MS + 10 * 30_000);
    assert_eq!(answer(&mut bench, &app.code(STEP + 10)), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &app.code(STEP + 10)), used());
    // An earlier step, still within the window and never used.
    assert_eq!(answer(&mut bench, &app.code(STEP + 9)), used());
    assert_eq!(answer(&mut bench, &app.code(STEP + 11)), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &app.code(STEP + 10)), used());
    // A clock put back opens nothing.
    bench.at(START_MS);
    for step in STEP - 1..=STEP + 1 {
        assert_eq!(answer(&mut bench, &app.code(step)), used());
    }
}

#[test]
fn the_code_of_the_set_up_is_refused_at_login() {
    let (mut bench, app) = enrolled(json!({}));
    assert_eq!(answer(&mut bench, &app.code(STEP)), used());
    assert_eq!(answer(&mut bench, &app.code(STEP + 1)), Outcome::Accepted);
}

#[test]
fn a_wrong_code_in_the_set_up_keeps_the_secret() {
    let mut bench = bench(json!({}));
    let first = uri(bench.begin_setup().unwrap().form().unwrap());
    let right = scanned(&first).code(STEP);
    let off_by_one = format!("{:06}", (right.parse::<u32>().unwrap() + 1) % 1_000_000);
    for _ in 0..3 {
        let again = bench.fill(json!({ "code": off_by_one })).unwrap();
        assert_eq!(again.error(), Some("invalid_code"));
        assert_eq!(uri(again.form().unwrap()), first);
        assert!(bench.enrolment().is_none());
    }
    assert_eq!(bench.fill(json!({ "code": right })).unwrap(), SetupOutcome::Done);
}

#[test]
fn the_set_up_tells_a_clock_that_is_off_by_up_to_a_day() {
    const MINUTE: i64 = 60;
    for (off_s, told) in [
        (60, Some(("clock_ahead_one", 1))),
        (-60, Some(("clock_behind_one", 1))),
        (63 * MINUTE, Some(("clock_ahead", 63))),
        (-2 * MINUTE, Some(("clock_behind", 2))),
        (-(24 * 60 - 1) * MINUTE, Some(("clock_behind", 1439))),
        (24 * 60 * MINUTE, Some(("clock_ahead", 1440))),
        ((24 * 60 + 1) * MINUTE, None),
        (-(24 * 60 + 1) * MINUTE, None),
    ] {
        let mut bench = bench(json!({}));
        let app = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
        // In the middle of a step, where the estimate is exact.
        bench.at(START_MS + 15_000);
        let code = app.code(STEP.checked_add_signed(off_s / 30).unwrap());
        let shown = bench.fill(json!({ "code": code })).unwrap();
        let sentence = shown.error_text().map(|text| (text.key.as_str(), text.values["minutes"].parse().unwrap()));
        assert_eq!(sentence, told, "{off_s}");
        assert_eq!(shown.error(), Some(if told.is_some() { "clock_differs" } else { "invalid_code" }), "{off_s}");
        assert!(bench.enrolment().is_none());
    }
}

#[test]
fn a_login_never_tells_that_a_code_belongs_to_another_time() {
    let (mut bench, app) = enrolled(json!({}));
    bench.at(START_MS + 10 * 30_000);
    for distance in [-2000_i64, -2, 2, 126, 2880] {
        assert_eq!(answer(&mut bench, &app.code((STEP + 10).checked_add_signed(distance).unwrap())), wrong());
    }
}

#[test]
fn each_set_up_makes_a_secret_of_its_own() {
    let mut bench = bench(json!({}));
    let first = uri(bench.begin_setup().unwrap().form().unwrap());
    let second = uri(bench.begin_setup().unwrap().form().unwrap());
    assert_ne!(first, second);
    // 160 bits are 32 characters of base32, without padding.
    let secret = scanned(&first).secret.base32();
    assert_eq!(secret.len(), 32);
    assert!(secret.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')));
}

#[test]
fn a_code_of_another_length_never_reaches_the_module() {
    let (mut bench, _) = enrolled(json!({}));
    bench.login().unwrap();
    for (code, why) in [
        ("12345", FieldError::TooShort),
        ("1234567", FieldError::TooLong),
        ("12345678", FieldError::TooLong),
        ("12345x", FieldError::InvalidCharacters),
        ("１２３４５６", FieldError::InvalidCharacters),
    ] {
        let Outcome::BadInput(errors) = bench.answer(json!({ "code": code })).unwrap() else { panic!("{code}") };
        assert_eq!(errors["code"], why, "{code}");
    }
}

#[test]
fn a_changed_configuration_strands_nobody() {
    let (mut bench, app) = enrolled(json!({ "algorithm": "SHA256", "digits": 8, "period_s": 60 }));
    bench.reconfigure(json!({})).unwrap();
    bench.at(START_MS + 3_600_000);
    let step = u64::try_from(START_MS + 3_600_000).unwrap() / 60_000;
    assert_eq!(answer(&mut bench, &app.code(step)), Outcome::Accepted);
}

#[test]
fn the_uri_holds_awkward_names_in_percent_encoding() {
    let mut bench = bench(json!({ "issuer": "Müller & Söhne: GmbH" }));
    bench.user(User { name: "anna/ö?#%@example.org".to_owned(), ..User::default() });
    let shown = bench.begin_setup().unwrap();
    let form = shown.form().unwrap();
    let uri = uri(form);
    let secret = scanned(&uri).secret.base32();
    let issuer = "M%C3%BCller%20%26%20S%C3%B6hne%3A%20GmbH";
    let user = "anna%2F%C3%B6%3F%23%25%40example.org";
    assert_eq!(
        uri,
        format!("otpauth://totp/{issuer}:{user}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30")
    );
    assert!(form.blocks.contains(&Block::Qr { name: "qr_code".to_owned(), content: uri }));
    let shows_secret =
        |block: &Block| matches!(block, Block::Secret { name, value, .. } if name == "code" && *value == secret);
    assert!(form.blocks.iter().any(shows_secret));
}

#[test]
fn a_configuration_out_of_bounds_is_refused_with_its_path() {
    for (config, path) in [
        (json!({ "digits": 7 }), "digits"),
        (json!({ "period_s": 14 }), "period_s"),
        (json!({ "period_s": 0 }), "period_s"),
        (json!({ "window": 3 }), "window"),
        (json!({ "window": -1 }), "window"),
        (json!({ "issuer": " " }), "issuer"),
        (json!({ "algorithm": "MD5" }), "algorithm"),
        (json!({ "devices_max": 0 }), "devices_max"),
        (json!({ "devices_max": 11 }), "devices_max"),
        (json!({ "digit": 6 }), "digit"),
    ] {
        let Err(ConfigError { path: found, .. }) = Bench::<Totp>::new(config) else { panic!("{path} is taken") };
        assert_eq!(found, path);
    }
}

#[test]
fn a_damaged_record_is_no_and_its_reason_holds_no_secret() {
    let (mut bench, app) = enrolled(json!({}));
    bench.login().unwrap();
    bench.keep_enrolment(1, json!({ "secret": "not base32 either", "algorithm": "SHA1" }));
    let failure = bench.answer(json!({ "code": app.code(STEP + 1) })).unwrap_err();
    let Failure::Failed(reason) = failure else { panic!("{failure}") };
    assert!(!reason.contains("base32"), "{reason}");
    // A period of nothing divides nothing.
    let secret = app.secret.base32();
    let record = json!({ "secret": secret, "algorithm": "SHA1", "digits": 6, "period_s": 0, "last_step": 0 });
    bench.keep_enrolment(1, record);
    assert_eq!(bench.answer(json!({ "code": app.code(STEP) })).unwrap(), wrong());
}

#[test]
fn what_may_have_been_accepted_before_a_restore_counts_as_used() {
    let restored_ms = START_MS + 10 * 30_000 + 29_999;
    for window in 0..=2_u64 {
        let (mut bench, app) = enrolled(json!({ "window": window }));
        bench.restored_at(restored_ms);
        // The last code that could have been accepted at that moment is the one of an app that is `window` steps ahead.
        for distance in 0..=window {
            bench.at(restored_ms);
            assert_eq!(answer(&mut bench, &app.code(STEP + 10 + distance)), used(), "window {window}, step {distance}");
            bench.advance_ms(i64::try_from(distance).unwrap() * 30_000);
            assert_eq!(answer(&mut bench, &app.code(STEP + 10 + distance)), used(), "window {window}, step {distance}");
        }
        bench.at(restored_ms).advance_ms(30_000 * (i64::try_from(window).unwrap() + 1));
        assert_eq!(answer(&mut bench, &app.code(STEP + 11 + window)), Outcome::Accepted, "window {window}");
    }
}

#[test]
fn a_restore_before_the_last_code_bars_nothing_more() {
    let (mut bench, app) = enrolled(json!({}));
    bench.restored_at(START_MS - 3_600_000);
    bench.advance_ms(30_000);
    assert_eq!(answer(&mut bench, &app.code(STEP + 1)), Outcome::Accepted);
}
