//! How many messages an hour takes.

use std::collections::VecDeque;

use crate::clock::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// Counts one more message in the hour before `now`. They are counted one after the other, oldest first.
///
/// # Errors
/// The hour has as many as it takes; in so many seconds it takes one more.
pub fn count(sent: &mut VecDeque<Timestamp>, messages_max: u64, now: Timestamp) -> Result<(), u64> {
    room(sent, messages_max, now)?;
    sent.push_back(now);
    Ok(())
}

/// Whether the hour before `now` takes one more, without counting it.
///
/// # Errors
/// As [`count`].
pub fn room(sent: &mut VecDeque<Timestamp>, messages_max: u64, now: Timestamp) -> Result<(), u64> {
    forget(sent, now);
    let messages_max = usize::try_from(messages_max).unwrap_or(usize::MAX);
    let Some(too_many) = sent.len().checked_sub(messages_max) else { return Ok(()) };
    // The one that has to leave the hour before there is room again.
    let wait_ms = sent.get(too_many).map_or(HOUR_MS, |at| HOUR_MS - now.since_ms(*at));
    Err(u64::try_from(wait_ms).unwrap_or_default().div_ceil(1000).max(1))
}

/// Leaves what is of this hour; only those that leave are looked at. A clock that was wrong by more than an hour leaves
/// nothing behind.
pub fn forget(sent: &mut VecDeque<Timestamp>, now: Timestamp) {
    while sent.front().is_some_and(|at| now.since_ms(*at).abs() >= HOUR_MS) {
        sent.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    #[test]
    fn an_hour_takes_so_many_and_then_says_how_long_to_wait() {
        let mut sent = VecDeque::new();
        assert_eq!(count(&mut sent, 2, NOW), Ok(()));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(600)), Ok(()));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(1200)), Err(2400));
        assert_eq!(count(&mut sent, 2, Timestamp(NOW.plus_s(3600).0 - 1)), Err(1));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(3600)), Ok(()));
        assert_eq!(count(&mut sent, 2, NOW.plus_s(3600)), Err(600));
    }

    #[test]
    fn to_look_whether_there_is_room_takes_none() {
        let mut sent = VecDeque::from([NOW]);
        assert_eq!((room(&mut sent, 2, NOW), room(&mut sent, 2, NOW)), (Ok(()), Ok(())));
        assert_eq!((room(&mut sent, 1, NOW.plus_s(600)), sent.len()), (Err(3000), 1));
        assert_eq!((room(&mut sent, 1, NOW.plus_s(3600)), sent.len()), (Ok(()), 0));
    }

    #[test]
    fn a_lower_limit_waits_for_all_that_are_too_many() {
        let mut sent = VecDeque::from([NOW, NOW.plus_s(60), NOW.plus_s(120)]);
        assert_eq!(count(&mut sent, 1, NOW.plus_s(180)), Err(3600 - 60));
    }

    #[test]
    fn a_clock_gone_astray_silences_nobody_for_longer_than_an_hour() {
        let mut sent = VecDeque::from([NOW.plus_s(86_400)]);
        assert_eq!(count(&mut sent, 1, NOW), Ok(()));
        assert_eq!(sent, [NOW]);
    }
}
