//! Texts are keys with values; the words live in the module's `texts/*.json`, one file a language.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Translations of one module: language tag (`en`, `de`) → key → sentence with `{value}` places.
pub type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// A text to show: the key of a sentence and the values it takes.
///
/// A key no language knows is shown as it stands, so a missing translation is visible and never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Key in the module's `texts/*.json`.
    pub key: String,
    /// Values for the `{name}` places of the sentence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

impl Text {
    /// The text with this key and no values yet.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), values: BTreeMap::new() }
    }

    /// Adds a value for one `{name}` place.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.values.insert(name.into(), value.to_string());
        self
    }

    /// The sentence in `language`, else in English, else the key itself.
    pub fn render(&self, texts: &Texts, language: &str) -> String {
        let sentence = texts
            .get(language)
            .and_then(|of_language| of_language.get(&self.key))
            .or_else(|| texts.get("en").and_then(|english| english.get(&self.key)));
        let Some(sentence) = sentence else { return self.key.clone() };
        filled(sentence, &self.values)
    }
}

impl From<&str> for Text {
    fn from(key: &str) -> Self {
        Self::new(key)
    }
}

/// The `{name}` places of a sentence.
pub(crate) fn places(sentence: &str) -> BTreeSet<&str> {
    let is_name =
        |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    sentence.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).filter(is_name).collect()
}

/// Fills each `{name}` once, from left to right: a value that looks like a place stays as it is.
fn filled(sentence: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}').and_then(|(name, after)| Some((values.get(name)?, after))) {
            Some((value, after)) => {
                filled.push_str(value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_is_in_the_language_else_in_english_else_the_key() {
        let language = |sentence: &str| BTreeMap::from([("left".to_owned(), sentence.to_owned())]);
        let texts =
            Texts::from([("de".to_owned(), language("noch {count}")), ("en".to_owned(), language("{count} left"))]);
        let text = Text::new("left").with("count", 3);
        assert_eq!(text.render(&texts, "de"), "noch 3");
        assert_eq!(text.render(&texts, "fr"), "3 left");
        assert_eq!(Text::new("right").render(&texts, "de"), "right");
    }

    #[test]
    fn a_value_is_never_taken_for_a_place() {
        let values = BTreeMap::from([("a".to_owned(), "{b}".to_owned()), ("b".to_owned(), "{a}".to_owned())]);
        assert_eq!(filled("{a} {b} {c} {a", &values), "{b} {a} {c} {a");
        assert_eq!(filled("{{a}}", &values), "{{b}}");
    }
}
