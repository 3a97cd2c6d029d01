//! What the running host says of itself, as soon as it says it.

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Stage, run_host};

/// Longer than any change takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The host's status as soon as it is as wanted.
#[track_caller]
pub fn until(stage: &Stage, wanted: &str, is: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = run_host(&stage.directory.path(), &["status", "--json"]).success().json();
        if is(&status) {
            return status;
        }
        assert!(Instant::now() < end, "never {wanted}: {status:#}\n{}", stage.host().log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// A module's line in a status; null if it has none.
pub fn module<'a>(status: &'a Value, id: &str) -> &'a Value {
    let modules = status["modules"].as_array().expect("modules");
    modules.iter().find(|module| module["id"] == id).unwrap_or(&Value::Null)
}

#[track_caller]
pub fn until_state(stage: &Stage, id: &str, state: &str) -> Value {
    until(stage, &format!("{id} {state}"), |status| module(status, id)["state"] == state)
}

/// Why a module is not as its file and settings ask for; empty if it is.
pub fn reason(status: &Value, id: &str) -> String {
    module(status, id)["reason"].as_str().unwrap_or_default().to_owned()
}

/// As soon as the reason a module does not serve holds these words; with none, as soon as it serves.
#[track_caller]
pub fn until_reason(stage: &Stage, id: &str, words: &str) -> Value {
    until(stage, &format!("{id}: {words:?}"), |status| match words {
        "" => module(status, id)["state"] == "ready" && reason(status, id).is_empty(),
        _ => module(status, id)["state"] != "ready" && reason(status, id).contains(words),
    })
}

/// The workers: the host's children.
pub fn workers(stage: &Stage) -> BTreeSet<u32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", stage.host().process())).expect("the host's threads");
    let children = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    children
        .flat_map(|line| line.split_whitespace().map(|id| id.parse().expect("a number")).collect::<Vec<_>>())
        .collect()
}
