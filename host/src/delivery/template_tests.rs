//! Every template in every language, values that would like to be more than values, and files of an admin's that fail.

use super::*;
use crate::words::Place;

fn load(files: &[(&str, &str)]) -> (tempfile::TempDir, Renderer, Vec<Problem>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("templates")).unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join("templates").join(name), text).unwrap();
    }
    let (renderer, problems) =
        Renderer::load(directory.path(), Words::built_in(), "Müller & Söhne", "https://login.example.org");
    (directory, renderer, problems)
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn letter(
    renderer: &Renderer,
    template: &str,
    language: &str,
    values: &BTreeMap<String, String>,
) -> Result<Letter, RenderError> {
    let message = Message { template: template.to_owned(), language: language.to_owned(), values: values.clone() };
    let letter = renderer.letter(&message);
    assert!(letter.as_ref().map(|letter| &letter.line).ok() == renderer.line(&message).as_ref().ok());
    letter
}

/// What every template needs, and what some show.
fn everything() -> BTreeMap<String, String> {
    values(&[
        ("code", "123456"),
        ("minutes", "10"),
        ("link", "https://login.example.org/link/abcdef?x=1&y=2"),
        ("text", "one\ntwo"),
        ("method", "Authenticator"),
        ("left", "3"),
        ("count", "4"),
        ("address", "a•••@example.org"),
        ("user", "ada"),
        ("time", "2035-01-01 00:00 UTC"),
        ("source", "192.0.2.1"),
        ("client", "Firefox"),
        ("advice", "3 codes are left."),
    ])
}

#[test]
fn every_template_says_the_same_in_both_parts_in_every_language() {
    let (_directory, renderer, problems) = load(&[]);
    assert_eq!(problems, []);
    for (name, kind, needed) in TEMPLATES {
        for language in ["en", "de", "fr", "es", "zh"] {
            let mail = letter(&renderer, name, language, &everything()).unwrap();
            let shown = [mail.line.subject.as_str(), &mail.text, &mail.html, &mail.line.short];
            assert!(
                shown
                    .iter()
                    .all(|part| !part.trim().is_empty() && !part.contains(['{', '}']) || part.contains("<style>")),
                "{name}"
            );
            assert!(
                !mail.text.contains('{') && !mail.line.subject.contains('{') && !mail.line.short.contains('{'),
                "{name}: {}",
                mail.text
            );
            assert!(!mail.text.contains("\n\n\n"), "{name}: {:?}", mail.text);
            for value in *needed {
                let value = everything()[*value].clone();
                let first = value.lines().next().unwrap().to_owned();
                assert!(mail.text.contains(&first), "{name} {first}");
                assert!(
                    mail.html.contains(&first.replace('&', "&amp;").replace('/', "&#x2f;"))
                        || mail.html.contains(&first),
                    "{name} {first}: {}",
                    mail.html
                );
            }
            assert!(!mail.line.subject.contains("123456"), "no code in a subject");
            assert!(mail.html.contains(&format!("lang=\"{language}\"")));
            for remote in ["src=", "url(", "<link", "<script", "@import"] {
                assert!(!mail.html.contains(remote), "{name}: {remote}");
            }
        }
        let least: Vec<(&str, &str)> = needed.iter().map(|value| (*value, "1")).collect();
        assert!(letter(&renderer, name, "en", &values(&least)).is_ok(), "{name}");
        for left_out in 0..least.len() {
            let mut fewer = least.clone();
            fewer.remove(left_out);
            let rendered = letter(&renderer, name, "en", &values(&fewer));
            assert!(matches!(rendered, Err(RenderError::MissingValue { .. })), "{name} {kind:?}");
        }
    }
    assert!(matches!(letter(&renderer, "nothing", "en", &everything()), Err(RenderError::UnknownTemplate(_))));
}

#[test]
fn a_value_is_text_and_nothing_else() {
    let (_directory, renderer, _) = load(&[]);
    let hostile = "<img src=x>\"'&{{ 7 * 7 }}{% raw %}\r\nBcc: eve@example.org\u{202e}";
    let mut all = everything();
    for name in ["user", "method", "source", "host_name", "public_url", "words", "subject", "template"] {
        all.insert(name.to_owned(), hostile.to_owned());
    }
    let mail = letter(&renderer, "factor_added", "en", &all).unwrap();
    assert!(!mail.html.contains("<img") && !mail.html.contains("49"), "{}", mail.html);
    assert!(mail.html.contains("&lt;img"), "{}", mail.html);
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc")), "{}", mail.text);
    assert!(!mail.text.contains('\u{202e}') && mail.text.contains("Müller & Söhne"));
    assert!(mail.html.contains("Müller &amp; Söhne"));
    assert_eq!(mail.line.subject, "A second factor was added");
    all.insert("method".into(), "é".repeat(10_000));
    assert!(letter(&renderer, "factor_added", "en", &all).unwrap().text.chars().count() < 2000);
}

#[test]
fn an_admins_file_takes_the_place_of_the_built_in_one() {
    let (_directory, renderer, problems) = load(&[
        ("mail_code.txt", "Ours: {{ code }}"),
        (
            "mail_factor_added.html",
            "{% extends \"mail_layout.html\" %}{% block content %}{% include \"mail_part.html\" %}{% endblock %}",
        ),
        ("mail_part.html", "<b>{{ method }}</b>"),
        ("page.html", "{% broken"),
        ("mail_notes.md", "{% broken"),
    ]);
    assert_eq!(problems, []);
    assert_eq!(letter(&renderer, "code", "en", &everything()).unwrap().text, "Ours: 123456\n");
    assert!(letter(&renderer, "factor_added", "en", &everything()).unwrap().html.contains("<b>Authenticator</b>"));
    assert!(!letter(&renderer, "factor_removed", "en", &everything()).unwrap().html.contains("<b>"));
}

#[test]
fn a_file_that_fails_is_told_with_its_line_and_the_built_in_one_stays() {
    for (name, text, line, word) in [
        ("mail_code.txt", "a\n{{ code\n", 2, "unexpected"),
        ("mail_code.html", "a\nb\n{% nonsense %}", 3, "nonsense"),
        ("mail_code.txt", "a\n{{ coed }}", 2, "undefined"),
        ("mail_code.txt", "Hello {{ user }}", 1, "undefined"),
        ("mail_code.txt", "\n\n{{ words[\"code.nothing\"] }}", 3, "undefined"),
        ("mail_code.txt", "{{ code|nothing }}", 1, "filter"),
        ("mail_code.txt", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", 1, "fuel"),
        ("mail_layout.html", "a\n{% include \"nothing.html\" %}", 2, ""),
        ("mail_layout.html", "\n{% extends \"mail_layout.html\" %}", 2, ""),
    ] {
        let (directory, renderer, problems) = load(&[(name, text)]);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        let path = directory.path().join("templates").join(name);
        assert_eq!(problems[0].place, Place::Line { path, line }, "{text}: {problems:?}");
        assert!(problems[0].message.contains(word), "{text}: {problems:?}");
        let (_, built_in, _) = load(&[]);
        for template in ["code", "factor_added"] {
            let render = |renderer: &Renderer| letter(renderer, template, "de", &everything()).unwrap();
            assert!(render(&renderer) == render(&built_in), "{text}");
        }
    }
}

#[test]
fn one_broken_file_costs_no_other() {
    let (_directory, renderer, problems) = load(&[
        ("mail_code.txt", "Ours: {{ code }}"),
        ("mail_code.html", "{{ nothing }}"),
        ("mail_link.txt", "{% if %}"),
    ]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(letter(&renderer, "code", "en", &everything()).unwrap().text, "Ours: 123456\n");
}
