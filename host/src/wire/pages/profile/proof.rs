//! `/profile/proof?next=PATH`: a change asks for a fresh proof, before its form is filled. The same steps as of a login;
//! then on to the form.

use axum::{extract::RawQuery, response::Response};
use url::form_urlencoded;

use super::{
    Answered, Flash, HOME, Page, Said, SignedIn, Visit,
    refusal::impossible,
    see_other,
    sign_in::{Ask, LoginPage, handle, step_page},
};
use crate::{
    flow::{FlowError, Step},
    wire::http::urlencoded,
};

const PATH: &str = "/profile/proof";
/// What the first step is called among pages that words are carried to.
const AT: &str = "proof";

/// A sign-in that was so little time ago is the one this page asked for.
const JUST_NOW_MS: i64 = 60_000;

/// The way to it.
pub fn address(next: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", next);
    format!("{PATH}?{}", query.finish())
}

/// Where a proof leads on to, and its own sign-in.
struct Wanted {
    next: String,
    /// Binds the handle of the flow to where it leads.
    ask: Ask,
}

impl Wanted {
    fn of(me: &SignedIn, query: Option<&str>) -> Option<Self> {
        let mut given = urlencoded(query.unwrap_or_default().as_bytes()).ok()?;
        let next = given.remove("next").filter(|next| is_own_form(next))?;
        let mut ask = Ask::of_own_pages(&me.visit, &next);
        ask.flow = given.remove("flow");
        Some(Self { next, ask })
    }

    fn page<'a>(&'a self, visit: &'a Visit) -> LoginPage<'a> {
        LoginPage { visit, ask: &self.ask, start: address(&self.next), first: AT }
    }
}

/// Only forms of ours are led to.
fn is_own_form(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let is_plain = |part: &&str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_~%".contains(&byte))
    };
    let Some(rest) = path.strip_prefix("/profile/") else { return false };
    let parts: Vec<&str> = rest.split('/').collect();
    parts.iter().all(is_plain)
        && match parts[..] {
            ["password" | "addresses" | "remove-all"] => true,
            ["method", _, deed] => super::deed::Deed::of(deed).is_some(),
            ["device", _, _, "rename" | "remove"] => true,
            _ => false,
        }
}

pub async fn show(me: SignedIn, RawQuery(query): RawQuery) -> Response {
    let Some(wanted) = Wanted::of(&me, query.as_deref()) else { return me.nothing("page.not_found") };
    let visit = &me.visit;
    let step = match &wanted.ask.flow {
        // Nothing begins by it: the first step is made anew with each look.
        None => visit.flows.begin_proof(&me.access, &visit.asker).await,
        Some(handle) => match handle::flow_id(visit, &wanted.ask, handle) {
            Some(flow_id) => {
                let shown = visit.flows.show_login(flow_id, &me.access.client_id, &visit.asker).await;
                shown.map(|standing| standing.step)
            }
            None => Err(FlowError::UnknownFlow),
        },
    };
    match step {
        Ok(Step::Form(step)) => {
            let mut flash = Flash::of(&visit.cookies, wanted.page(visit).at());
            if wanted.ask.flow.is_none() && flash.note.is_none() {
                flash.note = Some(visit.say("page.profile.proof.why"));
            }
            step_page(visit, &wanted.ask, &step, &flash).reply(visit)
        }
        other => end(&me, &wanted, other),
    }
}

pub async fn answer(RawQuery(query): RawQuery, Answered { me, form }: Answered) -> Response {
    let Some(wanted) = Wanted::of(&me, query.as_deref()) else { return me.nothing("page.not_found") };
    let visit = &me.visit;
    let Said { is_cancel, fields, again, .. } = Said::of(&form);
    let flow_id = match &wanted.ask.flow {
        Some(handle) => handle::flow_id(visit, &wanted.ask, handle).map(str::to_owned),
        None => match visit.flows.begin_proof(&me.access, &visit.asker).await {
            Ok(Step::Form(step)) => Some(step.flow_id),
            other => return end(&me, &wanted, other),
        },
    };
    let Some(flow_id) = flow_id else { return impossible(&me, HOME, FlowError::UnknownFlow) };
    if is_cancel {
        return cancel(&me, &wanted, &flow_id).await;
    }
    let page = wanted.page(visit);
    match visit.flows.submit_login(&flow_id, &me.access.client_id, fields, None, &visit.asker).await {
        Ok(Step::Form(step)) => page.next(&flow_id, step, again),
        Ok(other) => end(&me, &wanted, Ok(other)),
        Err(error) => page.refused(error, again).unwrap_or_else(|error| end(&me, &wanted, Err(error))),
    }
}

async fn cancel(me: &SignedIn, wanted: &Wanted, flow_id: &str) -> Response {
    match me.visit.flows.abort_login(flow_id).await {
        Ok(()) | Err(FlowError::UnknownFlow) => see_other(&me.visit, HOME, handle::forget(&wanted.ask)),
        Err(error) => Page::of_error(&me.visit, error).reply(&me.visit),
    }
}

/// What is no form: the proof is there, or there will be none.
fn end(me: &SignedIn, wanted: &Wanted, ended: Result<Step, FlowError>) -> Response {
    let visit = &me.visit;
    match ended {
        Ok(Step::Created(_)) => see_other(visit, &wanted.next, handle::forget(&wanted.ask)),
        Ok(Step::Abort(abort)) => {
            let (title, again) = (visit.say("page.profile.over.title"), address(&wanted.next));
            let links = [(again.as_str(), visit.say("page.start_again")), (HOME, visit.say("page.profile.back"))];
            me.message(&title, &abort.text, &links).cookie(handle::forget(&wanted.ask)).reply(visit)
        }
        // The host keeps no password of theirs: to sign in again is the proof.
        Err(error @ FlowError::NotPossible { code: "sign_in_again", .. }) => {
            let age_ms = visit.flows.now().since_ms(me.access.auth_time);
            // Who has just done so came in by something that proves nobody, and would go round in a circle.
            if age_ms < JUST_NOW_MS {
                return impossible(me, HOME, error);
            }
            see_other(visit, &Ask::of_own_pages(visit, &wanted.next).start(), None)
        }
        Err(error) => impossible(me, HOME, error),
        Ok(Step::Form(_)) => impossible(me, HOME, FlowError::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_leads_to_forms_of_ours_alone() {
        for path in [
            "/profile/password",
            "/profile/addresses",
            "/profile/remove-all?trial=x",
            "/profile/method/totp/setup",
            "/profile/method/a%20b/remove",
            "/profile/device/totp/1/rename",
        ] {
            assert!(is_own_form(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/profile",
            "//evil.example",
            "https://evil.example/profile/password",
            "/profile/../auth",
            "/profile//evil",
            "/profile/sign-out",
            "/profile/method/totp",
            "/profile/method/totp/odd",
            "/profile/method/../setup",
            "/profile/proof",
            "/profile/password\\x",
            "/profile/password/",
        ] {
            assert!(!is_own_form(path), "{path}");
        }
    }
}
