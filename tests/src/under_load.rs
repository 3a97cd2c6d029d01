//! The store under load: compaction beside logins, and `kill -9` in the middle of everything. What was acknowledged is
//! there afterwards: sessions, used codes, spent attempts.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::ScopedJoinHandle,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{
    ADA, Account, CLIENT_ID, Directory, PASSWORD, PIN, SetAtEnd, Stage, Tokens, Wire, result_of, run_host,
    run_host_with_input, spread,
};

/// How long a snapshot may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sessions and tokens outlive the hours a test lets pass.
const LONG_LIVES: &str = "[limits]\nsession_lifetime_s = 3600\nfirst_factor_lifetime_s = 3600\n\
                          access_token_lifetime_s = 86400\nsessions_per_user_max = 1000";

fn newest_snapshot(directory: &Directory) -> Option<String> {
    let names = directory.store_files().into_iter().filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()));
    // Longer numbers are larger ones.
    names.filter(|name| name.starts_with("snapshot-")).max_by_key(|name| (name.len(), name.clone()))
}

#[test]
fn logins_beside_compactions_lose_nothing() {
    let mut stage = Stage::with(|directory| directory.append_settings(LONG_LIVES));
    stage.set_up_pin(&stage.login(ADA));
    let (tokens, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let wire = stage.wire().clone();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    tokens.lock().expect("no panic").extend(log_in(&wire));
                }
            });
        }
        let _ended = SetAtEnd(&is_over);
        for _ in 0..4 {
            let (before, begun) = (newest_snapshot(&stage.directory), Instant::now());
            let finished = || tokens.lock().expect("no panic").len();
            let enough = finished() + 3;
            // What was superseded is now old enough to be compacted away.
            stage.clock.advance_s(3001);
            while newest_snapshot(&stage.directory) == before || finished() < enough {
                let snapshot = newest_snapshot(&stage.directory);
                assert!(begun.elapsed() < PATIENCE, "{before:?}, then {snapshot:?}; {} logins", finished());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let tokens = tokens.into_inner().expect("no panic");
    for when in ["running", "after kill -9"] {
        for session in &tokens {
            assert_eq!(stage.me(session).status, 200, "{when}");
        }
        stage.crash();
    }
}

/// A whole login with the PIN; none if the clock moved in its middle.
fn log_in(wire: &Wire) -> Option<Tokens> {
    let begin = json!({"client_id": CLIENT_ID, "handler": ["local", null], "redirect_uri": "http://127.0.0.1:9/x"});
    let step = wire.post("/auth/login_flow", &begin).expect(200);
    let path = format!("/auth/login_flow/{}", step["flow_id"].as_str().expect("a flow id"));
    let first = json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD});
    let step = wire.post(&path, &first).expect(200);
    if step["type"] != "form" {
        assert_eq!(step["reason"], "login_expired", "{step}");
        return None;
    }
    let step = wire.post(&path, &json!({"client_id": CLIENT_ID, "pin": PIN})).expect(200);
    if step["type"] == "abort" {
        assert_eq!(step["reason"], "login_expired", "{step}");
        return None;
    }
    let result = result_of(&step);
    let fields = [("grant_type", "authorization_code"), ("client_id", CLIENT_ID), ("code", &*result)];
    let exchanged = wire.post_form("/auth/token", &fields);
    (exchanged.status == 200).then(|| Tokens::of(&exchanged.json()))
}

/// People of the load: each with TOTP, each logging in once a round.
const PEOPLE: [&str; 5] = ["eva", "finn", "gina", "hugo", "ida"];

const ROUNDS: usize = 6;

/// What one of them was told before the power failed.
#[derive(Default)]
struct Told {
    wrong: usize,
    /// The right code was sent, whatever became of it.
    was_right_sent: bool,
    result: Option<String>,
    tokens: Option<Tokens>,
}

#[test]
fn what_was_acknowledged_under_load_survives_kill_9() {
    let mut stage = Stage::with(|directory| {
        for name in PEOPLE {
            run_host_with_input(&directory.path(), &["user", "add", name], &format!("{PASSWORD}\n")).success();
        }
    });
    let people: Vec<Account> = PEOPLE.iter().map(|name| stage.enrol_totp(name)).collect();
    let mut sessions: Vec<(Tokens, i64)> = Vec::new();
    for round in 0..ROUNDS {
        let now_ms = stage.now_ms();
        let told = load_until_the_power_fails(&mut stage, &people, round);
        stage.start();
        for (person, told) in people.iter().zip(told) {
            assert_kept(&stage, person, &told);
            sessions.extend(told.tokens.map(|tokens| (tokens, now_ms)));
        }
        for (session, _) in sessions.iter().filter(|(_, since_ms)| stage.now_ms() - since_ms < 1_800_000) {
            assert_eq!(stage.me(session).status, 200, "a session of this or an earlier round");
        }
        // Past the locks of the wrong codes.
        stage.clock.advance_s(300);
    }
    assert!(!sessions.is_empty(), "in the last round everybody was done before the power failed");
}

/// Everybody guesses wrong some times and then right, until nobody answers any more.
fn load_until_the_power_fails(stage: &mut Stage, people: &[Account], round: usize) -> Vec<Told> {
    let (wire, now_ms) = (stage.wire().clone(), stage.now_ms());
    for person in people {
        // Each round counts from nothing.
        run_host(&stage.directory.path(), &["unlock", person.name]).success();
    }
    let flows: Vec<String> = people.iter().map(|person| stage.begin_to_mfa(person.name)).collect();
    let codes: Vec<(String, String)> =
        people.iter().map(|person| (person.totp.wrong_code(now_ms), person.totp.code(now_ms))).collect();
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..people.len())
            .map(|number| {
                let (wire, flow_id, codes, answered) = (&wire, &flows[number], &codes[number], &answered);
                scope.spawn(move || guesses(wire, flow_id, codes, (number + round) % 4, answered))
            })
            .collect();
        // Later in each round; in the last everybody is done.
        let enough = if round + 1 == ROUNDS { usize::MAX } else { 3 * round };
        while answered.load(Ordering::SeqCst) < enough && !runs.iter().all(ScopedJoinHandle::is_finished) {
            std::thread::yield_now();
        }
        spread(round, 3_000);
        stage.kill9();
        runs.into_iter().map(|run| run.join().expect("a run ends")).collect()
    })
}

fn guesses(
    wire: &Wire,
    flow_id: &str,
    (wrong, right): &(String, String),
    wrong_ones: usize,
    answered: &AtomicUsize,
) -> Told {
    let mut told = Told::default();
    let json_of = |answer: Result<crate::harness::Answer, _>| {
        answer.ok().filter(|answer: &crate::harness::Answer| answer.status == 200).map(|answer| answer.json())
    };
    let submit = |code: &str| {
        let body = json!({"client_id": CLIENT_ID, "code": code}).to_string().into_bytes();
        let headers = [("content-type", "application/json")];
        let step = json_of(wire.send("POST", &format!("/auth/login_flow/{flow_id}"), &headers, Some(body)));
        answered.fetch_add(usize::from(step.is_some()), Ordering::SeqCst);
        step
    };
    for _ in 0..wrong_ones {
        if submit(wrong).is_none() {
            return told;
        }
        told.wrong += 1;
    }
    told.was_right_sent = true;
    let Some(step) = submit(right) else { return told };
    let result = result_of(&step);
    let body = format!("grant_type=authorization_code&client_id=http%3A%2F%2F127.0.0.1%3A9%2F&code={result}");
    told.result = Some(result);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let exchanged = json_of(wire.send("POST", "/auth/token", &headers, Some(body.into_bytes())));
    told.tokens = exchanged.map(|answer| Tokens::of(&answer));
    told
}

/// What somebody was told holds after the restart.
fn assert_kept(stage: &Stage, person: &Account, told: &Told) {
    let flow_id = stage.begin_to_mfa(person.name);
    if let Some(result) = &told.result {
        let code = person.totp.code(stage.now_ms());
        let again = stage.submit(&flow_id, json!({"code": code})).expect(200);
        assert_eq!(again["type"], "form", "a used code stays used: {again}");
        match &told.tokens {
            Some(tokens) => assert_eq!(stage.me(tokens).status, 200, "an acknowledged session works"),
            // A lost answer of the token endpoint may have used the code, which then ends what it made.
            None => assert!([200, 400].contains(&stage.exchange(result).status)),
        }
        return;
    }
    if told.was_right_sent {
        // Whether it counted nobody was told. If it did, it is used up and has forgiven the wrong ones; if not, it is good.
        stage.submit(&flow_id, json!({"code": person.totp.code(stage.now_ms())})).expect(200);
        return;
    }
    // Spent attempts stay spent: five in a row lock, and at most one more was spent that nobody was told of.
    let wrong = person.totp.wrong_code(stage.now_ms());
    let mut judged = 0;
    while stage.submit(&flow_id, json!({"code": wrong})).status == 200 {
        judged += 1;
        assert!(judged <= 5, "the account's limit holds");
    }
    let left = 5 - told.wrong;
    assert!(judged == left || judged + 1 == left, "{judged} more were judged after {} wrong", told.wrong);
}
