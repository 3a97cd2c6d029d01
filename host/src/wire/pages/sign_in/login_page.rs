//! The page under which the steps of a login stand: an answered step in, the next thing to show out. A proof is a login too.

use std::collections::BTreeMap;

use axum::response::Response;

use super::{
    Ask, Flash, FlowError, FormStep, POLL_EVERY_S, Visit, handle, no_news, see_other, step::refused_at, tell_at,
};
use crate::wire::http::waiting_cookie;

pub struct LoginPage<'a> {
    pub visit: &'a Visit,
    pub ask: &'a Ask,
    /// Where its first step stands.
    pub start: String,
    /// What that is called among pages that words are carried to.
    pub first: &'static str,
}

impl LoginPage<'_> {
    fn here(&self) -> String {
        match &self.ask.flow {
            Some(handle) => self.address_of(handle),
            None => self.start.clone(),
        }
    }

    fn address_of(&self, handle: &str) -> String {
        format!("{}&flow={handle}", self.start)
    }

    /// What this page is called among those that words are carried to.
    pub fn at(&self) -> &str {
        self.ask.flow.as_deref().unwrap_or(self.first)
    }

    /// To the page of the login under this id from now on.
    pub fn go_on(&self, flow_id: &str) -> Response {
        let (handle, mut cookies) = handle::keep(self.visit, self.ask, flow_id);
        cookies.extend(waiting_cookie(&self.visit.flows, flow_id));
        cookies.extend(handle::forget(self.ask).filter(|_| self.ask.flow.as_deref() != Some(handle.as_str())));
        see_other(self.visit, &self.address_of(&handle), cookies)
    }

    /// The step that came of an answer to the one under `flow_id`.
    pub fn next(&self, flow_id: &str, step: FormStep, values: BTreeMap<String, String>) -> Response {
        // Nothing is kept of a first step; each answer begins it anew.
        if step.step_id != "init" && (self.ask.flow.is_none() || step.flow_id != flow_id) {
            return self.go_on(&step.flow_id);
        }
        // Whoever waits for a link may be typing a backup code meanwhile: no news is no new page.
        if self.visit.by_script && step.step_id == "mfa" {
            return no_news(POLL_EVERY_S);
        }
        self.tell(Flash { errors: step.error_texts, values, ..Flash::default() })
    }

    /// # Errors
    /// What is no matter of the answer, for the caller to tell.
    pub fn refused(&self, error: FlowError, values: BTreeMap<String, String>) -> Result<Response, FlowError> {
        refused_at(self.visit, (&self.here(), self.at()), error, values)
    }

    /// The same page, with these words.
    pub fn tell(&self, flash: Flash) -> Response {
        tell_at(self.visit, &self.here(), self.at(), flash)
    }
}
