//! A delay per source, and per name and source, after wrong first factors. In memory, bounded; never locks a name
//! for everybody. Sources are IPv4 addresses and IPv6 /64 networks.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::clock::Now;

/// Wrong ones of a name and source before there is a delay.
const FREE_PER_PAIR: u32 = 3;
/// Wrong ones of a source, whatever the names, before there is a delay.
const FREE_PER_SOURCE: u32 = 20;
const DELAY_MS_MAX: i64 = 60_000;
/// Without another wrong one for this long, everything is forgotten.
const FORGET_MS: i64 = 15 * 60_000;
/// Entries each ledger holds; one more pushes out the one that has been quiet longest.
const ENTRIES_MAX: usize = 100_000;

/// Counts wrong first factors.
pub struct FirstFactorThrottle {
    ledgers: Mutex<Ledgers>,
}

struct Ledgers {
    pairs: Ledger<(IpAddr, [u8; 16])>,
    sources: Ledger<IpAddr>,
}

impl FirstFactorThrottle {
    pub fn new() -> Self {
        Self::bounded(ENTRIES_MAX)
    }

    fn bounded(entries_max: usize) -> Self {
        let ledgers = Ledgers {
            pairs: Ledger::new(FREE_PER_PAIR, entries_max),
            sources: Ledger::new(FREE_PER_SOURCE, entries_max),
        };
        Self { ledgers: Mutex::new(ledgers) }
    }

    /// Seconds this source has to wait before it may try this name, if any.
    pub fn wait_s(&self, source: IpAddr, name: &str, now: &Now) -> Option<u64> {
        let source = network_of(source);
        let ledgers = self.lock();
        let wait_ms = ledgers
            .pairs
            .wait_ms(&(source, digest_of(name)), now.boot_ms)
            .max(ledgers.sources.wait_ms(&source, now.boot_ms));
        (wait_ms > 0).then(|| wait_ms.unsigned_abs().div_ceil(1000))
    }

    /// A wrong first factor.
    pub fn failed(&self, source: IpAddr, name: &str, now: &Now) {
        let source = network_of(source);
        let mut ledgers = self.lock();
        ledgers.pairs.failed((source, digest_of(name)), now.boot_ms);
        ledgers.sources.failed(source, now.boot_ms);
    }

    /// A right one: the pair of name and source starts anew.
    pub fn passed(&self, source: IpAddr, name: &str) {
        self.lock().pairs.remove(&(network_of(source), digest_of(name)));
    }

    fn lock(&self) -> MutexGuard<'_, Ledgers> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FirstFactorThrottle {
    fn default() -> Self {
        Self::new()
    }
}

/// One home or machine owns a whole IPv6 /64 and could take a new address for every guess.
fn network_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

/// Names of any length take the same room; spelling with other case or blanks is no new name.
fn digest_of(name: &str) -> [u8; 16] {
    let digest = Sha256::digest(name.trim().to_lowercase().as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// Wrong ones by key, in the order of the last wrong one.
struct Ledger<K> {
    free: u32,
    entries_max: usize,
    entries: HashMap<K, Entry>,
    by_age: BTreeMap<u64, K>,
    next: u64,
}

struct Entry {
    order: u64,
    wrong: u32,
    last_ms: i64,
}

impl<K: Clone + Eq + Hash> Ledger<K> {
    fn new(free: u32, entries_max: usize) -> Self {
        Self { free, entries_max, entries: HashMap::new(), by_age: BTreeMap::new(), next: 0 }
    }

    fn wait_ms(&self, key: &K, now_ms: i64) -> i64 {
        let Some(entry) = self.entries.get(key) else { return 0 };
        let delay = delay_ms(entry.wrong, self.free);
        // A clock that went back, as a test's may, never makes the wait longer than the delay.
        (entry.last_ms.saturating_add(delay) - now_ms).clamp(0, delay)
    }

    fn failed(&mut self, key: K, now_ms: i64) {
        self.forget(now_ms);
        let order = self.next;
        self.next += 1;
        let wrong = match self.entries.get(&key) {
            Some(former) => {
                self.by_age.remove(&former.order);
                former.wrong.saturating_add(1)
            }
            None => 1,
        };
        self.by_age.insert(order, key.clone());
        self.entries.insert(key, Entry { order, wrong, last_ms: now_ms });
        while self.entries.len() > self.entries_max {
            self.drop_oldest();
        }
    }

    fn forget(&mut self, now_ms: i64) {
        while let Some(entry) = self.by_age.first_key_value().and_then(|(_, key)| self.entries.get(key)) {
            if now_ms.saturating_sub(entry.last_ms) < FORGET_MS {
                break;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.by_age.pop_first() {
            self.entries.remove(&key);
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_age.remove(&entry.order);
        }
    }
}

/// Nothing for the free ones, then 1, 2, 4, … seconds.
fn delay_ms(wrong: u32, free: u32) -> i64 {
    match wrong.checked_sub(free) {
        None => 0,
        Some(over) => 1000_i64.checked_shl(over.min(20)).map_or(DELAY_MS_MAX, |delay| delay.min(DELAY_MS_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn at(boot_ms: i64) -> Now {
        Now { wall: Timestamp(boot_ms), boot_ms, boot_id: "b".into() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_pair_waits_longer_each_time_up_to_a_minute() {
        let throttle = FirstFactorThrottle::new();
        let source = ip("192.0.2.1");
        let mut now = 0;
        for expected in [None, None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32), Some(60), Some(60)] {
            throttle.failed(source, "ann", &at(now));
            assert_eq!(throttle.wait_s(source, "ann", &at(now)), expected);
            now += expected.unwrap_or(0) as i64 * 1000;
            assert_eq!(throttle.wait_s(source, "ann", &at(now)), None);
        }
        assert_eq!(throttle.wait_s(source, "bob", &at(now)), None);
        assert_eq!(throttle.wait_s(ip("192.0.2.2"), "ann", &at(now)), None);
    }

    #[test]
    fn spelling_a_name_otherwise_does_not_help() {
        let throttle = FirstFactorThrottle::new();
        for name in ["ann", "ANN", " Ann "] {
            throttle.failed(ip("192.0.2.1"), name, &at(0));
        }
        assert_eq!(throttle.wait_s(ip("192.0.2.1"), "aNN", &at(0)), Some(1));
    }

    #[test]
    fn a_source_waits_after_twenty_whatever_the_names() {
        let throttle = FirstFactorThrottle::new();
        let source = ip("2001:db8::1");
        for guess in 0..20 {
            assert_eq!(throttle.wait_s(source, "new", &at(0)), None);
            throttle.failed(ip(&format!("2001:db8::{guess:x}")), &format!("name {guess}"), &at(0));
        }
        assert_eq!(throttle.wait_s(source, "new", &at(0)), Some(1));
        assert_eq!(throttle.wait_s(ip("2001:db8:0:1::1"), "new", &at(0)), None);
        throttle.passed(source, "name 3");
        assert_eq!(throttle.wait_s(source, "new", &at(0)), Some(1));
    }

    #[test]
    fn a_mapped_address_is_the_same_source() {
        let throttle = FirstFactorThrottle::new();
        for _ in 0..3 {
            throttle.failed(ip("::ffff:192.0.2.1"), "ann", &at(0));
        }
        assert_eq!(throttle.wait_s(ip("192.0.2.1"), "ann", &at(0)), Some(1));
        assert_eq!(throttle.wait_s(ip("::ffff:192.0.2.2"), "ann", &at(0)), None);
    }

    #[test]
    fn success_and_quiet_forget() {
        let throttle = FirstFactorThrottle::new();
        let source = ip("192.0.2.1");
        for _ in 0..5 {
            throttle.failed(source, "ann", &at(0));
        }
        throttle.passed(source, "ann");
        assert_eq!(throttle.wait_s(source, "ann", &at(0)), None);
        for _ in 0..5 {
            throttle.failed(source, "ann", &at(0));
        }
        throttle.failed(source, "ann", &at(FORGET_MS));
        assert_eq!(throttle.wait_s(source, "ann", &at(FORGET_MS)), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let throttle = FirstFactorThrottle::bounded(2);
        for name in ["a", "b", "a", "a", "c"] {
            throttle.failed(ip("192.0.2.1"), name, &at(0));
        }
        let ledgers = throttle.lock();
        assert_eq!((ledgers.pairs.entries.len(), ledgers.pairs.by_age.len()), (2, 2));
        assert!(ledgers.pairs.entries.contains_key(&(ip("192.0.2.1"), digest_of("a"))));
        assert!(!ledgers.pairs.entries.contains_key(&(ip("192.0.2.1"), digest_of("b"))));
    }
}
