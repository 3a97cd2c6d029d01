//! `embed_texts!("texts/")`: one `<language tag>.json` a language, checked and embedded at compile time.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, LitStr, Result};

/// One language: where it was read, and its sentences by key.
struct Language {
    tag: String,
    file: PathBuf,
    sentences: BTreeMap<String, String>,
}

pub(crate) fn expand(folder: &LitStr) -> Result<TokenStream> {
    let refused = |message: String| Error::new(folder.span(), message);
    let root = std::env::var_os("CARGO_MANIFEST_DIR")
        .ok_or_else(|| Error::new(Span::call_site(), "texts are found beside `Cargo.toml`; build with cargo"))?;
    let languages = read(&Path::new(&root).join(folder.value())).map_err(refused)?;
    check(&languages).map_err(refused)?;
    let embedded = languages.iter().map(|Language { tag, sentences, .. }| {
        let pairs = sentences.iter().map(|(key, sentence)| quote!((#key, #sentence)));
        quote!((#tag, &[#(#pairs),*]))
    });
    let files = languages.iter().map(|language| language.file.to_string_lossy().into_owned());
    // The unused `include_str!` makes the build depend on each file: an edited text is compiled in.
    Ok(quote! {{ #( const _: &str = include_str!(#files); )* &[#(#embedded),*] }})
}

fn read(folder: &Path) -> std::result::Result<Vec<Language>, String> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mut languages = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| format!("cannot read {shown}: {error}"))?.path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let tag = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if !is_language_tag(&tag) {
            return Err(format!("{}: a file is named after its language, `en.json` or `pt-BR.json`", file.display()));
        }
        let text =
            std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let sentences = serde_json::from_str(&text)
            .map_err(|error| format!("{}: not a flat object of texts: {error}", file.display()))?;
        languages.push(Language { tag, file, sentences });
    }
    languages.sort_by(|left, right| left.tag.cmp(&right.tag));
    Ok(languages)
}

/// RFC 5646, as far as a file name needs it: subtags of 1 to 8 letters and digits, the first of 2 or 3 letters.
fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let first = subtags.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && subtags
            .all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn check(languages: &[Language]) -> std::result::Result<(), String> {
    let english = languages.iter().find(|language| language.tag == "en").ok_or("`en.json` is required")?;
    for Language { file, sentences, .. } in languages {
        for (key, sentence) in sentences {
            let Some(original) = english.sentences.get(key) else {
                return Err(format!("{}: English does not have the key `{key}`", file.display()));
            };
            if let Some(place) = places(sentence).difference(&places(original)).next() {
                return Err(format!("{}: `{key}` has the place {{{place}}}, English has not", file.display()));
            }
        }
    }
    Ok(())
}

/// The `{name}` places of a sentence.
fn places(sentence: &str) -> BTreeSet<&str> {
    sentence
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(tag: &str, key: &str, sentence: &str) -> Language {
        let sentences = BTreeMap::from([(key.to_owned(), sentence.to_owned())]);
        Language { tag: tag.to_owned(), file: format!("{tag}.json").into(), sentences }
    }

    #[test]
    fn english_is_required_and_has_every_key_and_place() {
        let english = || language("en", "left", "{count} codes left");
        assert!(check(&[english(), language("de", "left", "noch {count} Codes")]).is_ok());
        assert!(check(&[language("de", "left", "noch {count} Codes")]).is_err());
        assert!(check(&[english(), language("de", "lft", "noch {count} Codes")]).is_err());
        assert!(check(&[english(), language("de", "left", "noch {cuont} Codes")]).is_err());
    }

    #[test]
    fn a_file_is_named_after_a_language() {
        for tag in ["en", "de", "gsw", "pt-BR", "zh-Hant-TW"] {
            assert!(is_language_tag(tag), "{tag}");
        }
        for tag in ["", "e", "EN", "english", "en_GB", "en-", "notes"] {
            assert!(!is_language_tag(tag), "{tag}");
        }
    }
}
