//! Whoever sits in one of these networks signs in by choosing who they are. Pure.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::settings::{ProviderSettings, TrustedNetwork};

/// Where a request comes from, and whether that is sure: nobody in between spoke for another.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub address: IpAddr,
    pub is_certain: bool,
}

/// The entries of the provider that hold this source; none lets nobody in. A proxy's own address is nobody's.
pub fn entries<'a>(
    provider: &'a ProviderSettings,
    trusted_proxies: &[IpNet],
    source: Source,
) -> Vec<&'a TrustedNetwork> {
    let address = source.address.to_canonical();
    if !source.is_certain || trusted_proxies.iter().any(|proxy| proxy.contains(&address)) {
        return Vec::new();
    }
    let holds = |entry: &&TrustedNetwork| entry.cidr.iter().any(|network| network.contains(&address));
    provider.networks.iter().filter(holds).collect()
}

/// Whether one of the entries lets this user in.
pub fn permits(entries: &[&TrustedNetwork], name: &str, groups: &[String]) -> bool {
    let folded = |name: &str| name.trim().to_lowercase();
    entries.iter().any(|entry| {
        let is_for_all = entry.users.is_empty() && entry.groups.is_empty();
        is_for_all
            || entry.users.iter().any(|user| folded(user) == folded(name))
            || entry.groups.iter().any(|group| groups.contains(group))
    })
}

/// Whether an address is of the machine itself or of a network that is not routed on the Internet.
pub fn is_local(source: Source) -> bool {
    let is_private = match source.address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    };
    is_private && source.is_certain
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::parse;

    fn provider() -> ProviderSettings {
        let text = "[[provider]]\ntype = \"trusted_networks\"\n\
                    [[provider.network]]\ncidr = [\"192.168.1.0/24\", \"fd00::/8\"]\nusers = [\"Ann\"]\ngroups = [\"family\"]\n\
                    [[provider.network]]\ncidr = [\"10.0.0.0/8\"]\n";
        parse(Path::new("host.toml"), text).unwrap().providers.remove(0)
    }

    fn from(address: &str, is_certain: bool) -> usize {
        let source = Source { address: address.parse().unwrap(), is_certain };
        entries(&provider(), &["192.168.1.2/32".parse().unwrap()], source).len()
    }

    #[test]
    fn only_a_certain_address_of_no_proxy_is_in_a_network() {
        assert_eq!((from("192.168.1.9", true), from("::ffff:192.168.1.9", true), from("fd12::1", true)), (1, 1, 1));
        assert_eq!((from("192.168.2.9", true), from("::1", true), from("2001:db8::1", true)), (0, 0, 0));
        assert_eq!((from("192.168.1.9", false), from("192.168.1.2", true)), (0, 0));
    }

    #[test]
    fn a_list_names_those_who_may_and_no_list_is_everybody() {
        let provider = provider();
        let (listed, all) = ([&provider.networks[0]], [&provider.networks[1]]);
        let family = ["family".to_owned()];
        assert!(permits(&listed, " aNN ", &[]) && permits(&listed, "bob", &family) && !permits(&listed, "bob", &[]));
        assert!(permits(&all, "bob", &[]) && !permits(&[], "ann", &family));
    }

    #[test]
    fn local_is_what_the_internet_does_not_route() {
        let local = |address: &str| is_local(Source { address: address.parse().unwrap(), is_certain: true });
        for address in
            ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"]
        {
            assert!(local(address), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8", "0.0.0.0"] {
            assert!(!local(address), "{address}");
        }
        assert!(!is_local(Source { address: "10.1.2.3".parse().unwrap(), is_certain: false }));
    }
}
