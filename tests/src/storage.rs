//! The store as an admin looks after it: checks, backups of a running host and their way back, repairs.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::{Value, json};

use crate::harness::{ADA, BOB, Outcome, PASSWORD, PIN, Stage, result_of, run_host};

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

/// Everything in DIR that is state, with its bytes.
fn contents(stage: &Stage) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = stage.directory.store_files().into_iter().chain([stage.directory.path().join("storage.anchor")]);
    files.map(|file| (file.clone(), fs::read(&file).expect("a readable file"))).collect()
}

/// Rewrites the journal of a stopped host. `change` gets its lines and the place of the head of the last batch that
/// wrote a record of this kind.
fn harm_journal(stage: &Stage, kind: &str, change: impl FnOnce(&mut Vec<String>, usize)) {
    let file = stage.directory.store_files().pop().expect("a journal");
    let text = fs::read_to_string(&file).expect("a readable journal");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_head = |line: &String| line.starts_with("{\"batch\":") && line.contains(&format!("[\"{kind}/"));
    let head = lines.iter().rposition(is_head).expect("a batch of this kind");
    change(&mut lines, head);
    fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("the damage is done");
}

#[test]
fn a_repair_keeps_what_proves_itself_and_the_damaged_files() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login(BOB);
    stage.stop();
    // The head of a batch is gone; its lines are still there, and each says which change it was.
    harm_journal(&stage, "factors", |lines, head| lines[head] = "\0".repeat(200));
    let damaged = fs::read(stage.directory.store_files().pop().expect("a journal")).expect("a readable journal");
    stage.start();
    let refused = storage(&stage, &["check", "--repair"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("a host runs"), "{refused:?}");
    assert!(stage.host().log().contains("storage check --repair"), "{}", stage.host().log());
    stage.stop();
    let repaired = storage(&stage, &["--json", "check", "--repair"]).success();
    assert!(repaired.stderr.contains("storage_repaired") && repaired.stderr.contains("uid:"), "{repaired:?}");
    let told = repaired.json();
    assert_eq!((&told["deed"], &told["lost"], &told["tampered"]), (&json!("repaired"), &json!([]), &json!([])));
    let aside = PathBuf::from(told["aside"].as_str().expect("where the damaged files are"));
    assert_eq!(fs::metadata(&aside).expect("the folder").permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read(aside.join("journal-0000000001.jsonl")).expect("the damaged file"), damaged);
    stage.start();
    assert_eq!(stage.me(&tokens).status, 200, "nothing is lost, not even a session");
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn a_repair_that_lost_a_factor_lets_nobody_in_before_it_is_acknowledged() {
    let (mut stage, _) = Stage::ada_with_totp();
    let tokens = stage.login(BOB);
    stage.set_up_pin(&tokens);
    let flow_id = stage.begin_to_mfa(BOB);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
    stage.stop();
    harm_journal(&stage, "factors", |lines, head| {
        let header: Value = serde_json::from_str(&lines[head]).expect("a head");
        let records = header["records"].as_array().expect("its records").len();
        drop(lines.drain(head..=head + records));
    });
    assert_eq!(storage(&stage, &["check"]).code, Some(1));
    let repaired = storage(&stage, &["check", "--repair"]);
    assert_eq!(repaired.code, Some(1), "{repaired:?}");
    for word in ["LOST: journal-0000000001.jsonl", "second factors", "storage acknowledge", "storage restore"] {
        assert!(repaired.stdout.contains(word), "{word}: {repaired:?}");
    }
    let again = storage(&stage, &["--json", "check", "--repair"]);
    assert!(again.code == Some(1) && again.json()["deed"] == "nothing_to_do", "a repair acknowledges nothing");
    for _ in 0..2 {
        stage.start();
        let plain = json!({"client_id": crate::harness::CLIENT_ID, "username": BOB, "password": PASSWORD});
        assert_eq!(stage.wire().post("/api/login", &plain).expect(503)["code"], "storage_rolled_back");
        stage.stop();
    }
    storage(&stage, &["acknowledge"]).success();
    stage.start();
    assert_eq!(stage.me(&tokens).status, 401, "what was open has ended");
    let flow_id = stage.begin_to_mfa(ADA);
    assert!(stage.submit(&flow_id, json!({"code": "000000"})).status == 200);
}

#[test]
fn a_repair_refuses_a_record_whose_line_is_gone_and_never_takes_an_older_one() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.login_totp(&ada);
    let bob = stage.login(BOB);
    stage.stop();
    harm_journal(&stage, "enrolment", |lines, head| {
        let count = |lines: &[String]| lines.iter().filter(|line| line.starts_with("{\"key\":\"enrolment/")).count();
        assert!(count(lines) > 1, "an older line of it is there");
        let header: Value = serde_json::from_str(&lines[head]).expect("a head");
        let mut keys = header["records"].as_array().expect("its records").iter();
        let place = keys.position(|record| record[0].as_str().is_some_and(|key| key.starts_with("enrolment/")));
        lines[head + 1 + place.expect("its line")] = "no line".to_owned();
    });
    let repaired = storage(&stage, &["--json", "check", "--repair"]).success().json();
    assert!(
        repaired["lost"] == json!([]) && repaired["tampered"][0].as_str().expect("a key").starts_with("enrolment/")
    );
    stage.start();
    assert_eq!(stage.me(&bob).status, 200);
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD}));
    let last = if step.status == 200 && step.json()["type"] == "form" {
        stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}))
    } else {
        step
    };
    assert!(last.status != 200 || last.json()["type"] != "create_entry", "a factor that is gone is never no factor");
}

#[test]
fn a_repair_changes_nothing_of_a_sound_store_and_nothing_under_another_key() {
    let (mut stage, _) = Stage::ada_with_totp();
    stage.stop();
    let before = contents(&stage);
    let sound = storage(&stage, &["check", "--repair"]).success();
    assert!(sound.stdout.contains("nothing was changed"), "{sound:?}");
    assert_eq!(contents(&stage), before);
    harm_journal(&stage, "user", |lines, head| lines[head] = "gone".to_owned());
    let before = contents(&stage);
    let key = stage.directory.path().join("secret.key");
    let own = fs::read(&key).expect("the key");
    let other = Stage::stopped();
    let foreign = other.directory.beside("other");
    let init = crate::harness::run_host_with_input(&foreign, &["init", "--user", ADA], &format!("{PASSWORD}\n"));
    init.success();
    fs::copy(foreign.join("secret.key"), &key).expect("the key is replaced");
    let refused = storage(&stage, &["check", "--repair"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("nothing was changed"), "{refused:?}");
    assert_eq!(contents(&stage), before);
    fs::write(&key, own).expect("the key is back");
    assert_eq!(storage(&stage, &["check", "--repair"]).code, Some(0));
    stage.start();
    stage.begin_to_mfa(ADA);
}
