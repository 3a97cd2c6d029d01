//! An admin's file of sentences. A wrong sentence costs itself, a file that is no JSON all of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    ENGLISH, built_in, files,
    problem::{Place, Problem},
};
use crate::settings::places;

const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Sentences of messages may have these places as well.
const OF_MESSAGES: (&str, [&str; 2]) = ("message.", ["host_name", "public_url"]);

/// The language a file is for: `de.json`, `pt-BR.json`; other files are not translations.
pub fn language_of(file_name: &str) -> Option<&str> {
    let tag = file_name.strip_suffix(".json")?;
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.split('-').all(is_part).then_some(tag)
}

/// The sentences of a file that can be used.
pub fn read(path: &Path, problems: &mut Vec<Problem>) -> Result<BTreeMap<String, String>, Problem> {
    let wrong = |line: usize, message: String, remedy: &str| Problem {
        place: Place::Line { path: path.to_owned(), line },
        message,
        remedy: remedy.to_owned(),
    };
    let text = files::read(path, FILE_BYTES_MAX).map_err(|message| wrong(1, message, "make it a small text file"))?;
    let sentences: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|error| {
        let message = format!(
            "the translation cannot be read: {}",
            error.to_string().replace(&format!(" at line {} column {}", error.line(), error.column()), "")
        );
        wrong(error.line().max(1), message, "write one object of keys and sentences")
    })?;
    let mut kept = BTreeMap::new();
    for (key, sentence) in sentences {
        let quoted = format!("\"{key}\"");
        let line = || text.lines().position(|line| line.contains(&quoted)).unwrap_or_default() + 1;
        match mistake(&key, &sentence) {
            None => drop(kept.insert(key, sentence)),
            Some((message, remedy)) => problems.push(wrong(line(), message, remedy)),
        }
    }
    Ok(kept)
}

/// What is wrong with a sentence, and what to do.
fn mistake(key: &str, sentence: &str) -> Option<(String, &'static str)> {
    let Some(original) = built_in::sentences(ENGLISH).and_then(|english| english.get(key)) else {
        return Some((format!("there is no sentence {key}"), "correct the key or remove it"));
    };
    if sentence.trim().is_empty() {
        return Some((format!("the sentence {key} is empty"), "write it, or remove the key"));
    }
    let (section, also) = OF_MESSAGES;
    let also = also.into_iter().filter(|_| key.starts_with(section));
    let known: BTreeSet<&str> = places(original).chain(also).collect();
    let place = places(sentence).find(|place| !known.contains(place))?;
    Some((format!("there is nothing to fill {{{place}}} with"), "use the places of the English sentence"))
}
