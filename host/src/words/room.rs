//! The sentences of all languages, and how one is found and filled.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    path::Path,
    sync::Arc,
};

use super::{asked, built_in, files::files_in, problem::Problem, translation};
use crate::settings::{Part, parts};

/// What every other language falls back to.
pub const ENGLISH: &str = "en";

/// Every language's sentences; English has all of them. Cheap to clone.
#[derive(Clone)]
pub struct Words(Arc<Inner>);

struct Inner {
    /// Every language that has sentences, in order.
    tags: Vec<String>,
    /// The admin's, by language.
    own: BTreeMap<String, BTreeMap<String, String>>,
}

impl Words {
    /// What comes with the host.
    pub fn built_in() -> Self {
        Self::with(BTreeMap::new())
    }

    fn with(own: BTreeMap<String, BTreeMap<String, String>>) -> Self {
        let tags: BTreeSet<&str> = built_in::tags().chain(own.keys().map(String::as_str)).collect();
        let tags = tags.into_iter().map(str::to_owned).collect();
        Self(Arc::new(Inner { tags, own }))
    }

    /// The built-in ones with the admin's of this folder in their places, and what of the admin's cannot be used.
    pub fn load(directory: &Path) -> (Self, Vec<Problem>) {
        let (mut own, mut problems) = (BTreeMap::<String, BTreeMap<String, String>>::new(), Vec::new());
        for path in files_in(directory, |name| translation::language_of(name).is_some()) {
            let name = path.file_name().and_then(|name| translation::language_of(name.to_str()?)).unwrap_or_default();
            // `DE.json` is for the same readers as `de.json`.
            let known = built_in::tags().chain(own.keys().map(String::as_str));
            let language = { known }.find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name).to_owned();
            match translation::read(&path, &mut problems) {
                Ok(sentences) => own.entry(language).or_default().extend(sentences),
                Err(problem) => problems.push(problem),
            }
        }
        (Self::with(own), problems)
    }

    /// Languages that have sentences: English, then all others in the order of their tags.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        let others = self.0.tags.iter().map(String::as_str).filter(|language| *language != ENGLISH);
        std::iter::once(ENGLISH).chain(others)
    }

    /// The language of ours that serves this reader best: of one language tag, or of a whole `Accept-Language`
    /// (RFC 9110 section 12.5.4). English for all unknown.
    pub fn language_for<'a>(&'a self, asked: &str) -> &'a str {
        self.known_language(asked).unwrap_or(ENGLISH)
    }

    /// As [`Words::language_for`], for who has another wish of the reader's to turn to.
    pub fn known_language<'a>(&'a self, asked: &str) -> Option<&'a str> {
        asked::best(asked, self.0.tags.iter().map(String::as_str))
    }

    /// The sentence; in English if the language lacks it, and the key itself if nobody has it.
    pub fn say<'a>(&'a self, language: &str, key: &'a str) -> &'a str {
        self.of(language, key).or_else(|| self.of(ENGLISH, key)).unwrap_or(key)
    }

    /// The sentence of this very language.
    fn of(&self, language: &str, key: &str) -> Option<&str> {
        let own = self.0.own.get(language).and_then(|own| own.get(key));
        own.map(String::as_str).or_else(|| built_in::sentences(language)?.get(key).copied())
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
        self.of(ENGLISH, key).is_some()
    }

    /// All sentences whose keys begin so, by the rest of their keys; for templates.
    pub fn section<'a>(&'a self, language: &'a str, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let english = built_in::sentences(ENGLISH).into_iter().flatten();
        english.filter_map(move |(key, _)| Some((key.strip_prefix(prefix)?, self.say(language, key))))
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
