//! What the host keeps: objects that come back as they were, damaged ones that are told apart, batches, devices.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Contract, Rule,
    claims::is_name,
    walk::{Exchange, Walk, kind_of},
};
use crate::{
    adapter::Package,
    devices::DeviceChange,
    protocol::{Enrolment, Operation, Reply, VerdictReply},
    testing::{Bench, Failure},
};

/// A secret is at least as long; shorter texts are in every sentence by chance.
const SECRET_BYTES_MIN: usize = 6;

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("an enrolment is an object and comes back as it was", comes_back),
        ("a damaged record is never a panic and its content never told", damaged),
        ("an enrolment of a newer build is never used", newer),
        ("an enrolment of each older version is read", older),
        ("a challenge of another shape is never right", misshapen),
        ("a reason tells nothing of what is kept or typed", discreet),
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
    spoil_each_place(&bench, request, &["/enrolment/data", "/challenge"])?;
    let set_up = exchanges.iter().rev().find(|exchange| exchange.reply["step"] == "done");
    set_up.map_or(Ok(()), |exchange| spoil_each_place(&bench, &exchange.request, &["/state"]))
}

fn spoil_each_place<M: Package>(bench: &Bench<M>, request: &Value, records: &[&str]) -> Result<(), String> {
    let mut places = Vec::new();
    for record in records {
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

fn older<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (_, mut bench) = contract.walked()?;
    let present = bench.description().enrolment_version;
    for version in 1..present {
        let sample = contract.older.get(&version);
        let data = sample.cloned().ok_or_else(|| format!("give one of version {version} with `.older(…)`"))?;
        let told = |failure: Failure| format!("one of version {version}: {failure}");
        let migrated = match bench.ask(Operation::Migrate { enrolment: Enrolment { version, data } }).map_err(told)? {
            Reply::Migrated { enrolment } if enrolment.version == present => enrolment,
            _ => return Err(format!("one of version {version} is not brought to version {present}")),
        };
        match bench.ask(Operation::Migrate { enrolment: migrated.clone() }).map_err(told)? {
            Reply::Migrated { enrolment } if enrolment == migrated => {}
            _ => return Err(format!("what becomes of version {version} does not come back as it was")),
        }
        bench.keep_enrolment(migrated.version, migrated.data);
        bench.login().map_err(told)?;
        let damaged = Enrolment { version, data: json!([null]) };
        match bench.ask(Operation::Migrate { enrolment: damaged }) {
            Err(Failure::Failed(message)) if message.starts_with("panicked") => return Err(message),
            Ok(_) => return Err(format!("a list is taken for one of version {version}")),
            Err(_) => {}
        }
    }
    Ok(())
}

fn misshapen<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, accepted, .. }, bench) = contract.walked()?;
    let request = exchanges.get(*accepted).map(|exchange| &exchange.request).ok_or("nothing was accepted")?;
    let known = kind_of(&request["challenge"]);
    for other in [json!(7), json!("another"), json!([]), json!([null]), json!(true), json!({})] {
        if known == "null" || kind_of(&other) == known {
            continue;
        }
        let mut request = request.clone();
        request["challenge"] = other;
        match serde_json::from_str(&bench.raw(&request.to_string())) {
            Ok(Reply::Verdict(VerdictReply::Accepted { .. })) => return Err("with it the answer is right".to_owned()),
            Ok(Reply::Failed { message }) if message.starts_with("panicked") => return Err(message),
            Ok(_) => {}
            Err(_) => return Err("it is not answered".to_owned()),
        }
    }
    Ok(())
}

fn discreet<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { exchanges, .. }, bench) = contract.walked()?;
    for Exchange { request, .. } in exchanges {
        let mut secrets = BTreeSet::new();
        for place in ["/enrolment/data", "/challenge", "/state", "/input", "/answer/fields"] {
            collect_texts(request.pointer(place).unwrap_or(&Value::Null), &mut secrets);
        }
        // The name of a field may be told, also where a record holds it as a word.
        secrets.retain(|text| text.len() >= SECRET_BYTES_MIN && !request.to_string().contains(&format!("\"{text}\":")));
        for other in spoilt(request) {
            let Ok(Reply::Failed { message }) = serde_json::from_str(&bench.raw(&other.to_string())) else { continue };
            if secrets.iter().any(|secret| message.contains(secret.as_str())) {
                return Err(format!("{} failed with it", request["operation"]));
            }
        }
    }
    Ok(())
}

/// The same request so that it cannot be answered: without a key, with typed values of another type or name.
fn spoilt(request: &Value) -> Vec<Value> {
    let mut spoilt = vec![request.clone(); 3];
    spoilt[0]["context"]["mac_key"] = json!("");
    for place in ["/input", "/answer/fields"] {
        if let Some(fields) = spoilt[1].pointer_mut(place).and_then(Value::as_object_mut) {
            fields.values_mut().for_each(|value| *value = json!([value]));
        }
        if let Some(fields) = spoilt[2].pointer_mut(place).and_then(Value::as_object_mut) {
            *fields = fields.iter().map(|(name, value)| (format!("{name}_of_another"), value.clone())).collect();
        }
    }
    spoilt
}

fn collect_texts(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(texts.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|item| collect_texts(item, texts)),
        _ => {}
    }
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
