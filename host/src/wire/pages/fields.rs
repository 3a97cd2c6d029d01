//! Any form as a page shows it, and what comes back. The one place that knows how a field kind or a display block looks
//! in HTML: a module that nobody here has seen gets its pages from its form alone.

use std::collections::BTreeMap;

use mfa_sdk::form::{FieldError, FieldErrors};
use minijinja::{Value as Shown, context};
use serde_json::{Map, Value};

use super::{flash::Flash, visit::Visit};
use crate::flow::{Block, Field, FieldInput, FormStep, RECOVERY_FIELD};

/// Names of inputs: a text, a secret that is never shown again, a box that is ticked.
const TEXT: &str = "f.";
const SECRET: &str = "s.";
const TICK: &str = "b.";
/// Lists the boxes of a form, since one that is not ticked is not sent.
const TICKS: &str = "ticks";
/// More options than this are a list that opens.
const RADIOS_MAX: usize = 6;
const SECRET_GROUP: usize = 4;

/// A form's fields and blocks, with what was typed and what was wrong with it.
pub fn shown(visit: &Visit, step: &FormStep, flash: &Flash) -> Shown {
    let wrong = |name: &str| {
        let own = flash.errors.get(name).or_else(|| step.error_texts.get(name));
        own.map(|text| error_text(visit, text))
    };
    // Who typed into the field beside the form goes on there.
    let is_recovering = flash.values.contains_key(RECOVERY_FIELD);
    let has_error = !flash.errors.is_empty() || !step.error_texts.is_empty();
    let fields: Vec<Shown> = step
        .fields
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let error = wrong(&field.name);
            // The first field that needs a hand is where typing begins.
            let is_first = if is_recovering {
                false
            } else if has_error {
                error.is_some() || (wrong("base").is_some() && at == 0)
            } else {
                at == 0
            };
            one(visit, field, flash.values.get(&field.name), error, is_first)
        })
        .collect();
    let ticks: Vec<&str> = step
        .fields
        .iter()
        .filter(|field| field.input == FieldInput::Boolean)
        .map(|field| field.name.as_str())
        .collect();
    context! {
        title => step.title.clone(),
        blocks => step.blocks.iter().filter(|block| !is_number(visit, step, block)).map(block).collect::<Vec<_>>(),
        fields,
        ticks => ticks.join(" "),
        base => wrong("base"),
        is_recovering,
        recovery_error => wrong(RECOVERY_FIELD),
        note => flash.note.clone(),
        wait_s => flash.wait_s,
    }
}

/// Pages show the number of a link large, in place of the sentence for clients that show texts alone.
fn is_number(visit: &Visit, step: &FormStep, block: &Block) -> bool {
    match (step.placeholders.get("link_number"), block) {
        (Some(number), Block::Text { text }) => *text == visit.fill("step.link_number", &[("number", number)]),
        _ => false,
    }
}

/// A machine word in words; a module's own sentence stays as it is.
fn error_text(visit: &Visit, text: &str) -> String {
    let key = format!("page.error.{text}");
    let known = visit.say(&key);
    if known == key { text.to_owned() } else { known }
}

fn one(visit: &Visit, field: &Field, typed: Option<&String>, error: Option<String>, is_first: bool) -> Shown {
    let Field { name, label, help, required, .. } = field;
    // What is asked of a new password is said before one is refused.
    let length_min = visit.flows.settings().passwords.length_min.to_string();
    let rule = (name == "new_password").then(|| visit.fill("page.password_rule", &[("count", &length_min)]));
    let help = help.clone().or(rule);
    let default = field.default.as_ref().and_then(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let is_ticked = typed.map(|typed| typed == "true").or_else(|| field.default.as_ref().and_then(Value::as_bool));
    let value = typed.cloned().or(default);
    let looks = Looks::of(field);
    let prefix = match looks.element {
        "tick" => TICK,
        _ if looks.is_secret => SECRET,
        _ => TEXT,
    };
    let options: Vec<Shown> = match &field.input {
        FieldInput::Select { options } => options
            .iter()
            .map(|(option, words)| context! { value => option, words, is_chosen => value.as_ref() == Some(option) })
            .collect(),
        _ => Vec::new(),
    };
    context! {
        id => format!("field-{name}"), name => format!("{prefix}{name}"), label, help, required, error, is_first,
        element => looks.element, kind => looks.kind, inputmode => looks.inputmode, autocomplete => looks.autocomplete,
        length_max => looks.length_max,
        value => if looks.is_secret { None } else { value }, is_ticked => is_ticked.unwrap_or_default(), options,
    }
}

/// Element and attributes of an input.
#[derive(Default)]
struct Looks {
    element: &'static str,
    kind: &'static str,
    inputmode: Option<&'static str>,
    autocomplete: &'static str,
    length_max: Option<usize>,
    is_secret: bool,
}

impl Looks {
    fn of(field: &Field) -> Self {
        let text = Self { element: "input", kind: "text", autocomplete: "off", ..Self::default() };
        match &field.input {
            FieldInput::Text { length_max } => {
                let autocomplete = if field.name == "username" { "username" } else { "off" };
                Self { autocomplete, length_max: Some(*length_max), ..text }
            }
            // Spaces are forgiven and a backup code is taken as well, so there is neither a length nor a pattern.
            FieldInput::Digits { .. } if field.masked => {
                Self { kind: "password", inputmode: Some("numeric"), is_secret: true, ..text }
            }
            FieldInput::Digits { .. } => {
                Self { inputmode: Some("numeric"), autocomplete: "one-time-code", is_secret: true, ..text }
            }
            FieldInput::Code { .. } if field.masked => Self { kind: "password", is_secret: true, ..text },
            FieldInput::Code { .. } => Self { autocomplete: "one-time-code", is_secret: true, ..text },
            FieldInput::Password { length_max } => {
                let autocomplete = match field.name.as_str() {
                    "password" | "old_password" => "current-password",
                    "new_password" => "new-password",
                    _ => "off",
                };
                Self { kind: "password", autocomplete, length_max: Some(*length_max), is_secret: true, ..text }
            }
            FieldInput::Email => Self { kind: "email", autocomplete: "email", inputmode: Some("email"), ..text },
            FieldInput::Phone => Self { kind: "tel", autocomplete: "tel", inputmode: Some("tel"), ..text },
            FieldInput::Select { options } if options.len() <= RADIOS_MAX => Self { element: "radios", ..text },
            FieldInput::Select { .. } => Self { element: "select", ..text },
            FieldInput::Boolean => Self { element: "tick", ..text },
        }
    }
}

fn block(block: &Block) -> Shown {
    match block {
        Block::Text { text } => {
            let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
            let paragraphs: Vec<String> = paragraphs.map(str::to_owned).collect();
            context! { kind => "text", paragraphs }
        }
        // Drawn by the host from the content, never a module's own markup.
        Block::Qr { svg, .. } => context! { kind => "qr", svg => Shown::from_safe_string(inline(svg)) },
        Block::Secret { name, value, label } => {
            let letters: Vec<char> = value.chars().collect();
            let groups: Vec<String> = letters.chunks(SECRET_GROUP).map(|group| group.iter().collect()).collect();
            context! { kind => "secret", id => format!("secret-{name}"), label, value, groups }
        }
        Block::Uri { value, .. } => {
            // Only what leads to an app or a page, never to a script.
            let is_harmless = ["otpauth://", "https://", "http://"].iter().any(|scheme| value.starts_with(scheme));
            context! { kind => "uri", value, is_harmless }
        }
        Block::Codes { name, codes } => context! { kind => "codes", id => format!("codes-{name}"), codes },
        Block::Image { data_uri, alt, .. } => context! { kind => "image", data_uri, alt },
    }
}

/// The drawing without the head that only a file of its own has.
fn inline(svg: &str) -> String {
    svg.find("<svg").map_or("", |at| &svg[at..]).to_owned()
}

/// Machine words of what does not fit, by field.
pub fn words_of(errors: FieldErrors) -> BTreeMap<String, String> {
    let word = |error: FieldError| serde_json::to_value(error).ok().and_then(|word| word.as_str().map(str::to_owned));
    errors.into_iter().map(|(name, error)| (name, word(error).unwrap_or_default())).collect()
}

/// What was typed, as the flows take it; and what may be shown again.
pub fn typed(form: &BTreeMap<String, String>) -> (Map<String, Value>, BTreeMap<String, String>) {
    let (mut fields, mut again) = (Map::new(), BTreeMap::new());
    for name in form.get(TICKS).map(|names| names.split(' ')).into_iter().flatten().filter(|name| !name.is_empty()) {
        let is_ticked = form.contains_key(&format!("{TICK}{name}"));
        fields.insert(name.to_owned(), Value::Bool(is_ticked));
        again.insert(name.to_owned(), is_ticked.to_string());
    }
    for (key, value) in form.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(name) = key.strip_prefix(TEXT) {
            again.insert(name.to_owned(), value.clone());
            fields.insert(name.to_owned(), Value::String(value.clone()));
        } else if let Some(name) = key.strip_prefix(SECRET) {
            fields.insert(name.to_owned(), Value::String(value.clone()));
            if name == RECOVERY_FIELD {
                // That something was typed there, and not what.
                again.insert(name.to_owned(), String::new());
            }
        }
    }
    (fields, again)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn secrets_are_taken_and_never_shown_again() {
        let (fields, again) = typed(&form(&[
            ("f.username", "ada"),
            ("s.password", "secret"),
            ("f.empty", ""),
            ("ticks", "yes no"),
            ("b.yes", "true"),
            ("csrf", "x"),
        ]));
        assert_eq!(Value::Object(fields), json!({"username": "ada", "password": "secret", "yes": true, "no": false}));
        assert_eq!(again, form(&[("username", "ada"), ("yes", "true"), ("no", "false")]));
        let (fields, again) = typed(&form(&[("s.recovery_code", "secret")]));
        assert_eq!(Value::Object(fields), json!({"recovery_code": "secret"}));
        assert_eq!(again, form(&[("recovery_code", "")]), "that there was one, and not which");
    }

    #[test]
    fn codes_are_typed_on_a_keypad_and_filled_in_from_messages_unless_they_are_known_by_heart() {
        let field = |input, masked| Field {
            name: "x".into(),
            input,
            label: "X".into(),
            help: None,
            required: true,
            default: None,
            masked,
        };
        let digits = || FieldInput::Digits { length_min: 6, length_max: 6 };
        let code = Looks::of(&field(digits(), false));
        assert_eq!((code.inputmode, code.autocomplete, code.kind), (Some("numeric"), "one-time-code", "text"));
        let pin = Looks::of(&field(digits(), true));
        assert_eq!((pin.inputmode, pin.autocomplete, pin.kind), (Some("numeric"), "off", "password"));
        assert!(code.is_secret && pin.is_secret);
    }

    #[test]
    fn a_module_leads_to_no_script_and_draws_nothing_of_its_own() {
        let uri = |value: &str| block(&Block::Uri { name: "u".into(), value: value.into() });
        assert!(uri("otpauth://totp/x").get_attr("is_harmless").unwrap().is_true());
        assert!(!uri("javascript:alert(1)").get_attr("is_harmless").unwrap().is_true());
        assert_eq!(inline("<?xml version=\"1.0\"?><svg></svg>"), "<svg></svg>");
    }
}
