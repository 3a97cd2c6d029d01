//! A browser without script, as far as forms go: it keeps cookies, follows redirects within the host, and sends a form
//! as it stands in the page.

use std::collections::BTreeMap;

use super::{Answer, Wire};

const FORM: &str = "application/x-www-form-urlencoded";

/// Cookies and the address of one host.
pub struct PlainBrowser {
    wire: Wire,
    /// What it says of itself with each request.
    pub headers: Vec<(String, String)>,
    pub cookies: BTreeMap<String, String>,
}

/// A page as it came, and where from.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    /// Path and query; of a page that leads on to an application the whole address there.
    pub address: String,
    pub html: String,
    pub answer: Answer,
}

/// A form as it stands in a page.
#[derive(Clone, Debug)]
pub struct PageForm {
    pub action: Option<String>,
    /// Names and values it would send as it is.
    pub fields: Vec<(String, String)>,
    /// Words, name and value of its buttons.
    pub buttons: Vec<(String, Option<String>, String)>,
    pub html: String,
}

impl PlainBrowser {
    pub fn new(wire: &Wire) -> Self {
        Self { wire: wire.clone(), headers: Vec::new(), cookies: BTreeMap::new() }
    }

    /// Fetches a page and follows where it leads, as long as that is here.
    #[track_caller]
    pub fn open(&mut self, address: &str) -> Page {
        let answer = self.request("GET", address, None);
        self.follow(address, answer)
    }

    /// Fills the form that has this button in, and presses it.
    #[track_caller]
    pub fn press(&mut self, page: &Page, button: &str, typed: &[(&str, &str)]) -> Page {
        let (address, fields) = page.sent_by(button, typed);
        let answer = self.post(&address, &fields);
        self.follow(&address, answer)
    }

    /// Sends fields as a form, and follows nothing.
    pub fn post(&mut self, address: &str, fields: &[(String, String)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.request("POST", address, Some(body))
    }

    pub fn request(&mut self, method: &str, address: &str, body: Option<String>) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers: Vec<(&str, &str)> = Vec::new();
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if body.is_some() {
            headers.push(("content-type", FORM));
        }
        let answer = self.wire.send(method, address, &headers, body.map(String::into_bytes)).expect("an answer");
        let set: Vec<String> =
            answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.clone()).collect();
        for line in set {
            self.take_cookie(&line);
        }
        answer
    }

    /// Loses what tells it from other browsers.
    pub fn forget_marks(&mut self) {
        let before = self.cookies.len();
        self.cookies.retain(|name, _| !name.starts_with("__Host-mfa_browser"));
        assert!(self.cookies.len() < before, "it had one");
    }

    fn take_cookie(&mut self, line: &str) {
        assert!(line.starts_with("__Host-"), "{line}");
        for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
            assert!(line.contains(attribute), "{attribute} in {line}");
        }
        let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        if line.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    #[track_caller]
    fn follow(&mut self, address: &str, answer: Answer) -> Page {
        let (mut address, mut answer) = (address.to_owned(), answer);
        for _ in 0..8 {
            let Some(location) = answer.header("location").map(str::to_owned) else {
                // The last page of a login goes on by itself.
                if let Some(onward) = answer.header("refresh") {
                    address = onward.strip_prefix("0; url=").expect("at once").to_owned();
                }
                let html = String::from_utf8(answer.body.clone()).expect("UTF-8");
                return Page { status: answer.status, address, html, answer };
            };
            assert_eq!(answer.status, 303, "a form leads to a page that is fetched anew");
            assert!(location.starts_with('/'), "the answer to a form leads nowhere but here: {location}");
            answer = self.request("GET", &location, None);
            address = location;
        }
        panic!("no end of redirects at {address}");
    }
}

impl Page {
    /// What a person reads: words without markup.
    pub fn text(&self) -> String {
        let body = self.html.split_once("<main").map_or("", |(_, main)| main);
        let mut text = String::new();
        let mut in_tag = true;
        for character in body.chars() {
            match character {
                '<' => in_tag = true,
                '>' => in_tag = false,
                _ if in_tag => continue,
                other => text.push(other),
            }
            if in_tag {
                text.push(' ');
            }
        }
        plain(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub fn says(&self, words: &str) -> &Self {
        assert!(self.text().contains(words), "{words:?} in {} {}: {}", self.status, self.address, self.text());
        self
    }

    #[track_caller]
    pub fn says_not(&self, words: &str) -> &Self {
        assert!(!self.text().contains(words), "{words:?} in {} {}: {}", self.status, self.address, self.text());
        self
    }

    pub fn forms(&self) -> Vec<PageForm> {
        pieces(&self.html, "<form", "</form>").map(PageForm::of).collect()
    }

    /// The address and words of every link.
    pub fn links(&self) -> Vec<(String, String)> {
        let link = |html: &str| {
            let words = html.split_once('>').map_or("", |(_, words)| words);
            (attribute(&format!(" {html}"), "href").unwrap_or_default(), plain(words).trim().to_owned())
        };
        pieces(&self.html, "<a ", "</a>").map(link).collect()
    }

    /// Where the link with these words leads.
    #[track_caller]
    pub fn link(&self, words: &str) -> String {
        let mut links = self.links().into_iter();
        let found = links.find(|(_, own)| own == words).map(|(address, _)| address);
        found.unwrap_or_else(|| panic!("no link {words:?} in {:?}", self.links()))
    }

    /// Where the form with this button goes, and what it sends.
    #[track_caller]
    pub fn sent_by(&self, button: &str, typed: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        let forms = self.forms();
        let has = |form: &&PageForm| form.buttons.iter().any(|(words, _, _)| words.starts_with(button));
        let form = forms.iter().find(has).unwrap_or_else(|| panic!("no button {button:?}: {}", self.text()));
        let mut fields = form.fields.clone();
        for (name, value) in typed {
            assert!(form.html.contains(&format!("name=\"{name}\"")), "no field {name} in {}", form.html);
            fields.retain(|(own, _)| own != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let pressed = form.buttons.iter().find(|(words, _, _)| words.starts_with(button));
        if let Some((_, Some(name), value)) = pressed {
            fields.push((name.clone(), value.clone()));
        }
        (form.action.clone().unwrap_or_else(|| self.address.clone()), fields)
    }
}

impl PageForm {
    fn of(html: &str) -> Self {
        let head = html.split_once('>').map_or(html, |(head, _)| head);
        let input = |tag: &str| {
            let is_sent = match attribute(tag, "type").as_deref() {
                Some("checkbox" | "radio") => tag.contains(" checked"),
                _ => true,
            };
            let name = attribute(tag, "name").filter(|_| is_sent)?;
            Some((name, attribute(tag, "value").unwrap_or_default()))
        };
        let button = |html: &str| {
            let (head, words) = html.split_once('>').unwrap_or((html, ""));
            let mut in_tag = false;
            let words: String = words
                .chars()
                .filter(|character| {
                    let shown = !in_tag && *character != '<';
                    in_tag = (in_tag || *character == '<') && *character != '>';
                    shown && *character != '>'
                })
                .collect();
            let words = plain(&words).split_whitespace().collect::<Vec<_>>().join(" ");
            (words, attribute(head, "name"), attribute(head, "value").unwrap_or_default())
        };
        Self {
            action: attribute(head, "action"),
            fields: pieces(html, "<input", ">").filter_map(input).collect(),
            buttons: pieces(html, "<button", "</button>").map(button).collect(),
            html: html.to_owned(),
        }
    }
}

/// What stands between each `begin` and the next `end`.
fn pieces<'a>(html: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    html.split(begin).skip(1).map(move |rest| rest.split(end).next().unwrap_or_default())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let head = tag.split('>').next()?;
    let (_, rest) = head.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(plain)
}

/// Text as a browser reads it.
fn plain(html: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    pairs.iter().fold(html.to_owned(), |text, (code, character)| text.replace(code, character))
}
