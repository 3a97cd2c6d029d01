//! Gateways by HTTP: what each is asked, received by a server that is not ours, and what the host makes of its answers.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Certificates, Directory, Outcome, Server, closed_port, host_binary, run_host};

/// Odd, so that finding it in a message means something.
const SECRET: &str = "gate-Tk9+secret/%";

fn with_channel(block: &str) -> Directory {
    let directory = Directory::new();
    directory.append_settings(&format!(
        "[[channel]]\nname = \"gate\"\ntype = \"http\"\nsecret_env = \"GATE_SECRET\"\n{block}"
    ));
    directory
}

/// `channel test gate TO` with the secret in the environment.
fn send(directory: &Directory, to: &str) -> Outcome {
    let output = Command::new(host_binary())
        .arg("--config")
        .arg(directory.path())
        .args(["channel", "test", "gate", to])
        .env("GATE_SECRET", SECRET)
        .output()
        .expect("the host's binary starts");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

#[track_caller]
fn assert_told(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.lines().count()), ("", 2), "{outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} in {outcome:?}");
    }
    assert!(!outcome.text().contains("gate-Tk9"), "{outcome:?}");
}

fn header<'a>(request: &'a Value, name: &str) -> Option<&'a str> {
    let headers = request["headers"].as_array().expect("headers");
    headers.iter().find(|header| header[0] == name)?[1].as_str()
}

fn body(request: &Value) -> Value {
    serde_json::from_str(request["body"].as_str().expect("text")).expect("JSON")
}

const SUBJECT: &str = "Test message from Test host";
const TEXT: &str = "Test host: This is a test. Messages from Test host reach you here.";

#[test]
fn each_known_gateway_is_asked_as_it_wants_to_be() {
    let server = Server::gateway(&[]);
    let base = format!("http://127.0.0.1:{}", server.port);
    let bearer = format!("Bearer {SECRET}");
    for (keys, to, path, wanted) in [
        ("preset = \"ntfy\"", "topic-1", "/", json!({ "topic": "topic-1", "title": SUBJECT, "message": TEXT })),
        (
            "preset = \"gotify\"\ntargets = [\"phone\"]",
            "phone",
            "/message",
            json!({ "title": SUBJECT, "message": TEXT, "priority": 5 }),
        ),
        (
            "preset = \"telegram\"",
            "12345",
            "/botgate-Tk9%2Bsecret%2F%25/sendMessage",
            json!({ "chat_id": "12345", "text": TEXT }),
        ),
        (
            "preset = \"home_assistant\"\ntargets = [\"kitchen\"]",
            "kitchen",
            "/api/services/notify/kitchen",
            json!({ "title": SUBJECT, "message": TEXT }),
        ),
    ] {
        let directory = with_channel(&format!("url = \"{base}\"\n{keys}\n"));
        send(&directory, to).success();
        let request = server.next();
        assert_eq!((&request["method"], &request["path"]), (&"POST".into(), &path.into()));
        assert_eq!(body(&request), wanted);
        assert_eq!(header(&request, "content-type"), Some("application/json"));
        match keys.contains("gotify") {
            true => assert_eq!(header(&request, "x-gotify-key"), Some(SECRET)),
            false if keys.contains("telegram") => assert_eq!(header(&request, "authorization"), None),
            false => assert_eq!(header(&request, "authorization"), Some(bearer.as_str())),
        }
    }
    let directory = with_channel(&format!("url = \"{base}\"\npreset = \"matrix\"\n"));
    let mut paths = Vec::new();
    for _ in 0..2 {
        send(&directory, "!room:example.org").success();
        let request = server.next();
        assert_eq!((&request["method"], body(&request)), (&"PUT".into(), json!({ "msgtype": "m.text", "body": TEXT })));
        paths.push(request["path"].as_str().expect("text").to_owned());
    }
    let begin = "/_matrix/client/v3/rooms/%21room:example.org/send/m.room.message/test-";
    assert!(paths.iter().all(|path| path.starts_with(begin)), "{paths:?}");
    assert_ne!(paths[0], paths[1], "each message has a transaction of its own");
    assert_told(
        &send(&with_channel("preset = \"gotify\"\ntargets = [\"phone\"]\nurl = \"http://x\""), "tablet"),
        &["not one of the targets"],
    );
}

#[test]
fn a_plain_sms_gateway_needs_only_settings() {
    let server = Server::gateway(&[]);
    let directory = with_channel(&format!(
        "url = \"http://127.0.0.1:{}/v1/messages?to={{to}}\"\nuser = \"account\"\ntarget = \"phone\"\nprefixes = [\"+49\"]\n\
         format = \"form\"\nheaders = {{ X-Kind = \"sms\" }}\nbody = {{ To = \"{{to}}\", Body = \"{{text}}\" }}\n",
        server.port
    ));
    send(&directory, "+49 (151) 123-45678").success();
    let request = server.next();
    assert_eq!(request["path"], "/v1/messages?to=%2B4915112345678");
    let words = TEXT.replace(' ', "+").replace(':', "%3A");
    assert_eq!(request["body"], format!("Body={words}&To=%2B4915112345678"));
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("account:{SECRET}"));
    assert_eq!(header(&request, "authorization"), Some(format!("Basic {basic}").as_str()));
    assert_eq!(
        (header(&request, "x-kind"), header(&request, "content-type")),
        (Some("sms"), Some("application/x-www-form-urlencoded"))
    );
    for (to, word) in [("+8821612345", "country"), ("015112345678", "phone number"), ("+49\r\n151", "phone number")] {
        assert_told(&send(&directory, to), &[word]);
    }
    assert!(server.is_quiet());
}

#[test]
fn what_a_gateway_answers_is_told_without_a_secret() {
    let server = Server::gateway(&[]);
    for (path, words) in [
        ("500", vec!["failed (500)", "try again"]),
        ("503", vec!["failed (503)", "try again"]),
        ("429", vec!["asks to wait 7 s (429)", "try again"]),
        ("408", vec!["failed (408)", "try again"]),
        ("404", vec!["refuses the message (404)", "chat not found"]),
        ("401", vec!["refuses the sender, its user or secret (401)"]),
        ("redirect", vec!["points elsewhere (302)", "not followed"]),
        ("slow", vec!["did not answer in time"]),
        // It repeats the secret, so nothing of it is shown.
        ("echo", vec!["refuses the message (400)\n"]),
        ("endless", vec!["refuses the message (400)"]),
    ] {
        let directory = with_channel(&format!(
            "url = \"http://127.0.0.1:{}/{path}/{{secret}}\"\ntarget = \"text\"\ntimeout_s = 2\n\
             headers = {{ X-Key = \"{{secret}}\" }}\nbody = {{ text = \"{{text}}\" }}\n",
            server.port
        ));
        assert_told(&send(&directory, "someone"), &words);
        let request = server.next();
        assert!(request["path"].as_str().is_some_and(|asked| asked.starts_with(&format!("/{path}/"))), "{request}");
        assert!(server.is_quiet(), "one request, and no other");
    }
    let gone = with_channel(&format!("url = \"http://127.0.0.1:{}/{{secret}}\"\ntarget = \"text\"\n", closed_port()));
    assert_told(&send(&gone, "someone"), &["cannot be reached"]);
    let nameless = with_channel("url = \"http://no-such-host.invalid/{secret}\"\ntarget = \"text\"\n");
    assert_told(&send(&nameless, "someone"), &["gateway"]);
}

#[test]
fn a_gateway_is_trusted_by_its_certificate_alone() {
    let certificates = Certificates::new();
    let options = certificates.options();
    let server = Server::gateway(&options.each_ref().map(String::as_str));
    let block = |host: &str, ca: &str| {
        format!("url = \"https://{host}:{}/x/{{secret}}\"\ntarget = \"text\"\n{ca}\n", server.port)
    };
    let ca = format!("ca_file = \"{}\"", certificates.authority());
    send(&with_channel(&block("localhost", &ca)), "someone").success();
    server.next();
    let foreign = Certificates::new();
    let another = format!("ca_file = \"{}\"", foreign.authority());
    for (host, ca) in [("localhost", another.as_str()), ("localhost", ""), ("127.0.0.1", &ca)] {
        assert_told(&send(&with_channel(&block(host, ca)), "someone"), &["certificate is not trusted"]);
    }
    assert!(server.is_quiet());
}

#[test]
fn a_channel_that_is_unknown_off_or_without_its_secret_is_told() {
    let directory = with_channel("preset = \"ntfy\"\nurl = \"http://127.0.0.1:9\"\n");
    let unknown = run_host(&directory.path(), &["channel", "test", "pigeon", "a"]);
    assert_told(&unknown, &["no channel pigeon", "channel list"]);
    let without_secret = run_host(&directory.path(), &["channel", "test", "gate", "a"]);
    assert_told(&without_secret, &["GATE_SECRET is not set"]);
    directory.replace_setting("preset = \"ntfy\"", "preset = \"ntfy\"\nenabled = false");
    assert_told(&send(&directory, "a"), &["switched off"]);
    let listed = run_host(&directory.path(), &["channel", "list", "--json"]).success().json();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&"gate".into(), &"disabled".into()));
}
