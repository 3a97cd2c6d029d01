//! One request of a browser: who asks, by which address, in which language, and whether its form is one of ours.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use minijinja::context;

use super::{
    Look,
    cookies::{self, Cookies},
    page::Page,
    reached::{self, Reached},
};
use crate::{
    flow::{Asker, Flows},
    wire::http::{Client, may_be_our_page},
};

/// As long as a tab is likely to stay open.
const BROWSER_LIFETIME_S: u64 = 30 * 24 * 3600;

/// A request whose address is the one pages work under.
pub struct Visit {
    pub flows: Flows,
    pub look: Arc<Look>,
    pub asker: Asker,
    pub cookies: Cookies,
    /// Where it stands, without a slash at its end.
    pub origin: String,
    /// The page speaks it.
    pub language: String,
    /// The browser's own mark, and whether it is new to it.
    browser: String,
    is_new_browser: bool,
    is_same_origin: bool,
    /// Whose forms they are, where somebody is signed in; empty else.
    session: String,
    /// Whether a script of ours asks and reads JSON.
    pub by_script: bool,
}

impl FromRequestParts<Flows> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, flows: &Flows) -> Result<Self, Response> {
        let Ok(Client(asker)) = Client::from_request_parts(parts, flows).await;
        let look = parts.extensions.get::<Arc<Look>>().cloned();
        let look = look.ok_or_else(|| StatusCode::SERVICE_UNAVAILABLE.into_response())?;
        let settings = flows.settings();
        let base_url = settings.base_url();
        let language = look.words.language_for(&asker.language).to_owned();
        let cookies = Cookies::of(&parts.headers);
        let known = cookies.value(cookies::BROWSER).map(str::to_owned);
        let accepted = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let mut visit = Self {
            flows: flows.clone(),
            look,
            asker,
            cookies,
            origin: base_url.clone(),
            language,
            is_new_browser: known.is_none(),
            browser: known.unwrap_or_else(new_mark),
            is_same_origin: may_be_our_page(&parts.headers, &base_url),
            session: String::new(),
            by_script: accepted.is_some_and(|accepted| accepted.starts_with("application/json")),
        };
        match reached::of(&parts.headers, &base_url, settings.public_url.is_some()) {
            Reached::Here { origin } => visit.origin = origin,
            Reached::Elsewhere { public_url } => {
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                // What was asked is only shown, and a form that was sent is not sent on.
                let target = if parts.method == Method::GET { path } else { "/profile" };
                let context = context! { is_open => false, target => format!("{public_url}{target}"), public_url };
                return Err(visit
                    .page("page_reached.html", context)
                    .status(StatusCode::MISDIRECTED_REQUEST)
                    .reply(&visit));
            }
            Reached::InTheOpen { asked } => {
                let context = context! { is_open => true, asked };
                return Err(visit.page("page_reached.html", context).status(StatusCode::FORBIDDEN).reply(&visit));
            }
        }
        Ok(visit)
    }
}

impl Visit {
    /// A page of this template.
    pub fn page(&self, template: &'static str, context: minijinja::Value) -> Page {
        Page::new(template, context)
    }

    /// What a form of this browser carries, so that no other site can send one for it.
    pub fn form_tag(&self) -> String {
        self.flows.page_tag(&["form", &self.browser, &self.session])
    }

    /// From here on forms are of this session: a page that one person left open does nothing for the next.
    pub fn bind_forms_to(&mut self, session: &str) {
        self.session = session.to_owned();
    }

    /// Whether a form that was sent is one of ours.
    ///
    /// # Errors
    /// The page that says what to do instead.
    pub fn check_form(&self, tag: Option<&str>) -> Result<(), Box<Page>> {
        let is_right = tag.is_some_and(|tag| {
            let own = self.form_tag();
            own.len() == tag.len() && bool::from(subtle::ConstantTimeEq::ct_eq(own.as_bytes(), tag.as_bytes()))
        });
        if self.is_same_origin && is_right && !self.is_new_browser {
            return Ok(());
        }
        let key = if self.is_new_browser { "page.no_cookies" } else { "page.foreign_form" };
        Err(Box::new(self.message(key).status(StatusCode::FORBIDDEN)))
    }

    /// A page with the words `KEY.title` and `KEY.text`.
    pub fn message(&self, key: &str) -> Page {
        let (title, text) = (self.say(&format!("{key}.title")), self.say(&format!("{key}.text")));
        self.page("page_message.html", context! { title, text })
    }

    pub fn say(&self, key: &str) -> String {
        self.look.words.say(&self.language, key).to_owned()
    }

    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.look.words.fill(&self.language, key, values)
    }

    /// From here on in this language, if there are words in it.
    pub fn speak(&mut self, language: Option<&str>) {
        if let Some(known) = language.and_then(|language| self.look.words.known_language(language)) {
            self.language = known.to_owned();
        }
    }

    /// The cookie of a browser that had none.
    pub(super) fn new_browser(&self) -> Option<axum::http::HeaderValue> {
        self.is_new_browser.then(|| cookies::set(cookies::BROWSER, &self.browser, Some(BROWSER_LIFETIME_S))).flatten()
    }
}

/// 128 random bits.
fn new_mark() -> String {
    crate::random::bytes::<16>().map(|bytes| data_encoding::HEXLOWER.encode(&bytes)).unwrap_or_default()
}
