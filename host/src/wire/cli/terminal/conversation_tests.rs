//! Whole flows against scripted hosts and scripted people.

use std::cell::RefCell;

use ureq::http::StatusCode;

use super::*;

fn ok(body: Value) -> Answer {
    Answer { status: StatusCode::OK, body }
}

fn code_form(errors: Value) -> Value {
    json!({
        "type": "form", "flow_id": "f1", "step_id": "mfa", "errors": errors,
        "display": [{"block": "text", "text": "Look at your app."}],
        "data_schema": [{"name": "code", "type": "string", "required": true, "label": "Code", "format": "digits"}],
    })
}

/// Runs a flow whose host gives `answers` one by one; gives its end, what was sent and what was seen.
fn played(
    first: Value,
    answers: Vec<Answer>,
    input: &str,
    user: Option<&str>,
) -> (Result<Value, Stop>, Vec<Value>, String) {
    let (mut terminal, seen) = Terminal::scripted(input);
    let (left, sent) = (RefCell::new(answers.into_iter()), RefCell::new(Vec::new()));
    let end = run(first, user, &mut terminal, |flow_id, fields| {
        assert_eq!(flow_id, "f1");
        sent.borrow_mut().push(fields.clone());
        left.borrow_mut().next().ok_or_else(|| Stop("one answer too many".into()))
    });
    (end, sent.into_inner(), seen.text())
}

#[test]
fn a_wrong_code_is_asked_again_with_the_words_and_without_the_pictures() {
    let answers =
        vec![ok(code_form(json!({"base": "invalid_code"}))), ok(json!({"type": "create_entry", "result": "r"}))];
    let (end, sent, seen) = played(code_form(json!({})), answers, "000000\n123456\n", None);
    assert_eq!(end.unwrap()["result"], "r");
    assert_eq!(sent, [json!({"code": "000000"}), json!({"code": "123456"})]);
    assert!(seen.contains("! invalid_code"), "{seen}");
    assert_eq!(seen.matches("Look at your app.").count(), 1, "{seen}");
}

#[test]
fn a_step_that_waits_is_shown_once_and_asked_about_until_it_goes_on() {
    let waiting = || {
        json!({
            "type": "form", "flow_id": "f1", "step_id": "mfa", "errors": {}, "data_schema": [],
            "description_placeholders": {"mfa_module_name": "E-mail"},
            "display": [{"block": "text", "text": "Open the link."}],
        })
    };
    let answers = vec![ok(waiting()), ok(waiting()), ok(json!({"type": "create_entry", "result": "r"}))];
    let (end, sent, seen) = played(waiting(), answers, "", None);
    assert_eq!(end.unwrap()["result"], "r");
    assert_eq!(sent, [json!({}), json!({}), json!({})]);
    assert_eq!(seen, "\nE-mail\nOpen the link.\n");
}

#[test]
fn malformed_input_is_asked_again_at_its_field() {
    let malformed = Answer {
        status: StatusCode::BAD_REQUEST,
        body: json!({"message": "User input malformed", "errors": {"code": "too_short"}}),
    };
    let answers = vec![malformed, ok(json!({"type": "create_entry"}))];
    let (end, sent, seen) = played(code_form(json!({})), answers, "1\n123456\n", None);
    assert!(end.is_ok());
    assert_eq!(sent.len(), 2);
    assert!(seen.contains("Code: is too short"), "{seen}");
}

#[test]
fn an_abort_ends_with_its_text() {
    let abort = json!({"type": "abort", "reason": "too_many_retry", "text": "Too many wrong codes. Sign in again."});
    let (end, _, _) = played(code_form(json!({})), vec![ok(abort)], "1\n", None);
    assert_eq!(end.unwrap_err().0, "Too many wrong codes. Sign in again. (too_many_retry)");
}

#[test]
fn a_refusal_ends_with_the_hosts_words() {
    let throttled =
        Answer { status: StatusCode::TOO_MANY_REQUESTS, body: json!({"message": "Wait.", "code": "throttled"}) };
    let (end, _, _) = played(code_form(json!({})), vec![throttled], "1\n", None);
    assert!(end.unwrap_err().0.contains("Wait."));
}

#[test]
fn the_user_of_the_command_line_answers_its_field() {
    let form = json!({
        "type": "form", "flow_id": "f1", "errors": {}, "data_schema": [
            {"name": "username", "type": "string", "required": true},
            {"name": "password", "type": "string", "required": true},
        ],
    });
    let (_, sent, seen) = played(form, vec![ok(json!({"type": "create_entry"}))], "secret\n", Some("anna"));
    assert_eq!(sent, [json!({"username": "anna", "password": "secret"})]);
    assert!(!seen.contains("secret"), "{seen}");
}

#[test]
fn a_strange_host_steers_neither_path_nor_loop() {
    for flow_id in ["../../api/mfa", "a/b", "", "..", "a?b", "a#b", "a%2fb"] {
        let form = json!({"type": "form", "flow_id": flow_id, "data_schema": []});
        assert!(played(form, vec![], "", None).0.is_err(), "{flow_id:?}");
    }
    assert!(played(json!({"type": "external"}), vec![], "", None).0.is_err());
    assert!(played(json!([]), vec![], "", None).0.is_err());
}
