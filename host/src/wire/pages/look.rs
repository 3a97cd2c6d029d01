//! How pages are made: templates and files built in, and replaced one by one by those of the same name in
//! `DIR/templates/` and `DIR/static/`. One that does not work costs itself alone; the built-in one stays.

use std::{path::Path, sync::OnceLock};

use minijinja::{AutoEscape, Environment, State, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Kwargs};

use super::{brand::Brand, files::Files, profile::segment};
use crate::{
    delivery::one_line,
    settings::Settings,
    words::{Place, Problem, Words, files_in, read},
};

const BUILT_IN: [(&str, &str); 19] = [
    ("page_layout.html", include_str!("templates/page_layout.html")),
    ("page_form.html", include_str!("templates/page_form.html")),
    ("page_answer.html", include_str!("templates/page_answer.html")),
    ("page_sign_in.html", include_str!("templates/page_sign_in.html")),
    ("page_step.html", include_str!("templates/page_step.html")),
    ("page_message.html", include_str!("templates/page_message.html")),
    ("page_signed_in.html", include_str!("templates/page_signed_in.html")),
    ("page_forgotten.html", include_str!("templates/page_forgotten.html")),
    ("page_reached.html", include_str!("templates/page_reached.html")),
    ("page_profile.html", include_str!("templates/page_profile.html")),
    ("page_profile_told.html", include_str!("templates/page_profile_told.html")),
    ("page_profile_overview.html", include_str!("templates/page_profile_overview.html")),
    ("page_profile_method.html", include_str!("templates/page_profile_method.html")),
    ("page_profile_form.html", include_str!("templates/page_profile_form.html")),
    ("page_profile_step.html", include_str!("templates/page_profile_step.html")),
    ("page_profile_codes.html", include_str!("templates/page_profile_codes.html")),
    ("page_profile_sessions.html", include_str!("templates/page_profile_sessions.html")),
    ("page_profile_addresses.html", include_str!("templates/page_profile_addresses.html")),
    ("page_profile_message.html", include_str!("templates/page_profile_message.html")),
];

/// An admin's file may be called so; others in the folder are of other rooms.
const PREFIX: &str = "page_";
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Steps one page may take; the built-in ones take a few thousand.
const STEPS_MAX: u64 = 1_000_000;

/// Templates, files and brand under one state of the settings.
pub struct Look {
    /// The admin's files in their places.
    environment: Environment<'static>,
    /// Made only once an admin's file fails on a page.
    built_in: OnceLock<Environment<'static>>,
    pub files: Files,
    pub brand: Brand,
    pub words: Words,
    /// What of the admin's cannot be used.
    pub problems: Vec<Problem>,
}

impl Look {
    /// What is built in with the admin's files in their places.
    pub fn load(config_directory: &Path, settings: &Settings, words: &Words) -> Self {
        let (files, problems) = Files::load(&config_directory.join("static"), &settings.pages);
        let mut look = Self {
            environment: environment(words),
            built_in: OnceLock::new(),
            brand: Brand::of(settings, &files),
            files,
            words: words.clone(),
            problems,
        };
        let is_ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(".html");
        for path in files_in(&config_directory.join("templates"), is_ours) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            let loaded = read(&path, FILE_BYTES_MAX).map_err(|message| (1, message)).and_then(|text| {
                let added = look.environment.add_template_owned(name.clone(), text);
                added.map_err(|error| (error.line().unwrap_or(1), reason_of(&error)))
            });
            if let Err((line, message)) = loaded {
                look.problems.push(Problem {
                    place: Place::Line { path, line },
                    message: format!("the template cannot be used: {message}"),
                    remedy: "correct it, or remove the file; the built-in one is used meanwhile".to_owned(),
                });
            }
        }
        look
    }

    /// The page; the built-in one where the admin's fails on it.
    pub fn html(&self, template: &str, context: &Value) -> String {
        let rendered = self.environment.get_template(template).and_then(|page| page.render(context));
        rendered.unwrap_or_else(|error| {
            let (name, line) = (error.name().unwrap_or(template), error.line().unwrap_or(1));
            tracing::error!("templates/{name}:{line}: {}; the built-in one is used", reason_of(&error));
            let built_in = self
                .built_in
                .get_or_init(|| environment(&self.words))
                .get_template(template)
                .and_then(|page| page.render(context));
            // The built-in ones are rendered by a test with all there is.
            built_in.unwrap_or_default()
        })
    }
}

fn environment(words: &Words) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(STEPS_MAX));
    environment.set_recursion_limit(50);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.add_filter("percent", |text: &str| segment(text));
    let words = words.clone();
    // `t("page.sign_in.title", host=name)`: the sentence in the language of the page.
    environment.add_function("t", move |state: &State<'_, '_>, key: &str, values: Kwargs| {
        let language = state.lookup("language");
        let language = language.as_ref().and_then(Value::as_str).unwrap_or_default();
        let mut filled = Vec::new();
        for name in values.args() {
            let value: Value = values.get(name)?;
            filled.push((name, value.to_string()));
        }
        let places: Vec<(&str, &str)> = filled.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok::<String, minijinja::Error>(words.fill(language, key, &places))
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn look(templates: &[(&str, &str)]) -> Look {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("templates")).unwrap();
        for (name, text) in templates {
            std::fs::write(directory.path().join("templates").join(name), text).unwrap();
        }
        let settings = crate::settings::parse(Path::new("host.toml"), "[[provider]]\ntype = \"local\"").unwrap();
        Look::load(directory.path(), &settings, &Words::built_in())
    }

    fn message(look: &Look) -> String {
        let context = minijinja::context! {
            language => "en", brand => minijinja::context! { name => "<b>Door</b>" }, style => "/s", script => "/j",
            title => "T", text => "<script>", links => Vec::<Value>::new(),
        };
        look.html("page_message.html", &context)
    }

    #[test]
    fn every_built_in_template_parses_and_escapes() {
        let look = look(&[]);
        assert!(look.problems.is_empty());
        for (name, _) in BUILT_IN {
            assert!(look.environment.get_template(name).is_ok(), "{name}");
        }
        let html = message(&look);
        assert!(html.contains("&lt;b&gt;Door") && html.contains("&lt;script&gt;"), "{html}");
    }

    #[test]
    fn an_admins_template_takes_the_place_and_a_broken_one_costs_itself_alone() {
        let own = look(&[("page_message.html", "Own {{ title }}"), ("mail_x.html", "{{"), ("notes", "{{")]);
        assert!(own.problems.is_empty() && message(&own) == "Own T");
        let broken = look(&[("page_message.html", "\n{% if %}")]);
        assert!(
            matches!(&broken.problems[..], [Problem { place: Place::Line { line: 2, .. }, .. }]),
            "{:?}",
            broken.problems
        );
        assert!(message(&broken).contains("<h1"));
        let failing = look(&[("page_message.html", "{{ nothing.at.all }}")]);
        assert!(
            failing.problems.is_empty() && message(&failing).contains("<h1"),
            "it fails on a page and is passed over"
        );
    }
}
