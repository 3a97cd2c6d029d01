//! Rule 20 from outside: a write of the journal fails. From then on nobody signs in until a restart, and after it all
//! that was acknowledged is there. The file is kept from growing by a limit on the running process, which needs no
//! rights and tears the write in its middle as a full disk does.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::harness::{ADA, Answer, BOB, CLIENT_ID, PASSWORD, PIN, Stage, Tokens, at_once, result_of};

fn limit_file_size(stage: &Stage, bytes: Option<u64>) {
    let process = i32::try_from(stage.host().process()).ok().and_then(Pid::from_raw).expect("a process");
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(process), Resource::Fsize, limit).expect("a process of ours can be limited");
}

/// The journal cannot grow by more than this.
fn leave_room_for(stage: &Stage, bytes: u64) {
    let journals = stage.directory.store_files();
    // Behind its last change a journal has room for more, filled with ends of lines.
    let length = |file: &PathBuf| fs::read(file).expect("a journal").trim_ascii_end().len() as u64;
    let longest = journals.iter().map(length).max();
    limit_file_size(stage, Some(longest.expect("a journal") + bytes));
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.json()["code"], "storage_unavailable", "{}", answer.json());
}

/// Every way to a "yes" is closed.
fn assert_nobody_gets_in(stage: &Stage, waiting: &str, code: &str, tokens: &Tokens) {
    let flow_id = stage.begin();
    assert_unavailable(&stage.submit(&flow_id, json!({"username": BOB, "password": PASSWORD})));
    assert_unavailable(&stage.submit(waiting, json!({"code": code})));
    let plain = json!({"client_id": CLIENT_ID, "username": BOB, "password": PASSWORD});
    assert_unavailable(&stage.wire().post("/api/login", &plain));
    assert_unavailable(&stage.me(tokens));
    assert_unavailable(&stage.begin_setup(tokens, "totp"));
    assert_unavailable(&stage.delete_method(tokens, "totp"));
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh)];
    assert_eq!(stage.wire().post_form("/auth/token", &refresh).status, 503);
    assert_eq!(stage.wire().get("/healthz").status, 503);
}

#[test]
fn after_a_failed_write_nobody_signs_in_until_a_restart_and_nothing_acknowledged_is_lost() {
    // With no room at all, and with room for a part of what is written.
    for room in [0, 150, 700] {
        let (mut stage, ada) = Stage::ada_with_totp();
        let tokens = stage.login_totp(&ada);
        let waiting = stage.begin_to_mfa(ADA);
        let code = ada.totp.code(stage.now_ms());
        leave_room_for(&stage, room);
        assert_unavailable(&stage.submit(&waiting, json!({"code": code})));
        assert_nobody_gets_in(&stage, &waiting, &code, &tokens);
        // Room comes back; what the disk has now nobody knows before the files were read anew.
        limit_file_size(&stage, None);
        assert_nobody_gets_in(&stage, &waiting, &code, &tokens);
        stage.restart();
        assert_eq!(stage.signed_in_name(&tokens), ADA, "room for {room} bytes");
        result_of(&stage.submit(&waiting, json!({"code": code})).expect(200));
        stage.login(BOB);
    }
}

#[test]
fn a_disk_that_fills_up_under_load_takes_nothing_back() {
    for room in [1_000, 20_000] {
        let mut stage = Stage::with(|directory| directory.append_settings("[limits]\nsessions_per_user_max = 100"));
        stage.set_up_pin(&stage.login(ADA));
        leave_room_for(&stage, room);
        let (is_refused, kept) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        at_once(4, |_| {
            while !is_refused.load(Ordering::SeqCst) {
                let finished = log_in(&stage, &is_refused);
                kept.lock().expect("no panic").extend(finished);
            }
        });
        assert_unavailable(&stage.submit(&stage.begin(), json!({"username": ADA, "password": PASSWORD})));
        stage.crash();
        for tokens in kept.into_inner().expect("no panic") {
            assert_eq!(stage.me(&tokens).status, 200, "room for {room} bytes");
        }
        stage.login_with_pin(ADA, PIN);
    }
}

/// A whole login, unless the store refuses; a "yes" asked for after the first refusal is a failure.
fn log_in(stage: &Stage, is_refused: &AtomicBool) -> Option<Tokens> {
    let ask = |send: &dyn Fn() -> Answer| {
        let was_refused = is_refused.load(Ordering::SeqCst);
        let answer = send();
        if answer.status == 503 {
            is_refused.store(true, Ordering::SeqCst);
            return None;
        }
        assert!(!was_refused, "a yes after a failed write: {}", String::from_utf8_lossy(&answer.body));
        Some(answer.expect(200))
    };
    let flow_id = stage.begin();
    ask(&|| stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD})))?;
    let step = ask(&|| stage.submit(&flow_id, json!({"pin": PIN})))?;
    let result = result_of(&step);
    ask(&|| stage.exchange(&result)).map(|answer| Tokens::of(&answer))
}
