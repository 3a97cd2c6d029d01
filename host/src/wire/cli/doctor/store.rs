//! The store: read as a start would read it when no host runs, told by the host when one does.

use std::{os::unix::fs::MetadataExt, path::Path};

use super::super::{
    failure::Failure,
    findings::{Finding, Level},
};
use crate::{
    clock::{Clock, Timestamp},
    keys::MasterKey,
    settings::Settings,
    store::{OpenReport, Store},
    wire::control::{ROLLED_BACK_REMEDY, StoreState},
};

/// Where the kernel lists who holds which lock. Trying the lock instead would keep a host out that starts this very moment.
const LOCKS: &str = "/proc/locks";

/// Whether any process holds the store's lock.
pub fn is_locked(config_directory: &Path) -> bool {
    let Ok(lock) = std::fs::metadata(config_directory.join(".storage/lock")) else { return false };
    let device = lock.dev();
    let place = format!("{:02x}:{:02x}:{}", rustix::fs::major(device), rustix::fs::minor(device), lock.ino());
    holds(&std::fs::read_to_string(LOCKS).unwrap_or_default(), &place)
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF`
fn holds(locks: &str, place: &str) -> bool {
    locks.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.nth(1) == Some("FLOCK") && words.any(|word| word == place)
    })
}

/// Reads all of a store no host runs on. Writes nothing, not even what the next start will put right.
pub fn of_stopped(config_directory: &Path, settings: &Settings, has_key: bool, clock: &Clock) -> Vec<Finding> {
    if !has_key {
        return vec![Finding::fail("store", "it cannot be read without the key", "mend the key file first")];
    }
    let key = MasterKey::load(&config_directory.join(&settings.secret_key_file)).map_err(Failure::from);
    let read = key.and_then(|key| Ok(Store::look(config_directory, &key)?));
    if is_locked(config_directory) {
        let message = "a process took the store while it was being read";
        return vec![Finding::warn("store", message, "run mfa-host doctor again")];
    }
    match read {
        Ok(report) => of_report(&report, clock),
        Err(failure) => vec![Finding::of_failure("store", &failure)],
    }
}

fn of_report(report: &OpenReport, clock: &Clock) -> Vec<Finding> {
    let mut found = of_state(&StoreState::from(report));
    // A clock file is for tests, and may be away while nothing runs.
    if let (Clock::System { .. }, Some(last_ms)) = (clock, report.last_commit_ms)
        && clock.now().wall < Timestamp(last_ms)
    {
        found.push(Finding::warn(
            "clock",
            format!("the clock is earlier than the last change of the store, {}", Timestamp(last_ms).rfc3339()),
            "set the clock right before the host starts, else it ends all sessions",
        ));
    }
    found
}

/// What was found when the store was opened, or would be.
pub fn of_state(state: &StoreState) -> Vec<Finding> {
    let restore =
        "stop the host, then run mfa-host storage check --repair, or restore a backup (docs/admin.md, \"Damage\")";
    let mut found = Vec::new();
    if let Some(damage) = &state.damage {
        return vec![Finding::fail("store", format!("it is damaged: {damage}; every login is refused"), restore)];
    }
    if let Some(behind) = &state.behind {
        let message = format!("an older copy was put back: {behind}; every login is refused");
        return vec![Finding::fail("store", message, ROLLED_BACK_REMEDY)];
    }
    if !state.tampered.is_empty() {
        let message = format!("records that do not authenticate and are refused: {}", state.tampered.join(", "));
        found.push(Finding::fail("store", message, restore));
    }
    if state.dropped_tail_bytes > 0 {
        let message =
            format!("the last {} bytes are of a change that was never acknowledged", state.dropped_tail_bytes);
        found.push(Finding::ok("store", format!("{message}; a start drops them")));
    }
    if found.iter().all(|finding| finding.level == Level::Ok) {
        found.insert(0, Finding::ok("store", "it is sound, and as its anchor says"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Behind, Reach};

    fn state() -> StoreState {
        StoreState::from(&OpenReport::default())
    }

    #[test]
    fn a_torn_tail_is_no_harm_and_an_edit_is() {
        assert_eq!(of_state(&state()).len(), 1);
        assert!(
            of_state(&StoreState { dropped_tail_bytes: 7, ..state() }).iter().all(|found| found.level == Level::Ok)
        );
        let edited = of_state(&StoreState { tampered: vec!["user/a".into()], ..state() });
        assert!(edited[0].level == Level::Fail && edited[0].message.contains("user/a"));
        assert_eq!(of_state(&StoreState { damage: Some("x".into()), ..state() })[0].level, Level::Fail);
        let behind = Some(Behind { reaches: Reach { revision: 3, at: None }, known: None });
        assert_eq!(of_state(&StoreState { behind, ..state() })[0].level, Level::Fail);
    }

    #[test]
    fn a_lock_is_told_by_its_file_and_kind() {
        let locks = "1: POSIX  ADVISORY  WRITE 5 fd:01:1234 0 EOF\n2: FLOCK  ADVISORY  WRITE 6 fd:01:99 0 EOF\n";
        assert!(holds(locks, "fd:01:99"));
        assert!(!holds(locks, "fd:01:1234") && !holds(locks, "fd:01:9") && !holds("", "fd:01:99"));
    }
}
