//! Words and names: every text is there in every language with its places and values, and no name is the host's own.

use serde_json::Value;

use super::{
    Contract, Rule,
    claims::is_name,
    walk::{Exchange, Walk},
};
use crate::{
    adapter::Package,
    form::{Form, RESERVED_BLOCKS, RESERVED_FIELDS},
    testing::shown,
    text::{Text, Texts, places},
};

/// Words the host has texts of its own for.
const HOST_WORDS: [&str; 1] = ["invalid_code"];

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("every language says what English says", translated),
        ("every error and reason has a text in English", worded),
        ("every text that is shown has its values", filled),
        ("no field or block has a name of the host's own", named),
    ]
}

fn translated<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    complete(&contract.bench()?.description().texts)
}

/// The same keys in each language, and the same places in each sentence.
pub(super) fn complete(texts: &Texts) -> Result<(), String> {
    let Some(english) = texts.get("en") else { return Ok(()) };
    for (language, sentences) in texts {
        if let Some(missing) = english.keys().find(|key| !sentences.contains_key(*key)) {
            return Err(format!("`{language}` does not have `{missing}`"));
        }
        for (key, sentence) in sentences {
            if sentence.trim().is_empty() {
                return Err(format!("`{language}` says nothing for `{key}`"));
            }
            if english.get(key).is_none_or(|original| places(original) != places(sentence)) {
                return Err(format!("`{language}` has other places in `{key}` than English"));
            }
        }
    }
    Ok(())
}

fn worded<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    let texts = &bench.description().texts;
    let Some(english) = texts.get("en") else { return Ok(()) };
    for exchange in exchanges {
        for key in [&exchange.reply["error"], &exchange.reply["reason"]].into_iter().filter_map(Value::as_str) {
            if !is_name(key) {
                return Err(format!("{key:?} is not 1–64 of a-z, 0-9 and _"));
            }
            if !english.contains_key(key) && !HOST_WORDS.contains(&key) {
                return Err(format!("English does not have the text `{key}`"));
            }
        }
    }
    Ok(())
}

fn filled<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    let Some(english) = bench.description().texts.get("en") else { return Ok(()) };
    for exchange in exchanges {
        for Text { key, values } in said(exchange) {
            let sentence = english.get(&key).map_or("", String::as_str);
            if let Some(place) = places(sentence).into_iter().find(|place| !values.contains_key(*place)) {
                return Err(format!("`{key}` has the place {{{place}}} and is shown without a value for it"));
            }
        }
    }
    Ok(())
}

/// Every text of a reply: of its form, its error or reason, its advice, its summary.
fn said(exchange: &Exchange) -> Vec<Text> {
    let reply = &exchange.reply;
    let mut said: Vec<Text> = form(exchange).iter().flat_map(shown::texts).cloned().collect();
    let texts = ["error_text", "advice", "summary"].map(|name| serde_json::from_value(reply[name].clone()).ok());
    said.extend(texts.into_iter().flatten());
    // An error without a sentence of its own is the key of one, and brings no values.
    let words = [&reply["error"], &reply["reason"]].into_iter().filter(|_| reply["error_text"].is_null());
    said.extend(words.filter_map(Value::as_str).map(Text::new));
    said
}

fn form(exchange: &Exchange) -> Option<Form> {
    serde_json::from_value(exchange.reply.get("form")?.clone()).ok()
}

fn named<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, _) = contract.walked()?;
    for form in exchanges.iter().filter_map(form) {
        if let Some(field) = form.fields.iter().find(|field| RESERVED_FIELDS.contains(&field.name.as_str())) {
            return Err(format!("a field is called `{}`", field.name));
        }
        if let Some(name) =
            form.blocks.iter().filter_map(|block| block.name()).find(|name| RESERVED_BLOCKS.contains(name))
        {
            return Err(format!("a block is called `{name}`"));
        }
        let names = form.fields.iter().map(|field| field.name.as_str());
        if let Some(name) = names.chain(form.blocks.iter().filter_map(|block| block.name())).find(|name| !is_name(name))
        {
            return Err(format!("{name:?} is not 1–64 of a-z, 0-9 and _"));
        }
    }
    Ok(())
}
