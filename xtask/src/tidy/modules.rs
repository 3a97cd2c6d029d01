//! What every module that comes along has: the contract run on it, its words in every language and none too many, no
//! `Debug` of what it keeps, and its settings in `docs/modules.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

/// Languages the words of each module are in.
const LANGUAGES: [&str; 5] = ["de", "en", "es", "fr", "zh"];
/// Modules outside the workspace, as other authors write them, that run the contract too.
const OUTSIDE: [&str; 1] = ["tests/outside/favourite_colour/"];
/// What the module is called in a language.
const NAME: &str = "module_name";
const DOCUMENT: &str = "docs/modules.md";
/// Parts of the SDK that show words of the module, by what a module says to have them.
const WORDS_OF_THE_SDK: [(&str, &str); 2] =
    [("SentCodeSteps", "sdk/src/sent_code/steps.rs"), ("OneForm for", "sdk/src/one_form.rs")];

/// What stands before the key of a text.
const BEFORE_KEY: [&str; 13] = [
    "Text::new(\"",
    ".label(\"",
    ".help(\"",
    ".title(\"",
    ".sentence(\"",
    ".setup_message(\"",
    "with_error(\"",
    "with_advice(\"",
    "rejected(\"",
    "abort(\"",
    "Refusal::new(\"",
    "label = \"",
    "help = \"",
];

pub fn mistakes(sources: &[Source]) -> Vec<String> {
    let folders = folders(sources);
    let mut mistakes = Vec::new();
    for folder in folders.iter().map(String::as_str).chain(OUTSIDE) {
        if !runs_the_contract(sources, folder) {
            mistakes.push(format!("{folder}: no test runs `Contract::<…>::new(…)…check()` on it"));
        }
    }
    for folder in &folders {
        mistakes.extend(words(sources, folder));
        mistakes.extend(debug(sources, folder));
        mistakes.extend(settings(sources, folder));
    }
    mistakes
}

/// `modules/<name>/` of each module.
fn folders(sources: &[Source]) -> BTreeSet<String> {
    let manifests = sources.iter().filter(|source| source.path.starts_with("modules/"));
    manifests.filter_map(|source| Some(source.path.strip_suffix("Cargo.toml")?.to_owned())).collect()
}

fn rust<'a>(sources: &'a [Source], folder: &'a str) -> impl Iterator<Item = &'a Source> {
    sources.iter().filter(move |source| source.path.starts_with(folder) && source.is_rust())
}

fn runs_the_contract(sources: &[Source], folder: &str) -> bool {
    rust(sources, folder).any(|source| source.text.contains("Contract::<") && source.text.contains(".check()"))
}

/// Lines that are part of the module, each with its place.
fn code<'a>(sources: &'a [Source], folder: &'a str) -> impl Iterator<Item = (String, &'a str)> {
    rust(sources, folder).filter(|source| !source.path.ends_with("tests.rs")).flat_map(|source| {
        let place = |number| format!("{}:{number}", source.path);
        let of_module = source.code_lines().take_while(|(_, line)| !line.starts_with("mod tests {"));
        of_module.map(move |(number, line)| (place(number), line))
    })
}

fn words(sources: &[Source], folder: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut texts: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for language in LANGUAGES {
        let path = format!("{folder}texts/{language}.json");
        let text = sources.iter().find(|source| source.path == path).map_or("", |source| source.text.as_str());
        match serde_json::from_str(text) {
            Ok(sentences) => drop(texts.insert(language, sentences)),
            Err(error) => mistakes.push(format!("{path}: is no flat object of texts: {error}")),
        }
    }
    let Some(mut english) = texts.remove("en") else { return mistakes };
    for (language, sentences) in &texts {
        for key in english.keys().filter(|key| !sentences.contains_key(*key)) {
            mistakes.push(format!("{folder}texts/{language}.json: does not have `{key}`"));
        }
    }
    // The host asks for it, and no line of the module.
    if english.remove(NAME).is_none() {
        mistakes.push(format!("{folder}texts/en.json: does not have `{NAME}`, which people call it by"));
    }
    let mut code: Vec<(String, &str)> = code(sources, folder).collect();
    for (said, path) in WORDS_OF_THE_SDK {
        if code.iter().any(|(_, line)| line.contains(said)) {
            code.extend(self::code(sources, path));
        }
    }
    for (place, key) in code.iter().flat_map(|(place, line)| keys_in(line).into_iter().map(move |key| (place, key))) {
        if !english.contains_key(key) {
            mistakes.push(format!("{place}: uses the text `{key}`, which {folder}texts/en.json does not have"));
        }
    }
    for key in english.keys() {
        let literal = format!("\"{key}\"");
        if !code.iter().any(|(_, line)| line.contains(&literal)) {
            mistakes.push(format!("{folder}texts/en.json: `{key}` is used nowhere"));
        }
    }
    mistakes
}

/// Keys of texts a line names.
fn keys_in(line: &str) -> Vec<&str> {
    let literal = |rest: &'static str, at: usize| line[at + rest.len()..].split('"').next();
    let mut keys: Vec<&str> = BEFORE_KEY
        .iter()
        .flat_map(|before| line.match_indices(before).filter_map(|(at, _)| literal(before, at)))
        .collect();
    // The error of a form that is shown again stands behind the form; it is no key where it has a sentence of its own.
    if let Some((_, rest)) = line.split_once("SetupStep::again(").filter(|_| !line.contains(".with_error_text(")) {
        keys.extend(rest.rsplit('"').nth(1));
    }
    keys
}

/// What a module keeps is secret, and who can print it will.
fn debug(sources: &[Source], folder: &str) -> Vec<String> {
    let lines = code(sources, folder).filter(|(_, line)| line.contains("Debug"));
    lines.map(|(place, _)| format!("{place}: a module's types have no Debug")).collect()
}

/// Each setting has its row in the document, with its bounds as the type says them, and each row its setting.
fn settings(sources: &[Source], folder: &str) -> Vec<String> {
    let text_of = |path: &str| sources.iter().find(|source| source.path == path).map(|source| source.text.as_str());
    let declared = text_of(&format!("{folder}src/config.rs")).map(declared).unwrap_or_default();
    let name = folder.trim_start_matches("modules/").trim_end_matches('/');
    let rows = documented(text_of(DOCUMENT).unwrap_or_default(), name);
    let mut mistakes = Vec::new();
    for (key, meaning) in &declared {
        match rows.get(key.as_str()) {
            None => mistakes.push(format!("{DOCUMENT}: {name} does not have the row of `{key}`")),
            Some(row) => {
                let missing = bounds_in(meaning).into_iter().find(|bounds| !row.contains(bounds.as_str()));
                mistakes.extend(missing.map(|bounds| format!("{DOCUMENT}: {name}, `{key}` is {bounds}")));
            }
        }
    }
    let unknown = rows.keys().filter(|key| !declared.contains_key(**key));
    mistakes.extend(unknown.map(|key| format!("{DOCUMENT}: {name} has no setting `{key}`")));
    mistakes
}

/// Settings and what their comments say, from the text of a `config.rs`.
fn declared(text: &str) -> BTreeMap<String, String> {
    let body = text.split_once("struct Config {").map_or("", |(_, rest)| rest);
    let body = body.split_once("\n}").map_or("", |(body, _)| body);
    let (mut declared, mut meaning) = (BTreeMap::new(), String::new());
    for line in body.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("///") {
            meaning.push_str(said);
        } else if let Some((key, _)) = line.strip_prefix("pub(crate) ").and_then(|line| line.split_once(':')) {
            declared.insert(key.to_owned(), std::mem::take(&mut meaning));
        }
    }
    declared
}

/// The rows of a module's table by their keys.
fn documented<'a>(document: &'a str, module: &str) -> BTreeMap<&'a str, &'a str> {
    let heading = format!("\n## {module}\n");
    let section = document.split_once(heading.as_str()).map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter_map(|line| Some((line.strip_prefix("| `")?.split_once('`')?.0, line)));
    rows.collect()
}

/// "60 to 600" and the like.
fn bounds_in(meaning: &str) -> Vec<String> {
    let words: Vec<&str> = meaning.split(|character: char| !character.is_ascii_alphanumeric()).collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let bounds = words.windows(3).filter(|three| is_number(three[0]) && three[1] == "to" && is_number(three[2]));
    bounds.map(|three| three.join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// A module without a fault; `change` makes one.
    fn module(change: impl Fn(&mut Vec<Source>)) -> Vec<String> {
        let config = "struct Config {\n    /// Seconds: 60 to 600.\n    pub(crate) lifetime_s: u32,\n}\n";
        let document = "\n## word\n\n| key |\n|---|\n| `lifetime_s` | 60 to 600 |\n\n## other\n";
        let mut sources = vec![
            source("modules/word/Cargo.toml", ""),
            source("modules/word/src/lib.rs", "Form::new().label(\"said\");"),
            source("modules/word/src/config.rs", config),
            source("modules/word/src/tests.rs", "Contract::<Word>::new(x).check();"),
            source("tests/outside/favourite_colour/src/lib.rs", "Contract::<X>::new(x).check();"),
            source(DOCUMENT, document),
        ];
        sources.extend(LANGUAGES.map(|language| {
            source(&format!("modules/word/texts/{language}.json"), r#"{"module_name": "Word", "said": "Said"}"#)
        }));
        change(&mut sources);
        mistakes(&sources)
    }

    #[test]
    fn a_module_with_everything_has_no_mistake() {
        assert_eq!(module(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn what_a_module_lacks_is_found() {
        for (path, text, found) in [
            ("modules/word/src/tests.rs", "", "no test runs"),
            ("modules/word/src/lib.rs", "rejected(\"unsaid\"); \"said\"", "uses the text `unsaid`"),
            ("modules/word/src/lib.rs", "SetupStep::again(form(\"said\"), \"no\")", "uses the text `no`"),
            ("modules/word/src/lib.rs", "// said", "`said` is used nowhere"),
            ("modules/word/src/lib.rs", "#[derive(Debug)] \"said\"", "have no Debug"),
            ("modules/word/src/lib.rs", "SentCodeSteps \"said\"", "uses the text `sent`"),
            ("modules/word/texts/fr.json", r#"{"module_name": "Mot"}"#, "fr.json: does not have `said`"),
            ("modules/word/texts/de.json", r#"{"said": "Gesagt"}"#, "de.json: does not have `module_name`"),
            ("modules/word/texts/en.json", r#"{"said": "Said"}"#, "en.json: does not have `module_name`"),
            ("modules/word/texts/zh.json", "", "zh.json: is no flat object"),
            (DOCUMENT, "\n## word\n", "does not have the row of `lifetime_s`"),
            (DOCUMENT, "\n## word\n| `lifetime_s` | 60 |\n", "`lifetime_s` is 60 to 600"),
            (DOCUMENT, "\n## word\n| `lifetime_s` | 60 to 600 |\n| `length` |\n", "has no setting `length`"),
        ] {
            let found_all = module(|sources| {
                sources.push(source(WORDS_OF_THE_SDK[0].1, "Text::new(\"sent\")"));
                for source in sources.iter_mut().filter(|source| source.path == path) {
                    text.clone_into(&mut source.text);
                }
            });
            assert!(found_all.len() == 1 && found_all[0].contains(found), "{path} {text}: {found_all:?}");
        }
    }
}
