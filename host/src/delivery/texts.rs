//! The sentences of messages, by language: built in, and replaced one by one by `DIR/translations/<language>.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    problem::{Place, Problem},
    values::filled,
};
use crate::settings::places;

/// What every other language falls back to.
const ENGLISH: &str = "en";
const BUILT_IN: [(&str, &str); 2] = [(ENGLISH, include_str!("texts/en.json")), ("de", include_str!("texts/de.json"))];
/// Sentences of messages begin so; a file may hold others, which are not of this room.
const PREFIX: &str = "message.";
const FILE_BYTES_MAX: u64 = 1024 * 1024;

type Sentences = BTreeMap<String, String>;

/// Every language's sentences; English has all of them.
pub struct Texts(BTreeMap<String, Sentences>);

impl Texts {
    pub fn built_in() -> Self {
        let parsed = BUILT_IN.iter().map(|(language, text)| {
            let sentences = serde_json::from_str::<Sentences>(text).unwrap_or_default();
            ((*language).to_owned(), without_prefix(sentences))
        });
        Self(parsed.collect())
    }

    /// The built-in ones with the admin's in their places, and what of the admin's cannot be used.
    pub fn load(directory: &Path) -> (Self, Vec<Problem>) {
        let (mut texts, mut problems) = (Self::built_in(), Vec::new());
        let english = texts.0.get(ENGLISH).cloned().unwrap_or_default();
        for path in super::templates::files_in(directory, |name| language_of(name).is_some()) {
            let language = path.file_name().and_then(|name| language_of(name.to_str()?)).unwrap_or_default().to_owned();
            match read(&path, &english, &mut problems) {
                Ok(sentences) => texts.0.entry(language).or_default().extend(sentences),
                Err(problem) => problems.push(problem),
            }
        }
        (texts, problems)
    }

    /// Languages that have sentences.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The language of ours that serves this reader best: `de` for `de-AT`, English for all unknown.
    pub fn language_for(&self, asked: &str) -> &str {
        let tags = [asked, asked.split('-').next().unwrap_or_default(), ENGLISH];
        let known = |tag: &&str| self.0.keys().find(|language| language.eq_ignore_ascii_case(tag));
        tags.iter().find_map(known).map_or(ENGLISH, String::as_str)
    }

    /// All sentences of a language, English where it has none, filled with the values.
    pub fn filled(&self, language: &str, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let own = self.0.get(language);
        let english = self.0.get(ENGLISH).into_iter().flatten();
        let fill = |(key, sentence): (&String, &String)| {
            let sentence = own.and_then(|own| own.get(key)).unwrap_or(sentence);
            let value = |name: &str| values.get(name).map(|value| Ok::<_, std::convert::Infallible>(value.clone()));
            (key.clone(), filled(sentence, value).unwrap_or_default())
        };
        english.map(fill).collect()
    }
}

fn without_prefix(sentences: Sentences) -> Sentences {
    let own = |(key, sentence): (String, String)| Some((key.strip_prefix(PREFIX)?.to_owned(), sentence));
    sentences.into_iter().filter_map(own).collect()
}

/// `de.json`, `pt-BR.json`; other files are not translations.
fn language_of(file_name: &str) -> Option<&str> {
    let tag = file_name.strip_suffix(".json")?;
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.split('-').all(is_part).then_some(tag)
}

/// The sentences of a file that can be used; a wrong one costs itself, a file that is no JSON all of them.
fn read(path: &Path, english: &Sentences, problems: &mut Vec<Problem>) -> Result<Sentences, Problem> {
    let wrong = |line: usize, message: String, remedy: &str| Problem {
        place: Place::Line { path: path.to_owned(), line },
        message,
        remedy: remedy.to_owned(),
    };
    let text = super::templates::read(path, FILE_BYTES_MAX)
        .map_err(|message| wrong(1, message, "make it a small text file"))?;
    let sentences: Sentences = serde_json::from_str(&text).map_err(|error| {
        let message = format!(
            "the translation cannot be read: {}",
            error.to_string().replace(&format!(" at line {} column {}", error.line(), error.column()), "")
        );
        wrong(error.line().max(1), message, "write one object of keys and sentences")
    })?;
    let mut kept = Sentences::new();
    for (key, sentence) in without_prefix(sentences) {
        let quoted = format!("\"{PREFIX}{key}\"");
        let line = || text.lines().position(|line| line.contains(&quoted)).unwrap_or_default() + 1;
        let Some(original) = english.get(&key) else {
            problems.push(wrong(line(), format!("there is no sentence {PREFIX}{key}"), "correct the key or remove it"));
            continue;
        };
        let known: BTreeSet<&str> = places(original).chain(COMMON).collect();
        if let Some(place) = places(&sentence).find(|place| !known.contains(place)) {
            let message = format!("there is nothing to fill {{{place}}} with");
            problems.push(wrong(line(), message, "use the places of the English sentence"));
        } else {
            kept.insert(key, sentence);
        }
    }
    Ok(kept)
}

/// Places every sentence may have.
const COMMON: [&str; 2] = ["host_name", "public_url"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_sentence_with_the_same_places() {
        let texts = Texts::built_in();
        let english = &texts.0[ENGLISH];
        assert!(english.len() > 40);
        for (language, sentences) in &texts.0 {
            assert!(sentences.keys().eq(english.keys()), "{language} lacks or adds keys");
            for (key, sentence) in sentences {
                let sorted = |text| {
                    let mut names: Vec<&str> = places(text).collect();
                    names.sort_unstable();
                    names
                };
                assert_eq!(sorted(sentence), sorted(&english[key]), "{language} {key}");
            }
        }
    }

    #[test]
    fn the_nearest_language_serves() {
        let texts = Texts::built_in();
        for (asked, wanted) in [("de", "de"), ("de-AT", "de"), ("DE", "de"), ("en-GB", "en"), ("fr", "en"), ("", "en")]
        {
            assert_eq!(texts.language_for(asked), wanted, "{asked}");
        }
    }

    #[test]
    fn no_subject_has_room_for_a_code() {
        for sentences in Texts::built_in().0.values() {
            for (key, sentence) in sentences.iter().filter(|(key, _)| key.ends_with(".subject")) {
                assert!(!places(sentence).any(|place| ["code", "link"].contains(&place)), "{key}");
            }
        }
    }

    #[test]
    fn an_admin_replaces_sentences_and_wrong_ones_are_told_with_their_line() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("de.json"),
            "{\n  \"message.test.subject\": \"Probe {host_name}\",\n  \"message.nothing\": \"x\",\n  \"message.code.subject\": \"{cod}\",\n  \"page.title\": \"x\"\n}",
        )
        .unwrap();
        std::fs::write(directory.path().join("fr.json"), "{\n \"a\": \"b\",\n}").unwrap();
        std::fs::write(directory.path().join("README"), "{").unwrap();
        let (texts, problems) = Texts::load(directory.path());
        assert_eq!(texts.0["de"]["test.subject"], "Probe {host_name}");
        assert_eq!(texts.0["de"]["code.subject"], "Ihr Code für {host_name}");
        let lines: Vec<_> = problems
            .iter()
            .map(|problem| match &problem.place {
                Place::Line { path, line } => (path.file_name().unwrap().to_str().unwrap(), *line),
                Place::Setting(_) => panic!(),
            })
            .collect();
        assert_eq!(lines, [("de.json", 4), ("de.json", 3), ("fr.json", 3)], "{problems:?}");
    }
}
