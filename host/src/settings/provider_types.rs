//! What can be set of first factors.

use std::{collections::BTreeMap, path::PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

/// Time a `command_line` program has unless its block says otherwise.
pub const TIME_LIMIT_S: u64 = 10;

/// One first factor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// How the first factor is checked.
    #[serde(rename = "type")]
    pub kind: ProviderKind,
    /// Second part of the handler; without it the handler is `[type, null]`.
    #[serde(default)]
    pub id: Option<String>,
    /// Shown to users. Default: a name for its type.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it is offered.
    #[serde(default = "default::yes")]
    pub enabled: bool,
    /// Whether a user's second factor is asked after it. Default: `true`; `trusted_networks`: `false`.
    #[serde(default)]
    pub support_mfa: Option<bool>,
    /// `legacy_api_password`: the user it signs in.
    #[serde(default)]
    pub user: Option<String>,
    /// `legacy_api_password`: file that holds the password, relative to the configuration directory.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// `service`: applications that may vouch.
    #[serde(default, rename = "credential")]
    pub credentials: Vec<ServiceCredential>,
    /// `command_line`: the program that checks name and password, by its absolute path without symbolic links.
    #[serde(default)]
    pub command: Option<PathBuf>,
    /// `command_line`: its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// `command_line`: its environment, besides `username`, `password` and a plain `PATH`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// `command_line`: time the program has; then it is killed, and the answer is no. Shorter than `request_timeout_s`.
    #[serde(default = "default::time_limit_s")]
    pub time_limit_s: u64,
    /// `command_line`: whether lines `key = value` it prints say more of a user who is added: `name`, `group`,
    /// `local_only`.
    #[serde(default)]
    pub meta: bool,
    /// `command_line`: whether somebody the program accepts and the host does not know is added as a user.
    #[serde(default)]
    pub create_users: bool,
    /// `trusted_networks`: whether the only user to choose is signed in without a choice.
    #[serde(default)]
    pub allow_bypass_login: bool,
    /// `trusted_networks`: from where users sign in without a password.
    #[serde(default, rename = "network")]
    pub networks: Vec<TrustedNetwork>,
}

impl ProviderSettings {
    /// A provider with nothing set, for tests.
    #[cfg(test)]
    pub fn bare(kind: ProviderKind) -> Self {
        let text = format!("type = \"{}\"", kind.word());
        toml::from_str(&text).expect("the type is all that must be there")
    }

    /// Whether a user's second factor is asked after it.
    pub fn supports_mfa(&self) -> bool {
        self.support_mfa.unwrap_or(self.kind != ProviderKind::TrustedNetworks)
    }
}

/// Networks whose people sign in by choosing who they are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedNetwork {
    /// The networks, for example `["192.168.1.0/24", "fd00::/8"]`.
    pub cidr: Vec<IpNet>,
    /// Names of those who may sign in from there. With no `users` and no `groups`: everybody.
    #[serde(default)]
    pub users: Vec<String>,
    /// Groups whose members may.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// An application that may vouch for users.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCredential {
    /// The application's name when it vouches.
    pub id: String,
    /// Hexadecimal SHA-256 of the secret; the secret has at least 128 random bits.
    pub secret_sha256: String,
    /// Clients whose logins it may vouch in; empty = none.
    #[serde(default)]
    pub clients: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    Local,
    LegacyApiPassword,
    Service,
    CommandLine,
    TrustedNetworks,
}

impl ProviderKind {
    /// As `host.toml` and the handler of a login have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::LegacyApiPassword => "legacy_api_password",
            Self::Service => "service",
            Self::CommandLine => "command_line",
            Self::TrustedNetworks => "trusted_networks",
        }
    }
}

mod default {
    pub fn yes() -> bool {
        true
    }

    pub fn time_limit_s() -> u64 {
        super::TIME_LIMIT_S
    }
}
