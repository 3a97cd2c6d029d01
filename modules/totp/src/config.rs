//! What the admin may set. Each new set-up takes these; enrolments keep the ones they were made with.

use mfa_sdk::{ConfigError, key_uri::check_issuer};
use serde::Deserialize;

use crate::authenticator::Algorithm;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Shown in the app above the user's name. Default: the host's name.
    pub(crate) issuer: Option<String>,
    /// `SHA1` (what every app takes), `SHA256` or `SHA512`.
    pub(crate) algorithm: Algorithm,
    /// 6 or 8.
    pub(crate) digits: u8,
    /// Seconds a code is shown: 15 to 120.
    pub(crate) period_s: u64,
    /// Steps accepted before and after the present one: 0 to 2. RFC 6238, section 5.2, recommends at most one.
    pub(crate) window: u64,
    /// Authenticators one user may have: 1 to 10. Those there are go on when it is lowered.
    pub(crate) devices_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { issuer: None, algorithm: Algorithm::Sha1, digits: 6, period_s: 30, window: 1, devices_max: 5 }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refused = |path, message: String| Err(ConfigError::new(path, message));
        if let Some(issuer) = &self.issuer {
            check_issuer("issuer", issuer)?;
        }
        if ![6, 8].contains(&self.digits) {
            return refused("digits", "must be 6 or 8".to_owned());
        }
        if !(15..=120).contains(&self.period_s) {
            return refused("period_s", "must be 15 to 120".to_owned());
        }
        if self.window > 2 {
            return refused("window", "must be 0, 1 or 2".to_owned());
        }
        if !(1..=10).contains(&self.devices_max) {
            return refused("devices_max", "must be 1 to 10".to_owned());
        }
        Ok(())
    }
}
