//! `[[channel]]` and `[delivery]`: ways to bring a message to a person, and how many may go out.

use std::{collections::BTreeMap, path::PathBuf};

use mfa_sdk::TargetKind;
use serde::Deserialize;

/// How many messages may go out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySettings {
    /// Messages one channel sends at once; others wait.
    pub sends_at_once_max: usize,
    /// Messages to one user in an hour, over all channels. What anybody can ask for gets half of it.
    pub messages_per_user_hour_max: u64,
    /// Messages to one address in an hour, whoever asks for them. Half of it is left for logins.
    pub messages_per_target_hour_max: u64,
    /// Messages of the whole host in an hour. Half of it is left for logins.
    pub messages_per_hour_max: u64,
    /// How long a page waits for a message to be handed over before it says that it is on its way.
    pub hand_over_wait_ms: u64,
    /// How soon a user may ask for another message.
    pub resend_wait_s: u64,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            sends_at_once_max: 4,
            messages_per_user_hour_max: 20,
            messages_per_target_hour_max: 10,
            messages_per_hour_max: 1000,
            hand_over_wait_ms: 2000,
            resend_wait_s: 30,
        }
    }
}

/// A way to bring a message to a person.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    /// How modules and commands name it.
    pub name: String,
    /// How a message leaves: by SMTP, by a request to a gateway, or not at all (`outbox`, for development).
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Shown to users who choose a channel. Default: the name.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether messages go out.
    #[serde(default = "default::yes")]
    pub enabled: bool,
    /// What a user gives to be reached: an e-mail address, a phone number, a free text such as a topic, or one of
    /// `targets`. Default: as the type or preset needs it.
    #[serde(default)]
    pub target: Option<TargetKind>,
    /// `target = "listed"`: what can be chosen.
    #[serde(default)]
    pub targets: Vec<String>,
    /// `target = "phone"`: how allowed numbers begin, such as `+49`. `+` allows every country.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Time to connect and sign in, and again to hand the message over.
    #[serde(default = "default::timeout_s")]
    pub timeout_s: u64,
    /// File with the password or token, 0600, relative to the configuration directory.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Environment variable with the password or token.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// Name that goes with the secret. `email`: SMTP authentication; `http`: Basic authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// PEM file of the only certificates to trust; relative to the configuration directory. Default: the machine's own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `email`: the mail server.
    #[serde(default)]
    pub host: Option<String>,
    /// `email`: its port. Default: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// `email`: how the connection is encrypted. Default: `starttls`. `none` is allowed on this machine only.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// `email`: sender, such as `Example login <login@example.org>`.
    #[serde(default)]
    pub from: Option<String>,
    /// `email`: stands before every subject.
    #[serde(default)]
    pub subject_prefix: Option<String>,
    /// `http`: a gateway whose requests are known; `url` is then its address alone, and the keys below may stay away.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// `http`: address of the request. Places such as `{to}` are filled in, percent-encoded.
    #[serde(default)]
    pub url: Option<String>,
    /// `http`: method of the request. Default: `POST`.
    #[serde(default)]
    pub method: Option<Method>,
    /// `http`: headers of the request; places are filled in.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `http`: how `body` is written: a table as JSON or as a form, or a text as it is. Default: `json`.
    #[serde(default)]
    pub format: Option<BodyFormat>,
    /// `http`: body of the request; places in its texts are filled in.
    #[serde(default)]
    pub body: Option<toml::Value>,
}

impl ChannelSettings {
    /// What a user gives to be reached; none if the settings do not say.
    pub fn target(&self) -> Option<TargetKind> {
        match (self.kind, self.target, self.preset) {
            (_, Some(target), _) => Some(target),
            (ChannelKind::Email, None, _) => Some(TargetKind::Email),
            (ChannelKind::Outbox, None, _) => Some(TargetKind::Text),
            (ChannelKind::Http, None, Some(preset)) => Some(preset.target()),
            (ChannelKind::Http, None, None) => None,
        }
    }

    /// How users see it.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    Email,
    Http,
    Outbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    Starttls,
    Tls,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    Json,
    Form,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    Ntfy,
    Gotify,
    Telegram,
    Matrix,
    HomeAssistant,
}

mod default {
    pub fn yes() -> bool {
        true
    }

    pub fn timeout_s() -> u64 {
        15
    }
}
