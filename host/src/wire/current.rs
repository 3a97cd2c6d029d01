//! What is in force now: one state of settings and modules, and what is to be told of the settings.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{flow::Flows, wire::pages::Look};

/// Replaced as a whole; whoever answers a request keeps the one it began with.
#[derive(Clone)]
pub struct Current {
    pub flows: Flows,
    pub settings: SettingsNews,
    pub look: Arc<Look>,
}

/// What an admin should know of the latest edit of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsNews {
    /// Why `host.toml` as it stands cannot be used, with file, line and remedy; the former settings are in force.
    pub problem: Option<String>,
    /// Settings that were changed and take effect at the next start.
    pub at_next_start: Vec<String>,
}
