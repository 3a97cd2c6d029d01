//! An admin's word against logins in full run: once it is acknowledged, no login finishes that it forbids, and nothing
//! opens that was given before.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{BOB, PASSWORD, PIN, SetAtEnd, Stage, Tokens, result_of, run_host, run_host_with_input, spread};

/// How long it may take on a busy machine until logins are in full run.
const PATIENCE: Duration = Duration::from_secs(60);

const LOGINS_AT_ONCE: usize = 5;
const ROUNDS: usize = 4;

/// What logins got while an admin's command ran beside them.
#[derive(Default)]
struct Seen {
    /// Logins that finished though their last request was sent after the acknowledgement.
    late: Vec<String>,
    tokens: Vec<Tokens>,
    unclaimed_results: Vec<String>,
    waiting: Vec<String>,
}

/// Bob with a PIN; sessions enough that none of a round is pushed out by another.
fn bob_with_pin() -> Stage {
    let stage = Stage::with(|directory| directory.append_settings("[limits]\nsessions_per_user_max = 1000"));
    stage.set_up_pin(&stage.login(BOB));
    stage
}

/// Lets bob log in again and again, runs the command in the middle, and goes on until each has tried once more.
fn logins_beside(stage: &Stage, round: usize, password: &str, command: impl FnOnce()) -> Seen {
    let (seen, acknowledged, logins) = (Mutex::new(Seen::default()), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..LOGINS_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let is_last = acknowledged.load(Ordering::SeqCst);
                    log_in(stage, password, logins.fetch_add(1, Ordering::SeqCst), &acknowledged, &seen);
                    if is_last {
                        return;
                    }
                }
            });
        }
        let _ended = SetAtEnd(&acknowledged);
        let is_in_full_run = |seen: &Seen| seen.tokens.len() >= LOGINS_AT_ONCE && seen.waiting.len() >= 2;
        let begun = Instant::now();
        while !is_in_full_run(&seen.lock().expect("no login panics")) {
            assert!(begun.elapsed() < PATIENCE, "no logins in round {round}");
            std::thread::sleep(Duration::from_millis(1));
        }
        spread(round, 30_000);
        command();
    });
    seen.into_inner().expect("no login panics")
}

fn log_in(stage: &Stage, password: &str, number: usize, acknowledged: &AtomicBool, seen: &Mutex<Seen>) {
    let flow_id = stage.begin();
    let is_late = acknowledged.load(Ordering::SeqCst);
    let step = stage.submit(&flow_id, json!({"username": BOB, "password": password}));
    let is_form = |name: &str| step.status == 200 && step.json()["type"] == "form" && step.json()["step_id"] == name;
    if !is_form("mfa") {
        if is_late && step.status == 200 && step.json()["type"] == "create_entry" {
            seen.lock().expect("no panic").late.push(format!("by password alone: {}", step.json()));
        }
        return;
    }
    if number.is_multiple_of(4) {
        seen.lock().expect("no panic").waiting.push(flow_id);
        return;
    }
    let is_late = acknowledged.load(Ordering::SeqCst);
    let answer = stage.submit(&flow_id, json!({"pin": PIN}));
    if answer.status != 200 || answer.json()["type"] != "create_entry" {
        return;
    }
    let result = result_of(&answer.json());
    if is_late {
        seen.lock().expect("no panic").late.push(format!("by PIN: {}", answer.json()));
    }
    if number % 4 == 1 {
        seen.lock().expect("no panic").unclaimed_results.push(result);
        return;
    }
    let is_late = acknowledged.load(Ordering::SeqCst);
    let exchanged = stage.exchange(&result);
    if exchanged.status == 200 {
        let mut seen = seen.lock().expect("no panic");
        seen.tokens.push(Tokens::of(&exchanged.json()));
        if is_late {
            seen.late.push("at the token endpoint".to_owned());
        }
    }
}

/// Everything given before the command is dead after it.
fn assert_all_is_over(stage: &Stage, seen: &Seen) {
    for tokens in &seen.tokens {
        assert_eq!(stage.me(tokens).status, 401, "an access token of before");
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh)];
        assert_eq!(stage.wire().post_form("/auth/token", &fields).status, 400, "a refresh token of before");
    }
    for result in &seen.unclaimed_results {
        assert_ne!(stage.exchange(result).status, 200, "a result code of before");
    }
    for flow_id in &seen.waiting {
        let answer = stage.submit(flow_id, json!({"pin": PIN}));
        assert!(answer.status != 200 || answer.json()["type"] == "abort", "a login that waited: {answer:?}");
    }
}

#[test]
fn once_a_user_is_switched_off_no_login_finishes_and_no_session_works() {
    let mut stage = bob_with_pin();
    for round in 0..ROUNDS {
        let seen = logins_beside(&stage, round, PASSWORD, || {
            run_host(&stage.directory.path(), &["user", "disable", BOB]).success();
        });
        assert_eq!(seen.late, Vec::<String>::new());
        assert_all_is_over(&stage, &seen);
        run_host(&stage.directory.path(), &["user", "enable", BOB]).success();
        assert_all_is_over(&stage, &seen);
        // The delay for what counted as wrong passwords runs out.
        stage.clock.advance_s(901);
    }
    stage.login_with_pin(BOB, PIN);
}

#[test]
fn once_a_password_is_changed_no_login_by_the_former_finishes() {
    let mut stage = bob_with_pin();
    let mut password = PASSWORD.to_owned();
    for round in 0..ROUNDS {
        let new_password = format!("another-password-{round}");
        let seen = logins_beside(&stage, round, &password, || {
            let input = format!("{new_password}\n");
            run_host_with_input(&stage.directory.path(), &["user", "passwd", BOB], &input).success();
        });
        assert_eq!(seen.late, Vec::<String>::new());
        assert_all_is_over(&stage, &seen);
        stage.clock.advance_s(901);
        password = new_password;
    }
    let step = stage.submit(&stage.begin(), json!({"username": BOB, "password": password})).expect(200);
    assert_eq!(step["step_id"], "mfa", "{step}");
}

#[test]
fn once_a_users_factors_are_reset_no_login_by_one_of_them_finishes() {
    let mut stage = bob_with_pin();
    for round in 0..ROUNDS {
        let seen = logins_beside(&stage, round, PASSWORD, || {
            run_host(&stage.directory.path(), &["mfa", "reset", BOB]).success();
        });
        let by_pin: Vec<&String> = seen.late.iter().filter(|late| !late.starts_with("by password alone")).collect();
        assert_eq!(by_pin, Vec::<&String>::new());
        assert_all_is_over(&stage, &seen);
        stage.clock.advance_s(901);
        stage.set_up_pin(&stage.login(BOB));
    }
}

#[test]
fn once_a_user_is_removed_no_login_finishes() {
    let mut stage = bob_with_pin();
    for round in 0..ROUNDS {
        let seen = logins_beside(&stage, round, PASSWORD, || {
            run_host(&stage.directory.path(), &["user", "remove", BOB]).success();
        });
        assert_eq!(seen.late, Vec::<String>::new());
        assert_all_is_over(&stage, &seen);
        stage.clock.advance_s(901);
        let input = format!("{PASSWORD}\n");
        run_host_with_input(&stage.directory.path(), &["user", "add", BOB], &input).success();
        assert_all_is_over(&stage, &seen);
        stage.set_up_pin(&stage.login(BOB));
    }
}
