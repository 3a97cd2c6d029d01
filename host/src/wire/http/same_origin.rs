//! Whether a form comes from a page of ours: what browsers tell of where a request was made.

use axum::http::{HeaderMap, header};
use url::Url;

const FETCH_SITE: &str = "sec-fetch-site";

/// Whether nothing says that the page of another site sent this. Who is no browser says nothing at all.
///
/// A page that lets no referrer out sends its own forms with `Origin: null`, so that alone is no sign of another site;
/// browsers that say more are believed in what they say.
pub fn may_be_our_page(headers: &HeaderMap, base_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if text(FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match text(header::ORIGIN.as_str()) {
        None | Some("null") => true,
        Some(origin) => is_ours(origin, text(header::HOST.as_str()), base_url),
    }
}

/// Our own name, or the one we were asked by: a proxy may have changed the scheme, but not the name.
fn is_ours(origin: &str, host: Option<&str>, base_url: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    let asked = host.and_then(|host| Url::parse(&format!("{}://{host}/", origin.scheme())).ok());
    let own = Url::parse(base_url).ok();
    [asked, own].into_iter().flatten().any(|ours| ours.origin() == origin.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(headers: &[(&str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        may_be_our_page(&headers, "https://login.example.org")
    }

    #[test]
    fn a_page_of_another_site_is_none_of_ours() {
        assert!(may(&[]));
        assert!(may(&[("origin", "https://login.example.org")]));
        assert!(may(&[("origin", "http://127.0.0.1:8126"), ("host", "127.0.0.1:8126")]));
        assert!(may(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(may(&[("sec-fetch-site", "none")]));
        for origin in
            ["https://evil.example", "http://login.example.org.evil.example", "https://login.example.org:8443"]
        {
            assert!(!may(&[("origin", origin), ("host", "login.example.org")]), "{origin}");
        }
        assert!(!may(&[("origin", "http://127.0.0.1:1"), ("host", "127.0.0.1:8126")]), "another port");
        for site in ["cross-site", "same-site", "\u{e9}"] {
            assert!(!may(&[("sec-fetch-site", site), ("origin", "null")]), "{site}");
        }
        assert!(!may(&[("origin", "nonsense")]));
    }
}
