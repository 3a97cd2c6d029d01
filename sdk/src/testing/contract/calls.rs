//! Calls as such: repeated, from an older or a newer host, and steps that are the same for all.

use serde_json::{Value, json};

use super::{Contract, Rule, walk::Walk};
use crate::{
    adapter::Package,
    protocol::{Reply, VerdictReply},
};

/// What every host has said since the first version of the protocol.
const OLDEST_CONTEXT: [&str; 5] = ["now_ms", "seed", "user", "language", "public_url"];

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("a repeated call has the same reply", repeated),
        ("a newer host is understood", newer_host),
        ("an older host gets an answer, and no other yes", older_host),
        ("a step that is said to be fixed is", fixed),
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
