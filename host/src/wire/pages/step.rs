//! Steps on a page: what is shown of one besides its form, what the form that comes back says, and how it is told what was
//! wrong with that.

use std::collections::BTreeMap;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use minijinja::{Value as Shown, context};
use serde_json::{Map, Value, json};

use super::{
    fields,
    flash::Flash,
    page::{tell_at, wait_text},
    visit::Visit,
};
use crate::{
    clock::Timestamp,
    flow::{FlowError, FormStep},
};

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

/// What a form says to a step: an answer, or a wish in the place of one.
pub struct Said {
    pub is_cancel: bool,
    pub is_resend: bool,
    pub fields: Map<String, Value>,
    /// What was typed and may be shown again.
    pub again: BTreeMap<String, String>,
}

impl Said {
    pub fn of(form: &BTreeMap<String, String>) -> Self {
        let (typed, again) = fields::typed(form);
        let action = form.get("action").map(String::as_str);
        let fields = match (action, form.get("method")) {
            (Some("resend"), _) => Map::from_iter([("resend".to_owned(), json!(true))]),
            (Some("poll"), _) => Map::new(),
            (_, Some(method)) => Map::from_iter([("multi_factor_auth_module".to_owned(), json!(method))]),
            (_, None) => typed,
        };
        Self { is_cancel: action == Some("cancel"), is_resend: action == Some("resend"), fields, again }
    }
}

/// Told at the page `at`, whose address is `to`: what was wrong with an answer to its step.
///
/// # Errors
/// What is no matter of the answer, for the caller to tell.
pub fn refused_at(
    visit: &Visit,
    (to, at): (&str, &str),
    error: FlowError,
    values: BTreeMap<String, String>,
) -> Result<Response, FlowError> {
    let flash = match error {
        FlowError::InvalidInput(errors) => Flash { errors: fields::words_of(errors), values, ..Flash::default() },
        // Only a page that waits asks by script, and it has typed nothing.
        FlowError::Throttled { retry_after_s } if visit.by_script => return Ok(no_news(retry_after_s)),
        FlowError::Throttled { retry_after_s } => {
            let text = visit.fill("page.wait.text", &[("wait", &wait_text(visit, retry_after_s))]);
            Flash { wait_s: Some(retry_after_s), values, ..Flash::problem(text) }
        }
        other => return Err(other),
    };
    Ok(tell_at(visit, to, at, flash))
}
