//! What a page shows of a step besides its form: what is waited for, what can be sent again, and when it ends.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use minijinja::{Value as Shown, context};
use serde_json::json;

use super::visit::Visit;
use crate::{clock::Timestamp, flow::FormStep};

/// How often a page that waits asks by itself.
pub const POLL_EVERY_S: u64 = 2;

/// For `page_answer.html`, which every page of a step includes.
pub fn around(visit: &Visit, step: &FormStep) -> Shown {
    let now = visit.flows.now();
    let seconds_until = |moment: Timestamp| u64::try_from(moment.since_ms(now)).unwrap_or_default().div_ceil(1000);
    let number = step.placeholders.get("link_number");
    // A form of the host's own belongs to no flow, and waits for nothing.
    let is_without_input = step.fields.is_empty() && !step.flow_id.is_empty();
    let resend_wait_s = step.resend_at.map(seconds_until);
    context! {
        number,
        is_waiting => is_without_input || number.is_some(),
        poll_every_s => POLL_EVERY_S,
        delivery => step.delivery,
        can_resend => resend_wait_s.is_some(),
        resend_wait_s,
        ends_in_s => step.expires_at.map(seconds_until),
    }
}

/// For a script that asks whether there is news: there is none for so long.
pub fn no_news(wait_s: u64) -> Response {
    Json(json!({ "wait_s": wait_s })).into_response()
}
