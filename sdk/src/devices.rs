//! What a user is told of a factor that is set up, and what may be done with one device of several.

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// What is set up, in words for its user. Holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// One sentence, for example "7 of 10 codes left".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Text>,
    /// The devices of a module that keeps several in one enrolment; empty for the others.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// Whether the user should do something soon: few codes are left, say.
    #[serde(default)]
    pub low: bool,
}

impl Overview {
    /// Nothing but a sentence.
    pub fn new(summary: impl Into<Text>) -> Self {
        Self { summary: Some(summary.into()), ..Self::default() }
    }

    /// Adds a device.
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.devices.push(device);
        self
    }

    /// Whether the user should do something soon.
    #[must_use]
    pub fn low(mut self, low: bool) -> Self {
        self.low = low;
        self
    }
}

/// One of several devices in one enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// 1–64 of `a-z`, `0-9`, `_`; the same as long as the device is there, and never that of another.
    pub id: String,
    /// As the user named it: one line of 1–64 characters.
    pub name: String,
    /// When it was set up, in milliseconds since 1970-01-01T00:00:00Z; 0 if nobody wrote it down.
    pub created_at_ms: i64,
    /// When it last let its user in, likewise.
    #[serde(default)]
    pub last_used_at_ms: Option<i64>,
}

/// What becomes of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum DeviceChange {
    /// It goes.
    Remove,
    /// It gets another name.
    Rename {
        /// One line of 1–64 characters; the host has checked it.
        name: String,
    },
}
