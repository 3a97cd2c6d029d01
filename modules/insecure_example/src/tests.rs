//! The whole life of a PIN, without a host.

use mfa_sdk::{
    form::FieldError,
    json,
    testing::{Bench, Outcome, SetupOutcome, contract::Contract},
};

use super::InsecureExample;

fn bench() -> Bench<InsecureExample> {
    Bench::new(json!({})).unwrap()
}

#[test]
fn the_contract_holds() {
    Contract::<InsecureExample>::new(json!({}))
        .setup(|bench| {
            bench.begin_setup().unwrap();
            bench.fill(json!({ "pin": "1234" })).unwrap();
        })
        .right(|_, ()| json!({ "pin": "1234" }))
        .wrong(|_, ()| json!({ "pin": "1235" }))
        .check();
}

#[test]
fn the_pin_of_the_set_up_is_the_one_that_is_right() {
    let mut bench = bench();
    assert_eq!(bench.begin_setup().unwrap().form().unwrap().fields[0].name, "pin");
    assert_eq!(bench.fill(json!({ "pin": "12 34" })).unwrap(), SetupOutcome::Done);
    bench.login().unwrap();
    for wrong in ["1235", "12345", "0000"] {
        assert_eq!(bench.answer(json!({ "pin": wrong })).unwrap(), Outcome::rejected("invalid_code"));
    }
    assert_eq!(bench.answer(json!({ "pin": "1234" })).unwrap(), Outcome::Accepted);
}

#[test]
fn what_is_no_pin_never_reaches_the_module() {
    let mut bench = bench();
    bench.begin_setup().unwrap();
    for (pin, why) in [
        ("123", FieldError::TooShort),
        ("1234567890123", FieldError::TooLong),
        ("12a4", FieldError::InvalidCharacters),
        ("١٢٣٤", FieldError::InvalidCharacters),
        ("", FieldError::Required),
    ] {
        let SetupOutcome::BadInput(errors) = bench.fill(json!({ "pin": pin })).unwrap() else { panic!("{pin}") };
        assert_eq!(errors["pin"], why, "{pin}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_no_with_a_reason_that_holds_no_pin() {
    let mut bench = bench();
    bench.keep_enrolment(1, json!({ "pin": "1234" }));
    bench.login().unwrap();
    bench.keep_enrolment(1, json!({ "pin": 4321 }));
    let failure = bench.answer(json!({ "pin": "4321" })).unwrap_err().to_string();
    assert_eq!(failure, "the enrolment does not decode at pin");
    bench.keep_enrolment(2, json!({ "pin": "4321" }));
    assert!(bench.answer(json!({ "pin": "4321" })).is_err());
}

#[test]
fn an_unknown_setting_is_refused() {
    assert!(Bench::<InsecureExample>::new(json!({ "length": 4 })).is_err());
}
