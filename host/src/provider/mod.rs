//! First factors: who says a user is who they claim to be. Knows no store; records are arguments.

mod command_line;
mod legacy_api_password;
mod password;
mod password_queue;
mod password_rules;
mod program;
mod service;
mod throttle;
mod trusted_networks;

pub use command_line::{CommandRunner, Metadata, problem as command_line_problem};
pub use legacy_api_password::{check as check_legacy_api_password, problem as legacy_api_password_problem};
pub use password::{Busy, Expected, PasswordHasher};
pub use password_rules::{PasswordRefusal, check as check_new_password, problem as blocklist_problem};
pub use service::check as check_service;
pub use throttle::FirstFactorThrottle;
pub use trusted_networks::{Source, entries as trusted_entries, is_local, permits};
