//! A secret with its parameters: the codes it makes, and the address an app takes it from.

use mfa_sdk::{
    equal_in_constant_time,
    key_uri::{KeyUri, SharedSecret},
};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Totp};

/// How far off a clock may be to be told so.
const DAY_S: u64 = 24 * 60 * 60;

/// What an app and the host share.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Authenticator {
    pub(crate) secret: SharedSecret,
    pub(crate) algorithm: Algorithm,
    pub(crate) digits: u8,
    pub(crate) period_s: u64,
}

/// The hash function of the HMAC (RFC 6238, section 1.2).
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Authenticator {
    /// The newest time step within the window whose code this is. Every code of the window is computed and compared,
    /// so the time tells neither which one matched nor how far. The newest is taken, so that a code two steps happen
    /// to share is used up for both.
    pub(crate) fn matching_step(&self, code: &str, now_ms: i64, window: u64) -> Option<u64> {
        let now_step = self.step_at(now_ms)?;
        let codes = self.codes();
        let mut matching = None;
        for step in now_step.saturating_sub(window)..=now_step.saturating_add(window) {
            if equal_in_constant_time(codes.generate(step).to_string(), code) {
                matching = Some(step);
            }
        }
        matching
    }

    /// The newest time step whose code may have been accepted up to this moment. Before 1970 there was none.
    pub(crate) fn newest_step_at(&self, moment_ms: i64, window: u64) -> u64 {
        self.step_at(moment_ms).map_or(0, |step| step.saturating_add(window))
    }

    /// How many milliseconds the clock that made this code is ahead of ours (less than 0: behind), if that is at most
    /// a day. Of several steps that have this code the nearest is taken. Every code of the two days is computed and
    /// compared, 5,761 with a period of 30 s, so the time tells nothing either.
    pub(crate) fn clock_ahead_ms(&self, code: &str, now_ms: i64) -> Option<i64> {
        let now_step = self.step_at(now_ms)?;
        let steps = DAY_S.checked_div(self.period_s)?;
        let codes = self.codes();
        let mut nearest = None;
        for step in now_step.saturating_sub(steps)..=now_step.saturating_add(steps) {
            let is_nearer = nearest.is_none_or(|other| now_step.abs_diff(step) < now_step.abs_diff(other));
            if equal_in_constant_time(codes.generate(step).to_string(), code) && is_nearer {
                nearest = Some(step);
            }
        }
        // The code was on show for a whole period; its middle is off by half of one at most.
        let period_ms = i64::try_from(self.period_s).ok()?.checked_mul(1000)?;
        let middle_ms = i64::try_from(nearest?).ok()?.checked_mul(period_ms)?.checked_add(period_ms / 2)?;
        middle_ms.checked_sub(now_ms)
    }

    fn step_at(&self, now_ms: i64) -> Option<u64> {
        (u64::try_from(now_ms).ok()? / 1000).checked_div(self.period_s)
    }

    /// The code of a time step.
    #[cfg(test)]
    pub(crate) fn code(&self, step: u64) -> String {
        self.codes().generate(step).to_string()
    }

    /// Codes by time step: RFC 4226, section 5.3, with the step as the counter.
    fn codes(&self) -> Totp {
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
            Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
            Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
        };
        // A period of one second makes the time of totp-rs the step itself.
        Builder::new()
            .with_algorithm(algorithm)
            .with_digits(self.digits)
            .with_secret(self.secret.bytes().to_vec())
            .with_step_duration(1)
            .build_noncompliant()
    }

    /// What an app is told.
    pub(crate) fn key_uri<'a>(&'a self, issuer: &'a str, user: &'a str) -> KeyUri<'a> {
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
        };
        KeyUri::totp(issuer, user, &self.secret, self.period_s).algorithm(algorithm).digits(self.digits)
    }
}
