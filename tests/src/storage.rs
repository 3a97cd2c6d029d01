//! The store as an admin looks after it: checks, backups of a running host, and their way back.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::harness::{ADA, BOB, Outcome, PASSWORD, Stage, result_of, run_host};

fn storage(stage: &Stage, arguments: &[&str]) -> Outcome {
    run_host(&stage.directory.path(), &[&["storage"], arguments].concat())
}

#[test]
fn a_backup_of_a_running_host_brings_its_users_back_and_ends_their_sessions() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login(BOB);
    stage.begin_to_mfa(ADA);
    let file = stage.directory.beside("backup");
    let name = file.to_str().expect("a UTF-8 path").to_owned();
    storage(&stage, &["backup", &name]).success();
    assert_eq!(fs::metadata(&file).expect("the backup").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).expect("JSON lines");
    let key = fs::read_to_string(stage.directory.path().join("secret.key")).expect("the key");
    assert!(!text.contains(key.trim()) && !text.contains(&ada.totp.0), "neither key nor secret is in it");
    let again = storage(&stage, &["backup", &name]);
    assert!(again.code == Some(1) && again.stderr.contains("there already"), "{again:?}");
    assert_eq!(storage(&stage, &["restore", &name, "--replace"]).code, Some(1), "the host runs");
    let added =
        crate::harness::run_host_with_input(&stage.directory.path(), &["user", "add", "eve"], &format!("{PASSWORD}\n"));
    added.success();
    stage.stop();
    let refused = storage(&stage, &["restore", &name]);
    assert!(refused.code == Some(1) && refused.stderr.contains("--replace"), "{refused:?}");
    let restored = storage(&stage, &["--json", "restore", &name, "--replace"]).success().json();
    let ended = restored["ended"].as_array().expect("a list");
    assert!(ended.iter().any(|session| session["kind"] == "access" && session["user"] == BOB), "{restored}");
    assert!(ended.iter().any(|session| session["kind"] == "validation" && session["user"] == ADA), "{restored}");
    let aside = restored["aside"].as_str().expect("the former store's place");
    assert!(fs::read_dir(aside).expect("the former store").next().is_some());
    stage.start();
    assert_eq!(stage.me(&tokens).status, 401, "sessions of the backup are ended");
    assert!(!run_host(&stage.directory.path(), &["user", "list"]).success().stdout.contains("eve"));
    stage.clock.advance_s(60);
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
    assert_eq!(storage(&stage, &["check"]).success().code, Some(0));
}

#[test]
fn a_lost_store_comes_back_from_its_backup() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.stop();
    let file = stage.directory.beside("backup");
    let name = file.to_str().expect("a UTF-8 path").to_owned();
    storage(&stage, &["backup", &name]).success();
    fs::remove_dir_all(stage.directory.path().join(".storage")).expect("the store is lost");
    storage(&stage, &["restore", &name]).success();
    stage.clock.advance_s(60);
    stage.start();
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn check_says_the_same_of_a_running_and_a_stopped_host_and_tells_damage() {
    let (mut stage, _) = Stage::ada_with_totp();
    let running = storage(&stage, &["--json", "check"]).success().json();
    assert!(running["damage"].is_null() && running["records"].as_u64().is_some_and(|records| records > 3), "{running}");
    stage.stop();
    assert_eq!(storage(&stage, &["--json", "check"]).success().json(), running);
    let journal = stage.directory.store_files().pop().expect("a journal");
    let mut bytes = fs::read(&journal).expect("a readable journal");
    bytes[60..90].fill(0);
    fs::write(&journal, &bytes).expect("the damage is done");
    let damaged = storage(&stage, &["check"]);
    assert!(damaged.code == Some(1) && damaged.stdout.contains("DAMAGED"), "{damaged:?}");
    let name = stage.directory.beside("backup");
    let refused = storage(&stage, &["backup", name.to_str().expect("a UTF-8 path")]);
    assert!(refused.code == Some(1) && !name.exists(), "a damaged store gives no backup: {refused:?}");
    assert_eq!(fs::read(&journal).expect("a readable journal"), bytes, "nothing was changed");
}
