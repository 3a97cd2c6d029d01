//! The words and looks of the page behind a link. No script, nothing loaded, one small style within it.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::http::HeaderValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use minijinja::{Environment, Value, context};
use sha2::{Digest, Sha256};

use crate::{clock::zoned, flow::LinkView, words::Words};

const TEMPLATE: &str = "page.html";
const STYLE: &str = include_str!("page.css");
/// Keys of the sentences of this page begin so.
const SENTENCES: &str = "link.";

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.add_template(TEMPLATE, include_str!("page.html")).expect("the page is a template");
    environment
});

/// What is shown.
pub enum Page {
    /// Where and when a login waits; `problem` is the key of a sentence.
    Question {
        view: LinkView,
        problem: Option<&'static str>,
    },
    Notice(Notice),
}

/// A page with words alone.
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    Confirmed,
    Denied,
    ChangeDenied,
    Gone,
    Refused,
    Failed,
    Locked { retry_after_s: u64 },
    Foreign,
    Unreadable,
    Busy,
}

impl Notice {
    /// What its sentences begin with.
    fn key(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Denied => "denied",
            Self::ChangeDenied => "change_denied",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Locked { .. } => "locked",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
            Self::Busy => "busy",
        }
    }
}

impl Page {
    /// The page in the user's own language, else in the browser's. What is said of a link that is dead depends on the
    /// browser alone.
    pub fn html(&self, words: &Words, host_name: &str, browser_language: &str) -> String {
        let view = match self {
            Self::Question { view, .. } => Some(view),
            Self::Notice(_) => None,
        };
        let own = view.and_then(|view| words.known_language(view.language.as_deref()?));
        let language = own.unwrap_or_else(|| words.language_for(browser_language));
        let (key, problem, minutes) = match self {
            Self::Question { view, problem } if view.is_change => ("change", *problem, 0),
            Self::Question { problem, .. } => ("question", *problem, 0),
            Self::Notice(Notice::Locked { retry_after_s }) => ("locked", None, retry_after_s.div_ceil(60)),
            Self::Notice(notice) => (notice.key(), None, 0),
        };
        let minutes = minutes.to_string();
        let word = |key: &str| words.fill(language, &format!("{SENTENCES}{key}"), &[("minutes", &minutes)]);
        let sentences: BTreeMap<String, String> =
            words.section(language, SENTENCES).map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
        let values = context! {
            language, host_name,
            words => sentences,
            style => Value::from_safe_string(STYLE.to_owned()),
            title => word(&format!("{key}.title")),
            text => word(&format!("{key}.text")),
            problem => problem.map(word),
            question => view.map(|view| context! {
                time => zoned(view.began_at, view.zone.as_deref()),
                address => view.address.to_string(),
                browser => view.browser.clone().unwrap_or_else(|| word("question.no_browser")),
                asks_number => view.asks_number,
            }),
        };
        // The template is built in and rendered by a test with everything there is.
        let rendered = ENVIRONMENT.get_template(TEMPLATE).and_then(|template| template.render(values));
        rendered.unwrap_or_default()
    }
}

/// Nothing but the style of the page itself, and forms to where it came from.
pub fn content_security_policy() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        HeaderValue::try_from(policy).expect("a policy in ASCII")
    });
    POLICY.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn view(asks_number: bool, language: Option<&str>) -> LinkView {
        LinkView {
            is_change: false,
            began_at: Timestamp(2_051_222_410_000),
            address: [203, 0, 113, 9].into(),
            browser: Some("<script>alert(1)</script> \"Firefox\"".to_owned()),
            asks_number,
            language: language.map(str::to_owned),
            zone: None,
        }
    }

    #[test]
    fn every_notice_has_its_words_in_every_language() {
        let notices = [
            Notice::Confirmed,
            Notice::Denied,
            Notice::ChangeDenied,
            Notice::Gone,
            Notice::Refused,
            Notice::Failed,
            Notice::Locked { retry_after_s: 61 },
            Notice::Foreign,
            Notice::Unreadable,
            Notice::Busy,
        ];
        let words = Words::built_in();
        for (notice, language) in notices.iter().flat_map(|notice| words.languages().map(move |tag| (notice, tag))) {
            let html = Page::Notice(*notice).html(&words, "Test host", language);
            for part in ["title", "text"] {
                let sentence = words.fill(language, &format!("link.{}.{part}", notice.key()), &[("minutes", "2")]);
                assert!(html.contains(&sentence), "{language} {notice:?}: {html}");
            }
            assert!(html.contains(&format!("<html lang=\"{language}\">")) && !html.contains("<form"), "{html}");
        }
    }

    #[test]
    fn what_a_browser_calls_itself_is_no_markup() {
        let page = Page::Question { view: view(true, None), problem: Some("number_wrong") };
        let html = page.html(&Words::built_in(), "<b>Host</b>", "en");
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        for shown in ["2035-01-01 00:00 UTC", "203.0.113.9", "&lt;script&gt;", "Firefox", "name=\"number\""] {
            assert!(html.contains(shown), "{shown} in {html}");
        }
        let words = Words::built_in();
        for key in ["question.time", "question.number", "question.number_help", "question.confirm", "question.not_me"] {
            assert!(html.contains(words.say("en", &format!("link.{key}"))), "{key} in {html}");
        }
        assert!(html.contains(words.say("en", "link.number_wrong")));
        for language in words.languages() {
            let view = LinkView { is_change: true, ..view(true, None) };
            let html = Page::Question { view, problem: None }.html(&words, "Test host", language);
            assert!(html.contains(words.say(language, "link.change.title")), "it says what waits: {html}");
        }
    }

    #[test]
    fn the_users_own_language_goes_before_the_browsers_and_the_number_is_asked_only_where_it_must_be() {
        let html = |asks, own: Option<&str>, asked: &str| {
            Page::Question { view: view(asks, own), problem: None }.html(&Words::built_in(), "Test host", asked)
        };
        assert!(html(false, Some("de"), "en").contains("<html lang=\"de\">"));
        assert!(html(false, None, "de").contains("<html lang=\"de\">"));
        assert!(html(false, Some("it"), "de").contains("<html lang=\"de\">"));
        assert!(!html(false, None, "en").contains("name=\"number\""));
    }

    #[test]
    fn the_style_stands_in_the_page_as_the_policy_has_it() {
        let html = Page::Notice(Notice::Gone).html(&Words::built_in(), "Test host", "en");
        let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
        let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        assert!(content_security_policy().to_str().unwrap().contains(&hash));
    }
}
