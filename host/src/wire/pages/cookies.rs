//! Cookies of the pages. All of them are bound to this very host and sent by TLS alone (`__Host-`, RFC 6265bis section
//! 4.1.3.2); browsers take a loopback address for as good.

use axum::http::{HeaderMap, HeaderValue, header};

/// Tell one browser from another; forms carry a tag of one of them. A browser has one for each page it asked for before it
/// had any, so that none takes the place of another.
pub const BROWSER_PREFIX: &str = "__Host-mfa_browser_";
/// Refresh token of the session the pages work under.
pub const SESSION: &str = "__Host-mfa_session";
/// What the next page has to say of the form before it.
pub const FLASH: &str = "__Host-mfa_flash";
/// What the id of a flow is kept in; its handle follows.
pub const FLOW_PREFIX: &str = "__Host-mfa_flow_";

const VALUE_BYTES_MAX: usize = 4096;

/// The cookies of one request. A name that stands twice stands not at all.
pub struct Cookies(Vec<(String, String)>);

impl Cookies {
    pub fn of(headers: &HeaderMap) -> Self {
        // Others on this host may set what is no ASCII; that costs their pair alone.
        let lines = headers.get_all(header::COOKIE).iter().map(|line| line.as_bytes());
        let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
        let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='));
        let fits = pairs.filter(|(_, value)| !value.is_empty() && value.len() <= VALUE_BYTES_MAX);
        Self(fits.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// Names that begin so.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(name, _)| name.as_str()).filter(move |name| name.starts_with(prefix))
    }
}

/// Value of `Set-Cookie`. Without a life it goes when the browser is closed. Lax, because a mail program or an
/// application leads here, which is another site; forms are held to more than that.
pub fn set(name: &str, value: &str, lifetime_s: Option<u64>) -> Option<HeaderValue> {
    let life = lifetime_s.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    HeaderValue::try_from(format!("{name}={value}; Path=/{life}; Secure; HttpOnly; SameSite=Lax")).ok()
}

/// Value of `Set-Cookie` that takes one away.
pub fn clear(name: &str) -> Option<HeaderValue> {
    set(name, "", Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_stands_twice_is_none() {
        let foreign = HeaderValue::from_bytes(b"a=1; name=Zo\xeb; b=2").unwrap();
        let headers = [(header::COOKIE, foreign), (header::COOKIE, "b=3; c=".parse().unwrap())];
        let cookies = Cookies::of(&headers.into_iter().collect());
        assert_eq!((cookies.value("a"), cookies.value("b"), cookies.value("c")), (Some("1"), None, None));
        assert_eq!(cookies.names("b").count(), 2);
    }

    #[test]
    fn no_cookie_leaves_this_host_or_is_seen_by_a_script() {
        let line = set(SESSION, "x", Some(60)).unwrap();
        assert_eq!(line, "__Host-mfa_session=x; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
        assert!(clear(SESSION).unwrap().to_str().unwrap().contains("Max-Age=0"));
        assert!(set(SESSION, "a\nb", None).is_none());
    }
}
