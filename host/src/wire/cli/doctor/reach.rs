//! Whether the address users are told, the address the host listens at and the proxies between them fit together.

use std::net::SocketAddr;

use super::super::findings::Finding;
use crate::settings::{Settings, is_loopback};

/// Warnings of a start are not repeated. `listening_on` is where a running host really listens.
pub fn of_addresses(settings: &Settings, listening_on: Option<SocketAddr>) -> Vec<Finding> {
    let listen = listening_on.unwrap_or(settings.listen);
    let mut found = Vec::new();
    let Some(url) = &settings.public_url else {
        if listen.ip().is_loopback() {
            let scheme = if settings.tls.is_some() { "https" } else { "http" };
            let message = format!("not set: users of this machine alone reach {scheme}://{listen}");
            found.push(Finding::ok("public_url", message));
        }
        if !settings.trusted_proxies.is_empty() {
            found.push(Finding::warn(
                "proxies",
                "trusted_proxies is set and public_url is not: links and codes name the address behind the proxy",
                "set public_url to the address of the proxy",
            ));
        }
        return found;
    };
    let is_https = url.scheme() == "https";
    let port = url.port_or_known_default().unwrap_or_default();
    let mut wrong = |message: String, remedy: &str| found.push(Finding::warn("public_url", message, remedy));
    if is_loopback(url) && !listen.ip().is_loopback() {
        wrong(
            format!("public_url {url} names this machine only, and the host listens for others on {listen}"),
            "set public_url to the address users type, or listen on 127.0.0.1",
        );
    } else if is_loopback(url) && !is_https && port != listen.port() {
        wrong(
            format!("public_url {url} leads to port {port}, and the host listens on {listen}"),
            "make the ports agree, unless a proxy on this machine stands between them",
        );
    }
    if settings.tls.is_some() {
        // The host answers HTTPS itself; whether names fit the certificate is looked at with the certificate.
        if !is_loopback(url) && listen.ip().is_loopback() && settings.trusted_proxies.is_empty() {
            wrong(
                format!("the host listens on {listen}, which only this machine reaches, and public_url is {url}"),
                "listen on 0.0.0.0:PORT, or on the address users come by",
            );
        } else if is_https && port != listen.port() && settings.trusted_proxies.is_empty() {
            wrong(
                format!("public_url {url} leads to port {port}, and the host listens on {listen}"),
                "make the ports agree, unless the port is forwarded",
            );
        }
    } else if is_https && port == listen.port() {
        wrong(
            format!("public_url {url} is https, and its port is the host's own, which speaks HTTP"),
            "add [tls], or listen on another port and let the proxy answer this one",
        );
    } else if is_https && !listen.ip().is_loopback() {
        wrong(
            format!("the host listens on {listen}, where it can be reached without TLS, past the proxy"),
            "listen on 127.0.0.1, or let only the proxy through to this port",
        );
    }
    if found.is_empty() && (is_https || is_loopback(url)) {
        found.push(Finding::ok("public_url", format!("{url} fits {listen}")));
    }
    // Without TLS of its own an https host has a proxy in front of it.
    found.extend(of_proxies(settings, is_https && settings.tls.is_none()));
    found
}

fn of_proxies(settings: &Settings, has_proxy: bool) -> Option<Finding> {
    let networks: Vec<String> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    if networks.is_empty() && has_proxy {
        return Some(Finding::warn(
            "proxies",
            "trusted_proxies is empty: all users count under the proxy's address, and one who guesses delays all",
            "name the proxy's address, for example trusted_proxies = [\"127.0.0.1/32\"]",
        ));
    }
    let is_narrow = settings.trusted_proxies.iter().all(|network| network.prefix_len() > 0);
    (!networks.is_empty() && is_narrow)
        .then(|| Finding::ok("proxies", format!("X-Forwarded-For is believed from {}", networks.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::super::findings::Level, *};

    /// Subjects of what is not well.
    fn wrong(text: &str, listening_on: Option<&str>) -> Vec<&'static str> {
        let text = format!("{text}\n[[provider]]\ntype = \"local\"\n");
        let settings = crate::settings::parse(Path::new("host.toml"), &text).unwrap();
        let found = of_addresses(&settings, listening_on.map(|address| address.parse().unwrap()));
        found.iter().filter(|finding| finding.level != Level::Ok).map(|finding| finding.subject).collect()
    }

    #[test]
    fn addresses_that_do_not_fit_are_told() {
        const HTTPS: &str = "public_url = \"https://login.example.org\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n";
        let nothing: [&str; 0] = [];
        assert_eq!(wrong("", None), nothing);
        assert_eq!(wrong(HTTPS, None), nothing);
        assert_eq!(wrong("public_url = \"http://localhost:8126\"", None), nothing);
        assert_eq!(wrong("public_url = \"http://localhost\"", None), ["public_url"]);
        assert_eq!(wrong("public_url = \"http://localhost:8126\"", Some("127.0.0.1:9")), ["public_url"]);
        assert_eq!(wrong("public_url = \"http://localhost:8126\"\nlisten = \"0.0.0.0:8126\"", None), ["public_url"]);
        assert_eq!(wrong(&format!("{HTTPS}listen = \"127.0.0.1:443\""), None), ["public_url"]);
        assert_eq!(wrong(&format!("{HTTPS}listen = \"0.0.0.0:8126\""), None), ["public_url"]);
        assert_eq!(wrong("public_url = \"https://login.example.org\"", None), ["proxies"]);
        assert_eq!(wrong("trusted_proxies = [\"10.0.0.1/32\"]", None), ["proxies"]);
        const OWN: &str = "public_url = \"https://login.example.org\"\n";
        assert_eq!(wrong(&format!("{OWN}listen = \"0.0.0.0:443\"\n[tls]\n"), None), nothing);
        assert_eq!(wrong(&format!("{OWN}listen = \"127.0.0.1:443\"\n[tls]\n"), None), ["public_url"]);
        assert_eq!(wrong(&format!("{OWN}listen = \"0.0.0.0:8126\"\n[tls]\n"), None), ["public_url"]);
    }
}
