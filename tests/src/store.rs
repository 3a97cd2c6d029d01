//! The store as a whole: readable where it may be, damaged never means empty, missing never means new.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::json;

use crate::harness::{ADA, Directory, Host, PASSWORD, PIN, Stage, assert_form, read_lines, result_of, run_host};

/// All files of the store with their bytes.
fn contents(directory: &Directory) -> BTreeMap<PathBuf, Vec<u8>> {
    directory.store_files().into_iter().map(|file| (file.clone(), fs::read(&file).expect("a readable file"))).collect()
}

#[test]
fn validation_sessions_are_readable_json_with_their_dates() {
    let (mut stage, _) = Stage::ada_with_totp();
    stage.begin_to_mfa(ADA);
    stage.stop();
    let lines = read_lines(&stage.directory.store_files());
    let session = lines.iter().rfind(|line| line.is_record_of("session")).expect("a session record");
    let value = &session.json["value"];
    assert!(value["user"].is_string() && !value["provider"].is_null(), "{value}");
    assert!(value["created_at"].as_str().is_some_and(|date| date.starts_with("2035-01-01T00:00:40")), "{value}");
    assert!(value["expires_at"].as_str().is_some_and(|date| date.starts_with("2035-01-01T00:05:40")), "{value}");
}

#[test]
fn damage_in_the_middle_answers_storage_damaged_and_writes_nothing() {
    let (mut stage, _) = Stage::ada_with_totp();
    stage.set_up_pin(&stage.login(crate::harness::BOB));
    stage.stop();
    let file = stage.directory.store_files().pop().expect("a journal");
    let mut bytes = fs::read(&file).expect("a readable journal");
    // The head of the second batch: valid batches follow, so this is no unfinished write.
    let heads = bytes.windows(9).enumerate().filter(|(_, window)| *window == b"{\"batch\":");
    let place = heads.map(|(place, _)| place).nth(1).expect("several batches");
    bytes[place..place + 9].fill(0);
    fs::write(&file, bytes).expect("the damage is done");
    let before = contents(&stage.directory);
    stage.start();
    let flow = stage.begin_with(json!({}));
    let answer = match flow.status {
        200 => {
            let flow_id = flow.json()["flow_id"].as_str().expect("a flow id").to_owned();
            stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD}))
        }
        _ => flow,
    };
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.json()["code"], "storage_damaged");
    let plain = json!({"client_id": crate::harness::CLIENT_ID, "username": ADA, "password": PASSWORD});
    assert_eq!(stage.wire().post("/api/login", &plain).expect(503)["code"], "storage_damaged");
    stage.stop();
    assert_eq!(contents(&stage.directory), before, "nothing is written to a damaged store");
}

#[test]
fn an_unfinished_last_write_is_dropped_and_the_rest_goes_on() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.kill9();
    let file = stage.directory.store_files().pop().expect("a journal");
    let mut bytes = fs::read(&file).expect("a readable journal");
    bytes.extend_from_slice(b"{\"batch\":{\"torn\":");
    fs::write(&file, &bytes).expect("a torn tail");
    stage.start();
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn a_tail_of_zeros_is_dropped_as_well() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.kill9();
    let file = stage.directory.store_files().pop().expect("a journal");
    let mut bytes = fs::read(&file).expect("a readable journal");
    bytes.extend_from_slice(&[0; 4096]);
    fs::write(&file, &bytes).expect("a tail of zeros");
    stage.crash_free_start();
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn serve_refuses_a_missing_store_and_makes_none() {
    let stage = Stage::stopped();
    let storage = stage.directory.path().join(".storage");
    fs::remove_dir_all(&storage).expect("the store is taken away");
    let Err(said) = Host::try_start(&stage.directory.path()) else { panic!("a missing store reads as empty") };
    assert!(said.contains("init"), "it says what makes one: {said}");
    assert!(!storage.join("control.sock").exists());
    assert!(stage.directory_has_no_store(), "serve makes no store");
}

#[test]
fn init_refuses_to_replace_a_store() {
    let stage = Stage::stopped();
    let before = contents(&stage.directory);
    let path = stage.directory.path();
    let outcome = crate::harness::run_host_with_input(&path, &["init", "--user", "eve"], &format!("{PASSWORD}\n"));
    assert_ne!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(contents(&stage.directory), before);
}

#[test]
fn a_second_host_on_the_same_directory_is_refused() {
    let stage = Stage::new();
    assert!(Host::try_start(&stage.directory.path()).is_err());
    assert_form(&stage.begin_with(json!({})).expect(200), "init");
}

#[test]
fn a_key_others_can_read_is_refused_with_the_remedy() {
    let stage = Stage::stopped();
    let key = stage.directory.path().join("secret.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("the mode is changed");
    let Err(said) = Host::try_start(&stage.directory.path()) else { panic!("an exposed key is used") };
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn a_missing_key_is_told_and_not_replaced() {
    let stage = Stage::stopped();
    let key = stage.directory.path().join("secret.key");
    fs::remove_file(&key).expect("the key is lost");
    assert!(Host::try_start(&stage.directory.path()).is_err());
    assert!(!key.exists());
    assert_ne!(run_host(&stage.directory.path(), &["user", "list"]).code, Some(0));
}

#[test]
fn many_logins_leave_a_bounded_store_that_opens() {
    let mut stage = Stage::new();
    stage.set_up_pin(&stage.login(ADA));
    for _ in 0..30 {
        let flow_id = stage.begin_to_mfa(ADA);
        result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
    }
    stage.crash();
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

impl Stage {
    fn crash_free_start(&mut self) {
        self.start();
        assert!(self.wire().get("/healthz").status < 300, "a dropped tail is no damage");
    }

    fn directory_has_no_store(&self) -> bool {
        let storage = self.directory.path().join(".storage");
        !storage.exists() || self.directory.store_files().is_empty()
    }
}
