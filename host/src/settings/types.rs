//! What can be set, with units in the names and defaults that are safe. Parsed once, then trusted.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::Deserialize;

use super::{
    channel::{ChannelSettings, DeliverySettings},
    pages::PagesSettings,
    people::{Passwords, SignUp},
    provider_types::ProviderSettings,
    recovery::RecoverySettings,
    tls::TlsSettings,
};

/// All of `host.toml`. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on.
    #[serde(default = "default::listen")]
    pub listen: SocketAddr,
    /// Where users reach the host, without a slash at its end. Default: `http://`, with
    /// `[tls]` `https://`, and the listen address.
    #[serde(default)]
    pub public_url: Option<url::Url>,
    /// Name shown to users and in authenticator apps.
    #[serde(default = "default::name")]
    pub name: String,
    /// Networks whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// The key that seals records; relative to the configuration directory.
    #[serde(default = "default::secret_key_file")]
    pub secret_key_file: PathBuf,
    /// The host's own certificate. Without it the host speaks HTTP, for a reverse proxy with TLS in front of it.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
    /// Every limit, with its unit in the name.
    #[serde(default)]
    pub limits: Limits,
    /// Cost of a password hash.
    #[serde(default)]
    pub argon2: Argon2Settings,
    /// What a new password has to be.
    #[serde(default)]
    pub passwords: Passwords,
    /// Whether people may add themselves as users.
    #[serde(default)]
    pub sign_up: SignUp,
    /// What applications are told of a user beside tokens and in `GET /api/me`: a name of yours for each, and as its value
    /// one of `user.id`, `user.name`, `user.display_name`, `user.email`, `user.phone`, `user.groups`, `user.language`,
    /// `user.zone`, or `=` and a text that is the same for all.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// What users may do with their own second factors.
    #[serde(default)]
    pub methods: Methods,
    /// Ways back in: when they are handed out and what they stand in for.
    #[serde(default)]
    pub recovery: RecoverySettings,
    /// Applications that may ask for logins.
    #[serde(default, rename = "client")]
    pub clients: Vec<Client>,
    /// First factors in the order they are offered.
    #[serde(default, rename = "provider")]
    pub providers: Vec<ProviderSettings>,
    /// Second factors in the order they are offered.
    #[serde(default, rename = "module")]
    pub modules: Vec<ModuleSettings>,
    /// How many messages may go out.
    #[serde(default)]
    pub delivery: DeliverySettings,
    /// Ways to bring a message to a person.
    #[serde(default, rename = "channel")]
    pub channels: Vec<ChannelSettings>,
    /// The host's own pages.
    #[serde(default)]
    pub pages: PagesSettings,
    /// For tests and demonstrations only; each start warns of it.
    #[serde(default)]
    pub development: Option<Development>,
}

impl Settings {
    /// The file that replaces the clocks in a test.
    pub fn clock_file(&self, config_directory: &Path) -> Option<PathBuf> {
        let file = self.development.as_ref()?.clock_file.as_ref()?;
        Some(config_directory.join(file))
    }

    /// Where users reach the host, without a slash at its end.
    pub fn base_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => self.listening_url(),
        }
    }
}

/// Every limit, with its unit in the name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Life of a validation session from the first factor's success.
    pub session_lifetime_s: u64,
    /// Life of a flow id before the first factor.
    pub first_factor_lifetime_s: u64,
    /// Life of a set-up flow.
    pub setup_lifetime_s: u64,
    /// Life of the result code of a login. RFC 6749 section 4.1.2 asks for at most 600.
    pub result_code_lifetime_s: u64,
    /// Life of an access token.
    pub access_token_lifetime_s: u64,
    /// Life of a refresh token since it was last used.
    pub refresh_token_lifetime_s: u64,
    /// Age up to which a proof counts as fresh.
    pub fresh_proof_max_age_s: u64,
    /// Open validation sessions of one user; one more ends the oldest.
    pub sessions_per_user_max: usize,
    /// Open set-up flows of one user; one more ends the oldest.
    pub setups_per_user_max: usize,
    /// Largest request body.
    pub body_bytes_max: usize,
    /// Time one HTTP request may take.
    pub request_timeout_s: u64,
    /// Time a module has for one call. Shorter than `request_timeout_s`.
    pub module_deadline_ms: u64,
    /// Calls one module answers at once.
    pub module_slots: usize,
    /// Largest reply of a module.
    pub module_reply_bytes_max: usize,
    /// Memory one worker may hold.
    pub module_memory_mib_max: u64,
    /// Crashes or late answers in a row, at one operation, after which a module is quarantined.
    pub module_crashes_max: u32,
    /// Password hashes computed at once.
    pub password_hashes_at_once: usize,
    /// Password checks that may wait; more are answered 503.
    pub password_queue_max: usize,
    /// Programs of `command_line` providers that run at once; more are answered 503.
    pub commands_at_once: usize,
}

impl Limits {
    /// Those a module's worker is made with; the others as by default, so that they change no module.
    pub fn of_modules(&self) -> Self {
        Self {
            module_deadline_ms: self.module_deadline_ms,
            module_slots: self.module_slots,
            module_reply_bytes_max: self.module_reply_bytes_max,
            module_memory_mib_max: self.module_memory_mib_max,
            module_crashes_max: self.module_crashes_max,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_lifetime_s: 300,
            first_factor_lifetime_s: 600,
            setup_lifetime_s: 600,
            result_code_lifetime_s: 600,
            access_token_lifetime_s: 1800,
            refresh_token_lifetime_s: 90 * 24 * 3600,
            fresh_proof_max_age_s: 300,
            sessions_per_user_max: 10,
            setups_per_user_max: 5,
            body_bytes_max: 64 * 1024,
            request_timeout_s: 30,
            module_deadline_ms: 5000,
            module_slots: 4,
            module_reply_bytes_max: 1024 * 1024,
            module_memory_mib_max: 256,
            module_crashes_max: 5,
            password_hashes_at_once: 2,
            password_queue_max: 64,
            commands_at_once: 8,
        }
    }
}

/// argon2id parameters; defaults are the OWASP password storage cheat sheet's first recommendation for argon2id.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Argon2Settings {
    /// Memory of one password hash.
    pub memory_kib: u32,
    /// Passes over it; memory times iterations should be at least 35840.
    pub iterations: u32,
    /// Lanes of the computation.
    pub parallelism: u32,
}

impl Default for Argon2Settings {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}

/// What users may do with their own second factors. A fresh proof is needed for every change; these ask for more, never
/// for less. What an admin does is not bound by them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Methods {
    /// Whether an active one may be deleted; else it has to be deactivated first, which the primary never can be.
    pub delete_active: bool,
    /// Whether the primary may be deleted; else another one has to be made the primary first.
    pub delete_primary: bool,
    /// Whether deleting one, or a device of it, takes a code of that very method; of the primary, where it is inactive or
    /// stands in for single factors.
    pub delete_needs_code: bool,
    /// Whether it takes a code of the primary to make another one the primary.
    pub primary_needs_code: bool,
    /// Whether deactivating one takes a code of that very method; of the primary, where it stands in for single factors.
    pub deactivate_needs_code: bool,
}

impl Default for Methods {
    fn default() -> Self {
        Self {
            delete_active: true,
            delete_primary: true,
            delete_needs_code: false,
            primary_needs_code: false,
            deactivate_needs_code: false,
        }
    }
}

/// An application that may ask for logins. A `client_id` that is an `http(s)` URL needs no entry when the redirect
/// URI has its origin.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What the application gives as its `client_id`.
    pub id: String,
    /// What people are told they sign in to; without it the host of the redirect URI or, of another scheme than `http(s)`,
    /// the id.
    #[serde(default)]
    pub name: Option<String>,
    /// Addresses a login may lead back to, as a whole; without a fragment.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

/// One second factor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleSettings {
    /// The file is `DIR/modules/<type>.so`.
    #[serde(rename = "type")]
    pub module_type: String,
    /// Default: the type. Two instances of one type have different ids and share nothing.
    #[serde(default)]
    pub id: Option<String>,
    /// Default: the module's own name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether its worker runs. Switching a module off never switches a user's factor off.
    #[serde(default = "default::yes")]
    pub enabled: bool,
    /// Hexadecimal SHA-256 of the file; another file is refused.
    #[serde(default)]
    pub sha256: Option<String>,
    /// What the factor rests on. A module's own word for it earns nothing: without this, no login by it is `mfa`.
    #[serde(default)]
    pub kind: Option<mfa_sdk::protocol::Kind>,
    /// RFC 8176 values a login by this module earns. A module's own word for it earns nothing.
    #[serde(default)]
    pub amr: Vec<String>,
    /// How strong users are told it is, beside other factors. Default: `basic` for what is known or sent, `good` for what
    /// is had; a module's own word for what it rests on lowers this and never raises it.
    #[serde(default)]
    pub strength: Option<Strength>,
    /// Whether it is a way back in, if it says so itself: its codes stand in for users' factors, and it counts as none.
    /// A module's own word for it earns nothing.
    #[serde(default)]
    pub recovery: bool,
    /// Handed to the module's `new`.
    #[serde(default)]
    pub config: toml::Table,
    /// Where the block stands in the file, counted from 1.
    #[serde(skip)]
    pub line: usize,
}

impl ModuleSettings {
    /// The instance's id.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.module_type)
    }
}

/// What a claim may tell of a user; anything else has to be a text after `=`.
pub const CLAIM_SOURCES: [&str; 8] = [
    "user.id",
    "user.name",
    "user.display_name",
    "user.email",
    "user.phone",
    "user.groups",
    "user.language",
    "user.zone",
];

/// How hard a factor is to get at, for a user who chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// A stranger can watch it, guess it, or have it sent elsewhere.
    Basic,
    /// A stranger needs a thing of the user's.
    Good,
    /// Nobody can be tricked into giving it away.
    Strong,
}

/// Never for real users.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Development {
    /// JSON file `{"wall_ms", "boot_ms", "boot_id"}` that replaces the clocks; relative to the configuration directory.
    #[serde(default)]
    pub clock_file: Option<PathBuf>,
}

mod default {
    use std::{net::SocketAddr, path::PathBuf};

    pub fn listen() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 8126))
    }

    pub fn name() -> String {
        "mfa-host".to_owned()
    }

    pub fn secret_key_file() -> PathBuf {
        "secret.key".into()
    }

    pub fn yes() -> bool {
        true
    }
}
