//! Texts are keys with values; the words live in the module's `texts/*.json`, one file a language.

use std::collections::BTreeMap;

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
        self.values
            .iter()
            .fold(sentence.clone(), |sentence, (name, value)| sentence.replace(&format!("{{{name}}}"), value))
    }
}

impl From<&str> for Text {
    fn from(key: &str) -> Self {
        Self::new(key)
    }
}
