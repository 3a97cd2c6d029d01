//! mfa-host: loads second factors as shared libraries and guards every login with them.
//! wire → flow → module host → module, and flow → store; nobody imports upward.

mod allocator;
pub mod clock;
pub mod flow;
pub mod keys;
pub mod module_host;
pub mod provider;
mod random;
pub mod settings;
pub mod store;
pub mod system_clock;
mod unbroken;
pub mod wire;
