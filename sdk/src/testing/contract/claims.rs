//! What a module says before anybody is enrolled: its description, its settings, its first form.

use serde_json::{Map, Value};

use super::{Contract, Rule};
use crate::{
    adapter::Package,
    description::NAME_KEY,
    protocol::{Description, Operation, Reply},
    testing::{Bench, SetupOutcome},
};

/// RFC 8176, section 2, without `mfa`, which is the host's to say.
const AUTHENTICATION_METHODS: [&str; 19] = [
    "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "otp", "pin", "pwd", "rba", "retina", "sc", "sms", "swk", "tel",
    "user", "vbm", "wia",
];
const UNKNOWN_SETTING: &str = "a_setting_nobody_has";

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("the description is well-formed", described),
        ("a setting that does not exist is refused with its path", unknown_setting),
        ("a set-up begins with a form", begins_with_a_form),
    ]
}

pub(super) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn described<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let bench = contract.bench()?;
    let Description { module_type, name, amr, retries_max, setup_message, texts, .. } = bench.description();
    if !is_name(module_type) {
        return Err(format!("the type {module_type:?} is not 1–64 of a-z, 0-9 and _"));
    }
    let names = texts.values().filter_map(|texts| texts.get(NAME_KEY));
    for name in names.chain([name]) {
        if name.trim().is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(format!("the name {name:?} is not one line of 1–100 bytes"));
        }
    }
    if let Some(value) = amr.iter().find(|value| !AUTHENTICATION_METHODS.contains(&value.as_str())) {
        return Err(format!("{value:?} is not an amr value a module may claim"));
    }
    if *retries_max > 100 {
        return Err("retries_max is more than 100".to_owned());
    }
    let english = texts.get("en").ok_or("there are no English texts")?;
    if let Some(text) = english.get(NAME_KEY).filter(|text| *text != name) {
        return Err(format!("the name is {name:?}, and the English `{NAME_KEY}` {text:?}"));
    }
    let Ok(Reply::Form { code, .. }) = contract.bench()?.ask(Operation::InputSchema {}) else {
        return Err("`input_schema` gives no form".to_owned());
    };
    if code.is_some_and(|code| !(1..=86_400).contains(&code.period_s) || code.window > 100) {
        return Err("`code_times` is not 1–86400 s and a window of at most 100".to_owned());
    }
    match setup_message {
        Some(text) if !english.contains_key(&text.key) => Err(format!("English does not have the text `{}`", text.key)),
        _ => Ok(()),
    }
}

fn unknown_setting<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let mut config = contract.config.as_object().cloned().unwrap_or_else(Map::new);
    config.insert(UNKNOWN_SETTING.to_owned(), Value::from(1));
    match Bench::<M>::new(Value::Object(config)) {
        Ok(_) => Err("it is taken; give `Config` `#[serde(deny_unknown_fields)]`".to_owned()),
        Err(error) if error.path == UNKNOWN_SETTING => Ok(()),
        Err(error) => Err(format!("its path is {:?}", error.path)),
    }
}

fn begins_with_a_form<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    // A way back in may issue instead.
    let mut bench = contract.bench()?;
    if bench.description().recovery && bench.issue().is_ok_and(|codes| !codes.is_empty()) {
        return Ok(());
    }
    match contract.bench()?.begin_setup() {
        Ok(SetupOutcome::Form { error: None, form, .. }) if !form.fields.is_empty() => Ok(()),
        Ok(SetupOutcome::Form { error: None, .. }) => Err("the form has no field".to_owned()),
        Ok(other) => Err(format!("it begins with {other:?}")),
        Err(failure) => Err(failure.to_string()),
    }
}
