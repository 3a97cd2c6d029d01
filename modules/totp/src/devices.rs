//! The authenticators of one user: each with its own secret, its own bar against replay, and its own removal.

use mfa_sdk::{ModuleError, protocol::Device, serde_json};
use serde::{Deserialize, Serialize};

use crate::authenticator::Authenticator;

/// What one user set up. The parameters are those of the day of the set-up: the app goes on with them, so a changed
/// configuration must not strand anybody.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Enrolment {
    pub(crate) devices: Vec<Enrolled>,
}

/// One authenticator that was proved.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Enrolled {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Milliseconds since 1970; 0 if nobody wrote it down.
    pub(crate) created_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at_ms: Option<i64>,
    #[serde(flatten)]
    pub(crate) authenticator: Authenticator,
    /// The newest time step whose code was accepted. It and all before it are refused from then on.
    pub(crate) last_step: u64,
}

/// Version 1: a single authenticator without a name.
#[derive(Deserialize)]
struct Single {
    #[serde(flatten)]
    authenticator: Authenticator,
    last_step: u64,
}

/// When and within which bounds a code is looked at.
pub(crate) struct Moment {
    pub(crate) now_ms: i64,
    pub(crate) window: u64,
    /// Up to this moment codes may have been accepted that no `last_step` knows of.
    pub(crate) forgotten_until_ms: Option<i64>,
}

/// What a code is.
pub(crate) enum Match {
    /// Some authenticator's own, for the first time; the enrolment from now on.
    Fresh(Enrolment),
    /// It was accepted before, or a later one was.
    Used,
    None,
}

impl Enrolment {
    /// An enrolment of the time before there were several.
    pub(crate) fn from_single(data: serde_json::Value) -> Result<Self, ModuleError> {
        // serde's own message would quote the value, which is a secret.
        let unreadable = |_| ModuleError::failed("an enrolment of version 1 does not decode");
        let Single { authenticator, last_step } = serde_json::from_value(data).map_err(unreadable)?;
        let (id, name) = ("first".to_owned(), default_name(1));
        let only = Enrolled { id, name, created_at_ms: 0, last_used_at_ms: None, authenticator, last_step };
        Ok(Self { devices: vec![only] })
    }

    /// Every code of every authenticator's window is computed and compared, so that the time tells neither whose code
    /// it is nor how near. A code that two of them happen to share is used up for both.
    pub(crate) fn look_at(&self, code: &str, moment: &Moment) -> Match {
        let Moment { now_ms, window, forgotten_until_ms } = *moment;
        let mut changed = self.clone();
        let (mut is_fresh, mut is_known) = (false, false);
        for device in &mut changed.devices {
            let authenticator = &device.authenticator;
            let forgotten = forgotten_until_ms.map_or(0, |until_ms| authenticator.newest_step_at(until_ms, window));
            let used = forgotten.max(device.last_step);
            if let Some(step) = authenticator.matching_step(code, now_ms, window) {
                is_known = true;
                if step > used {
                    is_fresh = true;
                    (device.last_step, device.last_used_at_ms) = (step, Some(now_ms));
                }
            }
        }
        match (is_fresh, is_known) {
            (true, _) => Match::Fresh(changed),
            (false, true) => Match::Used,
            (false, false) => Match::None,
        }
    }

    /// The shortest and the longest code of these authenticators, and the longest time one is shown.
    pub(crate) fn bounds(&self) -> Option<(u8, u8, u64)> {
        let digits = || self.devices.iter().map(|device| device.authenticator.digits);
        let period_s = self.devices.iter().map(|device| device.authenticator.period_s).max()?;
        Some((digits().min()?, digits().max()?, period_s))
    }

    /// The first name of the kind that none of them has.
    pub(crate) fn free_name(&self) -> String {
        let is_free = |name: &String| !self.devices.iter().any(|device| device.name == *name);
        let from = self.devices.len() + 1;
        (from..=from + self.devices.len()).map(default_name).find(is_free).unwrap_or_else(|| default_name(from))
    }

    pub(crate) fn without(mut self, id: &str) -> Self {
        self.devices.retain(|device| device.id != id);
        self
    }
}

impl Enrolled {
    pub(crate) fn shown(&self) -> Device {
        Device {
            id: self.id.clone(),
            name: self.name.clone(),
            created_at_ms: self.created_at_ms,
            last_used_at_ms: self.last_used_at_ms,
        }
    }
}

pub(crate) fn default_name(number: usize) -> String {
    format!("Authenticator {number}")
}
