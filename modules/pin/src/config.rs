//! What the admin may set. New PINs obey it; those there are stay as they are.

use mfa_sdk::ConfigError;
use serde::Deserialize;

/// Fewest digits there may be.
pub(crate) const LENGTH_MIN: usize = 4;
/// Most digits there may be.
pub(crate) const LENGTH_MAX: usize = 32;
/// A longer list belongs into a service of its own.
const BLOCKLIST_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Fewest digits of a new PIN: 4 to 32.
    pub(crate) length_min: usize,
    /// Most digits of a new PIN: `length_min` to 32.
    pub(crate) length_max: usize,
    /// PINs nobody may choose, besides those that are too simple.
    pub(crate) blocklist: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { length_min: 6, length_max: 12, blocklist: Vec::new() }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self { length_min, length_max, blocklist } = self;
        if !(LENGTH_MIN..=LENGTH_MAX).contains(length_min) {
            return Err(ConfigError::new("length_min", format!("must be {LENGTH_MIN} to {LENGTH_MAX}")));
        }
        if !(*length_min..=LENGTH_MAX).contains(length_max) {
            return Err(ConfigError::new("length_max", format!("must be {length_min} (length_min) to {LENGTH_MAX}")));
        }
        if blocklist.len() > BLOCKLIST_MAX {
            return Err(ConfigError::new("blocklist", format!("must have at most {BLOCKLIST_MAX} entries")));
        }
        let is_pin = |pin: &String| !pin.is_empty() && pin.bytes().all(|byte| byte.is_ascii_digit());
        match blocklist.iter().position(|pin| !is_pin(pin)) {
            Some(position) => {
                Err(ConfigError::new(format!("blocklist[{position}]"), "must be digits and nothing else"))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn blocks(&self, pin: &str) -> bool {
        self.blocklist.iter().any(|blocked| blocked == pin)
    }
}
