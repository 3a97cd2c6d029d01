//! What the admin may set.

use std::ops::RangeInclusive;

use mfa_sdk::{ConfigError, key_uri::check_issuer};
use serde::Deserialize;

/// Each code of the look-ahead is right, so each makes guessing easier.
const LOOK_AHEAD_MAX: u32 = 50;
/// Two codes in a row are asked for in it, so it may be wide; the time of an answer is its bound.
const RESYNCHRONISATION_MAX: u32 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Shown in the app above the user's name. Default: the host's name.
    pub(crate) issuer: Option<String>,
    /// 6 or 8. Each new set-up takes these; tokens that are set up keep theirs.
    pub(crate) digits: u8,
    /// Codes accepted after the expected one: 0 to 50. A button pressed in a pocket uses up one.
    pub(crate) look_ahead: u32,
    /// Codes after the expected one among which two in a row bring a token back into step: `look_ahead` to 1000.
    pub(crate) resynchronisation: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { issuer: None, digits: 6, look_ahead: 10, resynchronisation: 100 }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self { issuer, digits, look_ahead, resynchronisation } = self;
        let refused = |path, message: String| Err(ConfigError::new(path, message));
        if let Some(issuer) = issuer {
            check_issuer("issuer", issuer)?;
        }
        if ![6, 8].contains(digits) {
            return refused("digits", "must be 6 or 8".to_owned());
        }
        if *look_ahead > LOOK_AHEAD_MAX {
            return refused("look_ahead", format!("must be 0 to {LOOK_AHEAD_MAX}"));
        }
        if !(*look_ahead..=RESYNCHRONISATION_MAX).contains(resynchronisation) {
            let bounds = format!("must be {look_ahead} (look_ahead) to {RESYNCHRONISATION_MAX}");
            return refused("resynchronisation", bounds);
        }
        Ok(())
    }

    /// The counters whose code is right.
    pub(crate) fn expected(&self, counter: u64) -> RangeInclusive<u64> {
        counter..=counter.saturating_add(u64::from(self.look_ahead))
    }

    /// The counters after those whose code, followed by the next, is right.
    pub(crate) fn beyond(&self, counter: u64) -> RangeInclusive<u64> {
        let first = counter.saturating_add(u64::from(self.look_ahead)).saturating_add(1);
        first..=counter.saturating_add(u64::from(self.resynchronisation))
    }
}
