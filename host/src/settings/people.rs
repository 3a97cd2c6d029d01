//! What passwords have to be, and whether people may add themselves.

use std::path::PathBuf;

use serde::Deserialize;

/// What every new password has to be, whoever sets it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Passwords {
    /// Shortest password, in characters.
    pub length_min: usize,
    /// File of passwords nobody may have, one a line, besides the commonest ones; relative to the configuration
    /// directory. While it cannot be read, no password is set.
    pub blocklist_file: Option<PathBuf>,
    /// Whether a user who forgot the password gets a code by mail, to an address that is proved for a week or that an
    /// administrator vouches for. The second factor is asked all the same.
    pub forgotten: ForgottenPassword,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgottenPassword {
    Off,
    Mail,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { length_min: 8, blocklist_file: None, forgotten: ForgottenPassword::Off }
    }
}

/// Whether people may add themselves as users.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignUp {
    /// `invite` asks for a code of `mfa-host user invite`; `open` lets anybody in.
    pub mode: SignUpMode,
    /// Life of an invitation.
    pub invitation_lifetime_s: u64,
}

impl Default for SignUp {
    fn default() -> Self {
        Self { mode: SignUpMode::Off, invitation_lifetime_s: 7 * 24 * 3600 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignUpMode {
    Off,
    Invite,
    Open,
}
