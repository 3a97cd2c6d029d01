//! An older copy of the store is put back: nobody gets in by what it knows before an admin has acknowledged it, and what
//! it has forgotten is not taken for unused.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::json;

use crate::harness::{
    ADA, Answer, BOB, CLIENT_ID, Outcome, PASSWORD, Stage, assert_form, copy_of_store, put_back,
    put_back_what_was_before, read_lines, result_of, run_host, write_lines,
};

fn storage(stage: &Stage, arguments: &[&str]) -> Outcome {
    run_host(&stage.directory.path(), &[&["storage"], arguments].concat())
}

/// Files of the store and the anchor, with their bytes.
fn contents(stage: &Stage) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = stage.directory.store_files().into_iter().chain([stage.directory.path().join("storage.anchor")]);
    files.map(|file| (file.clone(), fs::read(&file).expect("a readable file"))).collect()
}

#[track_caller]
fn assert_rolled_back(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.json()["code"], "storage_rolled_back");
    assert!(answer.header("retry-after").is_some());
}

/// The first factor of a new flow, wherever it is refused.
fn try_password(stage: &Stage, name: &str) -> Answer {
    let flow = stage.begin_with(json!({}));
    if flow.status != 200 {
        return flow;
    }
    let flow_id = flow.json()["flow_id"].as_str().expect("a flow id").to_owned();
    stage.submit(&flow_id, json!({"username": name, "password": PASSWORD}))
}

#[test]
fn nobody_signs_in_past_a_factor_the_older_copy_does_not_know() {
    let mut stage = Stage::new();
    let mut totp = None;
    put_back_what_was_before(&mut stage, |stage| totp = Some(stage.enrol_totp(ADA)));
    let tokens = totp.expect("ada has set it up").tokens;
    let before = contents(&stage);
    for _ in 0..2 {
        stage.start();
        assert_rolled_back(&try_password(&stage, ADA));
        let plain = json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD});
        assert_rolled_back(&stage.wire().post("/api/login", &plain));
        assert_rolled_back(&stage.begin_setup(&tokens, "totp"));
        assert_eq!(stage.me(&tokens).status, 503);
        let health = stage.wire().get("/healthz");
        assert_eq!((health.status, &health.body[..]), (503, &b"storage_rolled_back"[..]));
        assert_eq!(stage.wire().get("/api/status").expect(200)["status"], "storage_rolled_back");
        assert!(stage.host().log().contains("AN OLDER COPY OF THE STORE WAS PUT BACK"), "{}", stage.host().log());
        stage.stop();
        assert_eq!(contents(&stage), before, "no start makes the older copy the present one");
    }
    stage.start();
    stage.kill9();
    assert_eq!(contents(&stage), before);

    let acknowledged = storage(&stage, &["--json", "acknowledge"]).success();
    let told = acknowledged.json();
    let reach = |name: &str| told["behind"][name]["revision"].as_u64().expect("a revision");
    assert!(reach("reaches") < reach("known"), "{told}");
    let uid = rustix::process::getuid().as_raw();
    let audited = &acknowledged.stderr;
    assert!(audited.contains("storage_rollback_acknowledged") && audited.contains(&format!("uid:{uid}")), "{audited}");
    stage.start();
    assert_eq!(try_password(&stage, ADA).expect(200)["type"], "create_entry", "the older copy knows of no factor");
    assert_eq!(stage.me(&tokens).status, 401, "what was opened since is gone");
    stage.restart();
    assert_eq!(stage.wire().get("/api/status").expect(200)["status"], "ok", "acknowledged once is acknowledged");
}

#[test]
fn status_and_doctor_say_what_to_do_with_the_host_running_and_stopped() {
    let mut stage = Stage::new();
    put_back_what_was_before(&mut stage, |stage| drop(stage.login(ADA)));
    let say = |stage: &Stage| {
        let status = run_host(&stage.directory.path(), &["status"]).success();
        assert!(status.stdout.contains("storage acknowledge"), "{}", status.stdout);
        let status = run_host(&stage.directory.path(), &["--json", "status"]).success().json();
        assert!(status["store"]["rolled_back"] == true && status["store"]["behind"]["known"].is_object(), "{status}");
        let check = storage(stage, &["check"]);
        assert!(check.code == Some(1) && check.stdout.contains("storage acknowledge"), "{check:?}");
        let list = run_host(&stage.directory.path(), &["user", "list"]);
        assert!(list.code == Some(1) && list.stderr.contains("storage acknowledge"), "{list:?}");
        let doctor = run_host(&stage.directory.path(), &["doctor"]);
        assert!(doctor.code == Some(1) && doctor.stdout.contains("storage acknowledge"), "{doctor:?}");
        let file = stage.directory.beside("backup");
        let backup = storage(stage, &["backup", file.to_str().expect("UTF-8")]);
        assert!(backup.code == Some(1) && !file.exists(), "{backup:?}");
    };
    say(&stage);
    stage.start();
    say(&stage);
    let refused = storage(&stage, &["acknowledge"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("a host runs"), "{refused:?}");
    stage.stop();
    let told = storage(&stage, &["acknowledge"]).success();
    assert!(told.stdout.contains("is lost"), "{told:?}");
    let again = storage(&stage, &["acknowledge"]);
    assert!(again.code == Some(1) && again.stderr.contains("nothing to acknowledge"), "{again:?}");
}

#[test]
fn a_copy_put_back_after_a_crash_gives_no_attempts_back() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let flow_id = stage.begin_to_mfa(ADA);
    stage.stop();
    let copy = copy_of_store(&stage);
    stage.start();
    let wrong = ada.totp.wrong_code(stage.now_ms());
    for _ in 0..3 {
        stage.submit_code(&flow_id, &wrong);
    }
    stage.restart();
    stage.kill9();
    put_back(&stage, &copy);
    stage.start();
    assert_rolled_back(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
    stage.stop();
    let told = storage(&stage, &["--json", "acknowledge"]).success().json();
    assert!(told["ended"].as_array().expect("a list").iter().any(|session| session["user"] == ADA), "{told}");
    stage.start();
    let answer = stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}));
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "the flow has ended");
    stage.clock.advance_s(90);
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

#[test]
fn a_copy_put_back_revives_no_ended_session() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    put_back_what_was_before(&mut stage, |stage| {
        stage.wire().post_form("/auth/revoke", &[("token", &tokens.refresh)]).expect(200);
        assert_eq!(stage.me(&tokens).status, 401);
    });
    stage.start();
    assert_eq!(stage.me(&tokens).status, 503);
    stage.stop();
    storage(&stage, &["acknowledge"]).success();
    stage.start();
    assert_eq!(stage.me(&tokens).status, 401, "a session that was ended stays ended");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh)];
    assert_eq!(stage.wire().post_form("/auth/token", &fields).status, 400);
    stage.login(ADA);
}

#[test]
fn a_code_that_the_older_copy_does_not_know_as_used_is_not_good_again() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.clock.advance_s(60);
    let (now_ms, ahead_ms) = (stage.now_ms(), stage.now_ms() + 30_000);
    put_back_what_was_before(&mut stage, |stage| {
        for moment_ms in [now_ms, ahead_ms] {
            let flow_id = stage.begin_to_mfa(ADA);
            result_of(&stage.submit_code(&flow_id, &ada.totp.code(moment_ms)));
        }
    });
    storage(&stage, &["acknowledge"]).success();
    assert_used_codes_stay_used(&mut stage, &ada.totp, now_ms);
}

/// At this moment the codes of the step and, by an app that is ahead, of the next one were used.
fn assert_used_codes_stay_used(stage: &mut Stage, totp: &crate::harness::TotpSecret, used_at_ms: i64) {
    stage.start();
    let flow_id = stage.begin_to_mfa(ADA);
    for moment_ms in [used_at_ms, used_at_ms + 30_000] {
        let step = stage.submit_code(&flow_id, &totp.code(moment_ms));
        assert_eq!(step["errors"]["base"], "invalid_code", "a code is good once: {step}");
    }
    // A second start knows it as well.
    stage.restart();
    let step = stage.submit_code(&flow_id, &totp.code(used_at_ms));
    assert_eq!(step["errors"]["base"], "invalid_code", "a code is good once: {step}");
    stage.clock.advance_s(30);
    let flow_id = stage.begin_to_mfa(ADA);
    let step = stage.submit_code(&flow_id, &totp.code(used_at_ms + 30_000));
    assert_form(&step, "mfa");
    assert!(step.to_string().contains("Wait for the next one"), "{step}");
    stage.clock.advance_s(30);
    let step = stage.submit_code(&flow_id, &totp.code(stage.now_ms()));
    result_of(&step);
}

#[test]
fn a_code_used_after_the_backup_is_refused_after_the_restore() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let file = stage.directory.beside("backup");
    let name = file.to_str().expect("a UTF-8 path").to_owned();
    storage(&stage, &["backup", &name]).success();
    stage.clock.advance_s(60);
    let used_at_ms = stage.now_ms();
    for moment_ms in [used_at_ms, used_at_ms + 30_000] {
        let flow_id = stage.begin_to_mfa(ADA);
        result_of(&stage.submit_code(&flow_id, &ada.totp.code(moment_ms)));
    }
    stage.stop();
    let restored = storage(&stage, &["restore", &name, "--replace"]).success();
    let uid = format!("uid:{}", rustix::process::getuid().as_raw());
    assert!(restored.stderr.contains("storage_restored") && restored.stderr.contains(&uid), "{restored:?}");
    assert_used_codes_stay_used(&mut stage, &ada.totp, used_at_ms);
}

#[test]
fn a_clock_put_back_before_the_restore_makes_no_code_good_again() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let file = stage.directory.beside("backup");
    let name = file.to_str().expect("a UTF-8 path").to_owned();
    storage(&stage, &["backup", &name]).success();
    stage.clock.advance_s(600);
    let used_at_ms = stage.now_ms();
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(used_at_ms)));
    stage.stop();
    stage.clock.advance_s(-300);
    storage(&stage, &["restore", &name, "--replace"]).success();
    stage.start();
    stage.clock.advance_s(300);
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit_code(&flow_id, &ada.totp.code(used_at_ms))["errors"]["base"], "invalid_code");
}

#[test]
fn a_restore_is_an_acknowledgement_and_an_anchor_that_is_gone_needs_one() {
    let mut stage = Stage::new();
    let file = stage.directory.beside("backup");
    let name = file.to_str().expect("a UTF-8 path").to_owned();
    storage(&stage, &["backup", &name]).success();
    put_back_what_was_before(&mut stage, |stage| drop(stage.login(BOB)));
    storage(&stage, &["restore", &name, "--replace"]).success();
    stage.start();
    stage.login(ADA);
    stage.stop();
    fs::remove_file(stage.directory.path().join("storage.anchor")).expect("the anchor is taken away");
    stage.start();
    assert_rolled_back(&try_password(&stage, ADA));
    stage.stop();
    storage(&stage, &["acknowledge"]).success();
    stage.start();
    stage.login(ADA);
}

#[test]
fn an_edited_mark_of_a_restore_counts_as_a_restore_of_now() {
    let (mut stage, ada) = Stage::ada_with_totp();
    put_back_what_was_before(&mut stage, |stage| drop(stage.login(BOB)));
    storage(&stage, &["acknowledge"]).success();
    stage.clock.advance_s(90);
    stage.start();
    let used_at_ms = stage.now_ms();
    let tokens = stage.login(BOB);
    stage.stop();
    let mut lines = read_lines(&stage.directory.store_files());
    let mut edited = 0;
    for line in lines.iter_mut().filter(|line| line.is_record_of("restored")) {
        line.edit(|record| record["value"]["uses_unknown_until"] = "2001-01-01T00:00:00.000Z".into());
        edited += 1;
    }
    assert!(edited > 0, "there was a mark to edit");
    write_lines(&lines, true);
    stage.start();
    assert_eq!(stage.me(&tokens).status, 401, "what is open ends once more");
    let flow_id = stage.begin_to_mfa(ADA);
    let step = stage.submit_code(&flow_id, &ada.totp.code(used_at_ms));
    assert_eq!(step["errors"]["base"], "invalid_code", "until when codes were used is not known any more");
    stage.clock.advance_s(60);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
    stage.restart();
    let log = stage.host().log();
    assert!(!log.contains("open_sessions_ended"), "once is enough: {log}");
}
