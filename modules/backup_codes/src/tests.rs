//! Codes that are right once, what is kept of them, when to warn, and settings that would make them weak.

use std::collections::BTreeSet;

use mfa_sdk::{
    ConfigError, Text, Value,
    form::FieldError,
    json,
    testing::{Bench, Failure, Outcome, contract::Contract},
};

use super::BackupCodes;

fn bench(config: Value) -> Bench<BackupCodes> {
    Bench::new(config).unwrap()
}

/// Two codes: enough for most tests, and each costs a hash.
fn two() -> Value {
    json!({ "count": 2, "low_count": 0 })
}

fn answer(bench: &mut Bench<BackupCodes>, code: &str) -> Outcome {
    bench.login().unwrap();
    bench.answer(json!({ "code": code })).unwrap()
}

fn wrong() -> Outcome {
    Outcome::rejected("invalid_code")
}

#[test]
fn the_contract_holds() {
    Contract::<BackupCodes>::new(json!({ "count": 1, "low_count": 1 }))
        .setup(|bench| bench.issue().unwrap())
        .right(|_, codes| json!({ "code": codes.pop().unwrap() }))
        .wrong(|_, _| json!({ "code": "zzzzzzzzzz" }))
        .check();
}

#[test]
fn ten_different_codes_of_ten_characters_are_issued_by_default() {
    let codes = bench(json!({})).issue().unwrap();
    let different: BTreeSet<&String> = codes.iter().collect();
    assert_eq!((codes.len(), different.len()), (10, 10));
    for code in &codes {
        assert!(
            code.len() == 10 && code.bytes().all(|byte| b"0123456789abcdefghjkmnpqrstvwxyz".contains(&byte)),
            "{code}"
        );
    }
}

#[test]
fn a_code_is_right_once_and_the_others_stay_right() {
    let mut bench = bench(json!({ "count": 3, "low_count": 0 }));
    let codes = bench.issue().unwrap();
    assert_eq!(answer(&mut bench, "0000000000"), wrong());
    assert_eq!(answer(&mut bench, &codes[1]), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &codes[1]), wrong());
    assert_eq!(answer(&mut bench, &codes[0]), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &codes[2]), Outcome::Accepted);
    for code in &codes {
        assert_eq!(answer(&mut bench, code), wrong());
    }
}

#[test]
fn a_code_is_read_as_people_type_it() {
    let mut bench = bench(json!({ "count": 1, "length": 32, "alphabet": "01abcdefgh", "low_count": 0 }));
    let code = bench.issue().unwrap().remove(0);
    assert!(code.contains('0') && code.contains('1'), "{code}");
    let typed = code.replace('0', "O").replacen('1', "l", 1).replace('1', "I").to_uppercase();
    let (first, rest) = typed.split_at(5);
    assert_eq!(answer(&mut bench, &format!(" {first}-{rest} ")), Outcome::Accepted);
}

#[test]
fn what_looks_alike_stays_apart_where_the_alphabet_has_both() {
    let mut bench = bench(json!({ "count": 1, "length": 32, "alphabet": "0o1il", "low_count": 0 }));
    let code = bench.issue().unwrap().remove(0);
    assert_eq!(answer(&mut bench, &code.replace('o', "0")), wrong());
    // The batch keeps the alphabet it was made of.
    bench.reconfigure(json!({})).unwrap();
    assert_eq!(answer(&mut bench, &code), Outcome::Accepted);
}

#[test]
fn what_is_kept_is_slow_hashes_under_one_salt() {
    let mut bench = bench(two());
    let codes = bench.issue().unwrap();
    let first = bench.enrolment().unwrap().data.clone();
    assert_eq!((&first["memory_kib"], &first["iterations"]), (&json!(19_456), &json!(2)));
    assert_eq!(first["hashes"].as_array().unwrap().len(), 2);
    let kept = first.to_string();
    assert!(codes.iter().all(|code| !kept.contains(code.as_str())), "{kept}");
    let again = bench.issue().unwrap();
    assert_ne!(bench.enrolment().unwrap().data["salt"], first["salt"]);
    assert_eq!(answer(&mut bench, &codes[0]), wrong(), "a new batch ends the former one");
    assert_eq!(answer(&mut bench, &again[0]), Outcome::Accepted);
}

#[test]
fn few_codes_are_told_at_each_use_and_in_the_overview() {
    let mut bench = bench(json!({ "count": 4, "low_count": 2 }));
    let codes = bench.issue().unwrap();
    let overview = bench.overview().unwrap();
    let summary = |count: usize| Some(Text::new("left_of").with("count", count).with("total", 4));
    assert_eq!((overview.summary, overview.low), (summary(4), false));
    let told =
        [None, Some(Text::new("few_left").with("count", 2)), Some(Text::new("one_left")), Some(Text::new("none_left"))];
    for (code, told) in codes.iter().zip(told) {
        assert_eq!(answer(&mut bench, code), Outcome::Accepted);
        assert_eq!(bench.advice(), told.as_ref());
    }
    let overview = bench.overview().unwrap();
    assert_eq!((overview.summary, overview.low), (summary(0), true));
}

#[test]
fn there_is_no_second_way_to_codes() {
    let mut bench = bench(two());
    assert_eq!(bench.begin_setup().unwrap_err(), Failure::Unsupported);
    assert!(bench.enrolment().is_none());
}

#[test]
fn a_changed_configuration_strands_nobody() {
    let mut bench = bench(json!({ "count": 1, "length": 20, "low_count": 0 }));
    let code = bench.issue().unwrap().remove(0);
    bench.reconfigure(json!({ "length": 10 })).unwrap();
    assert_eq!(answer(&mut bench, &code), Outcome::Accepted);
}

#[test]
fn what_is_no_code_never_reaches_the_module() {
    let mut bench = bench(two());
    bench.issue().unwrap();
    bench.login().unwrap();
    for (code, why) in [
        ("", FieldError::Required),
        ("123456", FieldError::TooShort),
        ("abcdefghj", FieldError::TooShort),
        (&"a".repeat(33), FieldError::TooLong),
        ("abc!", FieldError::InvalidCharacters),
        ("äbcdefghij", FieldError::InvalidCharacters),
    ] {
        let Outcome::BadInput(errors) = bench.answer(json!({ "code": code })).unwrap() else { panic!("{code}") };
        assert_eq!(errors["code"], why, "{code}");
    }
}

#[test]
fn a_damaged_batch_costs_no_memory_and_tells_nothing() {
    let mut bench = bench(two());
    let code = bench.issue().unwrap().remove(0);
    bench.login().unwrap();
    let sound = bench.enrolment().unwrap().data.clone();
    for (name, value) in [
        ("memory_kib", json!(u32::MAX)),
        ("memory_kib", json!(0)),
        ("iterations", json!(u32::MAX)),
        ("iterations", json!(0)),
        ("salt", json!("")),
        ("salt", json!("ä")),
    ] {
        let mut damaged = sound.clone();
        damaged[name] = value;
        bench.keep_enrolment(1, damaged);
        let failure = bench.answer(json!({ "code": code })).unwrap_err();
        assert_eq!(failure, Failure::Failed("the batch of codes cannot be read".to_owned()), "{name}");
    }
}

#[test]
fn a_configuration_that_makes_weak_codes_is_refused_with_its_path() {
    for (config, path) in [
        (json!({ "count": 0 }), "count"),
        (json!({ "count": 21 }), "count"),
        (json!({ "length": 9 }), "length"),
        (json!({ "length": 33 }), "length"),
        (json!({ "alphabet": "0123456789" }), "length"),
        (json!({ "alphabet": "" }), "length"),
        (json!({ "alphabet": "0", "length": 32 }), "length"),
        (json!({ "alphabet": "0123456789abcdefghjkmnpqrstvwxyzz" }), "alphabet"),
        (json!({ "alphabet": "ABCDEFGHJKMNPQRSTVWXYZ0123456789" }), "alphabet"),
        (json!({ "alphabet": "0123456789-" }), "alphabet"),
        (json!({ "low_count": 11 }), "low_count"),
        (json!({ "size": 10 }), "size"),
    ] {
        let Err(ConfigError { path: found, .. }) = Bench::<BackupCodes>::new(config.clone()) else {
            panic!("{config} is taken")
        };
        assert_eq!(found, path, "{config}");
    }
    // 2^50 codes and no fewer: 16 digits are 53 bits, 15 are 49.8.
    assert!(Bench::<BackupCodes>::new(json!({ "alphabet": "0123456789", "length": 16 })).is_ok());
    assert!(Bench::<BackupCodes>::new(json!({ "alphabet": "0123456789", "length": 15 })).is_err());
}
