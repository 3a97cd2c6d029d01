//! The page that is looked at: where it is, what it says, how to come to another.

use serde_json::{Value, json};

use super::{driver::Refusal, session::Browser};

/// A window of a browser.
#[derive(Debug, Clone, PartialEq)]
pub struct Window(pub(super) String);

impl Browser {
    /// Types an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).unwrap_or_else(|refusal| panic!("{url}: {refusal}"));
    }

    pub fn back(&self) {
        self.post("/back", json!({})).expect("there is a page before");
    }

    pub fn reload(&self) {
        self.post("/refresh", json!({})).expect("the page loads again");
    }

    pub fn url(&self) -> String {
        text(self.get("/url").expect("an address"))
    }

    pub fn title(&self) -> String {
        text(self.get("/title").expect("a title"))
    }

    /// What a person sees, without what is hidden.
    pub fn text(&self) -> String {
        self.try_text().expect("a page")
    }

    fn try_text(&self) -> Result<String, Refusal> {
        self.try_script("return document.body?.innerText ?? ''").map(text)
    }

    /// Waits for these words; all that is seen then.
    #[track_caller]
    pub fn until_text(&self, words: &str) -> String {
        self.until(&format!("says {words:?}"), |browser| {
            Ok(Some(browser.try_text()?).filter(|text| text.contains(words)))
        })
    }

    /// Waits until the address begins like this; the address then.
    #[track_caller]
    pub fn until_url(&self, beginning: &str) -> String {
        self.until(&format!("at {beginning}"), |browser| {
            Ok(Some(text(browser.get("/url")?)).filter(|url| url.starts_with(beginning)))
        })
    }

    /// What a function body returns when it runs in the page, also where the page itself may run none.
    pub fn script(&self, body: &str) -> Value {
        self.try_script(body).unwrap_or_else(|refusal| panic!("{body}: {refusal}"))
    }

    pub(super) fn try_script(&self, body: &str) -> Result<Value, Refusal> {
        self.script_with(body, json!([]))
    }

    pub(super) fn script_with(&self, body: &str, arguments: Value) -> Result<Value, Refusal> {
        self.post("/execute/sync", json!({"script": body, "args": arguments}))
    }

    /// The cookies this page's server gets, with their attributes.
    pub fn cookies(&self) -> Vec<Value> {
        self.get("/cookie").expect("cookies").as_array().expect("a list").clone()
    }

    /// The window that is looked at.
    pub fn window(&self) -> Window {
        Window(text(self.get("/window").expect("a window")))
    }

    /// Opens these addresses at the same moment, each in a window of its own.
    #[track_caller]
    pub fn open_at_once(&self, urls: &[String]) -> Vec<Window> {
        let handles = |browser: &Self| -> Result<Vec<Value>, Refusal> {
            Ok(browser.get("/window/handles")?.as_array().expect("a list").clone())
        };
        let former = handles(self).expect("windows");
        self.script_with("for (const url of arguments[0]) window.open(url, '_blank')", json!([urls])).expect("windows");
        let opened = self.until("all windows are open", |browser| {
            let opened: Vec<Value> = handles(browser)?.into_iter().filter(|one| !former.contains(one)).collect();
            Ok((opened.len() == urls.len()).then_some(opened))
        });
        opened.into_iter().map(|handle| Window(text(handle))).collect()
    }

    pub fn look_at(&self, window: &Window) {
        self.post("/window", json!({"handle": window.0})).expect("the window is there");
    }
}

pub(super) fn text(value: Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text in place of {value}")).to_owned()
}
