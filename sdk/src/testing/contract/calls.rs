//! Calls as such: repeated, from an older or a newer host, with what they say and send.

use serde_json::{Value, json};

use super::{Contract, Given, Rule, claims::is_name, walk::Walk};
use crate::{
    adapter::Package,
    message::Message,
    protocol::{Reply, VerdictReply},
};

/// What every host has said since the first version of the protocol.
const OLDEST_CONTEXT: [&str; 5] = ["now_ms", "seed", "user", "language", "public_url"];
/// Words the host has texts of its own for.
const HOST_WORDS: [&str; 1] = ["invalid_code"];
/// Shorter values are found anywhere by chance.
const SECRET_BYTES_MIN: usize = 4;

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("a repeated call has the same reply", repeated),
        ("a newer host is understood", newer_host),
        ("an older host gets an answer, and no other yes", older_host),
        ("every error and reason has a text in English", worded),
        ("a step that is said to be fixed is", fixed),
        ("what is sent can be sent", sendable),
        ("a code is shown, told and kept nowhere", silent),
    ]
}

fn repeated<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    let other = exchanges.iter().find(|exchange| bench.raw(&exchange.request_text) != exchange.reply_text);
    other.map_or(Ok(()), |exchange| Err(format!("{} answers otherwise the second time", exchange.operation())))
}

fn newer_host<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    for exchange in exchanges {
        let mut request = exchange.request.clone();
        request["a_new_field"] = json!({ "a": 1 });
        request["context"]["a_new_field"] = json!([1]);
        if bench.raw(&request.to_string()) != exchange.reply_text {
            return Err(format!("{} answers otherwise to a request with a new field", exchange.operation()));
        }
    }
    let unknown = json!({ "operation": "of_tomorrow", "context": {} }).to_string();
    match bench.raw(&unknown).as_str() {
        r#"{"reply":"unsupported"}"# => Ok(()),
        other => Err(format!("an operation of tomorrow is answered {other}")),
    }
}

fn older_host<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    for exchange in exchanges {
        let mut request = exchange.request.clone();
        if let Some(context) = request["context"].as_object_mut() {
            context.retain(|name, _| OLDEST_CONTEXT.contains(&name.as_str()));
        }
        let reply = bench.raw(&request.to_string());
        let read: Reply =
            serde_json::from_str(&reply).map_err(|_| format!("{} is not answered", exchange.operation()))?;
        match read {
            Reply::Failed { message } if message.starts_with("panicked") => return Err(message),
            Reply::Verdict(VerdictReply::Accepted { .. }) if exchange.reply["verdict"] != "accepted" => {
                return Err("what was wrong is right".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

fn worded<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    let texts = &bench.description().texts;
    let Some(english) = texts.get("en") else { return Ok(()) };
    for exchange in exchanges {
        for key in [&exchange.reply["error"], &exchange.reply["reason"]].into_iter().filter_map(Value::as_str) {
            if !is_name(key) {
                return Err(format!("{key:?} is not 1–64 of a-z, 0-9 and _"));
            }
            if !english.contains_key(key) && !HOST_WORDS.contains(&key) {
                return Err(format!("English does not have the text `{key}`"));
            }
        }
    }
    Ok(())
}

fn fixed<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    if !bench.description().fixed_step {
        return Ok(());
    }
    for exchange in exchanges.iter().filter(|exchange| exchange.operation() == "initialize_login_mfa_step") {
        let question = json!({ "operation": "input_schema", "context": exchange.request["context"] }).to_string();
        let schema: Value = serde_json::from_str(&bench.raw(&question)).unwrap_or_default();
        let nothing = |name: &str| exchange.reply[name].is_null() || exchange.reply[name] == json!([]);
        if exchange.reply["form"] != schema["form"] || !nothing("challenge") || !nothing("messages") {
            return Err("a login shows another form than input_schema, remembers or sends something".to_owned());
        }
    }
    Ok(())
}

fn sendable<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { given, exchanges, .. }, bench) = contract.walked()?;
    let sends = bench.description().sends;
    let mut links = false;
    for exchange in exchanges {
        let messages = sent(&exchange.reply)?;
        if exchange.operation() == "initialize_login_mfa_step" && messages.is_empty() == sends {
            return Err(format!("the description says sends = {sends}, and a login sends {}", messages.len()));
        }
        for message in &messages {
            links |= message.link;
            let line = (1..=254).contains(&message.to.len()) && !message.to.chars().any(char::is_control);
            if !is_name(&message.channel) || !is_name(&message.template) || !line {
                return Err("a channel or template is no name, or the address not one line of 1–254 bytes".to_owned());
            }
            if !message.values.keys().all(|name| is_name(name)) || message.values.contains_key("link") {
                return Err("a value has no name, or the host's own name `link`".to_owned());
            }
            if !(1..=86_400).contains(&message.lifetime_s) {
                return Err("a message lives 1 to 86,400 s".to_owned());
            }
        }
    }
    if *given == Given::Link && !links { Err("no message has a link to follow".to_owned()) } else { Ok(()) }
}

fn sent(reply: &Value) -> Result<Vec<Message>, String> {
    let messages = reply.get("messages").cloned().unwrap_or(Value::Array(Vec::new()));
    serde_json::from_value(messages).map_err(|error| format!("the messages are none: {error}"))
}

fn silent<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, given, .. }, _) = contract.walked()?;
    let typed: Vec<String> = match given {
        Given::Fields(Value::Object(fields)) => fields.values().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let mut codes = Vec::new();
    for exchange in exchanges {
        let values = sent(&exchange.reply)?.into_iter().flat_map(|message| message.values);
        codes.extend(values.filter(|(name, value)| name == "code" || typed.contains(value)).map(|(_, value)| value));
    }
    for exchange in exchanges {
        let operation = exchange.operation();
        let mut rest = exchange.reply.clone();
        if let Some(reply) = rest.as_object_mut() {
            reply.remove("messages");
        }
        let holds = |text: &str, secrets: &[String]| {
            secrets.iter().any(|secret| secret.len() >= SECRET_BYTES_MIN && text.contains(secret.as_str()))
        };
        if holds(&rest.to_string(), &codes) {
            return Err(format!("the reply to {operation} holds a code that was sent; keep a `SentCode`"));
        }
        // What is kept may hold what is typed: a shared secret has to. What is shown may not, but for what sets it up.
        if let Some(reply) = rest.as_object_mut() {
            reply.retain(|name, _| !["enrolment", "challenge", "state"].contains(&name.as_str()));
        }
        if !["setup_flow", "issue"].contains(&operation) && holds(&rest.to_string(), &typed) {
            return Err(format!("the reply to {operation} holds what was typed"));
        }
    }
    Ok(())
}
