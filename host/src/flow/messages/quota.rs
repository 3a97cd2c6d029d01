//! How many messages an hour takes.

use std::collections::VecDeque;

use crate::clock::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// Counts one more message in the hour before `now`.
///
/// # Errors
/// The hour has as many as it takes; in so many seconds it takes one more.
pub fn count(sent: &mut Vec<Timestamp>, messages_max: u64, now: Timestamp) -> Result<(), u64> {
    forget(sent, now);
    let messages_max = usize::try_from(messages_max).unwrap_or(usize::MAX);
    if sent.len() < messages_max {
        sent.push(now);
        return Ok(());
    }
    // The one that has to leave the hour before there is room again.
    let leaves = sent.len() - messages_max;
    let wait_ms = sent.get(leaves).map_or(HOUR_MS, |at| HOUR_MS - now.since_ms(*at));
    Err(u64::try_from(wait_ms).unwrap_or_default().div_ceil(1000).max(1))
}

/// The same for many, which were counted one after the other: only those that leave are looked at.
///
/// # Errors
/// As [`count`].
pub fn count_in_order(sent: &mut VecDeque<Timestamp>, messages_max: u64, now: Timestamp) -> Result<(), u64> {
    while sent.front().is_some_and(|at| now.since_ms(*at).abs() >= HOUR_MS) {
        sent.pop_front();
    }
    if sent.len() < usize::try_from(messages_max).unwrap_or(usize::MAX) {
        sent.push_back(now);
        return Ok(());
    }
    let wait_ms = sent.front().map_or(HOUR_MS, |at| HOUR_MS - now.since_ms(*at));
    Err(u64::try_from(wait_ms).unwrap_or_default().div_ceil(1000).max(1))
}

/// Leaves what is of this hour. A clock that was wrong by more than an hour leaves nothing behind.
pub fn forget(sent: &mut Vec<Timestamp>, now: Timestamp) {
    sent.retain(|at| now.since_ms(*at).abs() < HOUR_MS);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    #[test]
    fn an_hour_takes_so_many_and_then_says_how_long_to_wait() {
        let mut sent = Vec::new();
        assert_eq!(count(&mut sent, 2, NOW), Ok(()));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(600)), Ok(()));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(1200)), Err(2400));
        assert_eq!(count(&mut sent, 2, Timestamp(NOW.plus_s(3600).0 - 1)), Err(1));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(3600)), Ok(()));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(3600)), Err(600));
    }

    #[test]
    fn many_are_counted_alike() {
        let mut sent = VecDeque::new();
        assert_eq!(count_in_order(&mut sent, 1, NOW), Ok(()));
        assert_eq!(count_in_order(&mut sent, 1, NOW.plus_s(600)), Err(3000));
        assert_eq!(count_in_order(&mut sent, 1, NOW.plus_s(3600)), Ok(()));
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_lower_limit_waits_for_all_that_are_too_many() {
        let mut sent = vec![NOW, NOW.plus_s(60), NOW.plus_s(120)];
        assert_eq!(count(&mut sent, 1, NOW.plus_s(180)), Err(3600 - 60));
    }

    #[test]
    fn a_clock_gone_astray_silences_nobody_for_longer_than_an_hour() {
        let mut sent = vec![NOW.plus_s(86_400)];
        assert_eq!(count(&mut sent, 1, NOW), Ok(()));
        assert_eq!(sent, [NOW]);
    }
}
