//! Messages of modules and notices of the host: who may be written to and how often, made in the commit of what they
//! belong to, and sent once that is durable.

mod notices;
mod outgoing;
mod permitted;
mod postman;
mod quota;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::watch;
use zeroize::Zeroizing;

pub use notices::{About, Notice};
pub use outgoing::{Outgoing, Unsendable, WantedBy, Writing, Written};
pub use permitted::Known;
pub use postman::HandedOver;

use crate::{clock::Timestamp, keys::MasterKey, store::Key};

/// Notices of one user in an hour, a bound of its own: who makes notices come must not use up codes, nor the other way
/// round. Counted by this process alone, since nothing is decided by it.
const NOTICES_PER_USER_HOUR: u64 = 30;

/// Messages one commit erases; a commit takes a few more changes.
const ERASED_AT_ONCE_MAX: usize = 200;

/// A message in line for another try.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    id: String,
    /// How many it had when it was put there: another number says that somebody took it since.
    tries: u32,
}

/// What all messages of this process share.
pub struct Messages {
    /// Names addresses in the store, where a plain hash of a telephone number would be found by trying all of them.
    target_key: Zeroizing<[u8; 32]>,
    /// From it comes the key of each module and user.
    module_key: Zeroizing<[u8; 32]>,
    /// Codes of the host's own.
    code_key: Zeroizing<[u8; 32]>,
    /// Messages of the whole host in the last hour, oldest first.
    hour: Mutex<VecDeque<Timestamp>>,
    /// What is to be tried again, by when.
    waiting: Mutex<BTreeSet<(Timestamp, Due)>>,
    /// Notices of the last hour by user.
    notices: Mutex<HashMap<String, VecDeque<Timestamp>>>,
    /// What is to be erased, while somebody erases.
    done: Mutex<Option<BTreeSet<Key>>>,
    /// How many are being sent now.
    under_way: watch::Sender<usize>,
}

impl Messages {
    pub fn new(master: &MasterKey) -> Self {
        Self {
            target_key: master.derive("message targets"),
            module_key: master.derive("keys of modules"),
            code_key: master.derive("codes of the host"),
            hour: Mutex::default(),
            waiting: Mutex::default(),
            notices: Mutex::default(),
            done: Mutex::default(),
            under_way: watch::Sender::new(0),
        }
    }

    /// Counts a notice of a user.
    fn count_notice(&self, user: &str, now: Timestamp) -> Result<(), u64> {
        quota::count(locked(&self.notices).entry(user.to_owned()).or_default(), NOTICES_PER_USER_HOUR, now)
    }

    /// Forgets users that were told nothing for an hour.
    pub fn forget_silent(&self, now: Timestamp) {
        locked(&self.notices).retain(|_, told| {
            quota::forget(told, now);
            !told.is_empty()
        });
    }

    /// The key of a module for one user, 64 hexadecimal digits: another one for each of both.
    pub fn mac_key(&self, module: &str, user: &str) -> String {
        tag(&self.module_key, &[module, user])
    }

    /// What is kept of a code in its place: another one for each flow and purpose.
    pub fn code_mac(&self, purpose: &str, bound_to: &str, code: &str) -> String {
        tag(&self.code_key, &[purpose, bound_to, code])
    }

    /// How an address on a channel is named in the store.
    fn target_tag(&self, channel: &str, to: &str) -> String {
        // Most servers take large and small letters for one mailbox, so their messages count together.
        tag(&self.target_key, &[channel, &to.to_lowercase()])
    }

    /// Counts a message of the whole host.
    fn count(&self, messages_max: u64, now: Timestamp) -> Result<(), u64> {
        quota::count(&mut locked(&self.hour), messages_max, now)
    }

    fn try_again(&self, id: &str, tries: u32, at: Timestamp) {
        locked(&self.waiting).insert((at, Due { id: id.to_owned(), tries }));
    }

    fn is_waiting(&self, id: &str) -> bool {
        locked(&self.waiting).iter().any(|(_, due)| due.id == id)
    }

    /// Takes in the key of a message that is done with; whether the caller has to see to it that it is erased, since nobody
    /// is at it.
    fn take_done(&self, key: Key) -> bool {
        let mut done = locked(&self.done);
        let is_first = done.is_none();
        done.get_or_insert_default().insert(key);
        is_first
    }

    /// What one commit is to erase; none if there is nothing left, which ends the work.
    fn next_done(&self) -> Option<Vec<Key>> {
        let mut done = locked(&self.done);
        let kept = done.as_mut()?;
        let next: Vec<Key> = std::iter::from_fn(|| kept.pop_first()).take(ERASED_AT_ONCE_MAX).collect();
        if next.is_empty() {
            *done = None;
            return None;
        }
        Some(next)
    }

    /// Takes out what is due.
    fn due(&self, now: impl FnOnce() -> Timestamp) -> Vec<Due> {
        let mut waiting = locked(&self.waiting);
        if waiting.is_empty() {
            return Vec::new();
        }
        let later = waiting.split_off(&(Timestamp(now().0.saturating_add(1)), Due::default()));
        std::mem::replace(&mut *waiting, later).into_iter().map(|(_, due)| due).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// HMAC-SHA-256 over parts that cannot run into each other, in hexadecimal.
fn tag(key: &[u8; 32], parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod messages_tests;
#[cfg(test)]
mod tests {
    use super::*;

    fn of_nobody() -> Messages {
        Messages {
            target_key: Zeroizing::new([0; 32]),
            module_key: Zeroizing::new([1; 32]),
            code_key: Zeroizing::new([2; 32]),
            hour: Mutex::default(),
            waiting: Mutex::default(),
            notices: Mutex::default(),
            done: Mutex::default(),
            under_way: watch::Sender::new(0),
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = [7; 32];
        assert_ne!(tag(&key, &["ab", "c"]), tag(&key, &["a", "bc"]));
        assert_ne!(tag(&key, &["a", "b"]), tag(&[8; 32], &["a", "b"]));
        assert_eq!(tag(&key, &["a", "b"]).len(), 64);
    }

    #[test]
    fn what_is_due_leaves_the_list_once_and_the_rest_stays() {
        let messages = of_nobody();
        messages.try_again("late", 1, Timestamp(20));
        messages.try_again("soon", 1, Timestamp(10));
        let due = |now| messages.due(|| Timestamp(now)).into_iter().map(|due| due.id).collect::<Vec<_>>();
        assert_eq!(due(10), ["soon"]);
        assert!(due(19).is_empty());
        assert_eq!(due(99), ["late"]);
    }

    #[test]
    fn one_erases_for_all_who_come_meanwhile_a_part_at_a_time_and_the_next_begins_anew() {
        let messages = of_nobody();
        let takes = |number: usize| messages.take_done(Key::new(&["message", &format!("m{number}")]).unwrap());
        let next = || messages.next_done().map(|keys| keys.len());
        assert!(takes(0) && !(1..=200).any(takes), "the first sees to it for all");
        assert_eq!(next(), Some(200));
        assert!(!takes(201), "the first is still at it");
        assert_eq!((next(), next()), (Some(2), None));
        assert!(takes(202), "nobody is at it any more");
    }
}
