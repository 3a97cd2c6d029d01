//! How pages are made: templates and files built in, and replaced one by one by those of the same name in
//! `DIR/templates/` and `DIR/static/`. One that does not work costs itself alone; the built-in one stays.

use std::path::Path;

use minijinja::{Environment, State, Value, value::Kwargs};

use super::{brand::Brand, files::Files, profile::segment};
use crate::{
    settings::Settings,
    words::{Problem, Rules, Templates, Words, reason_of},
};

static BUILT_IN: [(&str, &str); 19] = [
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

/// Steps one page may take; the built-in ones take a few thousand.
const STEPS_MAX: u64 = 1_000_000;

/// Templates, files and brand under one state of the settings.
pub struct Look {
    templates: Templates,
    pub files: Files,
    pub brand: Brand,
    pub words: Words,
    /// What of the admin's cannot be used.
    pub problems: Vec<Problem>,
}

impl Look {
    /// What is built in with the admin's files in their places.
    pub fn load(config_directory: &Path, settings: &Settings, words: &Words) -> Self {
        let (files, mut problems) = Files::load(&config_directory.join("static"), &settings.pages);
        let (templates, wrong) = Templates::load(rules(words), &config_directory.join("templates"));
        problems.extend(wrong);
        Self { templates, brand: Brand::of(settings, &files), files, words: words.clone(), problems }
    }

    /// The page; the built-in one where the admin's fails on it.
    pub fn html(&self, template: &str, context: &Value) -> String {
        let shown = |templates: &Environment<'static>| templates.get_template(template)?.render(context);
        shown(self.templates.all()).unwrap_or_else(|error| {
            let (name, line) = (error.name().unwrap_or(template), error.line().unwrap_or(1));
            tracing::error!("templates/{name}:{line}: {}; the built-in one is used", reason_of(&error));
            // The built-in ones are rendered by a test with all there is.
            shown(self.templates.built_in()).unwrap_or_default()
        })
    }
}

fn rules(words: &Words) -> Rules {
    let words = words.clone();
    let extend = move |environment: &mut Environment<'static>| {
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
    };
    Rules { built_in: &BUILT_IN, prefix: "page_", endings: &[".html"], steps_max: STEPS_MAX, extend: Box::new(extend) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Place;

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
            assert!(look.templates.all().get_template(name).is_ok(), "{name}");
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
