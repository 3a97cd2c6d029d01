//! The code that comes with a change where `[methods]` wants one. A method that sends its code sends it first.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Map, Value};

use super::{SignedIn, refusal::refused, see_other};
use crate::{
    flow::{Confirmation, Field, FieldInput, FlowError, NeededCode, Step},
    wire::http::urlencoded,
};

/// What the form of a change asks for besides its own.
#[derive(Default)]
pub struct Asked {
    pub fields: Vec<Field>,
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
            return Ok(Self {
                fields: vec![field],
                says: Some(visit.fill("page.profile.code.says", &name)),
                ..Self::default()
            });
        }
        let standing = match trial {
            Some(trial) => visit.flows.show_trial(&me.access, trial, &visit.asker).await,
            None => Err(FlowError::UnknownFlow),
        };
        match standing {
            Ok(Step::Form(step)) if !step.fields.is_empty() => {
                let hidden = vec![("trial", step.flow_id)];
                Ok(Self {
                    fields: step.fields,
                    hidden,
                    says: Some(visit.fill("page.profile.code.sent", &name)),
                    must_send: false,
                })
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

/// What was typed, as the change takes it.
pub fn given(form: &BTreeMap<String, String>, mut typed: Map<String, Value>) -> Confirmation {
    let flow_id = form.get("trial").cloned();
    match (&flow_id, typed.remove("code")) {
        (None, Some(Value::String(code))) => Confirmation { code: Some(code), ..Confirmation::default() },
        (None, _) => Confirmation::default(),
        (Some(_), code) => {
            typed.extend(code.map(|code| ("code".to_owned(), code)));
            Confirmation { code: None, fields: Some(typed), flow_id }
        }
    }
}

/// Sends the code, and leads back to the form with a place for it.
pub async fn send(me: &SignedIn, needed: Option<NeededCode>, here: &str) -> Response {
    let Some(needed) = needed else { return see_other(&me.visit, here, None) };
    match me.visit.flows.begin_trial(&me.access, &needed.module, &me.visit.asker).await {
        Ok(Step::Form(step)) => see_other(&me.visit, &with_trial(here, Some(&step.flow_id)), None),
        Ok(_) => refused(me, here, FlowError::Busy, BTreeMap::new()),
        Err(error) => refused(me, here, error, BTreeMap::new()),
    }
}
