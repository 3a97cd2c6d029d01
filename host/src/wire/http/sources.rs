//! How many connections one source may have open, so that a single machine cannot take all there are.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Of one IPv4 address or one IPv6 network of 64 bits.
const CONNECTIONS_PER_SOURCE_MAX: usize = 256;

/// Connections that are open, by source.
#[derive(Clone, Default)]
pub struct Sources(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place of its source, free again when this is dropped.
pub struct Place {
    sources: Sources,
    source: Option<IpAddr>,
}

impl Sources {
    /// A place for a connection of this peer; none if its source has all it may have. A proxy speaks for many, and so may
    /// this machine itself.
    pub fn take(&self, peer: IpAddr, is_proxy: bool) -> Option<Place> {
        let peer = peer.to_canonical();
        let source = (!is_proxy && !peer.is_loopback()).then(|| network_of(peer));
        if let Some(source) = source {
            let mut open = self.open();
            let count = open.entry(source).or_default();
            if *count >= CONNECTIONS_PER_SOURCE_MAX {
                return None;
            }
            *count += 1;
        }
        Some(Place { sources: self.clone(), source })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(source) = self.source else { return };
        let mut open = self.sources.open();
        match open.get_mut(&source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&source)),
        }
    }
}

/// Who has one address of IPv6 has 64 bits of them.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(sources: &Sources, addresses: &[&str]) -> Vec<Place> {
        let peers = addresses.iter().map(|address| address.parse().unwrap()).cycle();
        peers.take(CONNECTIONS_PER_SOURCE_MAX).map(|peer| sources.take(peer, false).unwrap()).collect()
    }

    #[test]
    fn one_source_has_its_share_and_leaves_the_others_theirs() {
        let sources = Sources::default();
        let mut places = fill(&sources, &["203.0.113.9", "::ffff:203.0.113.9"]);
        let takes = |address: &str, is_proxy: bool| sources.take(address.parse().unwrap(), is_proxy).is_some();
        assert!(!takes("203.0.113.9", false) && takes("203.0.113.10", false));
        assert!(takes("203.0.113.9", true), "a proxy speaks for many");
        places.pop();
        assert!(takes("203.0.113.9", false), "a place is free again");
        drop(places);
        assert!(sources.open().is_empty(), "nothing is remembered of who has gone");
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_this_machine_is_none() {
        let sources = Sources::default();
        let _places = fill(&sources, &["2001:db8::1", "2001:db8::ffff:1"]);
        let takes = |address: &str| sources.take(address.parse().unwrap(), false).is_some();
        assert!(!takes("2001:db8::2") && takes("2001:db8:0:1::2"));
        let _own = fill(&sources, &["127.0.0.1"]);
        assert!(takes("127.0.0.1") && takes("::1"));
    }
}
