//! What the host keeps: objects that come back as they were, damaged ones that are told apart, batches, devices.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Contract, Rule, claims::is_name, walk::Walk};
use crate::{
    adapter::Package,
    devices::DeviceChange,
    protocol::{Enrolment, Operation, Reply},
    testing::Failure,
};

/// A secret is at least as long; shorter texts are in every sentence by chance.
const SECRET_BYTES_MIN: usize = 6;

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("an enrolment is an object and comes back as it was", comes_back),
        ("a damaged record is never a panic and its content never told", damaged),
        ("an enrolment of a newer build is never used", newer),
        ("a recovery module issues codes, and only such a module", issues),
        ("an overview is of this user's devices", looks),
    ]
}

fn comes_back<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (_, mut bench) = contract.walked()?;
    let enrolment = bench.enrolment().cloned().ok_or("nothing is set up")?;
    if !enrolment.data.is_object() {
        return Err("it is no object, so it can never grow a field".to_owned());
    }
    match bench.ask(Operation::Migrate { enrolment: enrolment.clone() }) {
        Ok(Reply::Migrated { enrolment: same }) if same == enrolment => Ok(()),
        Ok(_) => Err("it is written otherwise than it was read".to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

fn damaged<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, accepted, .. }, bench) = contract.walked()?;
    let request = exchanges.get(*accepted).map(|exchange| &exchange.request).ok_or("nothing was accepted")?;
    let mut places = Vec::new();
    for record in ["/enrolment/data", "/challenge"] {
        if let Some(value) = request.pointer(record) {
            collect_places(value, record, &mut places);
        }
    }
    let texts: Vec<&str> = places.iter().filter_map(|place| request.pointer(place)?.as_str()).collect();
    for place in &places {
        for other in [json!(7), json!("\u{0}not what it was"), json!([]), json!({ "a": [null] }), json!(u64::MAX)] {
            let mut request = request.clone();
            if let Some(value) = request.pointer_mut(place) {
                *value = other;
            }
            let reply = serde_json::from_str(&bench.raw(&request.to_string()));
            let Ok(reply) = reply else { return Err(format!("a call with another {place} is not answered")) };
            let Reply::Failed { message } = reply else { continue };
            if message.starts_with("panicked") {
                return Err(format!("another {place}: {message}"));
            }
            if texts.iter().any(|text| text.len() >= SECRET_BYTES_MIN && message.contains(text)) {
                return Err(format!("another {place}: the reason holds what is kept"));
            }
        }
    }
    Ok(())
}

/// The JSON pointers of a value and all below it.
fn collect_places(value: &Value, place: &str, places: &mut Vec<String>) {
    places.push(place.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect_places(value, &format!("{place}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (position, value) in items.iter().enumerate() {
                collect_places(value, &format!("{place}/{position}"), places);
            }
        }
        _ => {}
    }
}

fn newer<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    let given = contract.right_answer(&mut bench, &mut hand);
    let Some(Enrolment { version, data }) = bench.enrolment().cloned() else { return Ok(()) };
    bench.keep_enrolment(version + 1, data);
    super::walk::no("an enrolment of tomorrow", bench.give(&given))
}

fn issues<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let mut bench = contract.bench()?;
    let recovery = bench.description().recovery;
    let codes = match bench.issue() {
        Err(Failure::Unsupported) if !recovery => return Ok(()),
        Ok(codes) if recovery => codes,
        Ok(_) => return Err("it issues codes and does not say that it is a recovery module".to_owned()),
        Err(failure) => return Err(failure.to_string()),
    };
    let kept = bench.enrolment().map(|enrolment| enrolment.data.to_string()).unwrap_or_default();
    if codes.iter().any(|code| kept.contains(code.as_str())) {
        return Err("the enrolment holds a code; keep hashes".to_owned());
    }
    let again = bench.issue().map_err(|failure| failure.to_string())?;
    let different: BTreeSet<&String> = codes.iter().chain(&again).collect();
    match different.len() == codes.len() + again.len() && !codes.is_empty() {
        true => Ok(()),
        false => Err("two codes are the same".to_owned()),
    }
}

fn looks<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (_, mut bench) = contract.walked()?;
    let overview = bench.overview().map_err(|failure| failure.to_string())?;
    let different: BTreeSet<&String> = overview.devices.iter().map(|device| &device.id).collect();
    let line = |name: &str| (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if different.len() != overview.devices.len() || !overview.devices.iter().all(|device| is_name(&device.id)) {
        return Err("the ids of its devices are not different names of a-z, 0-9 and _".to_owned());
    }
    if !overview.devices.iter().all(|device| line(&device.name)) {
        return Err("the name of a device is not one line of 1–64 characters".to_owned());
    }
    match bench.change_device("a_device_nobody_has", DeviceChange::Remove) {
        Err(Failure::Unsupported) if overview.devices.is_empty() => Ok(()),
        Err(Failure::Failed(message)) if !message.starts_with("panicked") => Ok(()),
        Err(failure) => Err(format!("the removal of a device nobody has: {failure}")),
        Ok(()) => Err("a device nobody has is removed".to_owned()),
    }
}
