//! The cookie by which the page behind a link knows the browser in which its login waits. Clients of the API keep no
//! cookies and are asked for the number; the host's own pages set it with each step that waits for a link.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::flow::Flows;

/// Bound to this host and sent by TLS alone, as the prefix demands of every browser.
const NAME: &str = "__Host-mfa_waiting";
/// No step that waits lives longer.
const LIFETIME_S: u64 = 600;

/// Value of `Set-Cookie` for the browser in which this flow waits. One browser waits for one login: the latest.
pub fn waiting_cookie(flows: &Flows, flow_id: &str) -> Option<HeaderValue> {
    let tag = flows.waiting_tag(flow_id);
    // Lax, because the link is opened from a mail program, which is another site.
    let attributes = format!("Path=/; Max-Age={LIFETIME_S}; Secure; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(format!("{NAME}={tag}; {attributes}")).ok()
}

/// What the browser shows; two of them are none.
pub fn shown(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().map(|line| line.as_bytes());
    let mut values = lines.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.trim().split_once('=')?;
        (name == NAME).then_some(value)
    });
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_and_only_alone() {
        let of = |lines: &[&str]| {
            let headers = lines.iter().map(|line| (header::COOKIE, line.parse().unwrap())).collect();
            shown(&headers)
        };
        assert_eq!(of(&["a=b; __Host-mfa_waiting=x-_1; c=d"]).as_deref(), Some("x-_1"));
        assert_eq!(of(&["a=b", "__Host-mfa_waiting=y"]).as_deref(), Some("y"));
        for lines in [&["mfa_waiting=x"][..], &["__host-mfa_waiting=x"], &[], &["__Host-mfa_waiting"]] {
            assert_eq!(of(lines), None, "{lines:?}");
        }
        assert_eq!(of(&["__Host-mfa_waiting=x; __Host-mfa_waiting=x"]), None);
    }
}
