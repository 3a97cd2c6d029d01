//! From a template's name, a language and values to a message. Built-in templates can be replaced by files of the same
//! name in `DIR/templates/`; one that does not work costs itself alone, and the built-in one stays.

use std::{collections::BTreeMap, convert::Infallible, fmt, path::Path, sync::Arc};

use minijinja::{Value, value::Object};

use super::{
    contract::{Letter, Line, Message, SendError},
    values::{one_line, several_lines},
};
use crate::words::{Problem, Rules, Templates, Words, filled, reason_of};

/// Which built-in files show a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    Code,
    Link,
    Notice,
    Plain,
}

/// Every template: name, kind, and the values it cannot do without. `user`, `time`, `source` and `client` are shown
/// where they are given.
pub const TEMPLATES: &[(&str, TemplateKind, &[&str])] = &[
    ("code", TemplateKind::Code, &["code", "minutes"]),
    ("password_code", TemplateKind::Code, &["code", "minutes"]),
    ("link", TemplateKind::Link, &["link", "minutes"]),
    ("password_link", TemplateKind::Link, &["link", "minutes"]),
    ("plain", TemplateKind::Plain, &["text"]),
    ("test", TemplateKind::Notice, &[]),
    ("factor_added", TemplateKind::Notice, &["method"]),
    ("factor_removed", TemplateKind::Notice, &["method"]),
    ("factor_changed", TemplateKind::Notice, &["method"]),
    ("factors_reset", TemplateKind::Notice, &[]),
    ("recovery_used", TemplateKind::Notice, &["advice"]),
    ("recovery_renewed", TemplateKind::Notice, &[]),
    ("account_locked", TemplateKind::Notice, &["method"]),
    ("wrong_codes", TemplateKind::Notice, &["count"]),
    ("address_changed", TemplateKind::Notice, &["address"]),
    ("password_changed", TemplateKind::Notice, &[]),
    ("password_reset", TemplateKind::Notice, &[]),
    ("login_denied", TemplateKind::Notice, &[]),
    ("change_denied", TemplateKind::Notice, &[]),
];

static BUILT_IN: [(&str, &str); 9] = [
    ("mail_layout.html", include_str!("templates/mail_layout.html")),
    ("mail_code.html", include_str!("templates/mail_code.html")),
    ("mail_code.txt", include_str!("templates/mail_code.txt")),
    ("mail_link.html", include_str!("templates/mail_link.html")),
    ("mail_link.txt", include_str!("templates/mail_link.txt")),
    ("mail_notice.html", include_str!("templates/mail_notice.html")),
    ("mail_notice.txt", include_str!("templates/mail_notice.txt")),
    ("mail_plain.html", include_str!("templates/mail_plain.html")),
    ("mail_plain.txt", include_str!("templates/mail_plain.txt")),
];

/// Names of templates begin so.
const PREFIX: &str = "mail_";
/// Keys of the sentences that messages are made of begin so.
const SENTENCES: &str = "message.";
/// Steps one template may take; the built-in ones take a few hundred.
const STEPS_MAX: u64 = 100_000;

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("there is no template {0:?}")]
    UnknownTemplate(String),
    #[error("the template {template} needs the value {value}")]
    MissingValue { template: String, value: &'static str },
    #[error("the template {template} fails: {reason}")]
    Broken { template: String, reason: String },
}

/// What cannot be said now cannot be said later.
impl From<RenderError> for SendError {
    fn from(error: RenderError) -> Self {
        Self::refused(error.to_string())
    }
}

/// Templates and words, ready to use.
pub struct Renderer {
    templates: Templates,
    words: Words,
    host_name: String,
    public_url: String,
}

impl Renderer {
    /// What is built in with the admin's files in their places, and what of the admin's cannot be used.
    pub fn load(config_directory: &Path, words: Words, host_name: &str, public_url: &str) -> (Self, Vec<Problem>) {
        let rules = Rules {
            built_in: &BUILT_IN,
            prefix: PREFIX,
            endings: &[".html", ".txt"],
            steps_max: STEPS_MAX,
            extend: Box::new(|_| {}),
        };
        let (templates, mut problems) = Templates::load(rules, &config_directory.join("templates"));
        let (host_name, public_url) = (host_name.to_owned(), public_url.to_owned());
        let mut renderer = Self { templates, words, host_name, public_url };
        // A file that parses may still fail; each failure takes one file away, so this ends.
        while let Some((name, line, message)) = renderer.first_failure() {
            problems.extend(renderer.templates.put_back(&name, line, &message));
        }
        (renderer, problems)
    }

    /// The message as one line or two, in the language that serves the reader best.
    ///
    /// # Errors
    /// There is no such template, or it lacks a value.
    pub fn line(&self, message: &Message) -> Result<Line, RenderError> {
        let (name, kind) = known(message)?;
        Ok(self.sentences(message).line(name, kind))
    }

    /// The message as a mail, in the language that serves the reader best.
    ///
    /// # Errors
    /// There is no such template, or it lacks a value, or an admin's file fails on it.
    pub fn letter(&self, message: &Message) -> Result<Letter, RenderError> {
        let (name, kind) = known(message)?;
        let failed =
            |error: minijinja::Error| RenderError::Broken { template: name.to_owned(), reason: reason_of(&error) };
        self.lettered(name, kind, message).map_err(failed)
    }

    fn lettered(&self, name: &str, kind: TemplateKind, message: &Message) -> Result<Letter, minijinja::Error> {
        let sentences = Arc::new(self.sentences(message));
        let line = sentences.line(name, kind);
        let value = |(name, value): (&String, &String)| (name.clone(), Value::from(value.as_str()));
        let mut context: BTreeMap<String, Value> = sentences.values.iter().map(value).collect();
        context.insert("language".into(), sentences.language.as_str().into());
        context.insert("words".into(), Value::from_dyn_object(sentences));
        context.insert("template".into(), name.into());
        context.insert("subject".into(), line.subject.as_str().into());
        context.insert("harmless".into(), (name == "test").into());
        let context = Value::from_object(context);
        let show =
            |ending: &str| self.shown_by(name, kind, ending).and_then(|template| template.render(context.clone()));
        let (html, text) = (show("html")?, show("txt")?);
        Ok(Letter { line, text: format!("{}\n", text.trim()), html })
    }

    fn sentences(&self, message: &Message) -> Sentences {
        let mut values: BTreeMap<String, String> = message
            .values
            .iter()
            .map(|(name, value)| {
                // A link is the host's own, and cut short it leads nowhere.
                let value = match name.as_str() {
                    "text" => several_lines(value),
                    "link" => value.chars().filter(|character| !character.is_control()).collect(),
                    _ => one_line(value),
                };
                (name.clone(), value)
            })
            .collect();
        // Last, so that no value of a module takes their place.
        values.insert("host_name".into(), self.host_name.clone());
        values.insert("public_url".into(), self.public_url.clone());
        let language = self.words.language_for(&message.language).to_owned();
        Sentences { words: self.words.clone(), language, values }
    }

    /// The admin's file of this very template, else the one of its kind.
    fn shown_by(
        &self,
        name: &str,
        kind: TemplateKind,
        ending: &str,
    ) -> Result<minijinja::Template<'_, '_>, minijinja::Error> {
        let kind = match kind {
            TemplateKind::Code => "code",
            TemplateKind::Link => "link",
            TemplateKind::Notice => "notice",
            TemplateKind::Plain => "plain",
        };
        let templates = self.templates.all();
        let own = templates.get_template(&format!("{PREFIX}{name}.{ending}"));
        own.or_else(|_| templates.get_template(&format!("{PREFIX}{kind}.{ending}")))
    }

    /// Renders everything in every language, with all values and with the least; the admin's file that fails first.
    fn first_failure(&self) -> Option<(String, usize, String)> {
        self.templates.replaced().next()?;
        for (name, kind, needed) in TEMPLATES {
            let least = needed.iter().map(|value| ((*value).to_owned(), "1".to_owned())).collect();
            let optional = ["user", "time", "source", "client"];
            let all = needed.iter().chain(&optional).map(|value| ((*value).to_owned(), "1".to_owned())).collect();
            for language in self.words.languages() {
                for values in [&least, &all] {
                    let (template, language) = ((*name).to_owned(), language.to_owned());
                    let message = Message { template, language, values: BTreeMap::clone(values) };
                    let Err(error) = self.lettered(name, *kind, &message) else { continue };
                    let is_replaced = |name: &&str| self.templates.replaced().any(|replaced| replaced == *name);
                    // A built-in file fails when the admin's layout does not fit it.
                    let at_fault = error.name().filter(is_replaced).or_else(|| self.templates.replaced().next())?;
                    let line = if error.name() == Some(at_fault) { error.line().unwrap_or(1) } else { 1 };
                    return Some((at_fault.to_owned(), line, reason_of(&error)));
                }
            }
        }
        None
    }
}

/// The template a message asks for, with all it needs.
fn known(message: &Message) -> Result<(&'static str, TemplateKind), RenderError> {
    let (name, kind, needed) = TEMPLATES
        .iter()
        .find(|(name, ..)| *name == message.template)
        .ok_or_else(|| RenderError::UnknownTemplate(one_line(&message.template)))?;
    match needed.iter().find(|value| !message.values.contains_key(**value)) {
        Some(value) => Err(RenderError::MissingValue { template: (*name).to_owned(), value }),
        None => Ok((name, *kind)),
    }
}

/// The sentences of one message, each filled with the values when it is asked for.
#[derive(Clone)]
struct Sentences {
    words: Words,
    language: String,
    values: BTreeMap<String, String>,
}

impl Sentences {
    fn sentence(&self, key: &str) -> Option<String> {
        let key = format!("{SENTENCES}{key}");
        let value = |name: &str| self.values.get(name).map(|value| Ok::<_, Infallible>(value.clone()));
        self.words.has(&key).then(|| filled(self.words.say(&self.language, &key), value).unwrap_or_default())
    }

    fn line(&self, name: &str, kind: TemplateKind) -> Line {
        let word = |key: &str| self.sentence(&format!("{name}.{key}"));
        let subject = one_line(&word("subject").unwrap_or_default());
        let short = match kind {
            TemplateKind::Plain => self.values.get("text").cloned().unwrap_or_default(),
            _ => word("short").unwrap_or_else(|| {
                let host_name = self.values.get("host_name").map(String::as_str).unwrap_or_default();
                format!("{host_name}: {}", word("text").unwrap_or_default())
            }),
        };
        Line { subject, short: short.trim().to_owned() }
    }
}

/// `words["code.intro"]` in a template.
impl Object for Sentences {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.sentence(key.as_str()?).map(Value::from)
    }
}

impl fmt::Debug for Sentences {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sentences(…)")
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
