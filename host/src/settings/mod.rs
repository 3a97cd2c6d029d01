//! `host.toml` → typed settings, each mistake told with file, line and remedy.

mod bounds;
mod channel;
#[cfg(test)]
mod channel_tests;
mod check;
mod check_channels;
mod check_providers;
#[cfg(test)]
mod document_tests;
mod edit;
mod edit_tls;
mod fixed;
mod gateway;
mod load;
mod locate;
mod pages;
mod people;
mod provider_types;
mod recovery;
mod replace_file;
mod tls;
mod types;
mod warnings;
mod watch;

pub use bounds::CLIENT_ID_BYTES_MAX;
pub use channel::{ChannelKind, ChannelSettings, DeliverySettings, Encryption, Method};
pub use edit::{EditError, Edited, claims, set_module_enabled};
pub use edit_tls::{switch_tls_on, with_tls};
pub use fixed::AtStart;
pub use gateway::{GatewayBody, GatewayRequest, Part, parts, places};
pub use load::{ADDRESS_EXPECTED, FILE_NAME, Mistake, SettingsError, load, load_with_text, parse};
pub use locate::line_of_place;
pub use pages::{Colour, PagesSettings};
pub use people::{ForgottenPassword, Passwords, SignUp, SignUpMode};
pub use provider_types::{ProviderKind, ProviderSettings, ServiceCredential, TrustedNetwork};
pub use recovery::{IssueAt, RecoveryScope, RecoverySettings};
pub use replace_file::{FileMode, replace_file};
pub use tls::TlsSettings;
pub use types::{Argon2Settings, Client, Development, Limits, Methods, ModuleSettings, Settings, Strength};
pub use warnings::{is_loopback, warnings};
pub use watch::SettingsWatch;
