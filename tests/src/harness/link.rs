//! Links as they come by mail, and the clicks on them of a browser that is not the one where the login waits.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Answer, Directory, Server, Stage, Wire};

const PATH: &str = "/auth/link/";
/// SHA-256 works on blocks of so many bytes.
const BLOCK: usize = 64;

impl Directory {
    /// A channel `email` that keeps its mails for `/dev/outbox`, and the module that sends links by it.
    pub fn with_links(&self) {
        self.append_settings("[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"");
        self.with_email_module("mode = \"link\"");
    }

    /// The cookie by which the page knows the browser where this flow waits, made from the key file as the host
    /// makes it: HKDF (RFC 5869) and HMAC (RFC 2104) with SHA-256.
    pub fn waiting_cookie(&self, flow_id: &str) -> String {
        let text = std::fs::read_to_string(self.path().join("secret.key")).expect("the key file");
        let encoded = text.trim().strip_prefix("mfa-host-key-1:").expect("a key of mfa-host");
        let extracted = hmac(&[0; 32], &STANDARD.decode(encoded).expect("base64"));
        let key = hmac(&extracted, b"waiting browsers\x01");
        let tag = hmac(&key, data_encoding::HEXLOWER.encode(&Sha256::digest(flow_id)).as_bytes());
        format!("__Host-mfa_waiting={}", URL_SAFE_NO_PAD.encode(tag))
    }
}

impl Stage {
    /// The path of the link in the latest message, which stands in both parts.
    #[track_caller]
    pub fn sent_link(&self) -> String {
        let messages = self.asked_for();
        let message = messages.last().expect("a message");
        let part = |name: &str| message[name].as_str().unwrap_or_else(|| panic!("{name} in {message:#}"));
        let link = link_in(part("text"));
        assert!(unescaped(part("html")).contains(&link) && part("short").contains(&link), "{message:#}");
        link
    }
}

impl Server {
    /// The path of the link in the next mail, which stands in both parts.
    #[track_caller]
    pub fn next_link(&self) -> String {
        let mail = self.next_asked_for();
        let part = |kind: &str| mail["parts"][kind].as_str().unwrap_or_else(|| panic!("{kind} in {mail:#}")).to_owned();
        let link = link_in(&part("text/plain"));
        assert!(unescaped(&part("text/html")).contains(&format!("{link}\"")), "where it is clicked: {mail:#}");
        link
    }
}

impl Wire {
    /// "Yes, it was me", with the number if one is given.
    pub fn confirm(&self, link: &str, number: Option<&str>) -> Answer {
        let number = number.map(|number| ("number", number));
        self.post_form(link, &[("confirm", "yes")].into_iter().chain(number).collect::<Vec<_>>())
    }

    /// A click with headers of its own.
    pub fn confirm_with(&self, link: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let headers: Vec<(&str, &str)> = kind.iter().chain(headers).copied().collect();
        self.send("POST", link, &headers, Some(form.as_bytes().to_vec())).expect("an answer")
    }

    /// "This was not me".
    pub fn not_me(&self, link: &str) -> Answer {
        self.post_form(link, &[("not_me", "yes")])
    }
}

/// The two digits a step shows.
#[track_caller]
pub fn number_of(step: &Value) -> String {
    let number = step["description_placeholders"]["link_number"].as_str().unwrap_or_else(|| panic!("in {step}"));
    assert!(number.len() == 2 && number.parse::<u8>().is_ok_and(|number| number >= 10), "{number}");
    number.to_owned()
}

/// Two digits that are not these.
pub fn another_number(number: &str) -> String {
    if number == "99" { "10".to_owned() } else { (number.parse::<u8>().expect("digits") + 1).to_string() }
}

/// HTML as a browser reads it, as far as a path goes.
pub fn unescaped(html: &str) -> String {
    html.replace("&#x2f;", "/")
}

/// The path of the one link in a text.
#[track_caller]
fn link_in(text: &str) -> String {
    let mut found = text.split_whitespace().filter_map(|word| word.find(PATH).map(|at| word[at..].to_owned()));
    let link = found.next().unwrap_or_else(|| panic!("a link in {text}"));
    assert!(found.next().is_none(), "one link in {text}");
    let token = &link[PATH.len()..];
    assert_eq!(URL_SAFE_NO_PAD.decode(token).expect("base64url").len(), 32, "256 bits in {link}");
    link
}

/// RFC 2104 for keys of at most a block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded =
        |with: u8| -> Vec<u8> { (0..BLOCK).map(|place| key.get(place).copied().unwrap_or_default() ^ with).collect() };
    let inner = Sha256::digest([&padded(0x36), message].concat());
    Sha256::digest([&padded(0x5c)[..], &inner].concat()).into()
}

#[test]
fn hmac_gives_the_second_test_case_of_rfc_4231() {
    let tag = hmac(b"Jefe", b"what do ya want for nothing?");
    let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(data_encoding::HEXLOWER.encode(&tag), known);
}
