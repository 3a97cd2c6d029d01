//! What the admin may set.

use mfa_sdk::{
    ConfigError, SentCodeSteps,
    sent_code::{CODE_LIFETIME_S_MAX, check_channel, check_lifetime},
};
use serde::Deserialize;

/// What a notification can hold.
const MESSAGE_BYTES_MAX: usize = 1000;

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
            for (position, name) in names.iter().enumerate() {
                check_channel(&format!("{list}[{position}]"), name)?;
            }
        }
        if let Some(position) = self.exclude.iter().position(|name| self.include.contains(name)) {
            return refused(format!("exclude[{position}]"), "is in `include` as well");
        }
        if !self.message.contains(SentCodeSteps::PLACE) {
            return refused("message".to_owned(), "must hold {code}, the place of the code");
        }
        if self.message.len() > MESSAGE_BYTES_MAX {
            return refused("message".to_owned(), &format!("must have at most {MESSAGE_BYTES_MAX} bytes"));
        }
        if self.message.chars().any(|character| character.is_control() && character != '\n') {
            return refused("message".to_owned(), "must not hold control characters");
        }
        check_lifetime("lifetime_s", self.lifetime_s)
    }

    pub(crate) fn offers(&self, channel: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|name| name == channel);
        (self.include.is_empty() || is_in(&self.include)) && !is_in(&self.exclude)
    }
}
