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
/// Tabs that a browser opens at once, with no mark yet.
const MARKS_MAX: usize = 16;
/// How much of a mark names its cookie.
const MARK_NAME_LENGTH: usize = 8;

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
    marks: Marks,
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
        let marks = Marks::of(&cookies);
        let accepted = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let mut visit = Self {
            flows: flows.clone(),
            look,
            asker,
            cookies,
            origin: base_url.clone(),
            language,
            marks,
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
        self.tag_of(self.marks.shown())
    }

    fn tag_of(&self, mark: &str) -> String {
        self.flows.page_tag(&["form", mark, &self.session])
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
        let Marks::Known(marks) = &self.marks else {
            return Err(Box::new(self.message("page.no_cookies").status(StatusCode::FORBIDDEN)));
        };
        let is_of = |mark: &String, tag: &str| {
            let own = self.tag_of(mark);
            own.len() == tag.len() && bool::from(subtle::ConstantTimeEq::ct_eq(own.as_bytes(), tag.as_bytes()))
        };
        let is_right = tag.is_some_and(|tag| marks.iter().any(|mark| is_of(mark, tag)));
        if self.is_same_origin && is_right {
            return Ok(());
        }
        Err(Box::new(self.message("page.foreign_form").status(StatusCode::FORBIDDEN)))
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
        let Marks::New(mark) = &self.marks else { return None };
        let name: String = mark.chars().take(MARK_NAME_LENGTH).collect();
        cookies::set(&format!("{}{name}", cookies::BROWSER_PREFIX), mark, Some(BROWSER_LIFETIME_S))
    }
}

/// What tells this browser from others. Tabs that were opened at once are each given one, and forms of all of them are
/// its own.
enum Marks {
    Known(Vec<String>),
    New(String),
}

impl Marks {
    fn of(cookies: &Cookies) -> Self {
        let names = cookies.names(cookies::BROWSER_PREFIX);
        let known: Vec<String> =
            names.filter_map(|name| cookies.value(name)).take(MARKS_MAX).map(str::to_owned).collect();
        if known.is_empty() { Self::New(new_mark()) } else { Self::Known(known) }
    }

    /// The one that the forms of a page carry.
    fn shown(&self) -> &str {
        match self {
            Self::Known(marks) => marks.first().map_or("", String::as_str),
            Self::New(mark) => mark,
        }
    }
}

/// Enough that its beginning, which is no secret, takes nothing from the 128 random bits behind it.
fn new_mark() -> String {
    crate::random::bytes::<20>().map(|bytes| data_encoding::HEXLOWER.encode(&bytes)).unwrap_or_default()
}
