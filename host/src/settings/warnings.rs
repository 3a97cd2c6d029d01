//! Settings that are allowed and still deserve a word at each start.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{ChannelKind, Colour, ProviderKind, Settings, SignUpMode, bounds};

/// WCAG 2.2, success criterion 1.4.3.
const CONTRAST_MIN: f64 = 4.5;

/// Sentences for the log and for `status`.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    match &settings.public_url {
        Some(url) if url.scheme() == "http" && !is_loopback(url) => found.push(format!(
            "public_url {url} is not https: passwords and codes travel readable; put a reverse proxy with TLS in \
             front and write its https address"
        )),
        None if !settings.listen.ip().is_loopback() => found.push(format!(
            "listen is {} and public_url is not set: passwords and codes travel readable unless a reverse proxy with \
             TLS stands in front; set public_url to its https address",
            settings.listen
        )),
        _ => {}
    }
    if settings.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        found.push(
            "trusted_proxies holds a network of all addresses: any client can choose the address it is counted under; \
             name only your proxies"
                .to_owned(),
        );
    }
    let work_kib = u64::from(settings.argon2.memory_kib) * u64::from(settings.argon2.iterations);
    if work_kib < bounds::ARGON2_WORK_KIB_MIN {
        found.push(format!(
            "argon2 memory_kib times iterations is {work_kib}, little work to slow down guessing; raise it to at least {}",
            bounds::ARGON2_WORK_KIB_MIN
        ));
    }
    for provider in settings.providers.iter().filter(|provider| provider.kind == ProviderKind::Service) {
        for credential in provider.credentials.iter().filter(|credential| credential.clients.is_empty()) {
            found.push(format!("the credential {} lists no clients, so it can vouch for nobody", credential.id));
        }
    }
    for channel in settings.channels.iter().filter(|channel| channel.enabled && channel.kind == ChannelKind::Http) {
        let url = channel.url.as_deref().and_then(|url| url::Url::parse(&url.replace(['{', '}'], "x")).ok());
        if url.is_some_and(|url| url.scheme() == "http" && !is_loopback(&url)) {
            found.push(format!("the channel {} is not https: codes travel readable to its gateway", channel.name));
        }
    }
    found.extend(proxies_in_trusted_networks(settings));
    let too_faint = |name: &str, on: &str, contrast: Option<f64>| {
        contrast.filter(|contrast| *contrast < CONTRAST_MIN).map(|contrast| {
            format!("pages.{name}: {on} text on it has a contrast of {contrast:.1}; choose a colour with {CONTRAST_MIN} at least")
        })
    };
    let pages = &settings.pages;
    found.extend(too_faint("accent", "white", pages.accent.map(Colour::contrast_with_white)));
    found.extend(too_faint("accent_dark", "black", pages.accent_dark.map(Colour::contrast_with_black)));
    if settings.sign_up.mode == SignUpMode::Open {
        found.push("sign_up is open: anybody who reaches this host adds themselves as a user".to_owned());
    }
    if !settings.modules.iter().any(|module| module.enabled) {
        found.push("no module is enabled: there is no second factor; run: mfa-host module enable totp".to_owned());
    }
    if let Some(development) = &settings.development {
        found.push("[development] is set: this host is not for real users".to_owned());
        if let Some(file) = &development.clock_file {
            found.push(format!("the time is read from {}: expiry and codes follow that file", file.display()));
        }
    }
    found
}

/// Whoever comes through such a proxy without an address of their own would look as if they sat in the network.
fn proxies_in_trusted_networks(settings: &Settings) -> Vec<String> {
    let networks =
        settings.providers.iter().filter(|provider| provider.enabled).flat_map(|provider| &provider.networks);
    let overlap = |network: &IpNet, proxy: &&IpNet| network.contains(*proxy) || proxy.contains(network);
    let pairs = networks.flat_map(|entry| &entry.cidr).filter_map(|network| {
        settings.trusted_proxies.iter().find(|proxy| overlap(network, proxy)).map(|proxy| (network, proxy))
    });
    pairs
        .map(|(network, proxy)| {
            format!(
                "trusted_proxies holds {proxy}, which lies in the trusted network {network} or around it: nobody is let \
                 in from a proxy's own address; name networks without the proxies in them"
            )
        })
        .collect()
}

/// Whether the address leads to this machine only.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::parse;

    const REST: &str = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"totp\"\n";

    fn of(text: &str) -> Vec<String> {
        warnings(&parse(Path::new("host.toml"), &format!("{text}{REST}")).unwrap())
    }

    #[test]
    fn readable_passwords_are_warned_of_and_nothing_else() {
        assert!(of("").is_empty());
        assert!(of("public_url = \"http://localhost:8126\"\n").is_empty());
        assert!(of("public_url = \"http://[::1]\"\n").is_empty());
        assert!(of("public_url = \"https://login.example.org\"\nlisten = \"0.0.0.0:80\"\n").is_empty());
        assert_eq!(of("public_url = \"http://login.example.org\"\n").len(), 1);
        assert_eq!(of("listen = \"0.0.0.0:80\"\n").len(), 1);
        assert_eq!(of("[argon2]\nmemory_kib = 7168\niterations = 1\n").len(), 1);
        assert_eq!(of("trusted_proxies = [\"0.0.0.0/0\"]\n").len(), 1);
    }
}
