//! First factors: who says a user is who they claim to be. Knows no store; records are arguments.

mod legacy_api_password;
mod password;
mod service;
mod throttle;

pub use legacy_api_password::{check as check_legacy_api_password, problem as legacy_api_password_problem};
pub use password::{Busy, PasswordHasher};
pub use service::check as check_service;
pub use throttle::FirstFactorThrottle;
