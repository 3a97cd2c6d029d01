//! Who asks: the address behind trusted proxies, and the language.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use ipnet::IpNet;

use crate::{
    delivery::one_line,
    flow::{Asker, Flows},
    words::Words,
};

const FORWARDED_FOR: &str = "x-forwarded-for";
/// What proxies and delivery networks add to what they hand on.
const FORWARDING: [&str; 13] = [
    FORWARDED_FOR,
    "forwarded",
    "via",
    "x-forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// The asker of a request.
pub struct Client(pub Asker);

impl FromRequestParts<Flows> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, flows: &Flows) -> Result<Self, Infallible> {
        // Without a peer (a router driven without a socket) nothing vouches for the header.
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        let (address, is_certain) = address(peer, &parts.headers, &flows.settings().trusted_proxies);
        let is_by_our_name = is_by_our_name(&parts.headers, flows.settings().public_url.as_ref());
        let (language, browser) = (language(&parts.headers, flows.words()), browser(&parts.headers));
        Ok(Self(Asker { address, is_certain, is_by_our_name, language, browser }))
    }
}

/// The peer, or, when the peer is a trusted proxy, the rightmost address in `X-Forwarded-For` that is not one:
/// everything left of it could have been written by the client itself. And whether that is certain: nobody who is no
/// trusted proxy claims to speak for another.
fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> (IpAddr, bool) {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer.to_canonical();
    let mut hops = Vec::new();
    for line in headers.get_all(FORWARDED_FOR) {
        match line.to_str() {
            Ok(line) => hops.extend(line.split(',').map(hop)),
            Err(_) => hops.push(None),
        }
    }
    let comes_by_proxy = is_trusted(&nearest);
    while is_trusted(&nearest) {
        match hops.pop() {
            Some(Some(address)) => nearest = address,
            // The chain ends, or is not readable from here on.
            Some(None) | None => return (nearest, false),
        }
    }
    // A proxy of ours is told by the headers of its own; any other sign of one is of a proxy nobody named.
    let speaks_for_others = FORWARDING.iter().any(|name| headers.contains_key(*name));
    (nearest, hops.is_empty() && (comes_by_proxy || !speaks_for_others))
}

/// Whether the request names this host as it is known: by `public_url`, by an address, or as this machine. A web page
/// whose own name was made to lead here is asked for, and speaks, under that name of its own.
fn is_by_our_name(headers: &HeaderMap, public_url: Option<&url::Url>) -> bool {
    let is_ours = |url: Option<url::Url>| match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => {
            let is_public = public_url.and_then(url::Url::host_str).is_some_and(|public| public == name);
            is_public || name == "localhost" || name.ends_with(".localhost")
        }
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
        None => false,
    };
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
    let host = headers.get(header::HOST).map(|host| format!("http://{}/", text(host)));
    let origin = headers.get(header::ORIGIN).map(text);
    is_ours(host.and_then(|host| url::Url::parse(&host).ok()))
        && origin.is_none_or(|origin| is_ours(url::Url::parse(&origin).ok()))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// What the program calls itself, fit to be shown: one line, 200 characters at most.
fn browser(headers: &HeaderMap) -> Option<String> {
    let name = one_line(&String::from_utf8_lossy(headers.get(header::USER_AGENT)?.as_bytes()));
    Some(name).filter(|name| !name.is_empty())
}

/// The language of ours that `Accept-Language` asks for (RFC 9110 section 12.5.4), English if it asks for none of them.
/// Lines of one name are one list.
fn language(headers: &HeaderMap, words: &Words) -> String {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
    words.language_for(&lines.collect::<Vec<_>>().join(",")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        address(peer.parse().unwrap(), &headers, &trusted()).0.to_string()
    }

    fn trusted() -> [IpNet; 2] {
        ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
    }

    #[test]
    fn an_address_is_certain_when_nobody_but_our_proxies_spoke_for_another() {
        let certain = |peer: &str, lines: &[(&'static str, &str)]| {
            let headers =
                lines.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
            address(peer.parse().unwrap(), &headers, &trusted()).1
        };
        assert!(certain("192.168.1.9", &[]));
        for name in FORWARDING {
            assert!(!certain("192.168.1.9", &[(name, "192.168.1.7")]), "{name}");
        }
        assert!(certain("10.0.0.1", &[("x-forwarded-for", "192.168.1.9"), ("via", "1.1 proxy")]));
        assert!(!certain("10.0.0.1", &[]), "a proxy that names nobody");
        assert!(!certain("10.0.0.1", &[("x-forwarded-for", "unknown")]));
        assert!(!certain("10.0.0.1", &[("x-forwarded-for", "203.0.113.9, 192.168.1.9")]), "another proxy behind ours");
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1", "203.0.113.9, 10.0.0.2"]), "203.0.113.9");
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_none_of_ours() {
        let public = url::Url::parse("https://login.example.org").unwrap();
        let named = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
            is_by_our_name(&headers, Some(&public))
        };
        for host in ["login.example.org", "LOGIN.example.org:443", "192.168.1.2:8126", "[fd00::1]:8126", "localhost:1"]
        {
            assert!(named(host, None), "{host}");
        }
        for host in ["evil.example", "login.example.org.evil.example", "192.168.1.2.evil.example", "x@evil.example", ""]
        {
            assert!(!named(host, None), "{host}");
        }
        assert!(named("192.168.1.2", Some("https://login.example.org")));
        assert!(!named("192.168.1.2", Some("https://evil.example")) && !named("192.168.1.2", Some("null")));
        assert!(!is_by_our_name(&HeaderMap::new(), None));
    }

    #[test]
    fn an_unreadable_hop_ends_the_chain_at_the_last_known_one() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[""]), "10.0.0.1");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_one_address() {
        assert_eq!(seen("::ffff:10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(seen("fd00::1", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(seen("fd00::1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(seen("fd00::1", &["::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn a_program_calls_itself_what_it_likes_in_one_line() {
        let named = |name: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_bytes(name).unwrap());
            browser(&headers)
        };
        assert_eq!(named(b"curl/8.5.0").as_deref(), Some("curl/8.5.0"));
        assert_eq!(named(b"a\t<b>\xff").as_deref(), Some("a <b>\u{fffd}"));
        assert_eq!(named("x\u{202e}y".as_bytes()).as_deref(), Some("x y"));
        assert_eq!(named(&[b'm'; 5000]).unwrap().chars().count(), 200);
        assert_eq!((named(b" "), browser(&HeaderMap::new())), (None, None));
    }

    #[test]
    fn the_language_is_one_of_ours() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_LANGUAGE, line.parse().unwrap());
            }
            language(&headers, &Words::built_in())
        };
        assert_eq!(read(&["de-CH, fr;q=0.9"]), "de");
        assert_eq!(read(&["FR;q=0.3, de;q=0.2"]), "fr");
        assert_eq!(read(&["it", "zh-CN;q=0.5"]), "zh", "two lines are one list");
        for odd in ["*", "", "../../etc", "x", "nl", "de;q=0"] {
            assert_eq!(read(&[odd]), "en", "{odd:?}");
        }
        assert_eq!(read(&[]), "en");
    }
}
