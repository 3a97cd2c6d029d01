//! What a refused form leads to: the same form with words beside it, the fresh proof, or a page that says why.

use std::collections::BTreeMap;

use axum::{http::StatusCode, response::Response};

use super::{Flash, HOME, POLL_EVERY_S, Page, SignedIn, no_news, proof, refused_at, see_other, sign_in::Ask, tell_at};
use crate::{flow::FlowError, provider::PasswordRefusal};

/// Of a form at `here` with these values.
pub fn refused(me: &SignedIn, here: &str, error: FlowError, values: BTreeMap<String, String>) -> Response {
    let visit = &me.visit;
    let kept = values.clone();
    let beside = |errors: BTreeMap<String, String>| {
        tell_at(visit, here, here, Flash { errors, values: kept, ..Flash::default() })
    };
    let one = |field: &str, words: String| BTreeMap::from([(field.to_owned(), words)]);
    let error = match refused_at(visit, (here, here), error, values) {
        Ok(told) => return told,
        Err(error) => error,
    };
    match error {
        // Only a page that waits asks by script; what it waits for is not there yet.
        FlowError::NotPossible { code: "pending", .. } if visit.by_script => no_news(POLL_EVERY_S),
        FlowError::StaleProof { .. } => see_other(visit, &proof::address(here), None),
        FlowError::Unauthenticated => see_other(visit, &Ask::of_own_pages(visit, here).start(), None),
        FlowError::CodeRequired { .. } => beside(one("code", "required".to_owned())),
        FlowError::Refused { field, word, .. } => beside(one(field, word.to_owned())),
        // The path of a missing file is for the admin's eyes.
        error @ FlowError::PasswordRefused { refusal: PasswordRefusal::NoBlocklist { .. }, .. } => {
            Page::of_error(visit, error).reply(visit)
        }
        FlowError::PasswordRefused { field, refusal } => beside(one(field, refusal.to_string())),
        FlowError::InvalidCode { .. } => beside(one("code", visit.say("page.profile.wrong_code"))),
        FlowError::InvalidAuth => beside(one("old_password", visit.say("page.profile.wrong_password"))),
        FlowError::NotPossible { code, detail } => beside(one("base", why(me, code, detail))),
        error => Page::of_error(visit, error).reply(visit),
    }
}

/// As [`refused`], of a page that cannot show its form.
pub fn impossible(me: &SignedIn, here: &str, error: FlowError) -> Response {
    match error {
        FlowError::NotPossible { code, detail } => {
            let links = [(HOME, me.visit.say("page.profile.back"))];
            let page = me.message(&me.visit.say("page.profile.impossible"), &why(me, code, detail), &links);
            page.status(StatusCode::CONFLICT).reply(&me.visit)
        }
        FlowError::NotFound { .. } => me.nothing("page.not_found"),
        FlowError::UnknownFlow => me.nothing("page.profile.over"),
        error @ (FlowError::StaleProof { .. } | FlowError::Unauthenticated) => {
            refused(me, here, error, BTreeMap::new())
        }
        error => Page::of_error(&me.visit, error).reply(&me.visit),
    }
}

/// In the person's language where there are words for it.
fn why(me: &SignedIn, code: &str, detail: String) -> String {
    let key = format!("page.profile.why.{code}");
    if me.visit.look.words.has(&key) { me.visit.say(&key) } else { detail }
}
