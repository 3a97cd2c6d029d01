//! Somebody who may write the files but lacks the key gains nothing: edited, swapped and re-dated records are
//! refused, each by itself. `rollback` has what becomes of a store that is put back as a whole.

use serde_json::{Value, json};

use crate::harness::{ADA, Account, Answer, BOB, PIN, Stage, assert_invalid_flow, read_lines, result_of, write_lines};

/// Ada waits for her code; bob has a PIN.
fn waiting_login() -> (Stage, Account, String) {
    let (stage, ada) = Stage::ada_with_totp();
    stage.set_up_pin(&stage.login(BOB));
    let flow_id = stage.begin_to_mfa(ADA);
    (stage, ada, flow_id)
}

fn assert_refused(answer: &Answer) {
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "{}", answer.status);
}

fn assert_others_go_on(stage: &Stage, ada: &Account) {
    let flow_id = stage.begin_to_mfa(BOB);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &ada.totp.code(stage.now_ms())));
}

/// Stops the host, edits every session record with `change`, makes the framing fit again, starts the host.
fn with_edited_sessions(stage: &mut Stage, change: impl Fn(&mut Value)) {
    stage.stop();
    let mut lines = read_lines(&stage.directory.store_files());
    let mut edited = 0;
    for line in lines.iter_mut().filter(|line| line.is_record_of("session")) {
        let before = line.text.clone();
        line.edit(&change);
        edited += usize::from(line.text != before);
    }
    assert!(edited > 0, "there was a session record to edit");
    write_lines(&lines, true);
    stage.start();
}

#[test]
fn a_session_with_a_later_end_is_refused() {
    let (mut stage, ada, flow_id) = waiting_login();
    with_edited_sessions(&mut stage, |record| record["value"]["expires_at"] = "2036-01-01T00:00:00.000Z".into());
    assert_refused(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
    assert_others_go_on(&stage, &ada);
}

#[test]
fn a_session_of_another_user_is_refused() {
    let (mut stage, ada, flow_id) = waiting_login();
    with_edited_sessions(&mut stage, |record| {
        assert!(record["value"]["user"].is_string(), "the user is readable: {record}");
        record["value"]["user"] = "somebody-else".into();
    });
    assert_refused(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
    assert_others_go_on(&stage, &ada);
}

#[test]
fn a_session_with_another_revision_is_refused() {
    let (mut stage, ada, flow_id) = waiting_login();
    with_edited_sessions(&mut stage, |record| {
        // An old line told as the newest would give attempts back.
        let revision = record["revision"].as_u64().expect("a revision");
        record["sealed"] = flip(&record["sealed"]);
        record["revision"] = revision.into();
    });
    assert_refused(&stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
    assert_others_go_on(&stage, &ada);
}

/// Changes one character in the middle of a sealed text, wherever it stands in the value.
fn flip(sealed: &Value) -> Value {
    match sealed {
        Value::String(text) if text.len() > 8 => {
            let middle = text.len() / 2;
            let other = if &text[middle..=middle] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &text[..middle], &text[middle + 1..]).into()
        }
        Value::Object(parts) => {
            parts.iter().map(|(name, part)| (name.clone(), flip(part))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[test]
fn swapped_records_are_refused() {
    let (mut stage, ada, of_ada) = waiting_login();
    let of_bob = stage.begin_to_mfa(BOB);
    stage.stop();
    let mut lines = read_lines(&stage.directory.store_files());
    let last = |lines: &[crate::harness::Line], key: Option<&str>| {
        lines
            .iter()
            .rposition(|line| line.is_record_of("session") && key.is_none_or(|key| line.key() != Some(key)))
            .expect("a session record")
    };
    let one = last(&lines, None);
    let key = lines[one].key().map(str::to_owned);
    let two = last(&lines, key.as_deref());
    let (a, b) = (lines[one].json.clone(), lines[two].json.clone());
    assert_ne!(a["value"]["user"], b["value"]["user"], "one session of each user");
    lines[one].edit(|line| (line["value"], line["sealed"]) = (b["value"].clone(), b["sealed"].clone()));
    lines[two].edit(|line| (line["value"], line["sealed"]) = (a["value"].clone(), a["sealed"].clone()));
    write_lines(&lines, true);
    stage.start();
    assert_refused(&stage.submit(&of_ada, json!({"code": ada.totp.code(stage.now_ms())})));
    assert_refused(&stage.submit(&of_bob, json!({"pin": PIN})));
    assert_others_go_on(&stage, &ada);
}

#[test]
fn an_edited_enrolment_lets_nobody_in() {
    let (mut stage, ada, _) = waiting_login();
    stage.stop();
    let mut lines = read_lines(&stage.directory.store_files());
    let before: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    for line in &mut lines {
        let kind = line.key().and_then(|key| key.split('/').next()).unwrap_or_default().to_owned();
        if line.json["sealed"].is_string() && !["session", "user"].contains(&kind.as_str()) {
            line.edit(|record| record["sealed"] = flip(&record["sealed"]));
        }
    }
    assert!(lines.iter().zip(&before).any(|(line, text)| &line.text != text), "something sealed was edited");
    write_lines(&lines, true);
    stage.start();
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": crate::harness::PASSWORD}));
    let answer = if step.status == 200 && step.json()["type"] == "form" {
        stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}))
    } else {
        step
    };
    assert!(answer.status != 200 || answer.json()["type"] != "create_entry", "a damaged factor is never no factor");
}

#[test]
fn another_key_opens_nothing() {
    let (mut stage, _, flow_id) = waiting_login();
    stage.stop();
    let other = Stage::stopped();
    let own = stage.directory.path().join("secret.key");
    crate::harness::run_host_with_input(
        &stage.directory.beside("other"),
        &["init", "--user", ADA],
        &format!("{}\n", crate::harness::PASSWORD),
    )
    .success();
    drop(other);
    std::fs::copy(stage.directory.beside("other").join("secret.key"), own).expect("the key is replaced");
    match crate::harness::Host::try_start(&stage.directory.path()) {
        Err(_) => {}
        Ok(host) => {
            let body = json!({"client_id": crate::harness::CLIENT_ID, "code": "000000"});
            let answer = host.wire.post(&format!("/auth/login_flow/{flow_id}"), &body);
            assert!(matches!(answer.status, 404 | 503), "{}", answer.status);
        }
    }
}

#[test]
fn an_edit_without_a_fitting_checksum_is_damage_or_an_unfinished_write_but_never_a_yes() {
    let (mut stage, ada, flow_id) = waiting_login();
    stage.stop();
    let mut lines = read_lines(&stage.directory.store_files());
    for line in lines.iter_mut().filter(|line| line.is_record_of("session")) {
        line.edit(|record| record["value"]["expires_at"] = "2036-01-01T00:00:00.000Z".into());
    }
    write_lines(&lines, false);
    stage.start();
    let answer = stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())}));
    match answer.status {
        503 => assert_eq!(answer.json()["code"], "storage_damaged"),
        _ => assert_invalid_flow(&answer),
    }
}
