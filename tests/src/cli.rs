//! The command line: every command with the host stopped and running, the same output either way.

use std::path::Path;

use serde_json::Value;

use crate::harness::{
    ADA, BOB, Directory, ManualClock, PASSWORD, Stage, built_module, result_of, run_host, run_host_with_input,
};

/// Runs a command in two copies of one state, one with a running host, and compares.
fn same_either_way(arguments: &[&str], input: &str) -> String {
    let mut stage = Stage::new();
    stage.set_up_pin(&stage.login(BOB));
    stage.stop();
    let copy = Directory::empty();
    crate::harness::copy_directory(&stage.directory.path(), &copy.path());
    let stopped = run_host_with_input(&copy.path(), arguments, input);
    stage.start();
    let running = run_host_with_input(&stage.directory.path(), arguments, input);
    assert_eq!(stopped.code, running.code, "{arguments:?}\n{stopped:?}\n{running:?}");
    assert_eq!(without_ids(&stopped.stdout), without_ids(&running.stdout), "{arguments:?}");
    stopped.success().stdout
}

/// The random id of a new user differs; everything else is compared.
fn without_ids(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut outcome) if outcome["user"].is_object() => {
            outcome["user"]["id"] = Value::Null;
            outcome.to_string()
        }
        _ => text.to_owned(),
    }
}

#[test]
fn lists_read_the_same_with_the_host_stopped_and_running() {
    for arguments in [&["user", "list"][..], &["mfa", "list", BOB], &["session", "list"]] {
        let plain = same_either_way(arguments, "");
        assert!(!plain.is_empty(), "{arguments:?}");
        let with_json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let parsed: Value = serde_json::from_str(&same_either_way(&with_json, "")).expect("--json is JSON");
        assert!(parsed.is_array() || parsed.is_object(), "{parsed}");
    }
}

#[test]
fn users_are_handled_the_same_with_the_host_stopped_and_running() {
    let password = "another-password-entirely\n";
    same_either_way(&["user", "add", "cleo", "--json"], password);
    same_either_way(&["user", "passwd", BOB], password);
    same_either_way(&["user", "disable", BOB], "");
    same_either_way(&["user", "enable", BOB], "");
    same_either_way(&["user", "remove", BOB], "");
    same_either_way(&["mfa", "reset", BOB], "");
}

#[test]
fn deeds_take_effect_in_the_running_host() {
    let stage = Stage::new();
    let path = stage.directory.path();
    run_host_with_input(&path, &["user", "add", "cleo"], &format!("{PASSWORD}\n")).success();
    let tokens = stage.login("cleo");
    stage.set_up_pin(&tokens);
    let listed = run_host(&path, &["mfa", "list", "cleo", "--json"]).success().json();
    assert!(listed.to_string().contains("insecure_example"), "{listed}");
    run_host(&path, &["mfa", "reset", "cleo"]).success();
    result_of(&stage.submit_password(&stage.begin(), "cleo"));
    run_host(&path, &["user", "disable", "cleo"]).success();
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, serde_json::json!({"username": "cleo", "password": PASSWORD})).expect(200);
    assert_eq!(step["errors"]["base"], "invalid_auth", "switched off looks like unknown");
    run_host(&path, &["user", "enable", "cleo"]).success();
    result_of(&stage.submit_password(&stage.begin(), "cleo"));
    run_host(&path, &["user", "remove", "cleo"]).success();
    let users = run_host(&path, &["user", "list", "--json"]).success().stdout;
    assert!(!users.contains("cleo"), "{users}");
}

#[test]
fn sessions_are_listed_without_their_tokens() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let listed = run_host(&stage.directory.path(), &["session", "list", "--json"]).success();
    assert!(listed.stdout.contains("access"), "{}", listed.stdout);
    assert!(!listed.stdout.contains(&tokens.access) && !listed.stdout.contains(&tokens.refresh));
}

#[test]
fn mistakes_are_told_and_end_with_a_failure() {
    let stage = Stage::new();
    let path = stage.directory.path();
    for (arguments, input) in [
        (&["user", "add", ADA][..], format!("{PASSWORD}\n")),
        (&["user", "add", "short"], "short\n".to_owned()),
        (&["user", "add", "empty"], String::new()),
        (&["user", "passwd", "nobody"], format!("{PASSWORD}\n")),
        (&["user", "remove", "nobody"], String::new()),
        (&["mfa", "reset", "nobody"], String::new()),
        (&["user", "disable", ADA], String::new()),
        (&["module", "enable", "../totp"], String::new()),
        (&["nonsense"], String::new()),
    ] {
        let outcome = run_host_with_input(&path, arguments, &input);
        assert!(outcome.code.is_some_and(|code| code != 0), "{arguments:?}: {outcome:?}");
        assert!(!outcome.stderr.trim().is_empty(), "{arguments:?} says why");
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
}

#[test]
fn what_is_mistyped_is_told_in_the_words_of_who_typed_it() {
    let stage = Stage::new();
    let path = stage.directory.path();
    let told = |arguments: &[&str]| {
        let outcome = run_host(&path, arguments);
        assert_ne!(outcome.code, Some(0), "{outcome:?}");
        outcome.stderr
    };
    assert!(told(&["serve", "--listen", "8126"]).contains("127.0.0.1:8126"), "an address is shown to go by");
    let missing = told(&["module", "install", "/nowhere/there.so"]);
    assert_eq!(missing.matches("/nowhere/there.so").count(), 1, "{missing}");
    let address = told(&["user", "set", ADA, "--email", "ada"]);
    assert!(address.contains("e-mail") && !address.contains("number"), "{address}");
    let number = told(&["user", "set", ADA, "--phone", "030"]);
    assert!(number.contains("number") && !number.contains("e-mail"), "{number}");
    let invited = run_host(&path, &["user", "invite"]).success().stdout;
    assert!(invited.contains("nobody can use it yet") && invited.contains("[sign_up]"), "{invited}");
    stage.directory.replace_setting("listen = \"127.0.0.1:0\"", "listen = \"8126\"");
    let mistake = told(&["serve"]);
    assert!(mistake.contains("host.toml:1:") && mistake.contains("such as 127.0.0.1:8126"), "{mistake}");
}

#[test]
fn passwords_are_no_arguments() {
    let directory = Directory::new();
    for arguments in [&["user", "add", "cleo", "--password", PASSWORD][..], &["user", "add", "cleo", PASSWORD]] {
        assert_ne!(run_host(&directory.path(), arguments).code, Some(0), "{arguments:?}");
    }
}

#[test]
fn init_makes_a_directory_that_serves_at_once() {
    let directory = Directory::empty();
    let path = directory.path();
    run_host_with_input(&path, &["init", "--user", "olga"], &format!("{PASSWORD}\n")).success();
    for name in ["host.toml", "secret.key", ".storage", "modules/totp.so"] {
        assert!(path.join(name).exists(), "{name}");
    }
    let users = run_host(&path, &["user", "list", "--json"]).success().json();
    assert_eq!(users[0]["name"], "olga", "{users}");
    assert_eq!(users[0]["is_owner"], true, "{users}");
    let settings = std::fs::read_to_string(path.join("host.toml")).expect("host.toml");
    assert!(settings.contains("totp") && settings.contains("mfa-host-cli"), "{settings}");
    let host = crate::harness::Host::start(&path);
    let listed = host.wire.get("/auth/providers").expect(200);
    assert_eq!(listed["providers"][0]["type"], "local");
}

#[test]
fn modules_are_listed_enabled_disabled_and_installed() {
    let directory = Directory::new();
    let path = directory.path();
    directory.replace_setting("[[module]]\ntype = \"insecure_example\"\n", "");
    run_host(&path, &["module", "enable", "insecure_example"]).success();
    assert!(directory.settings().contains("insecure_example"));
    let listed = run_host(&path, &["module", "list", "--json"]).success().stdout;
    assert!(listed.contains("totp") && listed.contains("insecure_example"), "{listed}");
    run_host(&path, &["module", "disable", "insecure_example"]).success();
    let stage = Stage::on(directory, ManualClock::new(&path));
    let tokens = stage.login(ADA);
    assert!(stage.begin_setup(&tokens, "insecure_example").status >= 400, "switched off");
    drop(stage);

    let fresh = Directory::new();
    std::fs::remove_file(fresh.path().join("modules/insecure_example.so")).expect("the module is taken away");
    let file = built_module("insecure_example");
    install(&fresh.path(), &file);
    assert!(fresh.path().join("modules/insecure_example.so").exists());
    let clock = ManualClock::new(&fresh.path());
    let stage = Stage::on(fresh, clock);
    stage.set_up_pin(&stage.login(ADA));
}

fn install(config_directory: &Path, library: &Path) {
    let library = library.to_str().expect("a path in UTF-8");
    run_host(config_directory, &["module", "install", library]).success();
}

#[test]
fn installing_what_is_no_module_is_refused() {
    let directory = Directory::new();
    let file = directory.beside("nonsense.so");
    std::fs::write(&file, "no library").expect("the file is written");
    let outcome = run_host(&directory.path(), &["module", "install", file.to_str().expect("UTF-8")]);
    assert_ne!(outcome.code, Some(0), "{outcome:?}");
    assert!(!directory.path().join("modules/nonsense.so").exists());
}

#[test]
fn help_names_every_command() {
    let directory = Directory::empty();
    let help = run_host(&directory.path(), &["--help"]).success().stdout;
    for command in ["init", "serve", "user", "module", "mfa", "session", "login", "setup", "methods"] {
        assert!(help.contains(command), "{command} in {help}");
    }
}
