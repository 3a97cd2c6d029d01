//! No password, secret, code or token in any log or in the store's files; files are the owner's alone.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
};

use serde_json::json;

use crate::harness::{ADA, PASSWORD, Stage, result_of, run_host};

#[test]
fn logs_and_store_hold_no_secret() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_pin_of(&tokens, "insecure_example", "90218734");
    let totp = stage.set_up_totp(&tokens);
    let mut secrets = vec![PASSWORD.to_owned(), totp.0.clone(), "90218734".to_owned()];
    secrets.extend([tokens.access.clone(), tokens.refresh.clone()]);

    let flow_id = stage.begin();
    secrets.push(flow_id.clone());
    stage.submit_password(&flow_id, ADA);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "totp"})).expect(200);
    let wrong = "13579-secret-looking";
    stage.submit(&flow_id, json!({"code": wrong}));
    secrets.push(wrong.to_owned());
    let code = totp.code(stage.now_ms());
    let result = result_of(&stage.submit_code(&flow_id, &code));
    stage.exchange(&result).expect(200);
    stage.submit(&stage.begin(), json!({"username": ADA, "password": "mistyped-Password-81"}));
    secrets.extend([result, "mistyped-Password-81".to_owned()]);
    let of_path = stage.begin();
    stage.wire().get(&format!("/auth/login_flow/{of_path}"));
    secrets.push(of_path);
    stage.crash();

    let log = stage.host().log();
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} stands in the log");
    }
    stage.stop();
    for file in stage.directory.store_files() {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a readable file")).into_owned();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} stands in {}", file.display());
        }
    }
}

#[test]
fn the_log_before_a_crash_holds_no_secret_either() {
    let (stage, ada) = Stage::ada_with_totp();
    let code = ada.totp.code(stage.now_ms());
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &code));
    let log = stage.host().log();
    assert!(!log.is_empty(), "there is a log to look at");
    let bare_code = log.split(|character: char| !character.is_ascii_alphanumeric()).any(|word| word == code);
    assert!(!bare_code, "the code stands in the log");
    for secret in [PASSWORD, &ada.totp.0, &flow_id, &ada.tokens.access, &ada.tokens.refresh] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}

#[test]
fn files_are_0600_and_directories_0700() {
    let (mut stage, _) = Stage::ada_with_totp();
    check_modes(&stage.directory.path().join(".storage"));
    for name in ["secret.key", "storage.anchor"] {
        assert_eq!(mode(&stage.directory.path().join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&stage.directory.path()), 0o700);
    stage.stop();
    check_modes(&stage.directory.path().join(".storage"));
}

fn check_modes(directory: &Path) {
    assert_eq!(mode(directory), 0o700, "{}", directory.display());
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let entry = entry.expect("a readable entry");
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            check_modes(&entry.path());
        } else if kind.is_file() || kind.is_socket() {
            assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o777
}

#[test]
fn command_lines_show_no_secret() {
    let (stage, ada) = Stage::ada_with_totp();
    for arguments in [&["user", "list"][..], &["mfa", "list", ADA], &["session", "list"], &["module", "list"]] {
        let text = run_host(&stage.directory.path(), arguments).success().text();
        for secret in [PASSWORD, &ada.totp.0, &ada.tokens.access, &ada.tokens.refresh] {
            assert!(!text.contains(secret), "{arguments:?}: {text}");
        }
    }
    // What a process was started with is visible to everybody on the machine.
    let line = fs::read(format!("/proc/{}/cmdline", stage.host().process())).expect("a command line");
    assert!(!String::from_utf8_lossy(&line).contains(PASSWORD));
}

#[test]
fn abandoned_set_ups_leave_no_readable_secret() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let secret = step["description_placeholders"]["code"].as_str().expect("a secret").to_owned();
    stage.stop();
    for file in stage.directory.store_files() {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a readable file")).into_owned();
        assert!(!text.contains(&secret), "{}", file.display());
    }
}
