//! Messages a module wants sent. The host renders, checks the address and sends; a module never opens a connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One message to one address of this user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Channel as the admin named it in `host.toml`, for example `email`.
    pub channel: String,
    /// Where to: an address of this user, one typed in this set-up, or one the admin listed. Others are refused.
    pub to: String,
    /// Template of the message; the host keeps the words.
    pub template: String,
    /// Values for the template.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

impl Message {
    /// A message without values.
    pub fn new(channel: impl Into<String>, to: impl Into<String>, template: impl Into<String>) -> Self {
        Self { channel: channel.into(), to: to.into(), template: template.into(), values: BTreeMap::new() }
    }

    /// Adds a value for the template.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.values.insert(name.into(), value.to_string());
        self
    }
}
