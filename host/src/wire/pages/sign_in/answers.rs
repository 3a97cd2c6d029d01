//! What becomes of an answered form: the next page, the same one with words, or the application.

use std::collections::BTreeMap;

use axum::{
    http::{HeaderValue, StatusCode},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::{
    AT, Ask, Flash, FlowError, FormStep, POLL_EVERY_S, Page, Step, Visit, ended, fields, finish, handle, no_news, over,
    see_other, tell_at, wait_text,
};
use crate::wire::http::waiting_cookie;

/// Name and password, or what else the provider asks for; a login begins and is answered in one.
pub async fn first_factor(visit: &Visit, ask: &Ask, form: &BTreeMap<String, String>) -> Response {
    let offered = ask.providers(visit);
    let Some(provider) = ask.provider(&offered) else {
        return visit.message("page.no_provider").status(StatusCode::FORBIDDEN).reply(visit);
    };
    let begun = match visit.flows.begin_login(ask.begin(provider), &visit.asker).await {
        Ok(Step::Form(step)) if provider.kind != super::BY_PLACE => step,
        // By place alone: it went on already, or asks who it is.
        Ok(Step::Form(step)) => return go_on(visit, ask, &step.flow_id),
        Ok(step) => return outcome(visit, ask, "", Ok(step), BTreeMap::new()).await,
        Err(error) => return Page::of_error(visit, error).reply(visit),
    };
    let (typed, again) = fields::typed(form);
    let answered = visit.flows.submit_login(&begun.flow_id, &ask.client_id, typed, None, &visit.asker).await;
    match answered {
        // Still the first factor: nothing is kept of this try.
        Ok(Step::Form(step)) if step.step_id == "init" => {
            let flash = Flash { errors: step.error_texts, values: again, ..Flash::default() };
            tell_at(visit, &ask.start(), AT, flash)
        }
        // The primary is asked at once; the page of its step leads to the others.
        Ok(Step::Form(step)) if step.step_id == "select_mfa_module" && !ask.is_to_choose => {
            let chosen = chosen(&step);
            let asked = visit.flows.submit_login(&step.flow_id, &ask.client_id, chosen, None, &visit.asker).await;
            match asked {
                Ok(Step::Form(step)) => go_on(visit, ask, &step.flow_id),
                Ok(other) => outcome(visit, ask, &begun.flow_id, Ok(other), again).await,
                // The login stands at its choice all the same.
                Err(_) => go_on(visit, ask, &step.flow_id),
            }
        }
        Ok(Step::Form(step)) => go_on(visit, ask, &step.flow_id),
        Err(FlowError::InvalidInput(errors)) => {
            let flash = Flash { errors: fields::words_of(errors), values: again, ..Flash::default() };
            tell_at(visit, &ask.start(), AT, flash)
        }
        other => outcome(visit, ask, &begun.flow_id, other, again).await,
    }
}

/// An answer to the step a login stands at, or what the person wishes for instead.
pub async fn step(visit: &Visit, ask: &Ask, flow_id: &str, form: &BTreeMap<String, String>) -> Response {
    let (typed, again) = fields::typed(form);
    let answer: Map<String, Value> = match form.get("action").map(String::as_str) {
        Some("resend") => Map::from_iter([("resend".to_owned(), json!(true))]),
        Some("poll") => Map::new(),
        Some("cancel") => return cancel(visit, ask, flow_id).await,
        _ => match form.get("method") {
            Some(method) => Map::from_iter([("multi_factor_auth_module".to_owned(), json!(method))]),
            None => typed,
        },
    };
    let answered = visit.flows.submit_login(flow_id, &ask.client_id, answer, None, &visit.asker).await;
    outcome(visit, ask, flow_id, answered, again).await
}

async fn cancel(visit: &Visit, ask: &Ask, flow_id: &str) -> Response {
    match visit.flows.abort_login(flow_id).await {
        Ok(()) | Err(FlowError::UnknownFlow) => see_other(visit, &ask.start(), handle::forget(ask)),
        Err(error) => Page::of_error(visit, error).reply(visit),
    }
}

/// The page that follows from what the flows said.
async fn outcome(
    visit: &Visit,
    ask: &Ask,
    flow_id: &str,
    answered: Result<Step, FlowError>,
    values: BTreeMap<String, String>,
) -> Response {
    let at = ask.flow.as_deref().unwrap_or(AT);
    let here = || ask.flow.as_deref().map_or_else(|| ask.start(), |handle| ask.address_of_flow(handle));
    match answered {
        Ok(Step::Created(created)) => finish::back(visit, ask, created).await,
        Ok(Step::Abort(abort)) => ended(visit, ask, &abort),
        Ok(Step::Form(step)) if step.flow_id != flow_id => go_on(visit, ask, &step.flow_id),
        // Whoever waits for a link may be typing a backup code meanwhile: no news is no new page.
        Ok(Step::Form(step)) if visit.by_script && step.step_id == "mfa" => no_news(POLL_EVERY_S),
        Err(FlowError::Throttled { retry_after_s }) if visit.by_script => no_news(retry_after_s),
        Ok(Step::Form(step)) => {
            let flash = Flash { errors: step.error_texts, values, ..Flash::default() };
            tell_at(visit, &here(), at, flash)
        }
        Err(FlowError::InvalidInput(errors)) => {
            let flash = Flash { errors: fields::words_of(errors), values, ..Flash::default() };
            tell_at(visit, &here(), at, flash)
        }
        Err(FlowError::Throttled { retry_after_s }) if ask.flow.is_some() => {
            let text = visit.fill("page.wait.text", &[("wait", &wait_text(visit, retry_after_s))]);
            let flash = Flash { wait_s: Some(retry_after_s), values, ..Flash::problem(text) };
            tell_at(visit, &here(), at, flash)
        }
        Err(FlowError::NotPossible { detail, .. }) => tell_at(visit, &here(), at, Flash::problem(detail)),
        Err(FlowError::UnknownFlow) => over(visit, ask, "page.over"),
        Err(error) => Page::of_error(visit, error).reply(visit),
    }
}

/// The choice a step preselects.
fn chosen(step: &FormStep) -> Map<String, Value> {
    let field = step.fields.iter().find_map(|field| Some((field.name.clone(), field.default.clone()?)));
    field.into_iter().collect()
}

/// To the page of the login under this id from now on.
fn go_on(visit: &Visit, ask: &Ask, flow_id: &str) -> Response {
    let (handle, mut cookies) = handle::keep(visit, ask, flow_id);
    cookies.extend(waiting_cookie(&visit.flows, flow_id));
    cookies.extend(handle::forget(ask).filter(|_| ask.flow.as_deref() != Some(handle.as_str())));
    let cookies: Vec<HeaderValue> = cookies;
    see_other(visit, &ask.address_of_flow(&handle), cookies)
}
