//! What normalisation lets through, and what it must not.

use serde_json::json;

use super::*;

/// What becomes of one value in a form of one field `f`.
fn outcome(form: Form, value: Value) -> Result<Value, FieldError> {
    let raw = Map::from_iter([("f".to_owned(), value)]);
    form.normalise(&raw).map(|mut fields| fields.remove("f").unwrap_or_default()).map_err(|errors| errors["f"])
}

#[test]
fn digits_lose_their_spaces_and_must_be_ascii() {
    let six = |text: &str| outcome(Form::new().digits("f", 6), json!(text));
    for typed in ["123456", "123 456", " 123-456 ", "123\u{a0}456"] {
        assert_eq!(six(typed), Ok(json!("123456")), "{typed:?}");
    }
    for (typed, error) in [
        ("", FieldError::Required),
        (" - ", FieldError::Required),
        ("12345", FieldError::TooShort),
        ("1234567", FieldError::TooLong),
        ("12345a", FieldError::InvalidCharacters),
        ("+12345", FieldError::InvalidCharacters),
        ("١٢٣٤٥٦", FieldError::InvalidCharacters),
        ("１２３４５６", FieldError::InvalidCharacters),
        ("123456\n", FieldError::InvalidCharacters),
        ("123456\0", FieldError::InvalidCharacters),
    ] {
        assert_eq!(six(typed), Err(error), "{typed:?}");
    }
    let long = " ".repeat(FIELD_BYTES_MAX) + "123456";
    assert_eq!(six(&long), Err(FieldError::TooLong));
    for value in [json!(123_456), json!(true), json!(["123456"]), json!({ "f": "123456" })] {
        assert_eq!(outcome(Form::new().digits("f", 6), value), Err(FieldError::WrongType));
    }
}

#[test]
fn each_kind_keeps_to_its_own_rule() {
    let refused = Err(FieldError::InvalidAddress);
    assert_eq!(outcome(Form::new().code("f", 8), json!("AB-cd 12")), Ok(json!("abcd12")));
    let bounded = || Form::new().code_between("f", 4, 8);
    assert_eq!(outcome(bounded(), json!("a-b-c")), Err(FieldError::TooShort));
    assert_eq!(outcome(bounded(), json!("abcdabcda")), Err(FieldError::TooLong));
    assert_eq!(outcome(bounded(), json!("abc-d")), Ok(json!("abcd")));
    assert_eq!(outcome(Form::new().code("f", 8), json!("äbcd")), Err(FieldError::InvalidCharacters));
    assert_eq!(outcome(Form::new().password("f"), json!(" a ")), Ok(json!(" a ")));
    assert_eq!(outcome(Form::new().text("f", 3), json!("abcd")), Err(FieldError::TooLong));
    assert_eq!(outcome(Form::new().text("f", 3), json!("  ")), Err(FieldError::Required));
    assert_eq!(outcome(Form::new().email("f"), json!(" a@b.org ")), Ok(json!("a@b.org")));
    for address in ["a", "@b.org", "a@", "a b@c.org", "a@b.org,c@d.org", "<a@b.org>", "a@b.org@c.org"] {
        assert_eq!(outcome(Form::new().email("f"), json!(address)), refused, "{address}");
    }
    assert_eq!(outcome(Form::new().phone("f"), json!("+49 (30) 123-45.67")), Ok(json!("+49301234567")));
    for number in ["0301234567", "+0301234567", "+123456", "+1234567890123456", "+49x3012345"] {
        assert_eq!(outcome(Form::new().phone("f"), json!(number)), refused, "{number}");
    }
    let choice = || Form::new().select("f", [("red", "red_text")]);
    assert_eq!(outcome(choice(), json!("red")), Ok(json!("red")));
    assert_eq!(outcome(choice(), json!("red_text")), Err(FieldError::NotAnOption));
    assert_eq!(outcome(Form::new().boolean("f"), json!("true")), Err(FieldError::WrongType));
}

#[test]
fn a_masked_field_says_so_and_an_older_form_has_none() {
    let form = Form::new().digits_between("pin", 4, 8).masked().digits("code", 6);
    let written = serde_json::to_value(&form).unwrap();
    assert_eq!((&written["fields"][0]["masked"], written["fields"][1].get("masked")), (&json!(true), None));
    assert_eq!(serde_json::from_value::<Form>(written).unwrap(), form);
    let older = json!({ "fields": [{ "name": "pin", "kind": "digits", "length_min": 4, "length_max": 8 }] });
    assert!(!serde_json::from_value::<Form>(older).unwrap().fields[0].masked);
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let form = || Form::new().digits("code", 6).text("note", 10).optional();
    let normalise = |raw: Value| form().normalise(raw.as_object().unwrap());
    assert_eq!(
        normalise(json!({ "code": "123456", "note": "" })),
        Ok(Fields::from([("code".into(), "123456".into())]))
    );
    let errors = normalise(json!({ "code": null, "user": "1" })).unwrap_err();
    let due = FieldErrors::from([("code".into(), FieldError::Required), ("user".into(), FieldError::Unexpected)]);
    assert_eq!(errors, due);
    // A long name is not echoed.
    let errors = normalise(json!({ "code": "123456", "x".repeat(65): "" })).unwrap_err();
    assert_eq!(errors, FieldErrors::from([("base".into(), FieldError::Unexpected)]));
    // An optional field of digits that a browser sent empty.
    assert_eq!(outcome(Form::new().digits("f", 6).optional(), json!("")), Ok(Value::Null));
}
