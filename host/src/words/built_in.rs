//! The sentences that come with the host, one file for each language and section. A section is how its keys begin.

use std::collections::BTreeMap;

/// A language's sentences by their keys.
pub type Sentences = BTreeMap<String, String>;

/// The sections of one language.
macro_rules! sections {
    ($language:literal) => {
        (
            $language,
            [
                include_str!(concat!($language, "/message.json")),
                include_str!(concat!($language, "/step.json")),
                include_str!(concat!($language, "/link.json")),
                include_str!(concat!($language, "/page.json")),
            ],
        )
    };
}

const LANGUAGES: [(&str, [&str; 4]); 5] =
    [sections!("en"), sections!("de"), sections!("fr"), sections!("es"), sections!("zh")];

/// All of them. A file that is no map of sentences has none here; a test reads every file.
pub fn sentences() -> BTreeMap<String, Sentences> {
    let of_language = |(language, sections): &(&str, [&str; 4])| {
        let sentences = sections.iter().flat_map(|text| serde_json::from_str::<Sentences>(text).unwrap_or_default());
        ((*language).to_owned(), sentences.collect())
    };
    LANGUAGES.iter().map(of_language).collect()
}
