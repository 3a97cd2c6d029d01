//! A step's fields, read from its JSON and asked for one by one.

use serde_json::Value;

use super::{ask::Terminal, conversation::Stop};

/// A field as the terminal asks for it.
#[derive(Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub label: String,
    help: Option<String>,
    kind: Kind,
    required: bool,
}

#[derive(Debug, PartialEq)]
enum Kind {
    Text { default: Option<String> },
    Secret,
    Select { options: Vec<(String, String)>, default: Option<usize> },
    Boolean { default: Option<bool> },
}

/// The fields of a form.
pub fn read(step: &Value) -> Vec<Field> {
    step["data_schema"].as_array().into_iter().flatten().filter_map(field).collect()
}

fn field(json: &Value) -> Option<Field> {
    let name = json["name"].as_str()?.to_owned();
    let default = &json["default"];
    // Hosts that give no format still call a password a password.
    let is_secret =
        json["masked"] == true || json["format"] == "password" || (json["format"].is_null() && name == "password");
    let kind = match json["type"].as_str() {
        Some("select") => select(&json["options"], default),
        Some("boolean") => Kind::Boolean { default: default.as_bool() },
        _ if is_secret => Kind::Secret,
        _ => Kind::Text { default: default.as_str().map(str::to_owned) },
    };
    Some(Field {
        label: json["label"].as_str().filter(|label| !label.is_empty()).unwrap_or(&name).to_owned(),
        help: json["help"].as_str().map(str::to_owned),
        required: json["required"].as_bool().unwrap_or(false),
        name,
        kind,
    })
}

/// Options are `[value, name]` pairs.
fn select(options: &Value, default: &Value) -> Kind {
    let pairs = options.as_array().into_iter().flatten().filter_map(|pair| {
        let value = pair[0].as_str()?;
        Some((value.to_owned(), pair[1].as_str().unwrap_or(value).to_owned()))
    });
    let options: Vec<(String, String)> = pairs.collect();
    let default = options.iter().position(|(value, _)| default == value);
    Kind::Select { options, default }
}

/// What the person gave; none for an optional field left empty.
pub fn ask(field: &Field, terminal: &mut Terminal) -> Result<Option<Value>, Stop> {
    if let Some(help) = &field.help {
        terminal.say(&format!("  {help}"));
    }
    let optional = if field.required { "" } else { " (optional)" };
    let label = format!("{}{optional}", field.label);
    loop {
        let value: Value = match &field.kind {
            Kind::Select { options, .. } if options.is_empty() => {
                return Err(Stop(format!("{}: there is nothing to choose from", field.label)));
            }
            Kind::Select { options, default } => {
                let at = terminal.choose(&label, options, *default)?;
                options[at].0.as_str().into()
            }
            Kind::Boolean { default } => {
                match truth(&terminal.line(&format!("{label} {}: ", yes_no(*default)))?, *default) {
                    Some(value) => value.into(),
                    None => continue,
                }
            }
            Kind::Secret => terminal.secret(&format!("{label}: "))?.into(),
            Kind::Text { default } => {
                let hint = default.as_ref().map(|default| format!(" [{default}]")).unwrap_or_default();
                let text = terminal.line(&format!("{label}{hint}: "))?;
                if text.trim().is_empty() { default.clone().unwrap_or_default().into() } else { text.into() }
            }
        };
        match value.as_str() {
            Some("") if field.required => terminal.say(&format!("  {} has to be filled in", field.label)),
            Some("") => return Ok(None),
            _ => return Ok(Some(value)),
        }
    }
}

fn yes_no(default: Option<bool>) -> &'static str {
    match default {
        Some(true) => "[Y/n]",
        Some(false) => "[y/N]",
        None => "[y/n]",
    }
}

fn truth(text: &str, default: Option<bool>) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" => default,
        "y" | "yes" | "true" => Some(true),
        "n" | "no" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(schema: Value, input: &str) -> (Result<Option<Value>, Stop>, String) {
        let fields = read(&json!({"data_schema": [schema]}));
        let (mut terminal, seen) = Terminal::scripted(input);
        let value = ask(&fields[0], &mut terminal);
        (value, seen.text())
    }

    #[test]
    fn a_select_takes_a_number_a_value_or_enter() {
        let schema = json!({"name": "m", "type": "select", "required": true, "label": "Method", "default": "pin",
            "options": [["totp", "App"], ["pin", "Pin"]]});
        for (input, expected) in [("1\n", "totp"), ("\n", "pin"), ("totp\n", "totp"), ("9\n0\nx\n2\n", "pin")] {
            let (value, seen) = asked(schema.clone(), input);
            assert_eq!(value.unwrap().unwrap(), expected, "{input:?}");
            assert!(seen.contains("1) App") && seen.contains("2) Pin"), "{seen}");
        }
    }

    #[test]
    fn without_a_default_enter_is_no_answer() {
        let schema = json!({"name": "m", "type": "select", "required": true, "options": [["a", "A"], ["b", "B"]]});
        assert_eq!(asked(schema.clone(), "\n2\n").0.unwrap().unwrap(), "b");
        assert!(asked(schema, "\n").0.is_err(), "the input ended without an answer");
    }

    #[test]
    fn required_means_asked_again_and_optional_means_left_out() {
        let required = json!({"name": "code", "type": "string", "required": true});
        assert_eq!(asked(required, "\n123 456\n").0.unwrap().unwrap(), "123 456");
        let optional = json!({"name": "code", "type": "string", "required": false});
        assert_eq!(asked(optional, "\n").0.unwrap(), None);
    }

    #[test]
    fn a_password_is_recognised_by_format_or_by_name() {
        let kind = |json: Value| field(&json).unwrap().kind;
        assert_eq!(kind(json!({"name": "pin", "type": "string", "format": "password"})), Kind::Secret);
        assert_eq!(kind(json!({"name": "pin", "type": "string", "format": "digits", "masked": true})), Kind::Secret);
        assert_eq!(kind(json!({"name": "password", "type": "string"})), Kind::Secret);
        assert_eq!(kind(json!({"name": "code", "type": "string"})), Kind::Text { default: None });
    }

    #[test]
    fn a_password_keeps_its_spaces_and_is_not_echoed() {
        let (value, seen) = asked(json!({"name": "password", "type": "string", "required": true}), "  a b \n");
        assert_eq!(value.unwrap().unwrap(), "  a b ");
        assert!(!seen.contains("a b"));
    }

    #[test]
    fn a_boolean_takes_words_and_its_default() {
        let schema = |default: Value| json!({"name": "keep", "type": "boolean", "required": true, "default": default});
        assert_eq!(asked(schema(true.into()), "\n").0.unwrap().unwrap(), true);
        assert_eq!(asked(schema(Value::Null), "\nmaybe\nNo\n").0.unwrap().unwrap(), false);
    }
}
