//! Whether something keeps the machine's clock right: codes that follow the time fail without it.
#![allow(unsafe_code, reason = "adjtimex has no safe form")]

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kernel lets its estimate of the error grow while nobody corrects the clock, and stops counting here.
const ERROR_US_MAX: i64 = 16_000_000;

/// What the kernel says of the machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SystemClock {
    Synchronised,
    NotSynchronised,
    /// The kernel does not say, as in some containers.
    #[default]
    Unknown,
}

impl SystemClock {
    /// Asks the kernel. `STA_UNSYNC` is left aside: some time services set it to keep the kernel from writing the hardware
    /// clock while they do correct the time.
    pub fn look() -> Self {
        Self::of_error(error_us_max())
    }

    fn of_error(error_us_max: Option<i64>) -> Self {
        match error_us_max {
            None => Self::Unknown,
            Some(error) if error < ERROR_US_MAX => Self::Synchronised,
            Some(_) => Self::NotSynchronised,
        }
    }
}

/// How far the kernel thinks its clock may be off at most, in microseconds; none when it does not say.
fn error_us_max() -> Option<i64> {
    // SAFETY: all-zero is a valid `timex`: it is plain numbers, and no mode means that nothing is to be set.
    let mut reading: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live local, which the kernel only fills.
    let state = unsafe { libc::adjtimex(&raw mut reading) };
    (state != -1).then_some(reading.maxerror)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_that_only_grew_means_that_nobody_corrects_the_clock() {
        assert_eq!(SystemClock::of_error(Some(40_000)), SystemClock::Synchronised);
        assert_eq!(SystemClock::of_error(Some(15_999_999)), SystemClock::Synchronised);
        assert_eq!(SystemClock::of_error(Some(16_000_000)), SystemClock::NotSynchronised);
        assert_eq!(SystemClock::of_error(None), SystemClock::Unknown);
    }
}
