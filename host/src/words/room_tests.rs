//! Every language has what English has, English has what the code asks for, and an admin's files take their places.

use std::path::PathBuf;

use super::*;
use crate::{settings::places, words::Place};

/// The room's own files, read as they stand, so that a file that is no JSON is seen.
fn files() -> Vec<(PathBuf, BTreeMap<String, String>)> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/words");
    let languages = files_in(&room, |name| !name.contains('.'));
    let paths = languages.iter().flat_map(|language| files_in(language, |_| true));
    paths.map(|path| (path.clone(), serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap())).collect()
}

#[test]
fn every_file_is_read_and_holds_its_own_section() {
    let (files, words) = (files(), Words::built_in());
    assert_eq!(files.len(), words.languages().count() * 4);
    for (path, sentences) in files {
        let language = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let section = format!("{}.", path.file_stem().unwrap().to_str().unwrap());
        assert!(!sentences.is_empty(), "{path:?}");
        for (key, sentence) in sentences {
            assert!(key.starts_with(&section), "{path:?} {key}");
            assert_eq!(words.say(language, &key), sentence, "{path:?}");
        }
    }
}

#[test]
fn every_language_has_every_sentence_with_the_same_places() {
    let english = built_in::sentences(ENGLISH).unwrap();
    let sorted = |text| {
        let mut names: Vec<&str> = places(text).collect();
        names.sort_unstable();
        names
    };
    for language in built_in::tags() {
        let sentences = built_in::sentences(language).unwrap();
        let lacks: Vec<_> = english.keys().filter(|key| !sentences.contains_key(*key)).collect();
        let adds: Vec<_> = sentences.keys().filter(|key| !english.contains_key(*key)).collect();
        assert!(lacks.is_empty() && adds.is_empty(), "{language} lacks {lacks:?}, adds {adds:?}");
        for (key, sentence) in sentences {
            assert!(!sentence.trim().is_empty(), "{language} {key}");
            assert_eq!(sorted(sentence), sorted(english[key]), "{language} {key}");
        }
    }
}

#[test]
fn no_subject_has_room_for_a_code() {
    for sentences in built_in::tags().filter_map(built_in::sentences) {
        for (key, sentence) in sentences.iter().filter(|(key, _)| key.ends_with(".subject")) {
            assert!(!places(sentence).any(|place| ["code", "link"].contains(&place)), "{key}");
        }
    }
}

/// Keys in the code: texts that begin like a section and are no more than a key.
fn named_in(directory: &Path, keys: &mut Vec<(PathBuf, String)>) {
    let is_key = |text: &str| {
        ["message.", "step.", "link.", "page."]
            .iter()
            .any(|section| text.len() > section.len() && text.starts_with(section))
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte))
            && !text.ends_with('.')
            && ![".html", ".css", ".js", ".txt", ".json"].iter().any(|ending| text.ends_with(ending))
    };
    for path in files_in(directory, |_| true) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            named_in(&path, keys);
        } else if [".rs", ".html", ".txt"].iter().any(|ending| name.ends_with(ending)) && !name.ends_with("_tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let named = text.split('"').filter(|text| is_key(text));
            keys.extend(named.map(|key| (path.clone(), key.to_owned())));
        }
    }
}

#[test]
fn english_has_every_key_the_code_names() {
    let (words, mut keys) = (Words::built_in(), Vec::new());
    named_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut keys);
    for (path, key) in keys {
        // A page without a form is named by what its two sentences have in common.
        let is_page = || words.has(&format!("{key}.title")) && words.has(&format!("{key}.text"));
        assert!(words.has(&key) || is_page(), "{}: {key}", path.display());
    }
}

#[test]
fn a_sentence_is_the_languages_own_else_english_else_its_key() {
    let words = Words::built_in();
    assert_eq!(words.languages().collect::<Vec<_>>(), ["en", "de", "es", "fr", "zh"]);
    assert_eq!(words.say("de", "step.label.code"), "Code");
    assert_eq!(words.say("de", "page.language_name"), "Deutsch");
    assert_eq!(words.say("nl", "page.language_name"), "English");
    assert_eq!((words.say("de", "step.nothing"), words.has("step.nothing")), ("step.nothing", false));
    assert!(words.has("step.label.code"));
    for (asked, wanted) in [("de-AT", "de"), ("it", "en"), ("", "en"), ("it,fr;q=0.2", "fr")] {
        assert_eq!(words.language_for(asked), wanted, "{asked}");
    }
    assert_eq!((words.known_language("it"), words.known_language("en-GB")), (None, Some("en")));
    let section: BTreeMap<_, _> = words.section("de", "page.").collect();
    assert_eq!(section["language_name"], "Deutsch");
}

#[test]
fn values_are_filled_in_once() {
    let words = Words::built_in();
    let values = [("host_name", "{public_url}"), ("public_url", "x")];
    assert_eq!(words.fill("en", "message.code.subject", &values), "Your code for {public_url}");
    assert_eq!(words.fill("en", "message.code.subject", &[]), "Your code for {host_name}");
    let value = |name: &str| match name {
        "a" => Some(Ok::<_, Infallible>("{b}".to_owned())),
        "b" => Some(Ok("{a}".to_owned())),
        _ => None,
    };
    assert_eq!(filled("{a}{b} {c} { {{a}}", value).unwrap(), "{b}{a} {c} { {{b}}");
}

#[test]
fn an_admin_replaces_sentences_and_adds_languages() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("de.json", r#"{"message.test.subject": "Probe {host_name}", "page.language_name": "Teutsch"}"#);
    write("pt-BR.json", r#"{"step.label.code": "Código"}"#);
    write("FR.json", r#"{"step.label.code": "Le code"}"#);
    write("README", "{");
    let (words, problems) = Words::load(directory.path());
    assert_eq!(problems, []);
    assert_eq!(words.say("de", "message.test.subject"), "Probe {host_name}");
    assert_eq!(words.say("de", "page.language_name"), "Teutsch");
    assert_eq!(words.say("de", "message.code.subject"), "Ihr Code für {host_name}", "the others stay");
    assert_eq!(words.say("fr", "step.label.code"), "Le code");
    assert_eq!(words.languages().collect::<Vec<_>>(), ["en", "de", "es", "fr", "pt-BR", "zh"]);
    let language = words.language_for("pt-PT, en;q=0.5");
    assert_eq!((language, words.say(language, "step.label.code")), ("pt-BR", "Código"));
    assert_eq!(words.say(language, "step.error.not_saved"), "Save the codes first.", "what it lacks is English");
}

#[test]
fn what_cannot_be_used_is_told_with_its_line_and_costs_itself() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "de.json",
        "{\n  \"message.test.subject\": \"Probe\",\n  \"message.nothing\": \"x\",\n  \"message.code.subject\": \"{cod}\",\n  \
         \"step.label.code\": \" \",\n  \"page.language_name\": \"{host_name}\"\n}",
    );
    write("fr.json", "{\n \"a\": \"b\",\n}");
    let (words, problems) = Words::load(directory.path());
    assert_eq!(words.say("de", "message.test.subject"), "Probe");
    assert_eq!(words.say("de", "message.code.subject"), "Ihr Code für {host_name}");
    assert_eq!(words.say("de", "step.label.code"), "Code");
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| match &problem.place {
            Place::Line { path, line } => (path.file_name().unwrap().to_str().unwrap(), *line),
            Place::Setting(_) => panic!("{problem:?}"),
        })
        .collect();
    assert_eq!(lines, [("de.json", 4), ("de.json", 3), ("de.json", 6), ("de.json", 5), ("fr.json", 3)], "{problems:?}");
}
