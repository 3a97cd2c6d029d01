//! `config check` and `doctor`: each thing that can be wrong is told with its remedy, stopped and running, and looking
//! changes nothing.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::harness::{ADA, BOB, Directory, ManualClock, Stage, outside_module, run_host};

/// All findings of a command with this exit code.
fn findings(config_directory: &Path, arguments: &[&str], code: i32) -> Vec<Value> {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let outcome = run_host(config_directory, &arguments);
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    let found = outcome.json()["findings"].as_array().expect("findings").clone();
    for finding in &found {
        let is_well = finding["level"] == "ok";
        assert_eq!(finding.get("remedy").is_none(), is_well, "a remedy where something is wrong: {finding}");
        assert!(is_well || finding["remedy"].as_str().is_some_and(|remedy| remedy.len() > 3), "{finding}");
    }
    found
}

/// Messages of one subject and level.
fn messages(found: &[Value], subject: &str, level: &str) -> Vec<String> {
    let wanted = |finding: &&Value| finding["subject"] == subject && finding["level"] == level;
    found.iter().filter(wanted).map(|finding| finding["message"].as_str().expect("text").to_owned()).collect()
}

fn the_one(found: &[Value], subject: &str, level: &str) -> String {
    let mut messages = messages(found, subject, level);
    assert_eq!(messages.len(), 1, "{subject} {level} in {found:#?}");
    messages.remove(0)
}

/// The clock of a test machine may be synchronised or not; nothing else may fail or warn but what is named.
fn all_well_but(found: &[Value], subjects: &[&str]) {
    for finding in found.iter().filter(|finding| finding["level"] != "ok") {
        let subject = finding["subject"].as_str().expect("a subject");
        assert!(subject == "clock" || subjects.contains(&subject), "{finding}");
    }
}

/// Every file with its mode, size, content and time of change.
fn state_of(directory: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut state = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).expect("metadata");
        let content = if metadata.is_file() { fs::read(&path).expect("a readable file") } else { Vec::new() };
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        }
        state.insert(path, (metadata.mode(), metadata.ctime(), metadata.ctime_nsec(), content));
    }
    state
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode is set");
}

#[test]
fn doctor_finds_nothing_wrong_stopped_and_running_and_changes_nothing() {
    let mut stage = Stage::stopped();
    let path = stage.directory.path();
    let before = state_of(&path);
    let found = findings(&path, &["doctor"], 0);
    // The settings of a test name a clock file, which is warned of.
    all_well_but(&found, &["host", "settings"]);
    the_one(&found, "host", "warn");
    the_one(&found, "store", "ok");
    the_one(&found, "permissions", "ok");
    the_one(&found, "key", "ok");
    the_one(&found, "disk", "ok");
    assert_eq!(messages(&found, "modules", "ok").len(), 2, "{found:#?}");
    assert!(state_of(&path) == before, "a look changes nothing");

    stage.start();
    let tokens = stage.login(ADA);
    // The anchor beside the store follows the login a moment later, by the host's own hand.
    let before = state_of(&path.join(".storage"));
    let found = findings(&path, &["doctor"], 0);
    all_well_but(&found, &["settings"]);
    assert!(the_one(&found, "host", "ok").contains(&stage.host().base), "{found:#?}");
    the_one(&found, "store", "ok");
    assert_eq!(messages(&found, "modules", "ok").len(), 2, "{found:#?}");
    assert!(state_of(&path.join(".storage")) == before, "a look changes nothing");
    assert_eq!(stage.signed_in_name(&tokens), ADA);
}

#[test]
fn doctor_prints_a_line_and_a_remedy() {
    let directory = Directory::new();
    set_mode(&directory.path().join("modules"), 0o777);
    let outcome = run_host(&directory.path(), &["doctor"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let position = lines.iter().position(|line| line.starts_with("fail  permissions")).expect("the finding");
    assert!(lines[position + 1].trim().starts_with("chmod go-w "), "{}", outcome.stdout);
    assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
}

#[test]
fn doctor_finds_each_thing_that_is_open_to_others() {
    for (place, mode, level) in [
        ("", 0o750, "warn"),
        ("", 0o730, "fail"),
        ("host.toml", 0o666, "fail"),
        ("modules", 0o775, "fail"),
        ("modules/totp.so", 0o646, "fail"),
        (".storage", 0o750, "fail"),
        (".storage/journal-0000000001.jsonl", 0o640, "fail"),
        ("storage.anchor", 0o622, "fail"),
    ] {
        let directory = Directory::new();
        let path = directory.path().join(place);
        set_mode(&path, mode);
        let found = findings(&directory.path(), &["doctor"], i32::from(level == "fail"));
        let message = the_one(&found, "permissions", level);
        assert!(message.contains(path.to_str().expect("UTF-8").trim_end_matches('/')), "{place}: {message}");
    }
}

#[test]
fn doctor_finds_a_key_that_is_open_foreign_or_gone() {
    let directory = Directory::new();
    let key = directory.path().join("secret.key");
    set_mode(&key, 0o640);
    let found = findings(&directory.path(), &["doctor"], 1);
    assert!(the_one(&found, "key", "fail").contains("can be read by others"));
    set_mode(&key, 0o600);
    fs::write(&key, "no key").expect("written");
    assert!(the_one(&findings(&directory.path(), &["doctor"], 1), "key", "fail").contains("not a key"));
    fs::remove_file(&key).expect("removed");
    let found = findings(&directory.path(), &["doctor"], 1);
    assert!(the_one(&found, "key", "fail").contains("missing"));
    assert!(the_one(&found, "store", "fail").contains("without the key"));
}

#[test]
fn doctor_finds_a_damaged_a_torn_a_rolled_back_and_a_missing_store() {
    let stage_with_history = || {
        let mut stage = Stage::new();
        stage.login(ADA);
        stage.login(BOB);
        stage.stop();
        stage
    };
    let mut stage = stage_with_history();
    let path = stage.directory.path();
    let journal = stage.directory.store_files().pop().expect("a journal");
    let whole = fs::read(&journal).expect("the journal");

    fs::write(&journal, [&whole[..], b"{\"batch\":"].concat()).expect("a torn tail");
    let before = state_of(&path);
    let found = findings(&path, &["doctor"], 0);
    assert!(messages(&found, "store", "ok").iter().any(|message| message.contains("never acknowledged")), "{found:#?}");
    assert!(state_of(&path) == before, "the tail is left for the next start");

    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&journal, [lines[0], &lines[3..].concat()].concat()).expect("a hole");
    assert!(the_one(&findings(&path, &["doctor"], 1), "store", "fail").contains("damaged"));
    stage.start();
    let found = findings(&path, &["doctor"], 1);
    assert!(the_one(&found, "store", "fail").contains("damaged"), "the running host says the same");
    assert!(the_one(&found, "host", "fail").contains("503"));
    stage.stop();

    fs::write(&journal, &whole).expect("the journal is back");
    let anchor = path.join("storage.anchor");
    fs::remove_file(&anchor).expect("the anchor is taken away");
    assert!(the_one(&findings(&path, &["doctor"], 1), "store", "fail").contains("anchor"));
    fs::remove_dir_all(path.join(".storage")).expect("removed");
    assert!(the_one(&findings(&path, &["doctor"], 1), "store", "fail").contains("there is no store"));
    assert!(!path.join(".storage").exists(), "a look makes none");
}

#[test]
fn doctor_finds_a_store_that_is_held_by_a_process_that_takes_no_commands() {
    let directory = Directory::new();
    let lock = fs::File::open(directory.path().join(".storage/lock")).expect("the lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("it is free");
    let found = findings(&directory.path(), &["doctor"], 1);
    assert!(the_one(&found, "host", "fail").contains("takes no commands"), "{found:#?}");
    assert!(messages(&found, "store", "ok").is_empty(), "a store that another process writes is not read");
    drop(lock);
    the_one(&findings(&directory.path(), &["doctor"], 0), "host", "warn");
}

#[test]
fn doctor_finds_modules_that_fail_stopped_and_running_alike() {
    let mut stage = Stage::stopped();
    let path = stage.directory.path();
    stage.directory.configure_totp(Some("digits = 12"));
    fs::write(path.join("modules/insecure_example.so"), "no library").expect("written");
    let stopped = messages(&findings(&path, &["doctor"], 1), "modules", "fail");
    stage.start();
    let running = messages(&findings(&path, &["doctor"], 1), "modules", "fail");
    assert_eq!(stopped, running);
    assert!(running[0].contains("config.digits") && running[1].contains("insecure_example"), "{running:?}");
}

#[test]
fn doctor_finds_addresses_that_do_not_fit() {
    let directory = Directory::new();
    directory.replace_setting("name = ", "public_url = \"https://login.example.org\"\nname = ");
    let found = findings(&directory.path(), &["doctor"], 0);
    assert!(the_one(&found, "proxies", "warn").contains("trusted_proxies is empty"));
    directory.replace_setting("https://login", "http://login");
    assert!(the_one(&findings(&directory.path(), &["doctor"], 0), "public_url", "warn").contains("not https"));
    directory.replace_setting("http://login.example.org", "http://127.0.0.1:9999");
    assert!(the_one(&findings(&directory.path(), &["doctor"], 0), "public_url", "warn").contains("port 9999"));
}

#[test]
fn doctor_goes_on_when_the_settings_do_not_load() {
    let stage = Stage::new();
    let path = stage.directory.path();
    stage.directory.append_settings("colour = 1");
    let found = findings(&path, &["doctor"], 1);
    assert!(messages(&found, "settings", "fail")[0].contains("host.toml:"), "{found:#?}");
    assert!(the_one(&found, "host", "ok").contains("answers"));
    the_one(&found, "store", "ok");
}

#[test]
fn config_check_of_sound_settings_is_0_stopped_and_running_and_changes_nothing() {
    let mut stage = Stage::stopped();
    let path = stage.directory.path();
    let before = state_of(&path);
    let stopped = run_host(&path, &["config", "check"]).success();
    assert!(stopped.stdout.contains("totp is ready"), "{}", stopped.stdout);
    assert!(state_of(&path) == before, "a look changes nothing");
    stage.start();
    let running = run_host(&path, &["config", "check"]).success();
    assert_eq!(stopped.stdout, running.stdout);
}

#[test]
fn config_check_tells_a_mistake_with_file_and_line() {
    let directory = Directory::new();
    directory.replace_setting("name = \"Test host\"", "name = \"Test host\"\ncolour = 1");
    let found = findings(&directory.path(), &["config", "check"], 2);
    let place = format!("{}:3: ", directory.path().join("host.toml").display());
    assert!(the_one(&found, "settings", "fail").starts_with(&place), "{found:#?}");
    fs::remove_file(directory.path().join("host.toml")).expect("removed");
    findings(&directory.path(), &["config", "check"], 2);
}

#[test]
fn config_check_asks_each_enabled_module_and_names_the_line_it_refuses() {
    let directory = Directory::new();
    directory.configure_totp(Some("period_s = 30\ndigits = 12"));
    let found = findings(&directory.path(), &["config", "check"], 2);
    let message = the_one(&found, "modules", "fail");
    let settings = directory.settings();
    let line = settings.lines().position(|line| line == "digits = 12").expect("the line") + 1;
    assert!(message.starts_with(&format!("{}:{line}: ", directory.path().join("host.toml").display())), "{message}");
    assert!(message.contains("config.digits"), "{message}");

    directory.replace_setting("[[module]]\ntype = \"totp\"", "[[module]]\nenabled = false\ntype = \"totp\"");
    let found = findings(&directory.path(), &["config", "check"], 0);
    assert!(messages(&found, "modules", "ok").iter().any(|message| message.contains("switched off")), "{found:#?}");
    fs::remove_file(directory.path().join("modules/totp.so")).expect("removed");
    let found = findings(&directory.path(), &["config", "check"], 0);
    assert!(the_one(&found, "modules", "warn").contains("would be refused"), "{found:#?}");
}

#[test]
fn config_check_comes_to_an_end_whatever_a_module_does_when_it_is_made() {
    for (misdeed, words) in [
        ("refuse_in_new", "config.misbehaviour: asked to refuse"),
        ("panic_in_new", "asked to panic in new"),
        ("abort_in_new", "signal 6"),
        ("loop_in_new", "within 3000 ms"),
    ] {
        let directory = Directory::new();
        directory.install(&outside_module("misbehaving"), "misbehaving");
        directory.replace_setting("[argon2]", "[limits]\nmodule_deadline_ms = 3000\n\n[argon2]");
        directory.append_settings(&format!(
            "[[module]]\ntype = \"misbehaving\"\n[module.config]\nmisbehaviour = \"{misdeed}\"\n"
        ));
        let found = findings(&directory.path(), &["config", "check"], 2);
        let message = the_one(&found, "modules", "fail");
        assert!(message.contains("misbehaving") && message.contains(words), "{misdeed}: {message}");
        assert_eq!(messages(&found, "modules", "ok").len(), 2, "the others answer: {found:#?}");
    }
}

#[test]
fn config_check_warns_of_what_a_start_warns_of_and_fails_without_a_key() {
    let directory = Directory::new();
    directory
        .append_settings("[[provider]]\ntype = \"legacy_api_password\"\nuser = \"ada\"\npassword_file = \"absent\"\n");
    let found = findings(&directory.path(), &["config", "check"], 0);
    let warned = messages(&found, "settings", "warn").join("\n");
    assert!(warned.contains("legacy_api_password refuses") && warned.contains("follow that file"), "{warned}");
    fs::remove_file(directory.path().join("secret.key")).expect("removed");
    let found = findings(&directory.path(), &["config", "check"], 1);
    assert!(the_one(&found, "key", "fail").contains("missing"));
}

#[test]
fn status_says_whether_the_system_clock_is_synchronised_and_only_owners_hear_it() {
    let directory = Directory::new();
    let clock = ManualClock::new(&directory.path());
    let stopped = run_host(&directory.path(), &["status", "--json"]).success().json();
    let word = stopped["system_clock"].as_str().expect("a word").to_owned();
    assert!(["synchronised", "not_synchronised", "unknown"].contains(&word.as_str()), "{word}");
    let stage = Stage::on(directory, clock);
    let text = run_host(&stage.directory.path(), &["status"]).success().stdout;
    assert!(text.lines().any(|line| line.starts_with("clock ") && line.contains("synchronised")), "{text}");
    let status = |user: Option<&str>| {
        let tokens = user.map(|user| stage.login(user));
        match tokens {
            Some(tokens) => stage.wire().get_as(&tokens.access, "/api/status").expect(200),
            None => stage.wire().get("/api/status").expect(200),
        }
    };
    assert_eq!(status(Some(ADA))["system_clock"], word.as_str());
    assert!(status(Some(BOB)).get("system_clock").is_none());
    assert!(status(None).get("system_clock").is_none());
    let found = findings(&stage.directory.path(), &["doctor"], 0);
    let level = if word == "synchronised" { "ok" } else { "warn" };
    the_one(&found, "clock", level);
}
