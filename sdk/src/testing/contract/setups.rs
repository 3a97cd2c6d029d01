//! Set-ups: only the right answer to this very set-up ends in an enrolment.

use serde_json::{Map, Value, json};

use super::{
    Contract, Rule,
    guesses::oddities,
    walk::{Exchange, Walk, kind_of},
};
use crate::{
    adapter::Package,
    form::{FieldKind, Fields},
    protocol::{Kind, Reply, SetupReply},
    testing::{Bench, Failure, SetupOutcome},
};

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("garbage in a set-up is never a panic", garbage_in_setup),
        ("a set-up's state of another shape proves nothing", misshapen),
        ("what proves one set-up proves no other", borrowed),
    ]
}

fn garbage_in_setup<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    for odd in oddities() {
        let mut bench = contract.bench()?;
        let begun = match bench.begin_setup() {
            // A way back in that issues has no steps of its own.
            Err(Failure::Unsupported) if bench.description().recovery => return Ok(()),
            begun => begun.map_err(|failure| failure.to_string())?,
        };
        let fields = begun.form().map(|form| form.fields.clone()).unwrap_or_default();
        let filled: Map<String, Value> = fields.iter().map(|field| (field.name.clone(), odd.clone())).collect();
        let raw: Fields = filled.clone().into_iter().collect();
        let state = bench.setup.as_ref().map(|(_, state)| state.clone());
        let past_the_host = bench.set_up(state, Some(raw));
        let mut bench = contract.bench()?;
        bench.begin_setup().map_err(|failure| failure.to_string())?;
        let checked = bench.fill(Value::Object(filled));
        if let Err(failure @ Failure::MissingText(_)) = &checked {
            return Err(failure.to_string());
        }
        for outcome in [checked, past_the_host] {
            match outcome {
                Err(Failure::Failed(message)) if message.starts_with("panicked") => return Err(message),
                Err(failure @ Failure::WrongReply) => return Err(failure.to_string()),
                Ok(SetupOutcome::Done) if !fields.iter().any(|field| takes_anything(&field.kind)) => {
                    return Err(format!("{odd} sets it up"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn takes_anything(kind: &FieldKind) -> bool {
    matches!(
        kind,
        FieldKind::Text { .. } | FieldKind::Password { .. } | FieldKind::Code { .. } | FieldKind::Digits { .. }
    )
}

fn misshapen<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    // A state without anything in it proves nothing as it is.
    let has_state = |exchange: &&Exchange| ![Value::Null, json!({})].contains(&exchange.request["state"]);
    for exchange in exchanges.iter().filter(has_state) {
        let known = kind_of(&exchange.request["state"]);
        for other in [json!(7), json!("another"), json!([]), json!([null]), json!(true), json!({})] {
            if kind_of(&other) == known {
                continue;
            }
            let mut request = exchange.request.clone();
            request["state"] = other;
            if is_done(&bench, &request)? {
                return Err("with it the answer is still right".to_owned());
            }
        }
    }
    Ok(())
}

fn borrowed<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    let description = bench.description();
    // What is known may be the same twice, and a batch of codes is only read.
    if description.kind == Kind::Knowledge || description.recovery {
        return Ok(());
    }
    let Some(own) = last_done(exchanges) else { return Ok(()) };
    if own["state"].is_null() || !proves(&bench, own)? {
        return Ok(());
    }
    let (other, _) = contract.enrolled_in(contract.stranger()?)?;
    let of_other = other.exchanges.unwrap_or_default();
    let of_other: Vec<Value> = of_other.iter().filter_map(|(text, _)| serde_json::from_str(text).ok()).collect();
    let state = of_other.iter().rev().find_map(|request| request.get("state").filter(|state| !state.is_null()));
    let Some(state) = state.filter(|state| **state != own["state"]) else { return Ok(()) };
    let mut request = own.clone();
    request["state"] = state.clone();
    if is_done(&bench, &request)? {
        Err("the answer is right with the state of another one".to_owned())
    } else {
        Ok(())
    }
}

/// The request that ended the set-up.
fn last_done(exchanges: &[Exchange]) -> Option<&Value> {
    let done = exchanges.iter().rev().find(|exchange| exchange.reply["step"] == "done");
    done.map(|exchange| &exchange.request)
}

/// Whether the last answer is a proof: with every character another one the set-up does not end.
fn proves<M: Package>(bench: &Bench<M>, request: &Value) -> Result<bool, String> {
    let next = |character: char| match character {
        '0'..='8' | 'a'..='y' | 'A'..='Y' => char::from_u32(u32::from(character) + 1).unwrap_or(character),
        '9' => '0',
        'z' => 'a',
        'Z' => 'A',
        other => other,
    };
    let mut request = request.clone();
    for value in request["input"].as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        if let Some(text) = value.as_str() {
            *value = Value::from(text.chars().map(next).collect::<String>());
        }
    }
    Ok(!is_done(bench, &request)?)
}

fn is_done<M: Package>(bench: &Bench<M>, request: &Value) -> Result<bool, String> {
    match serde_json::from_str(&bench.raw(&request.to_string())) {
        Ok(Reply::Setup(SetupReply::Done { .. })) => Ok(true),
        Ok(Reply::Failed { message }) if message.starts_with("panicked") => Err(message),
        Ok(_) => Ok(false),
        Err(_) => Err("it is not answered".to_owned()),
    }
}
