//! Requests by their bytes: whatever a value holds, it stays in its place. What gateways answer is tested from outside.

use super::*;
use crate::{
    clock::Timestamp,
    delivery::{Message, MessageId},
    settings,
};

const HOSTILE: &str = "\"}],\\\r\nX-Evil: 1\r\n\r\n&a=b#?/../{secret}%00é";

fn request(block: &str, to: &str, text: &str) -> Result<Request<Vec<u8>>, SendError> {
    let text_of_settings = format!(
        "[[channel]]\nname = \"a\"\ntype = \"http\"\nsecret_env = \"X\"\n{block}\n[[provider]]\ntype = \"local\"\n"
    );
    let settings = settings::parse(std::path::Path::new("host.toml"), &text_of_settings).expect("sound settings");
    let channel = &settings.channels[0];
    let gateway = Gateway::new(
        channel.request().unwrap(),
        channel.user.clone(),
        Some("s3cr:et/%".into()),
        &Trust::of_nobody(),
        1,
        "Test host",
    )
    .unwrap();
    let line = Line { subject: "S".into(), short: text.into() };
    let message = Message { template: "code".into(), language: "en".into(), values: [].into() };
    let message_id = MessageId::new("id-1").unwrap();
    gateway.filled(&Parcel { channel: "a".into(), to: to.into(), message, message_id, at: Timestamp(0) }, &line)
}

fn json_of(request: &Request<Vec<u8>>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

#[test]
fn a_value_never_leaves_its_place_in_json() {
    let block = "target = \"text\"\nurl = \"http://g/\"\nheaders = { X-Key = \"{secret}\" }\nbody = { to = \"{to}\", \
                 deep = [{ text = \"<{text}>\" }, 5, true], braces = \"{ {x1} {To}\" }";
    let request = request(block, "someone", HOSTILE).unwrap();
    let wanted = serde_json::json!({
        "to": "someone",
        "deep": [{ "text": format!("<{HOSTILE}>") }, 5, true],
        "braces": "{ {x1} {To}",
    });
    assert_eq!(json_of(&request), wanted);
    assert_eq!(request.headers()["content-type"], "application/json");
}

#[test]
fn a_value_never_leaves_its_place_in_a_form_an_address_and_a_header() {
    let block = "target = \"text\"\nurl = \"http://g/send/{to}/x?to={to}\"\nformat = \"form\"\n\
                 headers = { X-Key = \"{secret}\", X-Text = \"{text}\" }\nbody = { to = \"{to}\", text = \"{text}\", n = 1 }";
    let request = request(block, HOSTILE, HOSTILE).unwrap();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(request.body()).into_owned().collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(form, [pair("n", "1"), pair("text", HOSTILE), pair("to", HOSTILE)]);
    let url = url::Url::parse(&request.uri().to_string()).unwrap();
    assert_eq!(url.path_segments().unwrap().count(), 3, "{url}");
    assert_eq!(url.query_pairs().collect::<Vec<_>>(), [("to".into(), HOSTILE.into())]);
    assert_eq!(request.headers().len(), 3);
    let text =
        request.headers()["x-text"].to_str().unwrap().strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
    assert_eq!(STANDARD.decode(text).unwrap(), HOSTILE.replace(['\r', '\n'], " ").as_bytes());
}

#[test]
fn a_step_in_the_path_is_refused() {
    let block = "target = \"text\"\nurl = \"http://g/send/{to}\"\nuser = \"u\"\nbody = { text = \"{text}\" }";
    for to in ["", ".", ".."] {
        assert!(matches!(request(block, to, "x"), Err(SendError::Refused { .. })), "{to:?}");
    }
    assert_eq!(request(block, "..a/..", "x").unwrap().uri().path(), "/send/..a%2F..");
}

#[test]
fn the_secret_goes_where_the_admin_put_it() {
    let basic = request("target = \"text\"\nurl = \"http://g/\"\nuser = \"u\"\nbody = { text = \"{text}\" }", "a", "x")
        .unwrap();
    assert_eq!(basic.headers()["authorization"], format!("Basic {}", STANDARD.encode("u:s3cr:et/%")).as_str());
    let url =
        request("target = \"text\"\nurl = \"http://g/{secret}\"\nformat = \"text\"\nbody = \"{text}\"", "a", "x\ny")
            .unwrap();
    assert_eq!((url.uri().path(), url.body().as_slice()), ("/s3cr:et%2F%25", b"x\ny".as_slice()));
    assert_eq!(url.headers()["content-type"], "text/plain; charset=utf-8");
}

#[test]
fn presets_are_what_the_gateways_document() {
    let of = |block: &str| request(block, "a b", "T").unwrap();
    let ntfy = of("preset = \"ntfy\"\nurl = \"https://ntfy.sh/\"");
    assert_eq!((ntfy.method().as_str(), ntfy.uri().to_string().as_str()), ("POST", "https://ntfy.sh/"));
    assert_eq!(json_of(&ntfy), serde_json::json!({ "topic": "a b", "title": "S", "message": "T" }));
    let gotify = of("preset = \"gotify\"\nurl = \"https://g.example\"\ntargets = [\"a b\"]");
    assert_eq!(gotify.uri().to_string(), "https://g.example/message");
    assert!(gotify.headers().contains_key("x-gotify-key"));
    let telegram = of("preset = \"telegram\"");
    assert_eq!(telegram.uri().to_string(), "https://api.telegram.org/bots3cr:et%2F%25/sendMessage");
    assert_eq!(json_of(&telegram), serde_json::json!({ "chat_id": "a b", "text": "T" }));
    let matrix = of("preset = \"matrix\"\nurl = \"https://m.example\"");
    let wanted = "https://m.example/_matrix/client/v3/rooms/a%20b/send/m.room.message/id-1";
    assert_eq!((matrix.method().as_str(), matrix.uri().to_string().as_str()), ("PUT", wanted));
    let home = of("preset = \"home_assistant\"\nurl = \"http://ha:8123\"\ntargets = [\"a b\"]");
    assert_eq!(home.uri().to_string(), "http://ha:8123/api/services/notify/a%20b");
    assert_eq!(home.headers()["authorization"], "Bearer s3cr:et/%");
}

#[test]
fn a_wait_is_seconds_or_a_date_and_never_long() {
    let date = "Mon, 01 Jan 2035 00:00:00 GMT";
    for (asked, at, wanted) in [
        ("7", None, Some(7)),
        (" 0 ", None, Some(0)),
        ("999999", None, Some(3600)),
        ("Mon, 01 Jan 2035 00:01:00 GMT", Some(date), Some(60)),
        ("Sun, 31 Dec 2034 23:00:00 GMT", Some(date), Some(0)),
        ("Mon, 01 Jan 2035 00:01:00 GMT", None, None),
        ("-1", None, None),
        ("soon", Some(date), None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, asked.parse().unwrap());
        if let Some(at) = at {
            headers.insert(header::DATE, at.parse().unwrap());
        }
        assert_eq!(retry_after_s(&headers), wanted, "{asked}");
    }
    assert_eq!(retry_after_s(&HeaderMap::new()), None);
}
