//! What the admin may set.

use mfa_sdk::{ConfigError, sent_code::CODE_LIFETIME_S_MAX};
use serde::Deserialize;

/// A text message may take a while; less than this would only lock people out.
const LIFETIME_S_MIN: u32 = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Name of the `[[channel]]` that sends.
    pub(crate) channel: String,
    /// Seconds a code is good for: 60 to 600.
    pub(crate) lifetime_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { channel: "sms".to_owned(), lifetime_s: CODE_LIFETIME_S_MAX }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.channel.is_empty() {
            return Err(ConfigError::new("channel", "must name a channel of host.toml"));
        }
        if !(LIFETIME_S_MIN..=CODE_LIFETIME_S_MAX).contains(&self.lifetime_s) {
            let bounds = format!("must be {LIFETIME_S_MIN} to {CODE_LIFETIME_S_MAX}");
            return Err(ConfigError::new("lifetime_s", bounds));
        }
        Ok(())
    }
}
