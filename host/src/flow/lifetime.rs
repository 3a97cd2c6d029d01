//! Whether a flow is still alive. Pure.

use crate::clock::{Now, Timestamp};

/// Clocks of several hosts, or one that was corrected, may differ this much.
pub const FUTURE_MAX_MS: i64 = 5000;

/// When something began, by both clocks, and when it ends.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub created_boot_ms: i64,
    pub boot_id: &'a str,
}

/// Alive up to and including the last millisecond, by the wall clock and, on the same start of the machine, by the
/// boot-time clock; never if it began in the future.
pub fn is_alive(life: Life<'_>, now: &Now) -> bool {
    let lifetime_ms = life.expires_at.since_ms(life.created_at);
    let by_wall = now.wall <= life.expires_at;
    let begun = life.created_at.since_ms(now.wall) <= FUTURE_MAX_MS;
    let by_boot = life.boot_id != &*now.boot_id || now.boot_ms.saturating_sub(life.created_boot_ms) <= lifetime_ms;
    by_wall && begun && by_boot
}

/// Whether something that happened then is at most `max_age_s` old; what lies in the future is not fresh.
pub fn is_fresh(then: Option<Timestamp>, max_age_s: u64, now: Timestamp) -> bool {
    then.is_some_and(|then| {
        let age_ms = now.since_ms(then);
        age_ms >= -FUTURE_MAX_MS && age_ms <= i64::try_from(max_age_s.saturating_mul(1000)).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: i64, boot_ms: i64, boot_id: &str) -> Now {
        Now { wall: Timestamp(wall), boot_ms, boot_id: boot_id.into() }
    }

    const LIFE: Life<'_> = Life {
        created_at: Timestamp(1_000_000),
        expires_at: Timestamp(1_300_000),
        created_boot_ms: 50_000,
        boot_id: "b",
    };

    #[test]
    fn exactly_at_the_limit_is_alive_and_one_millisecond_later_is_not() {
        assert!(is_alive(LIFE, &now(1_300_000, 350_000, "b")));
        assert!(!is_alive(LIFE, &now(1_300_001, 350_000, "b")));
        assert!(!is_alive(LIFE, &now(1_300_000, 350_001, "b")));
    }

    #[test]
    fn a_wall_clock_set_back_does_not_prolong_a_life() {
        assert!(!is_alive(LIFE, &now(1_000_000, 400_000, "b")));
        assert!(!is_alive(LIFE, &now(994_999, 60_000, "b")));
        assert!(is_alive(LIFE, &now(1_000_000, 400_000, "another start")));
    }

    #[test]
    fn five_seconds_of_future_are_a_clock_that_was_corrected_and_more_are_not() {
        let anywhere = |wall| is_alive(LIFE, &now(wall, 50_000, "another start"));
        assert!(anywhere(995_000) && !anywhere(994_999));
        let fresh = |wall| is_fresh(Some(Timestamp(1_000_000)), 300, Timestamp(wall));
        assert!(fresh(1_000_000) && fresh(995_000) && !fresh(994_999));
    }

    #[test]
    fn freshness_has_an_exact_end_and_no_future() {
        let at = |wall| is_fresh(Some(Timestamp(1_000_000)), 300, Timestamp(wall));
        assert!(at(1_300_000) && !at(1_300_001) && !at(990_000) && !is_fresh(None, 300, Timestamp(0)));
    }
}
