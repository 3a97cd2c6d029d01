//! What the admin may set.

use mfa_sdk::{
    ConfigError,
    sent_code::{CODE_LIFETIME_S_MAX, check_channel, check_lifetime},
};
use serde::Deserialize;

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
        check_channel("channel", &self.channel)?;
        check_lifetime("lifetime_s", self.lifetime_s)
    }
}
