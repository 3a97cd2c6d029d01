//! `/profile/setup/{flow}`: a module's own steps, from its forms alone, until it is set up.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, RawQuery},
    response::Response,
};
use minijinja::context;
use serde_json::{Map, Value};

use super::{
    Answered, Flash, HOME, POLL_EVERY_S, Said, SignedIn, around,
    codes::{self, Batches},
    deed::Deed,
    fields, no_news,
    refusal::{impossible, refused},
    see_other, segment, tell_at,
};
use crate::{
    flow::{Abort, Block, Created, FlowError, FormStep, Step},
    wire::http::urlencoded,
};

/// Begins, and leads to the first step.
pub async fn begin(me: &SignedIn, id: &str, factor: Option<&str>) -> Response {
    match me.visit.flows.begin_setup(&me.access, id, factor, &me.visit.asker).await {
        Ok(Step::Form(step)) if is_of_codes_alone(&step) => codes::page(me, Batches::of_step(step)),
        Ok(Step::Form(step)) if !step.recovery_codes.is_empty() => codes::page(me, Batches::beside(step)),
        Ok(Step::Form(step)) => see_other(&me.visit, &address(&step.flow_id), None),
        Ok(Step::Created(created)) => done(me, created, "").await,
        Ok(Step::Abort(abort)) => over(me, &abort),
        Err(error @ FlowError::NotFound { .. }) => impossible(me, HOME, error),
        Err(error) => refused(me, &Deed::SetUp.address(id), error, BTreeMap::new()),
    }
}

/// Codes, and nothing to do but to say that they are saved. Any other form with codes is one like all others.
fn is_of_codes_alone(step: &FormStep) -> bool {
    let has_codes = step.blocks.iter().any(|block| matches!(block, Block::Codes { .. }));
    has_codes && step.fields.iter().all(|field| field.name == codes::SAVED)
}

pub async fn show(me: SignedIn, Path(flow_id): Path<String>, RawQuery(query): RawQuery) -> Response {
    match me.visit.flows.show_setup(&me.access, &flow_id, &me.visit.asker).await {
        Ok(Step::Form(step)) => step_page(&me, &step, &here(&flow_id, &saved_of(query.as_deref()))),
        Ok(Step::Abort(abort)) => over(&me, &abort),
        Ok(Step::Created(_)) => me.nothing("page.profile.over"),
        Err(error) => impossible(&me, &address(&flow_id), error),
    }
}

fn step_page(me: &SignedIn, step: &FormStep, here: &str) -> Response {
    let visit = &me.visit;
    let flash = Flash::of(&visit.cookies, here);
    let module = step.handler.id.as_deref().unwrap_or_default();
    // Codes that were shown: who has not saved them makes new ones.
    let is_saving = step.fields.iter().any(|field| field.name == codes::SAVED);
    let context = context! {
        title => step.title.clone().unwrap_or_else(|| visit.say("page.profile.setup.step")),
        form => fields::shown(visit, step, &flash),
        cancel => visit.say("page.profile.setup.cancel"),
        renew => is_saving.then(|| Deed::Renew.address(module)),
        ..around(visit, step)
    };
    me.page("page_profile_step.html", context).reply(visit)
}

pub async fn answer(
    Path(flow_id): Path<String>,
    RawQuery(query): RawQuery,
    Answered { me, form }: Answered,
) -> Response {
    let visit = &me.visit;
    let Said { is_cancel, is_resend, fields, again } = Said::of(&form);
    // With the codes' own form they come along; later they stand in the address.
    let save = form.get("save").cloned().unwrap_or_else(|| saved_of(query.as_deref()));
    let here = here(&flow_id, &save);
    if is_cancel {
        return cancel(&me, &flow_id).await;
    }
    match visit.flows.submit_setup(&me.access, &flow_id, fields, &visit.asker).await {
        Ok(Step::Created(created)) => done(&me, created, &save).await,
        Ok(Step::Abort(abort)) => over(&me, &abort),
        Ok(Step::Form(step)) if !step.recovery_codes.is_empty() => codes::page(&me, Batches::beside(step)),
        Ok(Step::Form(step)) if step.error_texts.is_empty() => {
            if visit.by_script {
                return no_news(POLL_EVERY_S);
            }
            let note = match step.delivery {
                Some("failed") => Flash::problem(visit.say("page.profile.not_sent")),
                Some(_) if is_resend => Flash::note(visit.say("page.profile.sent")),
                _ => Flash::default(),
            };
            tell_at(visit, &here, &here, note)
        }
        Ok(Step::Form(step)) => {
            tell_at(visit, &here, &here, Flash { errors: step.error_texts, values: again, ..Flash::default() })
        }
        Err(error @ (FlowError::UnknownFlow | FlowError::NotFound { .. })) => impossible(&me, &here, error),
        Err(error) => refused(&me, &here, error, again),
    }
}

async fn cancel(me: &SignedIn, flow_id: &str) -> Response {
    match me.visit.flows.cancel_setup(&me.access, flow_id).await {
        Ok(()) | Err(FlowError::UnknownFlow) => {
            tell_at(&me.visit, HOME, HOME, Flash::note(me.visit.say("page.profile.setup.cancelled")))
        }
        Err(error) => impossible(me, HOME, error),
    }
}

/// It is set up: codes that came with it are shown now, those of its beginning are saved.
async fn done(me: &SignedIn, created: Created, save: &str) -> Response {
    let visit = &me.visit;
    if !save.is_empty() {
        // What was just proved counts for it.
        let access = match me.access_again().await {
            Ok(access) => access,
            Err(error) => return impossible(me, HOME, error),
        };
        for flow_id in save.split(' ') {
            let saved = Map::from_iter([(codes::SAVED.to_owned(), Value::Bool(true))]);
            if let Err(error) = visit.flows.submit_setup(&access, flow_id, saved, &visit.asker).await {
                return impossible(me, HOME, error);
            }
        }
    }
    if created.recovery.is_empty() {
        return tell_at(visit, HOME, HOME, Flash::change(visit.say("page.profile.setup.done")));
    }
    codes::page(me, Batches::at_end(created.recovery))
}

fn over(me: &SignedIn, abort: &Abort) -> Response {
    let module = abort.handler.id.as_deref().unwrap_or_default();
    let again = Deed::SetUp.address(module);
    let links = [(again.as_str(), me.visit.say("page.start_again")), (HOME, me.visit.say("page.profile.back"))];
    me.message(&me.visit.say("page.profile.over.title"), &abort.text, &links).reply(&me.visit)
}

pub fn address(flow_id: &str) -> String {
    format!("{HOME}/setup/{}", segment(flow_id))
}

/// With the codes that are to be saved once the factor is proved.
fn here(flow_id: &str, save: &str) -> String {
    match save {
        "" => address(flow_id),
        save => format!("{}?saved=true&save={}", address(flow_id), segment(save)),
    }
}

/// The flows of codes whose user said that they are saved.
fn saved_of(query: Option<&str>) -> String {
    let mut given = urlencoded(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    if given.contains_key(codes::SAVED) { given.remove("save").unwrap_or_default() } else { String::new() }
}
