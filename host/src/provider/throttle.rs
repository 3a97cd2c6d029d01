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
/// Passwords of a name and source that are checked at once while there is no delay; else one at a time. What is sent
/// at once would pass the delay together before the first of it is counted.
const AT_ONCE_PER_PAIR: u32 = 8;
/// A source may be the proxy of everybody; the queue of the password checks bounds it.
const AT_ONCE_PER_SOURCE: u32 = u32::MAX;
/// How long what came while others are checked is told to wait.
const AT_ONCE_WAIT_MS: i64 = 1000;
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
            pairs: Ledger::new(FREE_PER_PAIR, AT_ONCE_PER_PAIR, entries_max),
            sources: Ledger::new(FREE_PER_SOURCE, AT_ONCE_PER_SOURCE, entries_max),
        };
        Self { ledgers: Mutex::new(ledgers) }
    }

    /// Lets this source try this name now.
    ///
    /// # Errors
    /// The seconds it has to wait before.
    pub fn admit(&self, source: IpAddr, name: &str, now: &Now) -> Result<Admission<'_>, u64> {
        let (source, name) = (network_of(source), digest_of(name));
        let mut ledgers = self.lock();
        match ledgers.wait_s(source, name, now) {
            Some(wait_s) => Err(wait_s),
            None => {
                ledgers.pairs.enter((source, name), now.boot_ms);
                ledgers.sources.enter(source, now.boot_ms);
                Ok(Admission { throttle: self, source, name })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledgers> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledgers {
    fn wait_s(&self, source: IpAddr, name: [u8; 16], now: &Now) -> Option<u64> {
        let pair_ms = self.pairs.wait_ms(&(source, name), now.boot_ms);
        let wait_ms = pair_ms.max(self.sources.wait_ms(&source, now.boot_ms));
        (wait_ms > 0).then(|| wait_ms.unsigned_abs().div_ceil(1000))
    }
}

/// A first factor that is being checked. Dropped without a verdict it was never tried.
pub struct Admission<'a> {
    throttle: &'a FirstFactorThrottle,
    source: IpAddr,
    name: [u8; 16],
}

impl Admission<'_> {
    /// It was wrong.
    pub fn failed(self, now: &Now) {
        let mut ledgers = self.throttle.lock();
        ledgers.pairs.failed((self.source, self.name), now.boot_ms);
        ledgers.sources.failed(self.source, now.boot_ms);
    }

    /// It was right: the pair of name and source starts anew.
    pub fn passed(self) {
        self.throttle.lock().pairs.forgive(&(self.source, self.name));
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut ledgers = self.throttle.lock();
        ledgers.pairs.leave(&(self.source, self.name));
        ledgers.sources.leave(&self.source);
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

/// Wrong ones by key, in the order of the last one, and those that are being checked.
struct Ledger<K> {
    free: u32,
    at_once: u32,
    entries_max: usize,
    entries: HashMap<K, Entry>,
    by_age: BTreeMap<u64, K>,
    next: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    order: u64,
    wrong: u32,
    being_checked: u32,
    last_ms: i64,
}

impl<K: Clone + Eq + Hash> Ledger<K> {
    fn new(free: u32, at_once: u32, entries_max: usize) -> Self {
        Self { free, at_once, entries_max, entries: HashMap::new(), by_age: BTreeMap::new(), next: 0 }
    }

    fn wait_ms(&self, key: &K, now_ms: i64) -> i64 {
        let Some(entry) = self.entries.get(key) else { return 0 };
        let delay = delay_ms(entry.wrong, self.free);
        // A clock that went back, as a test's may, never makes the wait longer than the delay.
        let wait = (entry.last_ms.saturating_add(delay) - now_ms).clamp(0, delay);
        let at_once = if delay == 0 { self.at_once } else { 1 };
        if entry.being_checked < at_once { wait } else { wait.max(AT_ONCE_WAIT_MS) }
    }

    fn enter(&mut self, key: K, now_ms: i64) {
        let mut entry = self.entries.get(&key).copied().unwrap_or(Entry::new(now_ms));
        entry.being_checked += 1;
        self.put(key, entry);
    }

    fn leave(&mut self, key: &K) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.being_checked = entry.being_checked.saturating_sub(1);
        if entry.being_checked == 0 && entry.wrong == 0 {
            self.remove(key);
        }
    }

    fn failed(&mut self, key: K, now_ms: i64) {
        self.forget(now_ms);
        let entry = self.entries.get(&key).copied().unwrap_or(Entry::new(now_ms));
        self.put(key, Entry { wrong: entry.wrong.saturating_add(1), last_ms: now_ms, ..entry });
    }

    fn forgive(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.wrong = 0;
        }
    }

    /// The entry in its place as the newest; when there are too many, the oldest go.
    fn put(&mut self, key: K, entry: Entry) {
        let order = self.next;
        self.next += 1;
        if let Some(former) = self.entries.insert(key.clone(), Entry { order, ..entry }) {
            self.by_age.remove(&former.order);
        }
        self.by_age.insert(order, key);
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

impl Entry {
    fn new(now_ms: i64) -> Self {
        Self { order: 0, wrong: 0, being_checked: 0, last_ms: now_ms }
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

    /// One after the other: nothing is being checked in between.
    impl FirstFactorThrottle {
        fn wait_s(&self, source: IpAddr, name: &str, now: &Now) -> Option<u64> {
            self.admit(source, name, now).err()
        }

        fn checked(&self, source: IpAddr, name: &str) -> Admission<'_> {
            Admission { throttle: self, source: network_of(source), name: digest_of(name) }
        }

        fn failed(&self, source: IpAddr, name: &str, now: &Now) {
            self.checked(source, name).failed(now);
        }

        fn passed(&self, source: IpAddr, name: &str) {
            self.checked(source, name).passed();
        }
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
    fn what_is_sent_at_once_gets_no_more_than_what_is_sent_in_turn() {
        let throttle = FirstFactorThrottle::new();
        let admitted = |ms| throttle.admit(ip("192.0.2.1"), "ann", &at(ms));
        let at_once: Vec<Admission<'_>> = (0..40).filter_map(|_| admitted(0).ok()).collect();
        assert_eq!(at_once.len(), 8);
        assert_eq!(throttle.wait_s(ip("192.0.2.1"), "bob", &at(0)), None);
        at_once.into_iter().for_each(|admission| admission.failed(&at(0)));
        assert_eq!(throttle.wait_s(ip("192.0.2.1"), "ann", &at(31_999)), Some(1));
        let one = admitted(32_000);
        assert!(one.is_ok() && admitted(32_000).is_err());
        drop(one);
        assert!(admitted(32_000).is_ok(), "what got no verdict was never tried");
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
