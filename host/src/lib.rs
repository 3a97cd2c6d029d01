//! mfa-host: loads second factors as shared libraries and guards every login with them.
//! wire → flow → module host → module, and flow → store; nobody imports upward.

mod allocator;
pub mod clock;
pub mod delivery;
pub mod flow;
pub mod keys;
pub mod module_host;
pub mod provider;
mod random;
mod scheduling;
mod secret_file;
pub mod settings;
pub mod store;
pub mod system_clock;
pub mod tls;
mod unbroken;
pub mod wire;
pub mod words;
