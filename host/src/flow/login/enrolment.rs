//! What a module gets of its enrolment at a step, and what is kept of its answer.

use mfa_sdk::protocol;
use serde_json::Value;

use crate::{
    flow::{
        engine::for_module,
        record::{Enrolment, EnrolmentSecret, Found},
    },
    module_host::ModuleInstance,
};

/// What a module gets of its enrolment at the step of `asked`.
pub(super) fn for_module_at(enrolment: &Enrolment, asked: &str) -> Option<protocol::Enrolment> {
    match &enrolment.secret.by_factor {
        by_factor if by_factor.is_empty() => Some(for_module(enrolment)),
        by_factor => by_factor.get(asked).cloned(),
    }
}

/// The enrolment with the data the module wants kept.
pub(super) fn with_data(
    enrolment: &Found<Enrolment>,
    module: &ModuleInstance,
    asked: &str,
    data: Value,
) -> Option<Enrolment> {
    let mut next = enrolment.record.clone()?;
    let described = module.description.as_ref().map(|description| description.enrolment_version);
    match next.secret.by_factor.get_mut(asked) {
        Some(kept) => *kept = protocol::Enrolment { version: described.unwrap_or(kept.version), data },
        None => {
            let version = described.unwrap_or(next.secret.version);
            next.secret = EnrolmentSecret { version, data, ..next.secret };
        }
    }
    Some(next)
}
