//! Codes that are shown once. The answer to the form that made them is the page itself: an address that showed them again
//! would keep them somewhere.

use std::collections::BTreeMap;

use axum::response::Response;
use minijinja::{Value, context};

use super::{
    HOME, SignedIn,
    deed::Deed,
    refusal::{impossible, refused},
    setup,
};
use crate::flow::{Block, FlowError, FormStep, IssuedCodes};

/// The field that says so.
pub const SAVED: &str = "saved";

/// All codes of one page.
pub struct Batches {
    shown: Vec<(String, Vec<String>)>,
    /// Where the form leads.
    to: String,
    /// Whether a step of the set-up comes next, which the codes wait for.
    goes_on: bool,
    /// The flows of codes that are saved along with it.
    save: Vec<String>,
}

impl Batches {
    /// Of a set-up that makes codes and nothing else.
    pub fn of_step(step: FormStep) -> Self {
        let name = step.placeholders.get("mfa_module_name").cloned().unwrap_or_default();
        let codes = step.blocks.into_iter().find_map(|block| match block {
            Block::Codes { codes, .. } => Some(codes),
            _ => None,
        });
        let shown = vec![(name, codes.unwrap_or_default())];
        Self { shown, to: setup::address(&step.flow_id), goes_on: false, save: Vec::new() }
    }

    /// Of codes that came beside a step: they count once the factor is proved.
    pub fn beside(step: FormStep) -> Self {
        let save = step.recovery_codes.iter().map(|batch| batch.flow_id.clone()).collect();
        Self { shown: shown(step.recovery_codes), to: setup::address(&step.flow_id), goes_on: true, save }
    }

    /// Of a set-up that is through.
    pub fn at_end(batches: Vec<IssuedCodes>) -> Self {
        let mut flows = batches.iter().map(|batch| batch.flow_id.clone());
        let to = flows.next().map_or_else(|| HOME.to_owned(), |first| setup::address(&first));
        let save = flows.collect();
        Self { shown: shown(batches), to, goes_on: false, save }
    }
}

fn shown(batches: Vec<IssuedCodes>) -> Vec<(String, Vec<String>)> {
    batches.into_iter().map(|batch| (batch.name, batch.codes)).collect()
}

pub fn page(me: &SignedIn, batches: Batches) -> Response {
    let shown: Vec<Value> = batches
        .shown
        .into_iter()
        .enumerate()
        .map(|(at, (name, codes))| context! { id => format!("codes-{at}"), name, codes })
        .collect();
    let context = context! {
        title => me.visit.say("page.profile.codes.shown"),
        batches => shown, to => batches.to, goes_on => batches.goes_on, save => batches.save.join(" "),
    };
    me.page("page_profile_codes.html", context).reply(&me.visit)
}

/// New codes of a way back in; the former ones are dead.
pub async fn renew(me: &SignedIn, id: &str, factor: Option<&str>) -> Response {
    match me.visit.flows.regenerate(&me.access, id, factor, &me.visit.asker).await {
        Ok(batch) => page(me, Batches::at_end(vec![batch])),
        Err(error @ FlowError::NotFound { .. }) => impossible(me, HOME, error),
        Err(error) => refused(me, &Deed::Renew.address(id), error, BTreeMap::new()),
    }
}
