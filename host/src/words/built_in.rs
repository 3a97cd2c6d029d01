//! The sentences that come with the host, one file for each language and section. A section is how its keys begin. They
//! stay where the program has them, and a language is read once somebody asks for it.

use std::{collections::BTreeMap, sync::OnceLock};

/// A language's sentences by their keys.
pub type Sentences = BTreeMap<&'static str, &'static str>;

struct Language {
    tag: &'static str,
    sections: [&'static str; 4],
    read: OnceLock<Sentences>,
}

macro_rules! language {
    ($tag:literal) => {
        Language {
            tag: $tag,
            sections: [
                include_str!(concat!($tag, "/message.json")),
                include_str!(concat!($tag, "/step.json")),
                include_str!(concat!($tag, "/link.json")),
                include_str!(concat!($tag, "/page.json")),
            ],
            read: OnceLock::new(),
        }
    };
}

/// In the order of their tags.
static LANGUAGES: [Language; 5] = [language!("de"), language!("en"), language!("es"), language!("fr"), language!("zh")];

/// The languages, in order.
pub fn tags<'a>() -> impl Iterator<Item = &'a str> {
    LANGUAGES.iter().map(|language| language.tag)
}

/// A language's sentences. A file that is no map of sentences without escapes has none here; a test reads every file.
pub fn sentences(tag: &str) -> Option<&'static Sentences> {
    let language = LANGUAGES.iter().find(|language| language.tag == tag)?;
    let read = |text: &&'static str| serde_json::from_str::<Sentences>(text).unwrap_or_default();
    Some(language.read.get_or_init(|| language.sections.iter().flat_map(read).collect()))
}
