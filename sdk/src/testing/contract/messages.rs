//! What is sent: well-formed, to whom it may go, and the code in it nowhere else.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Contract, Given, Rule,
    claims::is_name,
    walk::{Exchange, Walk},
};
use crate::{
    adapter::Package,
    message::{Channel, Message},
};

/// Shorter values are found anywhere by chance.
const SECRET_BYTES_MIN: usize = 4;
/// Codes to look at; of a million possible ones two among these are the same once in 200 modules.
const DRAWS: usize = 100;
/// So many of them are different at least.
const DIFFERENT_MIN: usize = 98;

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("what is sent can be sent", sendable),
        ("a message goes to what was proved, typed in the set-up, or listed by the admin", permitted),
        ("a code is shown, told and kept nowhere", silent),
        ("each login's code is drawn anew, of one length", drawn),
    ]
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

/// The host refuses other targets, and the login with them.
fn permitted<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    let Walked { addresses, channels } = Walked::of(exchanges, &bench.context.channels);
    let mut known = addresses;
    for exchange in exchanges {
        let typed = exchange.request["input"].as_object().into_iter().flat_map(|fields| fields.values());
        known.extend(typed.filter_map(Value::as_str).map(str::to_owned));
        for message in sent(&exchange.reply)? {
            let channel = channels.iter().find(|channel| channel.name == message.channel);
            if channel.is_none() && !channels.is_empty() {
                return Err(format!("{} sends by a channel the admin does not have", exchange.operation()));
            }
            let is_listed = channel.is_some_and(|channel| channel.targets.contains(&message.to));
            if !is_listed && !known.contains(&message.to) {
                return Err(format!("{} sends to an address nobody typed or proved", exchange.operation()));
            }
        }
    }
    Ok(())
}

/// Whom a walk may write to from the start: proved addresses, and channels with what they list.
struct Walked<'a> {
    addresses: BTreeSet<String>,
    channels: &'a [Channel],
}

impl<'a> Walked<'a> {
    fn of(exchanges: &[Exchange], channels: &'a [Channel]) -> Self {
        let users =
            exchanges.iter().filter_map(|exchange| exchange.request["context"]["user"]["addresses"].as_object());
        let lists = users.flat_map(|addresses| addresses.values()).filter_map(Value::as_array).flatten();
        Self { addresses: lists.filter_map(Value::as_str).map(str::to_owned).collect(), channels }
    }
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
        // What is kept may hold what is typed: a shared secret has to. What is shown may not, but for a set-up.
        if let Some(reply) = rest.as_object_mut() {
            reply.retain(|name, _| !["enrolment", "challenge", "state"].contains(&name.as_str()));
        }
        if !["setup_flow", "issue"].contains(&operation) && holds(&rest.to_string(), &typed) {
            return Err(format!("the reply to {operation} holds what was typed"));
        }
    }
    Ok(())
}

fn drawn<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (_, mut bench) = contract.walked()?;
    let mut codes = Vec::new();
    for _ in 0..DRAWS {
        let login = bench.login().map_err(|failure| failure.to_string())?;
        codes.extend(login.messages.into_iter().filter_map(|message| message.values.get("code").cloned()));
    }
    let different: BTreeSet<&String> = codes.iter().collect();
    let lengths: BTreeSet<usize> = codes.iter().map(|code| code.len()).collect();
    match (codes.len(), different.len(), lengths.len()) {
        (0, _, _) | (DRAWS, DIFFERENT_MIN.., 1) => Ok(()),
        (DRAWS, DIFFERENT_MIN.., _) => Err("they have several lengths: a zero in front was lost".to_owned()),
        (all, different, _) => Err(format!("{different} of {all} are different; draw them from `ask.random()`")),
    }
}
