//! Says what no module may say. It speaks the ABI itself, so that nothing of the SDK makes its replies well-formed.
//!
//! What it says of itself is written into the file: a test replaces the word behind [`DESCRIBED`] in a copy. What it
//! answers is the word typed at login; only `fine` is right.

use std::process;

use mfa_sdk::{
    abi::Export,
    json,
    serde_json::{self, Value},
};

/// The word a test replaces, padded with dots to this length.
static DESCRIBED: [u8; 32] = *b"DESCRIBED=honest................";

struct Lying;

impl Export for Lying {
    fn describe() -> String {
        // A volatile look, or the compiler would answer from what it knows.
        // SAFETY: the place of a static may be read.
        let word = unsafe { (&raw const DESCRIBED).read_volatile() };
        let word = String::from_utf8_lossy(&word).trim_end_matches('.').to_owned();
        let word = word.trim_start_matches("DESCRIBED=");
        let mut description = json!({
            "module_type": "lying", "name": "Lying", "kind": "knowledge", "retries_max": 0,
            "texts": { "en": { "advice": "Look after yourself." } },
        });
        match word {
            "panic" => panic!("asked to panic in describe"),
            "abort" => process::abort(),
            "exit" => process::exit(7),
            "loop" => endless_loop(),
            "not_utf8" => return not_utf8(),
            "no_json" => return "lying".to_owned(),
            "deep" => return deep(),
            "huge" => return "x".repeat(100 * 1024 * 1024),
            "mfa" => description["amr"] = json!(["mfa"]),
            "sends" => description["sends"] = json!(true),
            "magic" => description["kind"] = json!("magic"),
            "way_back" => description["recovery"] = json!(true),
            "no_texts" => description["texts"] = json!({}),
            // One start in two, as nobody could foresee; no process remembers what the former one said.
            "changing" if coin() => description["module_type"] = json!("honest"),
            _ => {}
        }
        description.to_string()
    }

    fn create(_config: &str) -> Result<Self, String> {
        Ok(Self)
    }

    fn call(&self, request: &str) -> String {
        let Ok(request) = serde_json::from_str::<Value>(request) else { process::abort() };
        let form = json!({ "fields": [{ "name": "word", "kind": "text", "length_max": 64 }] });
        match request["operation"].as_str() {
            // An address of its own, among what the user chooses from or filled in already: neither is typed.
            Some("setup_flow") if request["input"]["next"].is_string() => {
                let message = json!({
                    "channel": "email", "to": request["input"]["next"], "template": "plain",
                    "values": { "text": "what the user told it" },
                });
                json!({ "reply": "setup", "step": "form", "form": form, "state": {}, "messages": [message] })
                    .to_string()
            }
            Some("setup_flow") => match request["input"]["word"].as_str() {
                Some("fill_in") => {
                    let form = json!({ "fields": [{ "name": "next", "kind": "email", "default": "eve@example.net" }] });
                    json!({ "reply": "setup", "step": "form", "form": form, "state": {} }).to_string()
                }
                Some("choose") => {
                    let options = json!([["eve@example.net", { "key": "go_on" }]]);
                    let form = json!({ "fields": [{ "name": "next", "kind": "select", "options": options }] });
                    json!({ "reply": "setup", "step": "form", "form": form, "state": {} }).to_string()
                }
                None => json!({ "reply": "setup", "step": "form", "form": form, "state": {} }).to_string(),
                Some("abort") => process::abort(),
                Some("unknown_step") => json!({ "reply": "setup", "step": "dance", "enrolment": {} }).to_string(),
                Some(word) => json!({ "reply": "setup", "step": "done", "enrolment": { "word": word } }).to_string(),
            },
            // Who set it up with the word `link` gets one, and advice with the yes.
            Some("initialize_login_mfa_step") if request["enrolment"]["data"]["word"] == "link" => {
                let to = &request["context"]["user"]["addresses"]["email"][0];
                let message = json!({ "channel": "email", "to": to, "template": "link", "link": true,
                    "values": { "minutes": "10" } });
                json!({ "reply": "login", "form": { "fields": [] }, "challenge": {}, "messages": [message] })
                    .to_string()
            }
            Some("validate") if request["answer"]["answer"] == "link" => {
                json!({ "reply": "verdict", "verdict": "accepted", "advice": { "key": "advice" } }).to_string()
            }
            Some("issue") => json!({ "reply": "issued", "enrolment": {}, "codes": ["fine"] }).to_string(),
            Some("initialize_login_mfa_step") => json!({ "reply": "login", "form": form }).to_string(),
            Some("validate") => verdict(request["answer"]["fields"]["word"].as_str().unwrap_or_default()),
            _ => json!({ "reply": "unsupported" }).to_string(),
        }
    }
}

/// Each would be "yes" to a host that looks less closely.
fn verdict(word: &str) -> String {
    let accepted = json!({ "reply": "verdict", "verdict": "accepted" });
    let mut lie = accepted.clone();
    match word {
        "fine" => {}
        "not_utf8" => return not_utf8(),
        "deep" => return deep(),
        "unknown_verdict" => lie["verdict"] = json!("certainly"),
        "unknown_reply" => lie["reply"] = json!("oracle"),
        "other_kind" => return json!({ "reply": "setup", "step": "done", "enrolment": {} }).to_string(),
        "other_user" => lie["user"] = json!("somebody_else"),
        "two_verdicts" => {
            return r#"{"reply":"verdict","verdict":"rejected","verdict":"accepted","error":"e"}"#.to_owned();
        }
        "two_replies" => return format!("{accepted}{accepted}"),
        "nothing" => return String::new(),
        "null" => return "null".to_owned(),
        "true" => return "true".to_owned(),
        "large" => lie["enrolment"] = json!("x".repeat(70 * 1024)),
        "huge" => {
            let ballast = "x".repeat(100 * 1024 * 1024);
            return format!(r#"{{"reply":"verdict","verdict":"accepted","enrolment":"{ballast}"}}"#);
        }
        "no_key" => lie = json!({ "reply": "verdict", "verdict": "rejected", "error": "Not a key!" }),
        _ => lie = json!({ "reply": "verdict", "verdict": "rejected", "error": "invalid_code" }),
    }
    lie.to_string()
}

fn not_utf8() -> String {
    let bytes = br#"{"reply":"verdict","verdict":"accepted","note":""#.iter().chain(b"\xff\xfe\"}");
    // SAFETY: there is none; bytes that are no text are what the test asks for. They only travel.
    unsafe { String::from_utf8_unchecked(bytes.copied().collect()) }
}

fn deep() -> String {
    format!(r#"{{"reply":"verdict","verdict":"accepted","enrolment":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000))
}

fn coin() -> bool {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0).is_multiple_of(2)
}

fn endless_loop() -> ! {
    loop {
        std::hint::black_box(());
    }
}

mfa_sdk::abi::export_abi!(Lying);
