//! By which address a browser reached a page. Forms and cookies work under `public_url` alone, so any other address is
//! told what to set or where to go instead of being shown a form that cannot work.

use axum::http::{HeaderMap, header};
use url::{Host, Url};

/// What became of the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Forms work here: under this origin, without a slash at its end.
    Here { origin: String },
    /// The host is known under another name.
    Elsewhere { public_url: String },
    /// Plain HTTP over a network: nothing that is typed here would be safe, and no cookie is kept.
    InTheOpen { asked: String },
}

/// Of the request's `Host`, held against where users are said to reach the host.
pub fn of(headers: &HeaderMap, base_url: &str, has_public_url: bool) -> Reached {
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let elsewhere = || Reached::Elsewhere { public_url: base_url.to_owned() };
    let Ok(base) = Url::parse(base_url) else { return elsewhere() };
    let Ok(here) = Url::parse(&format!("{}://{asked}/", base.scheme())) else { return elsewhere() };
    let origin = here.origin().ascii_serialization();
    if base.scheme() == "https" {
        return if here.origin() == base.origin() { Reached::Here { origin } } else { elsewhere() };
    }
    if is_loopback(&here) {
        // Without a name of its own the host answers this machine under all of the machine's own names.
        let is_ours = !has_public_url || here.origin() == base.origin();
        return if is_ours { Reached::Here { origin } } else { elsewhere() };
    }
    Reached::InTheOpen { asked: asked.to_owned() }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(host: &str, base_url: &str, has_public_url: bool) -> Reached {
        of(&[(header::HOST, host.parse().unwrap())].into_iter().collect(), base_url, has_public_url)
    }

    fn here(origin: &str) -> Reached {
        Reached::Here { origin: origin.to_owned() }
    }

    #[test]
    fn a_host_with_a_name_is_reached_by_it_alone() {
        let base = "https://login.example.org";
        assert_eq!(reached("login.example.org", base, true), here(base));
        assert_eq!(reached("LOGIN.example.org:443", base, true), here(base));
        for other in ["127.0.0.1:8126", "login.example.org:8443", "evil.example", "", "a b", "login.example.org@evil"] {
            assert!(matches!(reached(other, base, true), Reached::Elsewhere { .. }), "{other}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for name in ["127.0.0.1:8126", "localhost:8126", "[::1]:8126"] {
            assert_eq!(reached(name, "http://0.0.0.0:8126", false), here(&format!("http://{name}")));
        }
        assert!(matches!(reached("192.168.1.5:8126", "http://0.0.0.0:8126", false), Reached::InTheOpen { .. }));
        assert!(matches!(reached("door.example", "http://door.example", true), Reached::InTheOpen { .. }));
        assert!(matches!(reached("localhost:1", "http://localhost:2", true), Reached::Elsewhere { .. }));
    }
}
