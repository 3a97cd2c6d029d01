//! Replies a hostile module would send.

use mfa_sdk::protocol::{Answer, Enrolment};
use serde_json::json;

use super::*;

fn enrolment() -> Enrolment {
    Enrolment { version: 1, data: json!({}) }
}

fn validate() -> Operation {
    Operation::Validate { enrolment: enrolment(), challenge: None, answer: Answer::Poll }
}

fn bad(operation: &Operation, reply: Value) -> String {
    match validated(operation, reply.to_string().as_bytes()) {
        Err(CallError::BadReply(why)) => why,
        other => panic!("{reply} was answered {other:?}"),
    }
}

fn form(form: Value) -> Result<Reply, CallError> {
    validated(&Operation::InputSchema {}, json!({"reply": "form", "form": form}).to_string().as_bytes())
}

fn field(change: Value) -> Result<Reply, CallError> {
    let mut field = json!({"name": "code", "kind": "digits", "length_min": 6, "length_max": 6});
    field.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    form(json!({"fields": [field]}))
}

fn block(block: Value) -> Result<Reply, CallError> {
    form(json!({"blocks": [block]}))
}

#[test]
fn a_yes_counts_only_where_it_was_asked_for() {
    let accepted = json!({"reply": "verdict", "verdict": "accepted"});
    let reply = validated(&validate(), accepted.to_string().as_bytes()).unwrap();
    assert_eq!(reply, Reply::Verdict(VerdictReply::Accepted { enrolment: None, advice: None }));
    assert!(bad(&Operation::InputSchema {}, accepted.clone()).contains("kind"));
    assert!(bad(&Operation::Depose { enrolment: enrolment() }, accepted).contains("kind"));
    bad(&validate(), json!({"reply": "setup", "step": "done", "enrolment": {}}));
    bad(&validate(), json!({"reply": "verdict", "verdict": "accepted!"}));
    bad(&validate(), json!({"verdict": "accepted"}));
    bad(&validate(), json!("accepted"));
    bad(&validate(), json!(true));
}

#[test]
fn a_reply_may_name_the_user_it_is_about_and_no_other() {
    let context = json!({"now_ms": 0, "seed": "", "user": {"id": "ada", "name": "Ada"}, "language": "en",
        "public_url": ""});
    let request = Request { context: serde_json::from_value(context).unwrap(), operation: validate() };
    let about = |user: &str| {
        let reply = format!(r#"{{"reply":"verdict","verdict":"accepted"{user}}}"#);
        answering(&request, reply.as_bytes()).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(about(""), Ok(()));
    assert_eq!(about(r#","user":"ada""#), Ok(()));
    assert_eq!(about(r#","enrolment":{"user":"bob"}"#), Ok(()), "what a module keeps is its own");
    for other in [r#","user":"bob""#, r#","user":["ada"]"#, r#","user":"ada","user":"bob""#] {
        about(other).unwrap_err();
    }
}

#[test]
fn the_sentence_of_an_error_is_bounded() {
    let with = |text: Value| {
        let reply =
            json!({"reply": "setup", "step": "form", "form": {}, "state": {}, "error": "e", "error_text": text});
        let operation = Operation::SetupFlow { state: None, input: None, replaces: None };
        validated(&operation, reply.to_string().as_bytes()).is_ok()
    };
    assert!(with(json!({"key": "clock", "values": {"minutes": "63"}})));
    assert!(!with(json!({"key": "no key", "values": {}})));
    assert!(!with(json!({"key": "k", "values": {"mfa_module_id": "x"}})));
    assert!(!with(json!({"key": "k", "values": {"Name": "x"}})));
    assert!(!with(json!({"key": "k", "values": {"v": "x".repeat(5000)}})));
    let many: serde_json::Map<_, _> = (0..9).map(|number| (format!("v{number}"), json!(""))).collect();
    assert!(!with(json!({"key": "k", "values": many})));
}

#[test]
fn garbage_is_no_reply_and_its_text_is_not_repeated() {
    for bytes in [&b""[..], b"\xff\xfe", b"null", b"{", b"{\"reply\":\"form\"}"] {
        assert!(matches!(validated(&validate(), bytes), Err(CallError::BadReply(_))));
    }
    let two = b"{\"reply\":\"verdict\",\"verdict\":\"accepted\"}{\"reply\":\"deposed\"}";
    assert!(matches!(validated(&validate(), two), Err(CallError::BadReply(_))));
    let deep = format!("{{\"reply\":\"issued\",\"enrolment\":{}", "[".repeat(100_000));
    assert!(matches!(validated(&Operation::Issue {}, deep.as_bytes()), Err(CallError::BadReply(_))));
    let why = bad(&validate(), json!({"reply": "verdict", "verdict": "hunter2"}));
    assert!(!why.contains("hunter2"));
}

#[test]
fn a_failure_is_told_without_control_characters_and_bounded() {
    let failed = json!({"reply": "failed", "message": format!("a\u{1b}[2Jb\n{}", "x".repeat(1000))}).to_string();
    let Err(CallError::Failed(message)) = validated(&validate(), failed.as_bytes()) else { panic!("not failed") };
    assert!(message.starts_with("a[2Jbxx") && message.chars().count() == 512);
    let unsupported = validated(&validate(), br#"{"reply":"unsupported"}"#);
    assert!(matches!(unsupported, Err(CallError::Unsupported)));
}

#[test]
fn fields_have_sound_and_unique_names() {
    assert!(field(json!({})).is_ok());
    for name in ["", "Code", "a-b", "client_id", "recovery_code", "multi_factor_auth_module", "resend", &"a".repeat(65)]
    {
        assert!(field(json!({"name": name})).is_err(), "{name}");
    }
    let twice = json!({"name": "code", "kind": "boolean"});
    assert!(form(json!({"fields": [twice, twice]})).is_err());
    let many = |count: usize| -> Vec<Value> {
        (0..count).map(|number| json!({"name": format!("f{number}"), "kind": "boolean"})).collect()
    };
    assert!(form(json!({"fields": many(32)})).is_ok());
    assert!(form(json!({"fields": many(33)})).is_err());
}

#[test]
fn bounds_can_be_met() {
    assert!(field(json!({"length_min": 7})).is_err());
    assert!(field(json!({"length_min": 0, "length_max": 0})).is_err());
    assert!(field(json!({"length_max": 65_536})).is_ok());
    assert!(field(json!({"length_max": 65_537})).is_err());
    assert!(field(json!({"kind": "select", "options": []})).is_err());
    assert!(field(json!({"default": {"a": 1}})).is_err());
}

#[test]
fn blocks_carry_nothing_a_browser_would_run() {
    for value in ["javascript:alert(1)", "http://a", "data:text/html,x", " https://a", "https://a\n", "OTPAUTH:x"] {
        assert!(block(json!({"block": "uri", "name": "url", "value": value})).is_err(), "{value}");
    }
    assert!(block(json!({"block": "uri", "name": "url", "value": "otpauth://totp/a"})).is_ok());
    for data_uri in ["data:text/html,x", "https://a/x.png", "data:image/png", "data:image/pngx;base64,"] {
        let image = json!({"block": "image", "name": "i", "data_uri": data_uri, "alt": {"key": "a"}});
        assert!(block(image).is_err(), "{data_uri}");
    }
    let image = json!({"block": "image", "name": "i", "data_uri": "data:image/png;base64,AA", "alt": {"key": "a"}});
    assert!(block(image).is_ok());
    assert!(block(json!({"block": "qr", "name": "qr_code", "content": "x".repeat(2001)})).is_err());
    assert!(block(json!({"block": "qr", "name": "mfa_module_name", "content": "x"})).is_err());
    let same = json!({"block": "qr", "name": "qr", "content": "x"});
    assert!(form(json!({"blocks": [same, same]})).is_err());
}

#[test]
fn a_ceremony_answers_in_a_text_field() {
    let with = |field: &str| {
        form(json!({
            "fields": [{"name": "answer", "kind": "text", "length_max": 4096}, {"name": "yes", "kind": "boolean"}],
            "ceremony": {"kind": "webauthn.get", "request": {}, "field": field},
        }))
    };
    assert!(with("answer").is_ok());
    assert!(with("yes").is_err());
    assert!(with("absent").is_err());
}

#[test]
fn what_is_kept_sent_and_waited_for_is_bounded() {
    let kept = |length: usize| json!({"reply": "verdict", "verdict": "accepted", "enrolment": "x".repeat(length)});
    assert!(validated(&validate(), kept(65_534).to_string().as_bytes()).is_ok());
    bad(&validate(), kept(65_535));
    bad(&validate(), json!({"reply": "verdict", "verdict": "pending", "retry_after_ms": 60_001}));
    bad(&validate(), json!({"reply": "verdict", "verdict": "rejected", "error": "<b>"}));
    bad(&validate(), json!({"reply": "verdict", "verdict": "rejected", "error": ""}));
    let login = Operation::InitializeLoginMfaStep { enrolment: enrolment(), cause: mfa_sdk::protocol::Cause::First };
    let sends = |count: usize, to: &str| {
        let message = json!({"channel": "email", "to": to, "template": "code"});
        json!({"reply": "login", "form": {}, "messages": vec![message; count]})
    };
    assert!(validated(&login, sends(5, "a@b").to_string().as_bytes()).is_ok());
    bad(&login, sends(6, "a@b"));
    bad(&login, sends(1, "a@b\r\nBcc: c@d"));
    bad(&login, sends(1, ""));
    bad(&Operation::Issue {}, json!({"reply": "issued", "enrolment": {}, "codes": []}));
}

#[test]
fn a_message_has_a_bounded_life_and_leaves_the_link_to_the_host() {
    let login = Operation::InitializeLoginMfaStep { enrolment: enrolment(), cause: mfa_sdk::protocol::Cause::First };
    let sends = |change: Value| {
        let mut message = json!({"channel": "email", "to": "a@b", "template": "code", "values": {"code": "123456"}});
        message.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"reply": "login", "form": {}, "messages": [message]})
    };
    let reply = validated(&login, sends(json!({})).to_string().as_bytes()).unwrap();
    let Reply::Login(LoginReply { messages, .. }) = reply else { panic!("no login") };
    assert_eq!((messages[0].link, messages[0].lifetime_s), (false, 600), "an older module says neither");
    for change in [json!({"link": true}), json!({"lifetime_s": 1}), json!({"lifetime_s": 86_400})] {
        assert!(validated(&login, sends(change.clone()).to_string().as_bytes()).is_ok(), "{change}");
    }
    for change in [
        json!({"lifetime_s": 0}),
        json!({"lifetime_s": 86_401}),
        json!({"lifetime_s": -1}),
        json!({"link": "https://a.example"}),
        json!({"values": {"link": "https://a.example"}}),
        json!({"values": {"a b": "c"}}),
        json!({"values": {"code": "1".repeat(4097)}}),
    ] {
        bad(&login, sends(change));
    }
}

#[test]
fn an_overview_and_advice_are_bounded() {
    let overview = Operation::Overview { enrolment: enrolment() };
    let told = |devices: Value| json!({"reply": "overview", "summary": {"key": "left"}, "devices": devices});
    let device = |id: &str, name: &str| json!({"id": id, "name": name, "created_at_ms": 0, "last_used_at_ms": null});
    let many = |count: usize| (0..count).map(|number| device(&format!("d{number}"), "a")).collect::<Vec<_>>();
    for devices in [json!([]), json!([device("a", "Phone 📱")]), json!(many(32)), json!([device("a", &"é".repeat(64))])]
    {
        assert!(validated(&overview, told(devices).to_string().as_bytes()).is_ok());
    }
    assert!(validated(&overview, br#"{"reply":"overview"}"#).is_ok(), "nothing to say");
    for devices in [
        json!(many(33)),
        json!([device("a", "a"), device("a", "b")]),
        json!([device("", "a")]),
        json!([device("../a", "a")]),
        json!([device("a", "")]),
        json!([device("a", &"é".repeat(65))]),
        json!([device("a", "a\nb")]),
        json!([{"id": "a", "name": "a", "created_at_ms": -1}]),
        json!([{"id": "a", "name": "a", "created_at_ms": i64::MAX}]),
    ] {
        bad(&overview, told(devices));
    }
    bad(&overview, json!({"reply": "overview", "summary": {"key": ""}}));
    bad(&overview, json!({"reply": "overview", "summary": {"key": "left", "values": {"count": "1".repeat(4097)}}}));
    let advised = |key: &str| json!({"reply": "verdict", "verdict": "accepted", "advice": {"key": key}});
    assert!(validated(&validate(), advised("few_left").to_string().as_bytes()).is_ok());
    bad(&validate(), advised(&"x".repeat(4097)));
}

#[test]
fn codes_live_for_a_day_at_most() {
    let schema = Operation::InputSchema {};
    let told = |code: Value| json!({"reply": "form", "form": {}, "code": code});
    for code in [Value::Null, json!({"period_s": 1}), json!({"period_s": 86_400, "window": 100})] {
        assert!(validated(&schema, told(code.clone()).to_string().as_bytes()).is_ok(), "{code}");
    }
    for code in [json!({"period_s": 0}), json!({"period_s": 86_401}), json!({"period_s": 30, "window": 101})] {
        bad(&schema, told(code));
    }
}

#[test]
fn a_change_of_a_device_is_answered_as_one() {
    let change = |change| Operation::ChangeDevice { enrolment: enrolment(), device: "a".to_owned(), change };
    let (remove, rename) = (change(DeviceChange::Remove), change(DeviceChange::Rename { name: "b".to_owned() }));
    let (some, none) = (json!({"reply": "changed", "enrolment": {}}), json!({"reply": "changed"}));
    assert!(validated(&remove, some.to_string().as_bytes()).is_ok());
    assert!(validated(&remove, none.to_string().as_bytes()).is_ok());
    assert!(validated(&rename, some.to_string().as_bytes()).is_ok());
    bad(&rename, none.clone());
    bad(&remove, json!({"reply": "changed", "enrolment": "x".repeat(65_535)}));
    assert!(bad(&validate(), none).contains("kind"));
    assert!(bad(&remove, json!({"reply": "overview"})).contains("kind"));
}
