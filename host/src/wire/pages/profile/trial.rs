//! `/profile/test/{flow}`: a method is tried before it is needed. It grants nothing.

use std::collections::BTreeMap;

use axum::{extract::Path, response::Response};
use minijinja::context;

use super::{
    Answered, Flash, HOME, POLL_EVERY_S, Said, SignedIn, around,
    deed::Deed,
    fields, method, no_news,
    refusal::{impossible, refused},
    see_other, segment, tell_at,
};
use crate::{
    flow::{Abort, FlowError, Handler, Step},
    wire::http::waiting_cookie,
};

pub async fn begin(me: &SignedIn, id: &str) -> Response {
    match me.visit.flows.begin_trial(&me.access, id, &me.visit.asker).await {
        Ok(Step::Form(step)) => {
            see_other(&me.visit, &address(&step.flow_id), waiting_cookie(&me.visit.flows, &step.flow_id))
        }
        Ok(Step::Created(created)) => works(me, &created.handler),
        Ok(Step::Abort(abort)) => failed(me, &abort),
        Err(error @ FlowError::NotFound { .. }) => impossible(me, HOME, error),
        Err(error) => refused(me, &Deed::Try.address(id), error, BTreeMap::new()),
    }
}

pub async fn show(me: SignedIn, Path(flow_id): Path<String>) -> Response {
    let visit = &me.visit;
    let here = address(&flow_id);
    let step = match visit.flows.show_trial(&me.access, &flow_id, &visit.asker).await {
        Ok(Step::Form(step)) => step,
        Ok(Step::Abort(abort)) => return failed(&me, &abort),
        Ok(Step::Created(_)) => return me.nothing("page.profile.over"),
        Err(error) => return impossible(&me, &here, error),
    };
    let flash = Flash::of(&visit.cookies, &here);
    let name = step.placeholders.get("mfa_module_name").cloned().unwrap_or_default();
    let context = context! {
        title => visit.fill("page.profile.test.title", &[("name", &name)]),
        form => fields::shown(visit, &step, &flash),
        cancel => visit.say("page.profile.test.cancel"),
        ..around(visit, &step)
    };
    me.page("page_profile_step.html", context).reply(visit)
}

pub async fn answer(Path(flow_id): Path<String>, Answered { me, form }: Answered) -> Response {
    let visit = &me.visit;
    let here = address(&flow_id);
    let Said { is_cancel, fields, again, .. } = Said::of(&form);
    if is_cancel {
        return match visit.flows.cancel_trial(&me.access, &flow_id, &visit.asker).await {
            Ok(()) | Err(FlowError::UnknownFlow) => see_other(visit, HOME, None),
            Err(error) => refused(&me, &here, error, BTreeMap::new()),
        };
    }
    match visit.flows.submit_trial(&me.access, &flow_id, fields, &visit.asker).await {
        Ok(Step::Created(created)) => works(&me, &created.handler),
        Ok(Step::Abort(abort)) => failed(&me, &abort),
        Ok(Step::Form(step)) => {
            // Another message comes with another flow.
            let is_the_same = step.flow_id == flow_id;
            if visit.by_script && is_the_same {
                return no_news(POLL_EVERY_S);
            }
            let here = address(&step.flow_id);
            tell_at(visit, &here, &here, Flash { errors: step.error_texts, values: again, ..Flash::default() })
        }
        Err(error @ FlowError::UnknownFlow) => impossible(&me, &here, error),
        Err(error) => refused(&me, &here, error, again),
    }
}

fn works(me: &SignedIn, handler: &Handler) -> Response {
    let to = handler.id.as_deref().map_or_else(|| HOME.to_owned(), method::address);
    tell_at(&me.visit, &to, &to, Flash::note(me.visit.say("page.profile.test.done")))
}

fn failed(me: &SignedIn, abort: &Abort) -> Response {
    let again = abort.handler.id.as_deref().map_or_else(|| HOME.to_owned(), |id| Deed::Try.address(id));
    let links = [(again.as_str(), me.visit.say("page.start_again")), (HOME, me.visit.say("page.profile.back"))];
    me.message(&me.visit.say("page.profile.test.failed"), &abort.text, &links).reply(&me.visit)
}

fn address(flow_id: &str) -> String {
    format!("{HOME}/test/{}", segment(flow_id))
}
