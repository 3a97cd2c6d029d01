//! The code that comes with a change where `[methods]` wants one. A method that sends its code, or a link in place of one,
//! sends it first.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Map, Value};

use super::{
    Flash, SignedIn,
    form::step,
    refusal::{impossible, refused},
    see_other,
};
use crate::{
    flow::{Confirmation, Field, FieldInput, FlowError, FormStep, NeededCode, Step},
    wire::http::{urlencoded, waiting_cookie},
};

/// What the form of a change asks for besides its own.
pub struct Asked {
    pub form: FormStep,
    pub hidden: Vec<(&'static str, String)>,
    /// Said above the form.
    pub says: Option<String>,
    /// Nothing else can be done before the code was sent.
    pub must_send: bool,
}

/// The trial in the address, once a code was sent.
pub fn trial_of(query: Option<&str>) -> Option<String> {
    urlencoded(query.unwrap_or_default().as_bytes()).ok()?.remove("trial").filter(|trial| !trial.is_empty())
}

/// The address of a form, with its trial.
pub fn with_trial(here: &str, trial: Option<&str>) -> String {
    trial.map_or_else(|| here.to_owned(), |trial| format!("{here}?trial={}", super::segment(trial)))
}

impl Default for Asked {
    fn default() -> Self {
        Self { form: step(Vec::new()), hidden: Vec::new(), says: None, must_send: false }
    }
}

impl Asked {
    pub async fn of(me: &SignedIn, needed: Option<NeededCode>, trial: Option<&str>) -> Result<Self, FlowError> {
        let visit = &me.visit;
        let Some(needed) = needed else { return Ok(Self::default()) };
        let name = [("name", needed.name.as_str())];
        if !needed.sends {
            let field = Field {
                name: "code".to_owned(),
                input: FieldInput::Code { length_min: 1, length_max: 255 },
                label: visit.fill("page.profile.code.field", &name),
                help: None,
                required: true,
                default: None,
                masked: false,
            };
            let says = Some(visit.fill("page.profile.code.says", &name));
            return Ok(Self { form: step(vec![field]), says, ..Self::default() });
        }
        let standing = match trial {
            Some(trial) => visit.flows.show_trial(&me.access, trial, &visit.asker).await,
            None => Err(FlowError::UnknownFlow),
        };
        match standing {
            Ok(Step::Form(form)) => {
                let hidden = vec![("trial", form.flow_id.clone())];
                // A link is waited for, and the method's own words say so.
                let is_typed = !form.fields.is_empty();
                let says = is_typed.then(|| visit.fill("page.profile.code.sent", &name));
                Ok(Self { form, hidden, says, must_send: false })
            }
            // There is none, or it is over.
            Ok(_) | Err(FlowError::UnknownFlow) => Ok(Self {
                hidden: vec![("action", "send".to_owned())],
                says: Some(visit.fill("page.profile.code.send", &name)),
                must_send: true,
                ..Self::default()
            }),
            Err(error) => Err(error),
        }
    }
}

/// What was typed, as the change takes it. Who only asks whether a link was confirmed has typed nothing.
pub fn given(form: &BTreeMap<String, String>, mut typed: Map<String, Value>) -> Confirmation {
    let flow_id = form.get("trial").cloned();
    if form.get("action").is_some_and(|action| action == "poll") {
        typed.clear();
    }
    match (&flow_id, typed.remove("code")) {
        (None, Some(Value::String(code))) => Confirmation { code: Some(code), ..Confirmation::default() },
        (None, _) => Confirmation::default(),
        (Some(_), code) => {
            typed.extend(code.map(|code| ("code".to_owned(), code)));
            Confirmation { code: None, fields: Some(typed), flow_id }
        }
    }
}

/// Whether the form wishes for the code and is not the change yet.
pub fn is_to_send(form: &BTreeMap<String, String>) -> bool {
    form.get("action").is_some_and(|action| action == "send" || action == "resend")
}

/// Sends the code, once more where there is a trial, and leads back to the form with a place for it.
pub async fn send(
    me: &SignedIn,
    needed: Result<Option<NeededCode>, FlowError>,
    here: &str,
    form: &BTreeMap<String, String>,
) -> Response {
    let needed = match needed {
        Ok(Some(needed)) => needed,
        Ok(None) => return see_other(&me.visit, here, None),
        Err(error) => return impossible(me, here, error),
    };
    let (flows, asker) = (&me.visit.flows, &me.visit.asker);
    let trial = form.get("trial");
    let sent = match trial {
        Some(trial) => {
            let resend = Map::from_iter([("resend".to_owned(), Value::Bool(true))]);
            flows.submit_trial(&me.access, trial, resend, asker).await
        }
        None => flows.begin_trial(&me.access, &needed.module, asker).await,
    };
    match sent {
        Ok(Step::Form(step)) => {
            let to = with_trial(here, Some(&step.flow_id));
            let again = trial.and_then(|_| Flash::note(me.visit.say("page.profile.sent")).carried_to(&to));
            see_other(&me.visit, &to, waiting_cookie(flows, &step.flow_id).into_iter().chain(again))
        }
        Ok(_) => refused(me, here, FlowError::Busy, BTreeMap::new()),
        // Its form says so and offers a new one.
        Err(FlowError::UnknownFlow) => see_other(&me.visit, here, None),
        Err(error) => refused(me, &with_trial(here, trial.map(String::as_str)), error, BTreeMap::new()),
    }
}
