//! What becomes of an answered form: the next page, the same one with words, or the application.

use std::collections::BTreeMap;

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value};

use super::{
    AT, Ask, Flash, FlowError, FormStep, LoginPage, Page, Said, Step, Visit, ended, finish, handle, over, see_other,
};

/// Name and password, or what else the provider asks for; a login begins and is answered in one.
pub async fn first_factor(visit: &Visit, ask: &Ask, form: &BTreeMap<String, String>) -> Response {
    let offered = ask.providers(visit);
    let Some(provider) = ask.provider(&offered) else {
        return visit.message("page.no_provider").status(StatusCode::FORBIDDEN).reply(visit);
    };
    let begun = match visit.flows.begin_login(ask.begin(provider), &visit.asker).await {
        Ok(Step::Form(step)) if provider.kind != super::BY_PLACE => step,
        // By place alone: it went on already, or asks who it is.
        Ok(Step::Form(step)) => return page(visit, ask).go_on(&step.flow_id),
        Ok(step) => return outcome(visit, ask, "", Ok(step), BTreeMap::new()).await,
        Err(error) => return Page::of_error(visit, error).reply(visit),
    };
    let Said { fields, again, .. } = Said::of(form);
    let answered = visit.flows.submit_login(&begun.flow_id, &ask.client_id, fields, None, &visit.asker).await;
    match answered {
        // The primary is asked at once; the page of its step leads to the others.
        Ok(Step::Form(step)) if step.step_id == "select_mfa_module" && !ask.is_to_choose => {
            let chosen = chosen(&step);
            let asked = visit.flows.submit_login(&step.flow_id, &ask.client_id, chosen, None, &visit.asker).await;
            match asked {
                Ok(asked) => outcome(visit, ask, &begun.flow_id, Ok(asked), again).await,
                // The login stands at its choice all the same.
                Err(_) => page(visit, ask).go_on(&step.flow_id),
            }
        }
        other => outcome(visit, ask, &begun.flow_id, other, again).await,
    }
}

/// An answer to the step a login stands at, or what the person wishes for instead.
pub async fn step(visit: &Visit, ask: &Ask, flow_id: &str, form: &BTreeMap<String, String>) -> Response {
    let Said { is_cancel, fields, again, .. } = Said::of(form);
    if is_cancel {
        return cancel(visit, ask, flow_id).await;
    }
    let answered = visit.flows.submit_login(flow_id, &ask.client_id, fields, None, &visit.asker).await;
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
    let page = page(visit, ask);
    let error = match answered {
        Ok(Step::Created(created)) => return finish::back(visit, ask, created).await,
        Ok(Step::Abort(abort)) => return ended(visit, ask, &abort),
        Ok(Step::Form(step)) => return page.next(flow_id, step, values),
        Err(FlowError::NotPossible { detail, .. }) => return page.tell(Flash::problem(detail)),
        Err(FlowError::UnknownFlow) => return over(visit, ask, "page.over"),
        Err(error) => error,
    };
    // Who is slowed down before there is a login has no page to wait at.
    if ask.flow.is_none() && matches!(error, FlowError::Throttled { .. }) {
        return Page::of_error(visit, error).reply(visit);
    }
    page.refused(error, values).unwrap_or_else(|error| Page::of_error(visit, error).reply(visit))
}

fn page<'a>(visit: &'a Visit, ask: &'a Ask) -> LoginPage<'a> {
    LoginPage { visit, ask, start: ask.start(), first: AT }
}

/// The choice a step preselects.
fn chosen(step: &FormStep) -> Map<String, Value> {
    let field = step.fields.iter().find_map(|field| Some((field.name.clone(), field.default.clone()?)));
    field.into_iter().collect()
}
