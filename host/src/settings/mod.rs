//! `host.toml` → typed settings, each mistake told with file, line and remedy.

mod types;

pub use types::{
    Argon2Settings, Client, Development, Limits, ModuleSettings, ProviderKind, ProviderSettings, ServiceCredential,
    Settings,
};
