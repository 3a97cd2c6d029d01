//! What a module says of itself before it is configured.

use serde::{Deserialize, Serialize};

use crate::text::{Text, Texts};

/// What a module says of itself; asked once, before it is configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Module type, the file name without `.so`: 1–64 of `a-z`, `0-9`, `_`.
    pub module_type: String,
    /// Name a user sees unless the admin set one, in English; texts may have it in other languages, as [`NAME_KEY`].
    pub name: String,
    /// What the factor rests on.
    pub kind: Kind,
    /// RFC 8176 values this factor earns, for example `otp`.
    #[serde(default)]
    pub amr: Vec<String>,
    /// Whether a login step sends a message, and so can be sent again.
    #[serde(default)]
    pub sends: bool,
    /// Whether this is a way back in (backup codes) and not a factor of its own.
    #[serde(default)]
    pub recovery: bool,
    /// Of a way back in: what a login by it is stamped with. None: the id the admin gave it, as with any factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// Whether every login step is the form of `input_schema`, with nothing to remember and nothing to send. The host then
    /// shows that form without asking for it each time.
    #[serde(default)]
    pub fixed_step: bool,
    /// Wrong answers one flow takes; 0 = no limit in the flow, the account's own limit stays.
    #[serde(default = "retries_max")]
    pub retries_max: u32,
    /// Version of the enrolment data this build writes.
    #[serde(default = "enrolment_version")]
    pub enrolment_version: u32,
    /// Version of the module's package.
    #[serde(default)]
    pub version: String,
    /// SPDX expression.
    #[serde(default)]
    pub license: String,
    /// Shown before set-up begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_message: Option<Text>,
    /// All translations; English is required.
    #[serde(default)]
    pub texts: Texts,
}

/// The text by which a module is called in a language. In English it says what `name` says.
pub const NAME_KEY: &str = "module_name";

fn retries_max() -> u32 {
    3
}

fn enrolment_version() -> u32 {
    1
}

impl Description {
    /// A factor with the defaults of the protocol: 3 wrong answers a flow, sends nothing, no recovery.
    pub fn new(module_type: impl Into<String>, name: impl Into<String>, kind: Kind) -> Self {
        Self {
            module_type: module_type.into(),
            name: name.into(),
            kind,
            amr: Vec::new(),
            sends: false,
            recovery: false,
            stamp: None,
            fixed_step: false,
            retries_max: retries_max(),
            enrolment_version: enrolment_version(),
            version: String::new(),
            license: String::new(),
            setup_message: None,
            texts: Texts::new(),
        }
    }

    /// RFC 8176 values this factor earns; the host refuses others.
    #[must_use]
    pub fn amr<V: Into<String>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.amr = values.into_iter().map(Into::into).collect();
        self
    }

    /// The name in this language, else in English.
    pub fn name_in(&self, language: &str) -> &str {
        let own = self.texts.get(language).and_then(|texts| texts.get(NAME_KEY));
        own.unwrap_or(&self.name)
    }

    /// Whether a login step sends a message, and so can be sent again.
    #[must_use]
    pub fn sends(mut self, sends: bool) -> Self {
        self.sends = sends;
        self
    }

    /// Whether this is a way back in and not a factor of its own.
    #[must_use]
    pub fn recovery(mut self, recovery: bool) -> Self {
        self.recovery = recovery;
        self
    }

    /// Of a way back in: what a login by it is stamped with as `mfa_method_used`, instead of the id the admin gave it:
    /// 1–64 of `a-z`, `0-9`, `_`. From a module that is no way back in the host takes no such word.
    #[must_use]
    pub fn stamp(mut self, stamp: impl Into<String>) -> Self {
        self.stamp = Some(stamp.into());
        self
    }

    /// Whether every login step is the form of [`input_schema`](crate::MfaModule::input_schema), for all users alike,
    /// with nothing to remember and nothing to send. The host then never calls
    /// [`initialize_login_mfa_step`](crate::MfaModule::initialize_login_mfa_step): a login is one call sooner done.
    #[must_use]
    pub fn fixed_step(mut self, fixed_step: bool) -> Self {
        self.fixed_step = fixed_step;
        self
    }

    /// Wrong answers one flow takes; 0 = no limit in the flow, the account's own limit stays.
    #[must_use]
    pub fn retries_max(mut self, retries_max: u32) -> Self {
        self.retries_max = retries_max;
        self
    }

    /// Shown before set-up begins.
    #[must_use]
    pub fn setup_message(mut self, text: impl Into<Text>) -> Self {
        self.setup_message = Some(text.into());
        self
    }
}

/// The three kinds of factor of NIST SP 800-63B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something one knows: a PIN, an answer.
    Knowledge,
    /// Something one has: an app with a secret, a mailbox, a key.
    Possession,
    /// Something one is: a fingerprint.
    Inherence,
}

/// How long the codes of a module are good, for those who want to tell their users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeTimes {
    /// Seconds a code is shown, or lives since it was sent: 1–86400.
    pub period_s: u32,
    /// Further periods before and after that one in which it is taken too: 0–100.
    #[serde(default)]
    pub window: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_called_by_its_name_in_the_language_else_in_english() {
        let mut totp = Description::new("totp", "Authenticator app", Kind::Possession);
        let german = [(NAME_KEY.to_owned(), "Authenticator-App".to_owned())].into();
        totp.texts = [("en".to_owned(), [].into()), ("de".to_owned(), german)].into();
        let named = ["de", "fr", "en"].map(|language| totp.name_in(language));
        assert_eq!(named, ["Authenticator-App", "Authenticator app", "Authenticator app"]);
    }
}
