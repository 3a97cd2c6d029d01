//! What is in force now: one state of settings, modules and certificate, and what is to be told of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{flow::Flows, tls::Identity, wire::pages::Look};

/// Replaced as a whole; whoever answers a request keeps the one it began with.
#[derive(Clone)]
pub struct Current {
    pub flows: Flows,
    pub settings: SettingsNews,
    pub look: Arc<Look>,
    /// None where the host speaks HTTP.
    pub tls: Option<Tls>,
}

/// What connections are made with.
#[derive(Clone)]
pub struct Tls {
    pub identity: Arc<Identity>,
    /// Why the files as they stand cannot be used, and what mends them; the former certificate is in service.
    pub problem: Option<(String, String)>,
    /// Days to its end, as the log was last told.
    pub days_told: Option<i64>,
}

/// What an admin should know of the latest edit of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsNews {
    /// Why `host.toml` as it stands cannot be used, with file, line and remedy; the former settings are in force.
    pub problem: Option<String>,
    /// Settings that were changed and take effect at the next start.
    pub at_next_start: Vec<String>,
}
