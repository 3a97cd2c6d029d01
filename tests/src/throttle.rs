//! The host counts: per user and module, across flows, whatever the module thinks of it.

use serde_json::json;

use crate::harness::{ADA, Answer, BOB, CLIENT_ID, PASSWORD, PIN, Stage, TotpSecret, assert_form, result_of};

/// A new login up to its code, or the 429 that stands where that would be.
fn try_code(stage: &Stage, code: &str) -> Answer {
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD}));
    if step.status == 429 { step } else { stage.submit(&flow_id, json!({"code": code})) }
}

fn lock(stage: &Stage, totp: &TotpSecret) {
    let wrong = totp.wrong_code(stage.now_ms());
    for _ in 0..5 {
        try_code(stage, &wrong).expect(200);
    }
}

fn retry_after_s(answer: &Answer) -> i64 {
    assert_eq!(answer.status, 429, "{}", String::from_utf8_lossy(&answer.body));
    answer.header("retry-after").expect("Retry-After").parse().expect("seconds")
}

#[test]
fn five_wrong_codes_across_flows_lock_for_a_minute_even_for_the_right_code() {
    let (mut stage, ada) = Stage::ada_with_totp();
    lock(&stage, &ada.totp);
    let wait_s = retry_after_s(&try_code(&stage, &ada.totp.code(stage.now_ms())));
    assert!((1..=60).contains(&wait_s), "{wait_s}");
    stage.clock.advance_s(59);
    retry_after_s(&try_code(&stage, &ada.totp.code(stage.now_ms())));
    stage.clock.advance_ms(1_001);
    result_of(&try_code(&stage, &ada.totp.code(stage.now_ms())).expect(200));
}

#[test]
fn each_lock_is_twice_as_long_and_has_one_guess_after_it() {
    let (mut stage, ada) = Stage::ada_with_totp();
    lock(&stage, &ada.totp);
    for lock_s in [60, 120, 240] {
        stage.clock.advance_ms(lock_s * 1000 + 1);
        let wrong = ada.totp.wrong_code(stage.now_ms());
        assert_eq!(try_code(&stage, &wrong).status, 200, "one guess after {lock_s} s");
        let wait_s = retry_after_s(&try_code(&stage, &ada.totp.code(stage.now_ms())));
        assert!(wait_s > lock_s && wait_s <= 2 * lock_s, "{wait_s} after {lock_s}");
    }
}

#[test]
fn a_new_flow_does_not_reset_the_count() {
    let (stage, ada) = Stage::ada_with_totp();
    let wrong = ada.totp.wrong_code(stage.now_ms());
    let first = stage.begin_to_mfa(ADA);
    for _ in 0..3 {
        stage.submit_code(&first, &wrong);
    }
    let second = stage.begin_to_mfa(ADA);
    stage.submit_code(&second, &wrong);
    stage.submit_code(&second, &wrong);
    retry_after_s(&stage.submit(&second, json!({"code": ada.totp.code(stage.now_ms())})));
}

#[test]
fn a_right_code_starts_the_count_anew() {
    let (mut stage, ada) = Stage::ada_with_totp();
    for _ in 0..2 {
        let wrong = ada.totp.wrong_code(stage.now_ms());
        for _ in 0..4 {
            try_code(&stage, &wrong).expect(200);
        }
        result_of(&try_code(&stage, &ada.totp.code(stage.now_ms())).expect(200));
        stage.clock.advance_s(30);
    }
}

#[test]
fn fifty_parallel_guesses_get_no_more_than_the_limit() {
    let (stage, ada) = Stage::ada_with_totp();
    let flows: Vec<String> = (0..10).map(|_| stage.begin_to_mfa(ADA)).collect();
    let wrong = ada.totp.wrong_code(stage.now_ms());
    let judged = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..50)
            .map(|number| {
                let (stage, flow_id, wrong) = (&stage, &flows[number % 10], &wrong);
                scope.spawn(move || stage.submit(flow_id, json!({"code": wrong})))
            })
            .collect();
        guesses
            .into_iter()
            .map(|guess| guess.join().expect("a guess ends"))
            // Only a verdict of the module is a 200; 429, 503 and 404 judged nothing.
            .filter(|answer| answer.status == 200)
            .count()
    });
    assert!((1..=5).contains(&judged), "{judged} guesses were judged");
    retry_after_s(&try_code(&stage, &ada.totp.code(stage.now_ms())));
}

#[test]
fn the_lock_is_of_one_module_and_one_user() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let totp = stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    stage.set_up_pin(&stage.login(BOB));
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "totp"})).expect(200);
    for _ in 0..5 {
        stage.submit_code(&flow_id, &totp.wrong_code(stage.now_ms()));
    }
    let flow_id = stage.begin();
    assert_form(&stage.submit_password(&flow_id, ADA), "select_mfa_module");
    let step = stage.submit(&flow_id, json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    assert_form(&step, "mfa");
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
    let flow_id = stage.begin_to_mfa(BOB);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

#[test]
fn without_the_first_factor_nobody_locks_anothers_second() {
    let (mut stage, ada) = Stage::ada_with_totp();
    for _ in 0..8 {
        let flow_id = stage.begin();
        stage.submit(&flow_id, json!({"username": ADA, "password": "wrong-password"}));
        stage.submit(&flow_id, json!({"code": "000000"}));
        stage.clock.advance_s(600);
    }
    result_of(&try_code(&stage, &ada.totp.code(stage.now_ms())).expect(200));
}

#[test]
fn nothing_is_stored_before_the_first_factor() {
    let stage = Stage::new();
    let size = |stage: &Stage| -> u64 {
        stage.directory.store_files().iter().map(|file| file.metadata().expect("a file").len()).sum()
    };
    let before = size(&stage);
    for _ in 0..20 {
        stage.begin();
    }
    assert_eq!(size(&stage), before);
}

#[test]
fn wrong_passwords_are_slowed_down_per_source() {
    let stage = Stage::new();
    let answers: Vec<u16> = (0..20)
        .map(|_| stage.submit(&stage.begin(), json!({"username": ADA, "password": "wrong-password"})).status)
        .collect();
    assert!(answers.contains(&429), "{answers:?}");
    assert_eq!(answers[0], 200, "the first mistake is free");
}

/// Statuses of wrong passwords for one name, all sent at once.
fn guess_passwords_at_once(stage: &Stage, guesses: usize) -> Vec<u16> {
    let flows: Vec<String> = (0..guesses).map(|_| stage.begin()).collect();
    std::thread::scope(|scope| {
        let tries: Vec<_> = flows
            .iter()
            .map(|flow_id| {
                scope.spawn(|| stage.submit(flow_id, json!({"username": ADA, "password": "wrong-password"})).status)
            })
            .collect();
        tries.into_iter().map(|run| run.join().expect("a try ends")).collect()
    })
}

#[test]
fn passwords_guessed_at_once_are_slowed_down_like_one_after_the_other() {
    let mut stage = Stage::new();
    let judged = |statuses: &[u16]| statuses.iter().filter(|&&status| status == 200).count();
    let first = guess_passwords_at_once(&stage, 40);
    assert!(judged(&first) <= 10, "eight at once, and two more while the third wrong one is not in: {first:?}");
    stage.clock.advance_s(60);
    let second = guess_passwords_at_once(&stage, 20);
    assert_eq!(judged(&second), 1, "one after each delay: {second:?}");
}

#[test]
fn right_passwords_at_once_all_pass() {
    let stage = Stage::new();
    let flows: Vec<String> = (0..8).map(|_| stage.begin()).collect();
    let passed = std::thread::scope(|scope| {
        let tries: Vec<_> = flows
            .iter()
            .map(|flow_id| scope.spawn(|| stage.submit(flow_id, json!({"username": ADA, "password": PASSWORD}))))
            .collect();
        tries.into_iter().map(|run| run.join().expect("a try ends").status).collect::<Vec<_>>()
    });
    assert_eq!(passed, [200; 8]);
}

#[test]
fn more_password_checks_than_the_queue_holds_are_answered_503() {
    let stage = Stage::with(|directory| {
        directory.replace_setting("iterations = 2", "iterations = 64");
        directory.append_settings("[limits]\npassword_hashes_at_once = 1\npassword_queue_max = 1");
    });
    let flows: Vec<String> = (0..12).map(|_| stage.begin()).collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let tries: Vec<_> = flows
            .iter()
            .enumerate()
            .map(|(number, flow_id)| {
                let fields = json!({"username": format!("nobody {number}"), "password": PASSWORD});
                scope.spawn(|| stage.submit(flow_id, fields))
            })
            .collect();
        tries.into_iter().map(|run| run.join().expect("a try ends")).collect()
    });
    let busy: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!busy.is_empty() && busy.len() < answers.len(), "some wait, some are sent away");
    assert!(busy.iter().all(|answer| answer.json()["code"] == "busy" && answer.header("retry-after").is_some()));
    stage.login(BOB);
}

#[test]
fn neither_spelling_nor_a_made_up_address_gets_round_the_delay() {
    let judged = |stage: &Stage| {
        let guess = |number: usize| {
            let name = ["ada", "ADA", " Ada "][number % 3];
            let body = json!({"client_id": CLIENT_ID, "username": name, "password": "wrong-password"}).to_string();
            let forwarded_for = format!("192.0.2.{number}");
            let headers = [("content-type", "application/json"), ("x-forwarded-for", &*forwarded_for)];
            stage.wire().send("POST", "/api/login", &headers, Some(body.into_bytes())).expect("an answer").status
        };
        (0..9).map(guess).filter(|&status| status == 401).count()
    };
    assert_eq!(judged(&Stage::new()), 3, "a stranger's header counts for nothing");
    let behind_a_proxy = Stage::with(|directory| {
        directory.replace_setting("name = ", "trusted_proxies = [\"127.0.0.0/8\"]\nname = ");
    });
    assert_eq!(judged(&behind_a_proxy), 9, "each is a source of its own");
}

#[test]
fn all_addresses_of_an_ipv6_64_are_one_source() {
    let stage = Stage::with(|directory| {
        directory.replace_setting("name = ", "trusted_proxies = [\"127.0.0.0/8\"]\nname = ");
    });
    let guess = |address: &str, password: &str| {
        let body = json!({"client_id": CLIENT_ID, "username": ADA, "password": password}).to_string();
        let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
        stage.wire().send("POST", "/api/login", &headers, Some(body.into_bytes())).expect("an answer").status
    };
    for host in 1..=3 {
        assert_eq!(guess(&format!("2001:db8:0:1:{host}::{host}"), "wrong-password"), 401, "the first three are free");
    }
    assert_eq!(guess("2001:db8:0:1:ffff:ffff:ffff:ffff", PASSWORD), 429, "a new address of the same /64");
    assert_eq!(guess("[2001:db8:0:1::7]:4711", PASSWORD), 429, "with a port");
    assert_eq!(guess("2001:db8:0:2::1", PASSWORD), 200, "the next /64 waits for nobody");
    assert_eq!(guess("2001:db8:0:0:1::1", PASSWORD), 200, "nor does the one before");
}
