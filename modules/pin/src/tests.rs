//! Which PINs are taken, that only the right one is right, and that nothing keeps it plain.

use mfa_sdk::{
    ConfigError, Value,
    form::FieldError,
    json,
    testing::{Bench, Failure, Outcome, SetupOutcome, contract::Contract},
};

use super::{Pin, simple::is_too_simple};

const PIN: &str = "402817";

fn set_up(bench: &mut Bench<Pin>) {
    bench.begin_setup().unwrap();
    assert_eq!(bench.fill(json!({ "pin": PIN })).unwrap(), SetupOutcome::Done);
}

fn enrolled(config: Value) -> Bench<Pin> {
    let mut bench = Bench::new(config).unwrap();
    set_up(&mut bench);
    bench
}

fn answer(bench: &mut Bench<Pin>, pin: &str) -> Outcome {
    bench.answer(json!({ "pin": pin })).unwrap()
}

#[test]
fn the_contract_holds() {
    Contract::<Pin>::new(json!({}))
        .setup(set_up)
        .right(|_, ()| json!({ "pin": PIN }))
        .wrong(|_, ()| json!({ "pin": "402818" }))
        .check();
}

#[test]
fn the_pin_of_the_set_up_is_the_one_that_is_right() {
    let mut bench = enrolled(json!({}));
    bench.login().unwrap();
    for wrong in ["402818", "4028170", "40281", "0402817", "4028"] {
        assert_eq!(answer(&mut bench, wrong), Outcome::rejected("invalid_code"), "{wrong}");
    }
    assert_eq!(answer(&mut bench, "402 817"), Outcome::Accepted);
}

#[test]
fn what_is_kept_is_a_slow_hash_with_a_salt_of_its_own() {
    let mut bench = enrolled(json!({}));
    let hash = |bench: &Bench<Pin>| bench.enrolment().unwrap().data["hash"].as_str().unwrap().to_owned();
    let first = hash(&bench);
    assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !first.contains(PIN), "{first}");
    set_up(&mut bench);
    assert_ne!(hash(&bench), first);
}

#[test]
fn what_anybody_would_try_is_too_simple() {
    for pin in [
        "111111", "000000", "123456", "987654", "345678", "7890", "8901", "3210", "2468", "9630", "1212", "121212",
        "123123", "12341234", "12121", "1221", "123321", "112233", "998877", "1984", "2025", "24121984", "12241984",
        "19841224", "19842412", "2580", "147258", "159753", "789456",
    ] {
        assert!(is_too_simple(pin), "{pin}");
    }
    for pin in [PIN, "4028", "8137", "1899", "2100", "31324", "48159263", "24131984", "1984122400", "9041", "736492"] {
        assert!(!is_too_simple(pin), "{pin}");
    }
}

#[test]
fn hardly_any_pin_is_too_simple() {
    let simple = (0..1_000_000).step_by(7).filter(|number| is_too_simple(&format!("{number:06}"))).count();
    assert!((100..1_500).contains(&simple), "{simple} of 142,858");
}

#[test]
fn a_simple_or_blocked_pin_is_refused_and_another_is_taken() {
    let mut bench = Bench::<Pin>::new(json!({ "blocklist": ["918273"] })).unwrap();
    bench.begin_setup().unwrap();
    for pin in ["123456", "918273", "918 273"] {
        assert_eq!(bench.fill(json!({ "pin": pin })).unwrap().error(), Some("too_simple"), "{pin}");
        assert!(bench.enrolment().is_none());
    }
    assert_eq!(bench.fill(json!({ "pin": PIN })).unwrap(), SetupOutcome::Done);
}

#[test]
fn a_pin_is_not_seen_while_it_is_typed() {
    let mut bench = Bench::<Pin>::new(json!({})).unwrap();
    assert!(bench.begin_setup().unwrap().form().unwrap().fields[0].masked);
    set_up(&mut bench);
    assert!(bench.login().unwrap().form.fields[0].masked);
}

#[test]
fn a_pin_has_the_length_that_is_set_and_changed_lengths_strand_nobody() {
    let mut bench = Bench::<Pin>::new(json!({ "length_min": 6, "length_max": 8 })).unwrap();
    bench.begin_setup().unwrap();
    for (pin, why) in [
        ("40281", FieldError::TooShort),
        ("402817402", FieldError::TooLong),
        ("40281x", FieldError::InvalidCharacters),
        ("４０２８１７", FieldError::InvalidCharacters),
    ] {
        let SetupOutcome::BadInput(errors) = bench.fill(json!({ "pin": pin })).unwrap() else { panic!("{pin}") };
        assert_eq!(errors["pin"], why, "{pin}");
    }
    assert_eq!(bench.fill(json!({ "pin": PIN })).unwrap(), SetupOutcome::Done);
    bench.reconfigure(json!({ "length_min": 8, "blocklist": [PIN] })).unwrap();
    bench.login().unwrap();
    assert_eq!(answer(&mut bench, PIN), Outcome::Accepted);
}

#[test]
fn a_damaged_hash_is_no_and_its_reason_holds_none_of_it() {
    let mut bench = enrolled(json!({}));
    bench.login().unwrap();
    for hash in ["", "402817", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", "$argon2id$v=19$m=4294967295,t=2,p=1$a$b"]
    {
        bench.keep_enrolment(1, json!({ "hash": hash }));
        match bench.answer(json!({ "pin": PIN })) {
            Ok(outcome) => assert_eq!(outcome, Outcome::rejected("invalid_code"), "{hash}"),
            Err(Failure::Failed(reason)) => assert_eq!(reason, "the hash of the PIN cannot be read", "{hash}"),
            Err(failure) => panic!("{hash}: {failure}"),
        }
    }
}

#[test]
fn a_configuration_out_of_bounds_is_refused_with_its_path() {
    for (config, path) in [
        (json!({ "length_min": 3 }), "length_min"),
        (json!({ "length_min": 33 }), "length_min"),
        (json!({ "length_min": 8, "length_max": 7 }), "length_max"),
        (json!({ "length_max": 33 }), "length_max"),
        (json!({ "blocklist": ["1234", "12a4"] }), "blocklist[1]"),
        (json!({ "blocklist": [""] }), "blocklist[0]"),
        (json!({ "length": 6 }), "length"),
    ] {
        let Err(ConfigError { path: found, .. }) = Bench::<Pin>::new(config) else { panic!("{path} is taken") };
        assert_eq!(found, path);
    }
}
