//! What the next page has to say of the form before it. An answered form leads to a page that is fetched anew, so that
//! to load it again, or to go back to it, sends nothing twice; a cookie that lives a minute carries the words over.

use std::collections::BTreeMap;

use axum::http::HeaderValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::cookies::{self, Cookies};

const LIFETIME_S: u64 = 60;
/// Browsers keep 4096 bytes of a cookie with its name and attributes.
const VALUE_BYTES_MAX: usize = 3800;
const TEXT_CHARS_MAX: usize = 300;

/// Words and the values that were typed; never one of a secret field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flash {
    /// The page it is for, as its handlers name it.
    pub(super) at: String,
    /// Something went well.
    pub note: Option<String>,
    /// What was wrong, by field, or by `base`.
    pub errors: BTreeMap<String, String>,
    /// What was typed, by field.
    pub values: BTreeMap<String, String>,
    /// Until when nothing can be done, in seconds from then on.
    pub wait_s: Option<u64>,
    /// Whether the end of all other sessions is offered along with it.
    pub offers_end: bool,
}

impl Flash {
    pub fn note(text: impl Into<String>) -> Self {
        Self { note: Some(text.into()), ..Self::default() }
    }

    /// Of a change of factors, after which nobody else should be signed in.
    pub fn change(text: impl Into<String>) -> Self {
        Self { offers_end: true, ..Self::note(text) }
    }

    pub fn problem(text: impl Into<String>) -> Self {
        Self { errors: [("base".to_owned(), text.into())].into(), ..Self::default() }
    }

    /// The cookie that carries it to the page `at`.
    pub fn carried_to(mut self, at: &str) -> Option<HeaderValue> {
        self.at = at.to_owned();
        for text in self.errors.values_mut().chain(self.values.values_mut()).chain(self.note.iter_mut()) {
            if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
                text.truncate(end);
            }
        }
        let mut encoded = encode(&self)?;
        if encoded.len() > VALUE_BYTES_MAX {
            self.values.clear();
            encoded = encode(&self)?;
        }
        (encoded.len() <= VALUE_BYTES_MAX).then_some(())?;
        cookies::set(cookies::FLASH, &encoded, Some(LIFETIME_S))
    }

    /// What was carried to the page `at`; nothing that was meant for another.
    pub fn of(cookies: &Cookies, at: &str) -> Self {
        let decoded = cookies.value(cookies::FLASH).and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
        let flash: Option<Self> = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        flash.filter(|flash| flash.at == at).unwrap_or_default()
    }
}

fn encode(flash: &Flash) -> Option<String> {
    serde_json::to_vec(flash).ok().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, header};

    use super::*;

    fn carried(flash: Flash, to: &str, at: &str) -> Flash {
        let cookie = flash.carried_to(to).unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        let headers: HeaderMap = [(header::COOKIE, pair.parse().unwrap())].into_iter().collect();
        Flash::of(&Cookies::of(&headers), at)
    }

    #[test]
    fn words_reach_their_page_and_no_other() {
        let flash = Flash { values: [("f".to_owned(), "ü".to_owned())].into(), ..Flash::problem("no") };
        let there = carried(flash.clone(), "/a", "/a");
        assert_eq!((there.errors, there.values), (flash.errors.clone(), flash.values.clone()));
        assert!(carried(flash, "/a", "/b") == Flash::default());
    }

    #[test]
    fn what_is_too_long_for_a_browser_is_cut_or_left_out() {
        let long = |count: usize| (0..count).map(|at| (at.to_string(), "x".repeat(400))).collect();
        let flash = Flash { values: long(30), ..Flash::problem("y".repeat(999)) };
        let there = carried(flash, "/a", "/a");
        assert_eq!((there.errors["base"].len(), there.values.len()), (TEXT_CHARS_MAX, 0));
    }
}
