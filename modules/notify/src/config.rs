//! What the admin may set.

use mfa_sdk::{ConfigError, sent_code::CODE_LIFETIME_S_MAX};
use serde::Deserialize;

/// A message may take a while; less than this would only lock people out.
const LIFETIME_S_MIN: u32 = 60;
/// What a notification can hold.
const MESSAGE_BYTES_MAX: usize = 1000;
/// Where the code goes in a message.
const PLACE: &str = "{code}";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Names of the `[[channel]]`s users may choose. Empty: all.
    pub(crate) include: Vec<String>,
    /// Names of those they may not. Who has chosen one before keeps it.
    pub(crate) exclude: Vec<String>,
    /// The words of the message, with `{code}` where the code goes.
    pub(crate) message: String,
    /// Seconds a code is good for: 60 to 600.
    pub(crate) lifetime_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            message: "{code} is your code for signing in.".to_owned(),
            lifetime_s: CODE_LIFETIME_S_MAX,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refused = |path: String, message: &str| Err(ConfigError::new(path, message));
        for (list, names) in [("include", &self.include), ("exclude", &self.exclude)] {
            if let Some(position) = names.iter().position(String::is_empty) {
                return refused(format!("{list}[{position}]"), "must name a channel of host.toml");
            }
        }
        if let Some(position) = self.exclude.iter().position(|name| self.include.contains(name)) {
            return refused(format!("exclude[{position}]"), "is in `include` as well");
        }
        if !self.message.contains(PLACE) {
            return refused("message".to_owned(), "must hold {code}, the place of the code");
        }
        if self.message.len() > MESSAGE_BYTES_MAX {
            return refused("message".to_owned(), &format!("must have at most {MESSAGE_BYTES_MAX} bytes"));
        }
        if self.message.chars().any(|character| character.is_control() && character != '\n') {
            return refused("message".to_owned(), "must not hold control characters");
        }
        if !(LIFETIME_S_MIN..=CODE_LIFETIME_S_MAX).contains(&self.lifetime_s) {
            let bounds = format!("must be {LIFETIME_S_MIN} to {CODE_LIFETIME_S_MAX}");
            return refused("lifetime_s".to_owned(), &bounds);
        }
        Ok(())
    }

    pub(crate) fn offers(&self, channel: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|name| name == channel);
        (self.include.is_empty() || is_in(&self.include)) && !is_in(&self.exclude)
    }

    pub(crate) fn message_with(&self, code: &str) -> String {
        self.message.replace(PLACE, code)
    }
}
