//! The sentences of all languages, and how one is found and filled.

use std::{collections::BTreeMap, convert::Infallible, path::Path, sync::Arc};

use super::{
    asked,
    built_in::{self, Sentences},
    files::files_in,
    problem::Problem,
    translation,
};
use crate::settings::{Part, parts};

/// What every other language falls back to.
pub const ENGLISH: &str = "en";

/// Every language's sentences; English has all of them. Cheap to clone.
#[derive(Clone)]
pub struct Words(Arc<BTreeMap<String, Sentences>>);

impl Words {
    /// What comes with the host.
    pub fn built_in() -> Self {
        Self(Arc::new(built_in::sentences()))
    }

    /// The built-in ones with the admin's of this folder in their places, and what of the admin's cannot be used.
    pub fn load(directory: &Path) -> (Self, Vec<Problem>) {
        let (mut languages, mut problems) = (built_in::sentences(), Vec::new());
        let english = languages.get(ENGLISH).cloned().unwrap_or_default();
        for path in files_in(directory, |name| translation::language_of(name).is_some()) {
            let name = path.file_name().and_then(|name| translation::language_of(name.to_str()?)).unwrap_or_default();
            // `DE.json` is for the same readers as `de.json`.
            let known = languages.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
            let language = known.unwrap_or_else(|| name.to_owned());
            match translation::read(&path, &english, &mut problems) {
                Ok(sentences) => languages.entry(language).or_default().extend(sentences),
                Err(problem) => problems.push(problem),
            }
        }
        (Self(Arc::new(languages)), problems)
    }

    /// Languages that have sentences: English, then all others in the order of their tags.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        let others = self.0.keys().map(String::as_str).filter(|language| *language != ENGLISH);
        std::iter::once(ENGLISH).chain(others)
    }

    /// The language of ours that serves this reader best: of one language tag, or of a whole `Accept-Language`
    /// (RFC 9110 section 12.5.4). English for all unknown.
    pub fn language_for<'a>(&'a self, asked: &str) -> &'a str {
        self.known_language(asked).unwrap_or(ENGLISH)
    }

    /// As [`Words::language_for`], for who has another wish of the reader's to turn to.
    pub fn known_language<'a>(&'a self, asked: &str) -> Option<&'a str> {
        asked::best(asked, self.0.keys().map(String::as_str))
    }

    /// The sentence; in English if the language lacks it, and the key itself if nobody has it.
    pub fn say<'a>(&'a self, language: &str, key: &'a str) -> &'a str {
        let of = |language: &str| self.0.get(language)?.get(key);
        of(language).or_else(|| of(ENGLISH)).map_or(key, String::as_str)
    }

    /// The sentence with its places filled. A value is never searched for places, and a place without a value stays.
    pub fn fill(&self, language: &str, key: &str, values: &[(&str, &str)]) -> String {
        let value = |name: &str| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| Ok::<_, Infallible>((*value).to_owned()))
        };
        filled(self.say(language, key), value).unwrap_or_default()
    }

    /// Whether there is such a sentence.
    pub fn has(&self, key: &str) -> bool {
        self.0.get(ENGLISH).is_some_and(|english| english.contains_key(key))
    }

    /// All sentences whose keys begin so, by the rest of their keys; for templates.
    pub fn section<'a>(&'a self, language: &str, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = self.0.get(language);
        let english = self.0.get(ENGLISH).into_iter().flatten();
        english.filter_map(move |(key, sentence)| {
            let sentence = own.and_then(|own| own.get(key)).unwrap_or(sentence);
            Some((key.strip_prefix(prefix)?, sentence.as_str()))
        })
    }
}

/// Fills the places of a text. `value` gives the form that fits; a place it does not know stays as it stands.
///
/// # Errors
/// Those of `value`.
pub fn filled<E>(text: &str, value: impl Fn(&str) -> Option<Result<String, E>>) -> Result<String, E> {
    let mut filled = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Words(words) => filled.push_str(words),
            Part::Place(name) => match value(name) {
                Some(value) => filled.push_str(&value?),
                None => filled.extend(["{", name, "}"]),
            },
        }
    }
    Ok(filled)
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
