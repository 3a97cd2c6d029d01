//! The `command_line` provider: a program of the admin's says yes or no, and gets nothing but a name and a password.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, thread, time::Duration};

use serde_json::{Value, json};

use crate::harness::{ADA, BOB, Directory, PASSWORD, PIN, Stage, assert_form, run_host};

pub const WORD: &str = "a-word-for-the-program-9";

fn program_of(directory: &Directory) -> PathBuf {
    let path = directory.beside("check");
    fs::canonicalize(path.parent().expect("a directory")).expect("it is there").join("check")
}

/// A provider whose program is this script; `more` are further keys of its block.
pub fn with_program(directory: &Directory, script: &str, more: &str) {
    let path = program_of(directory);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the script is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode is set");
    let block = format!("[[provider]]\ntype = \"command_line\"\ncommand = \"{}\"\n{more}", path.display());
    directory.append_settings(&block);
}

pub fn knows(name: &str) -> String {
    format!("[ \"$username\" = '{name}' ] && [ \"$password\" = '{WORD}' ]")
}

/// The step after this name and password.
#[track_caller]
fn sign_in(stage: &Stage, name: &str, password: &str) -> Value {
    let step = stage.begin_with(json!({"handler": ["command_line", null]})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    stage.submit(&flow_id, json!({"username": name, "password": password})).expect(200)
}

fn is_refused(step: &Value) -> bool {
    step["type"] == "form" && step["step_id"] == "init" && step["errors"]["base"] == "invalid_auth"
}

#[test]
fn exit_status_zero_is_yes_and_everything_else_is_no() {
    let stage = Stage::with(|directory| with_program(directory, &knows(ADA), ""));
    let done = sign_in(&stage, ADA, WORD);
    assert_eq!(stage.signed_in_name(&stage.tokens_of(&done)), ADA);
    for (name, password) in [(ADA, PASSWORD), (ADA, ""), (BOB, WORD), ("nobody", WORD), (ADA, "x' ] || [ 'a' = 'a")] {
        let step = stage.begin_with(json!({"handler": ["command_line", null]})).expect(200);
        let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
        let answer = stage.submit(&flow_id, json!({"username": name, "password": password}));
        assert!(answer.status == 400 || is_refused(&answer.json()), "{name} {password}");
    }
    // What the program says has no bearing on the host's own passwords.
    let flow_id = stage.begin();
    assert!(is_refused(&stage.submit(&flow_id, json!({"username": ADA, "password": WORD})).expect(200)));
}

#[test]
fn a_program_that_does_not_say_yes_says_no() {
    for script in ["exit 1", "exit 3", "kill -9 $$", "kill -SEGV $$", "exec /no/such/program"] {
        let stage = Stage::with(|directory| with_program(directory, script, ""));
        assert!(is_refused(&sign_in(&stage, ADA, WORD)), "{script}");
    }
}

#[test]
fn the_second_factor_follows_unless_the_settings_opt_out() {
    let stage = Stage::with(|directory| with_program(directory, &knows(ADA), ""));
    stage.set_up_pin(&stage.login(ADA));
    let step = sign_in(&stage, ADA, WORD);
    assert_form(&step, "mfa");
    let done = stage.submit(step["flow_id"].as_str().expect("a flow id"), json!({"pin": PIN})).expect(200);
    assert_eq!(stage.session(&stage.tokens_of(&done))["mfa_method_used"], "insecure_example");

    let stage = Stage::with(|directory| with_program(directory, &knows(ADA), "support_mfa = false\n"));
    stage.set_up_pin(&stage.login(ADA));
    let tokens = stage.tokens_of(&sign_in(&stage, ADA, WORD));
    let session = stage.session(&tokens);
    assert_eq!((&session["mfa_method_used"], &session["mfa_verified_at"]), (&Value::Null, &Value::Null), "{session}");
    assert!(!session["amr"].to_string().contains("mfa"), "{session}");
    // What came in without the factor takes no factor away; and the proof asks for the factor all the same.
    assert_eq!(stage.delete_method(&tokens, "insecure_example").status, 401);
    assert_form(&stage.submit_password(&stage.begin(), ADA), "mfa");
}

#[test]
fn opting_out_does_not_make_a_proof_cheaper() {
    let stage = Stage::with(|directory| {
        directory.replace_setting("type = \"local\"", "type = \"local\"\nsupport_mfa = false");
    });
    stage.set_up_pin(&stage.login(ADA));
    let tokens = stage.login(ADA);
    assert_eq!(stage.session(&tokens)["mfa_method_used"], Value::Null);
    let (flow_id, client_id) = stage.begin_proof(&tokens);
    let step = stage.submit(&flow_id, json!({"client_id": client_id, "password": PASSWORD})).expect(200);
    assert_form(&step, "mfa");
}

#[test]
fn the_program_gets_two_words_and_nothing_of_the_hosts() {
    let stage = Stage::with(|directory| {
        let out = directory.beside("seen");
        let script = format!(
            "{{ env; for fd in /proc/$$/fd/*; do readlink $fd; done; pwd; echo \"$@\"; }} > {}; {}",
            out.display(),
            knows(ADA)
        );
        with_program(directory, &script, "args = [\"$HOME\", \"a b\"]\nenvironment = { KIND = \"test\" }\n");
    });
    stage.tokens_of(&sign_in(&stage, ADA, WORD));
    let seen = fs::read_to_string(stage.directory.beside("seen")).expect("the program ran");
    assert!(seen.contains(&format!("username={ADA}\n")) && seen.contains(&format!("password={WORD}\n")), "{seen}");
    assert!(seen.contains("KIND=test\n") && seen.contains("$HOME a b\n"), "no shell reads the arguments: {seen}");
    for foreign in ["HOME=", "CARGO", "MFA_", "USER=", "socket:", "anon_inode", ".storage", "host.toml"] {
        assert!(!seen.contains(foreign), "{foreign} in {seen}");
    }
}

#[test]
fn a_program_past_its_time_is_killed_with_what_it_started() {
    let stage = Stage::with(|directory| {
        let pid = directory.beside("pid");
        let script = format!("sleep 600 & echo $! > {}; sleep 600", pid.display());
        with_program(directory, &script, "time_limit_s = 1\n");
    });
    assert!(is_refused(&sign_in(&stage, ADA, WORD)));
    let pid = fs::read_to_string(stage.directory.beside("pid")).expect("the program ran");
    let state = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    // Killed at once; that it is gone, or waits to be reaped, shows a moment later.
    let is_gone = || fs::read_to_string(&state).map_or(true, |text| text.contains(") Z "));
    for _ in 0..600 {
        if is_gone() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(is_gone(), "a child of the program lives on");
}

#[test]
fn only_so_many_programs_run_at_once() {
    let mut stage = Stage::stopped();
    let gate = stage.directory.beside("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().expect("mkfifo").success());
    let begun = stage.directory.beside("begun");
    let script = format!("echo > {}; cat {} > /dev/null; {}", begun.display(), gate.display(), knows(ADA));
    with_program(&stage.directory, &script, "time_limit_s = 29\n");
    stage.directory.replace_setting("[argon2]", "[limits]\ncommands_at_once = 1\n\n[argon2]");
    stage.start();
    let other = stage.begin_with(json!({"handler": ["command_line", null]})).expect(200);
    let other = other["flow_id"].as_str().expect("a flow id").to_owned();
    let wish = json!({"username": BOB, "password": WORD});
    let first = thread::scope(|scope| {
        let first = scope.spawn(|| sign_in(&stage, ADA, WORD));
        while !begun.exists() {
            thread::sleep(Duration::from_millis(20));
        }
        let answer = stage.submit(&other, wish.clone());
        fs::write(&gate, "go").expect("the gate opens");
        assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
        first.join().expect("the first ends")
    });
    stage.tokens_of(&first);
}

#[test]
fn somebody_unknown_is_added_only_if_the_settings_say_so() {
    let said = "echo 'name = Cleo of Hill'; echo 'group = family'; echo '# local_only = false'; echo local_only=true; ";
    let script = format!("{said}{}", knows("cleo"));
    let stage = Stage::with(|directory| with_program(directory, &script, ""));
    assert!(is_refused(&sign_in(&stage, "cleo", WORD)));
    assert_eq!(run_host(&stage.directory.path(), &["user", "show", "cleo"]).code, Some(1));

    let stage = Stage::with(|directory| with_program(directory, &script, "create_users = true\nmeta = true\n"));
    assert!(is_refused(&sign_in(&stage, "cleo", "wrong")));
    assert_eq!(run_host(&stage.directory.path(), &["user", "show", "cleo"]).code, Some(1), "a no adds nobody");
    assert_eq!(stage.signed_in_name(&stage.tokens_of(&sign_in(&stage, " cleo ", WORD))), "cleo");
    stage.tokens_of(&sign_in(&stage, "cleo", WORD));
    let shown = run_host(&stage.directory.path(), &["user", "show", "cleo", "--json"]).success().json();
    assert_eq!(shown["display_name"], "Cleo of Hill", "{shown}");
    assert_eq!((&shown["groups"], &shown["local_only"]), (&json!(["family"]), &json!(true)), "{shown}");
    assert_eq!((&shown["is_owner"], &shown["has_password"]), (&json!(false), &json!(false)), "{shown}");
    // Another spelling is the same user to the host, and so it is to the program.
    stage.tokens_of(&sign_in(&stage, "CLEO", WORD));
}

#[test]
fn without_meta_what_the_program_prints_counts_for_nothing() {
    let script = format!("echo 'group = admins'; echo 'local_only = true'; {}", knows("cleo"));
    let stage = Stage::with(|directory| with_program(directory, &script, "create_users = true\n"));
    stage.tokens_of(&sign_in(&stage, "cleo", WORD));
    let shown = run_host(&stage.directory.path(), &["user", "show", "cleo", "--json"]).success().json();
    assert_eq!((&shown["groups"], &shown["local_only"]), (&json!([]), &json!(false)), "{shown}");
}

#[test]
fn a_local_user_does_not_come_in_through_a_proxy_nobody_named() {
    let script = format!("echo local_only=true; {}", knows("cleo"));
    let stage = Stage::with(|directory| with_program(directory, &script, "create_users = true\nmeta = true\n"));
    stage.tokens_of(&sign_in(&stage, "cleo", WORD));
    let step = stage.begin_with(json!({"handler": ["command_line", null]})).expect(200);
    let path = format!("/auth/login_flow/{}", step["flow_id"].as_str().expect("a flow id"));
    let body = json!({"client_id": crate::harness::CLIENT_ID, "username": "cleo", "password": WORD});
    let headers = [("content-type", "application/json"), ("x-forwarded-for", "203.0.113.5")];
    let answer = stage.wire().send("POST", &path, &headers, Some(body.to_string().into_bytes())).expect("an answer");
    assert!(is_refused(&answer.expect(200)));
}

#[test]
fn after_a_reset_a_program_lets_in_but_proves_nothing_a_factor_could_be_set_up_with() {
    let stage = Stage::with(|directory| with_program(directory, &knows(ADA), ""));
    run_host(&stage.directory.path(), &["user", "reset", ADA]).success();
    let tokens = stage.tokens_of(&sign_in(&stage, ADA, WORD));
    assert_eq!(stage.begin_setup(&tokens, "insecure_example").status, 401);
    let body = json!({"old_password": PASSWORD, "new_password": "a-quite-new-word-88"});
    assert_eq!(stage.wire().post_as(&tokens.access, "/api/password", &body).expect(409)["code"], "no_password");
}

#[test]
fn too_much_output_is_a_no() {
    let script = format!("head -c 100000 /dev/zero | tr '\\0' a; {}", knows(ADA));
    let stage = Stage::with(|directory| with_program(directory, &script, "meta = true\n"));
    assert!(is_refused(&sign_in(&stage, ADA, WORD)));
}

#[test]
fn a_program_others_could_exchange_opens_nothing() {
    let stage = Stage::with(|directory| {
        with_program(directory, &knows(ADA), "");
        fs::set_permissions(program_of(directory), fs::Permissions::from_mode(0o777)).expect("its mode is set");
    });
    assert!(is_refused(&sign_in(&stage, ADA, WORD)));
    let told = run_host(&stage.directory.path(), &["config", "check"]);
    assert!(told.text().contains("can be written by others"), "{}", told.text());
    assert!(!stage.host().log().contains(WORD), "no password in the log");
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (more, said) in [
        ("command = \"check\"\n", "absolute path"),
        ("command = \"/bin/true\"\ntime_limit_s = 0\n", "time_limit_s"),
        ("command = \"/bin/true\"\ntime_limit_s = 45\n", "request_timeout_s"),
        ("command = \"/bin/true\"\nenvironment = { password = \"x\" }\n", "\"password\""),
        ("command = \"/bin/true\"\nuser = \"ada\"\n", "legacy_api_password only"),
        ("args = [\"x\"]\n", "needs command"),
    ] {
        let directory = Directory::new();
        directory.append_settings(&format!("[[provider]]\ntype = \"command_line\"\n{more}"));
        let outcome = run_host(&directory.path(), &["config", "check"]);
        assert_eq!(outcome.code, Some(2), "{more}");
        assert!(outcome.text().contains("host.toml:") && outcome.text().contains(said), "{more}: {}", outcome.text());
    }
}
