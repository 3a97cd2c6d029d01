//! The ledger's rules: how many wrong answers in a row lock what, for how long. Pure.

use crate::clock::Timestamp;

use super::record::{AccountOpen, Count};

/// Wrong answers in a row after which one module is locked.
const WRONG_PER_MODULE: u32 = 5;
/// Wrong answers in a row, over all modules that are no way back in, after which the user's second factors are locked.
const WRONG_IN_ALL: u32 = 15;
/// Wrong answers in a row after which a factor is refused until recovery or an admin.
const WRONG_DISABLES: u32 = 100;
const FIRST_LOCK_S: u64 = 60;
const LONGEST_LOCK_S: u64 = 3600;

/// What may be guessed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Key in the account's counts.
    name: String,
    counts_in_all: bool,
}

impl Target {
    /// A login step of this module. Recovery modules have a ledger of their own.
    pub fn login(module: &str, recovery: bool) -> Self {
        Self { name: module.to_owned(), counts_in_all: !recovery }
    }

    /// The proof of an address of one's own. No module's id has a dot.
    pub fn address() -> Self {
        Self { name: "own.address".to_owned(), counts_in_all: false }
    }

    /// A set-up of this module.
    pub fn setup(module: &str) -> Self {
        Self { name: format!("setup.{module}"), counts_in_all: false }
    }
}

/// Why a guess is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Wait; even the right answer is refused until then.
    Locked { retry_after_s: u64 },
    /// Too many wrong ones in a row: only recovery or an admin helps.
    Disabled,
}

/// Whether a guess may be made now.
pub fn permitted(account: &AccountOpen, target: &Target, now: Timestamp) -> Result<(), Refusal> {
    let own = account.wrong.get(&target.name);
    if own.is_some_and(|count| count.in_a_row >= WRONG_DISABLES) {
        return Err(Refusal::Disabled);
    }
    let in_all = target.counts_in_all.then_some(&account.wrong_in_all);
    let until = [own, in_all].into_iter().flatten().filter_map(|count| count.locked_until).max();
    match until {
        Some(until) if now < until => {
            let wait_ms = until.since_ms(now).unsigned_abs();
            Err(Refusal::Locked { retry_after_s: wait_ms.div_ceil(1000) })
        }
        _ => Ok(()),
    }
}

/// The account after a guess was spent: it counts as wrong until the module has said otherwise.
pub fn spend(mut account: AccountOpen, target: &Target, now: Timestamp) -> AccountOpen {
    let own = account.wrong.entry(target.name.clone()).or_default();
    count_wrong(own, WRONG_PER_MODULE, now);
    if target.counts_in_all {
        count_wrong(&mut account.wrong_in_all, WRONG_IN_ALL, now);
    }
    account
}

/// What a user should know of wrong answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The factor is locked now.
    Locked,
    /// So many in a row, over several factors.
    SeveralWrong { count: u32 },
}

/// Whether the guess that was just spent, should it be wrong, is worth telling the user: the first lock of a row, and
/// wrong answers over several factors that lock none of them yet.
pub fn alarm(account: &AccountOpen, target: &Target) -> Option<Alarm> {
    let own = account.wrong.get(&target.name).map_or(0, |count| count.in_a_row);
    let in_all = account.wrong_in_all.in_a_row;
    match (own, in_all) {
        (WRONG_PER_MODULE, _) => Some(Alarm::Locked),
        (_, WRONG_PER_MODULE | WRONG_IN_ALL) if target.counts_in_all => Some(Alarm::SeveralWrong { count: in_all }),
        _ => None,
    }
}

/// The account after the guess was right.
pub fn forgive(mut account: AccountOpen, target: &Target) -> AccountOpen {
    account.wrong.remove(&target.name);
    if target.counts_in_all {
        account.wrong_in_all = Count::default();
    }
    account
}

/// The account after a guess the module gave no verdict on: as it was before.
pub fn refund(mut account: AccountOpen, target: &Target) -> AccountOpen {
    if let Some(own) = account.wrong.get_mut(&target.name) {
        uncount(own, WRONG_PER_MODULE);
    }
    if target.counts_in_all {
        uncount(&mut account.wrong_in_all, WRONG_IN_ALL);
    }
    account.wrong.retain(|_, count| *count != Count::default());
    account
}

fn count_wrong(count: &mut Count, limit: u32, now: Timestamp) {
    count.in_a_row = count.in_a_row.saturating_add(1);
    if let Some(over) = count.in_a_row.checked_sub(limit) {
        let lock_s = FIRST_LOCK_S.checked_shl(over.min(16)).unwrap_or(LONGEST_LOCK_S).min(LONGEST_LOCK_S);
        count.locked_until = Some(now.plus_s(lock_s));
    }
}

/// The lock a refunded guess set goes; the one before it had run out, or the guess would not have been taken.
fn uncount(count: &mut Count, limit: u32) {
    if count.in_a_row >= limit {
        count.locked_until = None;
    }
    count.in_a_row = count.in_a_row.saturating_sub(1);
}

#[cfg(test)]
mod alarm_tests {
    use super::*;

    #[test]
    fn a_user_is_told_once_of_a_lock_and_of_wrong_answers_over_several_factors() {
        let (one, two) = (Target::login("one", false), Target::login("two", false));
        let mut account = AccountOpen::default();
        let mut guess = |target: &Target| {
            account = spend(account.clone(), target, Timestamp(0));
            alarm(&account, target)
        };
        assert_eq!([guess(&one), guess(&one), guess(&one), guess(&two)], [None; 4]);
        assert_eq!(guess(&two), Some(Alarm::SeveralWrong { count: 5 }));
        assert_eq!([guess(&one), guess(&one)], [None, Some(Alarm::Locked)]);
        assert_eq!(guess(&one), None, "a row is told once");
        let five_in_all = Count { in_a_row: WRONG_PER_MODULE, locked_until: None };
        let account = AccountOpen { wrong_in_all: five_in_all, ..AccountOpen::default() };
        assert_eq!(
            alarm(&account, &Target::login("codes", true)),
            None,
            "what does not count says nothing of the rest"
        );
        let recovery = Target::login("codes", true);
        assert_eq!([guess(&recovery), guess(&recovery), guess(&recovery), guess(&recovery)], [None; 4]);
        assert_eq!(guess(&recovery), Some(Alarm::Locked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn after(wrong: u32, target: &Target) -> AccountOpen {
        (0..wrong).fold(AccountOpen::default(), |account, _| spend(account, target, NOW))
    }

    #[test]
    fn the_fifth_wrong_answer_locks_for_a_minute_and_each_next_one_twice_as_long() {
        let target = Target::login("a", false);
        assert_eq!(permitted(&after(4, &target), &target, NOW), Ok(()));
        for (wrong, lock_s) in [(5, 60), (6, 120), (7, 240), (10, 1920), (11, 3600), (60, 3600)] {
            let target_only = Target { counts_in_all: false, ..target.clone() };
            let account = after(wrong, &target_only);
            assert_eq!(
                permitted(&account, &target_only, NOW),
                Err(Refusal::Locked { retry_after_s: lock_s }),
                "{wrong}"
            );
            assert_eq!(permitted(&account, &target_only, NOW.plus_s(lock_s)), Ok(()), "{wrong}");
        }
    }

    #[test]
    fn fifteen_over_all_modules_lock_every_module_but_not_recovery_nor_set_up() {
        let mut account = AccountOpen::default();
        for module in ["a", "b", "c", "d"] {
            account = (0..4).fold(account, |account, _| spend(account, &Target::login(module, false), NOW));
        }
        assert!(permitted(&account, &Target::login("e", false), NOW).is_err());
        assert_eq!(permitted(&account, &Target::login("codes", true), NOW), Ok(()));
        assert_eq!(permitted(&account, &Target::setup("a"), NOW), Ok(()));
    }

    #[test]
    fn a_hundred_in_a_row_disable_whatever_the_time() {
        let target = Target::login("a", false);
        assert_eq!(permitted(&after(100, &target), &target, NOW.plus_s(1_000_000)), Err(Refusal::Disabled));
    }

    #[test]
    fn success_starts_anew_and_a_refund_takes_back_exactly_one() {
        let target = Target::login("a", false);
        assert_eq!(permitted(&forgive(after(7, &target), &target), &target, NOW), Ok(()));
        let account = refund(after(5, &target), &target);
        assert_eq!(permitted(&account, &target, NOW), Ok(()));
        assert!(permitted(&spend(account, &target, NOW), &target, NOW).is_err());
    }

    #[test]
    fn what_else_is_counted_stays_whatever_becomes_of_a_guess() {
        let (a, b) = (Target::login("a", false), Target::login("b", false));
        let used = AccountOpen { last_used: [("b".to_owned(), NOW)].into(), ..after(3, &b) };
        for account in [forgive(used.clone(), &a), spend(used.clone(), &a, NOW), refund(spend(used, &a, NOW), &a)] {
            assert_eq!(account.last_used.get("b"), Some(&NOW));
            assert_eq!(account.wrong.get("b").map(|count| count.in_a_row), Some(3));
        }
    }
}
