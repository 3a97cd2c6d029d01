//! From a template's name, a language and values to a message. Built-in templates can be replaced by files of the same
//! name in `DIR/templates/`; one that does not work costs itself alone, and the built-in one stays.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::{Path, PathBuf},
};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};

use super::{
    contract::Rendered,
    values::{one_line, several_lines},
};
use crate::words::{Place, Problem, Words, files_in, filled, read};

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
];

const BUILT_IN: [(&str, &str); 9] = [
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

/// An admin's file may be called so; other files in the folder are not of this room.
const PREFIX: &str = "mail_";
/// Keys of the sentences that messages are made of begin so.
const SENTENCES: &str = "message.";
const FILE_BYTES_MAX: u64 = 256 * 1024;
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

/// Templates and words, ready to use.
pub struct Renderer {
    environment: Environment<'static>,
    words: Words,
    host_name: String,
    public_url: String,
}

impl Renderer {
    /// What is built in with the admin's files in their places, and what of the admin's cannot be used.
    pub fn load(config_directory: &Path, words: Words, host_name: &str, public_url: &str) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut renderer = Self {
            environment: environment(),
            words,
            host_name: host_name.to_owned(),
            public_url: public_url.to_owned(),
        };
        let is_ours = |name: &str| name.starts_with(PREFIX) && (name.ends_with(".html") || name.ends_with(".txt"));
        let mut own = BTreeMap::new();
        for path in files_in(&config_directory.join("templates"), is_ours) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            let loaded = read(&path, FILE_BYTES_MAX).map_err(|message| (1, message)).and_then(|text| {
                let added = renderer.environment.add_template_owned(name.clone(), text);
                added.map_err(|error| (error.line().unwrap_or(1), reason_of(&error)))
            });
            match loaded {
                Ok(()) => drop(own.insert(name, path)),
                Err((line, message)) => {
                    renderer.put_back(&name);
                    problems.push(wrong(&path, line, message));
                }
            }
        }
        // A file that parses may still fail; each failure takes one file away, so this ends.
        while let Some((name, line, message)) = renderer.first_failure(&own) {
            renderer.put_back(&name);
            if let Some(path) = own.remove(&name) {
                problems.push(wrong(&path, line, message));
            }
        }
        (renderer, problems)
    }

    /// The message in the language that serves the reader best.
    ///
    /// # Errors
    /// There is no such template, or it lacks a value.
    pub fn render(
        &self,
        template: &str,
        language: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Rendered, RenderError> {
        let (name, kind, needed) = TEMPLATES
            .iter()
            .find(|(name, ..)| *name == template)
            .ok_or_else(|| RenderError::UnknownTemplate(one_line(template)))?;
        if let Some(value) = needed.iter().find(|value| !values.contains_key(**value)) {
            return Err(RenderError::MissingValue { template: template.to_owned(), value });
        }
        let failed =
            |error: minijinja::Error| RenderError::Broken { template: template.to_owned(), reason: reason_of(&error) };
        self.rendered(name, *kind, language, values).map_err(failed)
    }

    fn rendered(
        &self,
        name: &str,
        kind: TemplateKind,
        language: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Rendered, minijinja::Error> {
        let mut values: BTreeMap<String, String> = values
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
        let language = self.words.language_for(language);
        let words = self.sentences(language, &values);
        let word = |key: &str| words.get(&format!("{name}.{key}")).cloned();
        let subject = one_line(&word("subject").unwrap_or_default());
        let short = match (kind, word("short")) {
            (TemplateKind::Plain, _) => values.get("text").cloned().unwrap_or_default(),
            (_, Some(short)) => short,
            (_, None) => format!("{}: {}", self.host_name, word("text").unwrap_or_default()),
        };
        let mut context: BTreeMap<String, Value> =
            values.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        context.insert("words".into(), Value::from_object(words));
        context.insert("language".into(), language.into());
        context.insert("template".into(), name.into());
        context.insert("subject".into(), subject.as_str().into());
        context.insert("harmless".into(), (name == "test").into());
        let context = Value::from_object(context);
        let show =
            |ending: &str| self.shown_by(name, kind, ending).and_then(|template| template.render(context.clone()));
        let (html, text) = (show("html")?, show("txt")?);
        Ok(Rendered { subject, text: format!("{}\n", text.trim()), html, short: short.trim().to_owned() })
    }

    /// All sentences of messages, filled with the values.
    fn sentences(&self, language: &str, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let value = |name: &str| values.get(name).map(|value| Ok::<_, Infallible>(value.clone()));
        let fill = |(key, sentence): (&str, &str)| (key.to_owned(), filled(sentence, value).unwrap_or_default());
        self.words.section(language, SENTENCES).map(fill).collect()
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
        let own = self.environment.get_template(&format!("{PREFIX}{name}.{ending}"));
        own.or_else(|_| self.environment.get_template(&format!("{PREFIX}{kind}.{ending}")))
    }

    fn put_back(&mut self, name: &str) {
        self.environment.remove_template(name);
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            // They parse: a test renders every one of them.
            let _ = self.environment.add_template(name, text);
        }
    }

    /// Renders everything in every language, with all values and with the least; the admin's file that fails first.
    fn first_failure(&self, own: &BTreeMap<String, PathBuf>) -> Option<(String, usize, String)> {
        if own.is_empty() {
            return None;
        }
        for (name, kind, needed) in TEMPLATES {
            let least = needed.iter().map(|value| ((*value).to_owned(), "1".to_owned())).collect();
            let optional = ["user", "time", "source", "client"];
            let all = needed.iter().chain(&optional).map(|value| ((*value).to_owned(), "1".to_owned())).collect();
            for language in self.words.languages() {
                for values in [&least, &all] {
                    let Err(error) = self.rendered(name, *kind, language, values) else { continue };
                    let at_fault = error.name().filter(|name| own.contains_key(*name)).map(str::to_owned);
                    // A built-in file fails when the admin's layout does not fit it.
                    let at_fault = at_fault.or_else(|| own.keys().next().cloned())?;
                    let line = if error.name() == Some(at_fault.as_str()) { error.line().unwrap_or(1) } else { 1 };
                    return Some((at_fault, line, reason_of(&error)));
                }
            }
        }
        None
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(STEPS_MAX));
    environment.set_recursion_limit(50);
    let escape = |name: &str| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None };
    environment.set_auto_escape_callback(escape);
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    for (name, text) in BUILT_IN {
        // They parse: a test renders every one of them.
        let _ = environment.add_template(name, text);
    }
    environment
}

/// In one line, without a place: that is told apart.
fn reason_of(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => one_line(&format!("{}: {detail}", error.kind())),
        None => error.kind().to_string(),
    }
}

fn wrong(path: &Path, line: usize, message: String) -> Problem {
    Problem {
        place: Place::Line { path: path.to_owned(), line },
        message: format!("the template cannot be used: {message}"),
        remedy: "correct it, or remove the file; the built-in one is used meanwhile".to_owned(),
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
