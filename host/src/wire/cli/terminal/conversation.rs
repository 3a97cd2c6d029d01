//! A flow from its first step to its end: show, ask, send, until it is made or over.

use serde_json::{Map, Value, json};

use super::{
    ask::Terminal,
    client::{Answer, CLIENT_ID, Host, REDIRECT_URI},
    display, fields,
};

/// Why it ends here, in words for the person.
#[derive(Debug)]
pub struct Stop(pub String);

/// Signs in and gives the token answer.
pub fn sign_in(host: &Host, user: Option<&str>, terminal: &mut Terminal) -> Result<Value, Stop> {
    let providers = host.get("/auth/providers", None)?.accepted()?;
    let handler = choose_provider(&providers, terminal)?;
    let begin = json!({"client_id": CLIENT_ID, "handler": handler, "redirect_uri": REDIRECT_URI});
    let first = host.post("/auth/login_flow", None, &begin)?.accepted()?;
    let created = run(first, user, terminal, |flow_id, fields| answer_login(host, CLIENT_ID, flow_id, fields))?;
    if let Some(advice) = created["advice"].as_str() {
        terminal.say(&format!("\n{advice}"));
    }
    let code = created["result"].as_str().ok_or_else(|| Stop("the login ended without a code".to_owned()))?;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT_ID),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
    ];
    host.post_form("/auth/token", &pairs)?.accepted()
}

/// Runs the fresh proof of a session to its end.
pub fn finish_proof(host: &Host, token: &str, user: Option<&str>, terminal: &mut Terminal) -> Result<(), Stop> {
    let first = host.post("/api/proof", Some(token), &json!({}))?.accepted()?;
    let client_id = first["client_id"].as_str().unwrap_or(CLIENT_ID).to_owned();
    run(first, user, terminal, |flow_id, fields| answer_login(host, &client_id, flow_id, fields)).map(drop)
}

fn answer_login(host: &Host, client_id: &str, flow_id: &str, fields: &Value) -> Result<Answer, Stop> {
    let mut body = fields.clone();
    body["client_id"] = client_id.into();
    host.post(&format!("/auth/login_flow/{flow_id}"), None, &body)
}

/// The only provider, or the one the person picks.
fn choose_provider(providers: &Value, terminal: &mut Terminal) -> Result<Value, Stop> {
    let list = providers["providers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let at = match list {
        [] => return Err(Stop("the host offers no way to sign in; see [[provider]] in host.toml".to_owned())),
        [_] => 0,
        _ => {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            let options: Vec<_> = list.iter().map(|offer| (text(&offer["type"]), text(&offer["name"]))).collect();
            terminal.choose("Sign in with", &options, Some(0))?
        }
    };
    Ok(json!([list[at]["type"], list[at]["id"]]))
}

/// From `step` to `create_entry`. `send` gets the flow id and the filled-in fields.
pub fn run(
    mut step: Value,
    user: Option<&str>,
    terminal: &mut Terminal,
    send: impl Fn(&str, &Value) -> Result<Answer, Stop>,
) -> Result<Value, Stop> {
    let mut shown = Value::Null;
    loop {
        match step["type"].as_str() {
            Some("create_entry") => return Ok(step),
            Some("abort") => return Err(Stop(farewell(&step))),
            Some("form") => {}
            _ => return Err(Stop("the host sent a step this client does not know".to_owned())),
        }
        let flow_id = step["flow_id"].as_str().filter(|id| is_path_segment(id)).map(str::to_owned);
        let flow_id = flow_id.ok_or_else(|| Stop("the host sent a step without a flow id".to_owned()))?;
        if !step["ceremony"].is_null() {
            return Err(Stop("this step needs a browser; sign in with another method".to_owned()));
        }
        let waits = fields::read(&step).is_empty();
        let is_new = step["display"] != shown;
        // After a wrong code the same pictures and secrets need not scroll by again, and a step that waits says it once.
        if is_new || !waits || !step["errors"]["base"].is_null() {
            for line in display::lines(&step, is_new) {
                terminal.say(&line);
            }
        }
        shown = step["display"].clone();
        if waits {
            terminal.wait();
        }
        let filled = Value::Object(fill(&step, user, terminal)?);
        let answer = send(&flow_id, &filled)?;
        step = match answer.field_errors() {
            // Nothing was spent and the step stands; it is asked again with the errors beside its fields.
            Some(errors) => with_errors(step, errors),
            None => answer.accepted()?,
        };
    }
}

/// What the person answers to the fields of a step.
pub fn fill(step: &Value, user: Option<&str>, terminal: &mut Terminal) -> Result<Map<String, Value>, Stop> {
    let mut filled = Map::new();
    for field in fields::read(step) {
        let error = error_text(step, &field.name);
        if let Some(error) = &error {
            terminal.say(&format!("  {}: {error}", field.label));
        }
        let given = user.filter(|_| field.name == "username" && error.is_none());
        let value = match given {
            Some(user) => Some(Value::from(user)),
            None => fields::ask(&field, terminal)?,
        };
        if let Some(value) = value {
            filled.insert(field.name, value);
        }
    }
    Ok(filled)
}

fn error_text(step: &Value, field: &str) -> Option<String> {
    let text = step["error_texts"][field].as_str().or_else(|| step["errors"][field].as_str())?;
    Some(text.to_owned())
}

fn with_errors(mut step: Value, errors: &Map<String, Value>) -> Value {
    step["errors"] = Value::Object(errors.clone());
    step["error_texts"] = Value::Object(
        errors
            .iter()
            .map(|(field, word)| (field.clone(), malformed(word.as_str().unwrap_or_default()).into()))
            .collect(),
    );
    step
}

/// The host's words for malformed input, for a person.
fn malformed(word: &str) -> String {
    match word {
        "required" => "has to be filled in",
        "too_long" => "is too long",
        "too_short" => "is too short",
        "invalid_characters" => "holds characters that do not belong there",
        "invalid_address" => "is not an address",
        "not_an_option" => "is not one of the options",
        "unexpected" => "is not asked for",
        other => other,
    }
    .to_owned()
}

fn farewell(step: &Value) -> String {
    let reason = step["reason"].as_str().unwrap_or("unknown_error");
    match step["text"].as_str() {
        Some(text) if !text.is_empty() => format!("{text} ({reason})"),
        _ => reason.to_owned(),
    }
}

/// Flow ids go into a path; one that would change the path is not sent.
fn is_path_segment(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~=+:".contains(&byte);
    !matches!(id, "" | "." | "..") && id.bytes().all(is_plain)
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
