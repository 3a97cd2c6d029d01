//! Passwords: what a new one has to be, how users change their own, and what is left after a reset.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{
    ADA, Answer, BOB, CLIENT_ID, PASSWORD, PIN, Stage, Tokens, assert_abort, assert_form, assert_invalid_flow,
    read_lines, run_host, run_host_with_input,
};

const NEW: &str = "a-quite-new-word-88";
const OTHER: &str = "yet-another-word-99";

fn change(stage: &Stage, tokens: &Tokens, old: &str, new: &str, end_others: Option<bool>) -> Answer {
    let mut body = json!({"old_password": old, "new_password": new});
    if let Some(end_others) = end_others {
        body["end_other_sessions"] = end_others.into();
    }
    stage.wire().post_as(&tokens.access, "/api/password", &body)
}

fn opens(stage: &Stage, name: &str, password: &str) -> bool {
    let body = json!({"client_id": CLIENT_ID, "username": name, "password": password});
    stage.wire().post("/api/login", &body).status == 200
}

/// The one-time code of a reset.
fn reset(stage: &Stage, name: &str, more: &[&str]) -> String {
    let arguments = [&["user", "reset", name, "--json"], more].concat();
    let told = run_host(&stage.directory.path(), &arguments).success().json();
    told["code"].as_str().expect("a code").to_owned()
}

#[track_caller]
fn sign_in(stage: &Stage, name: &str, password: &str) -> (String, Value) {
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": name, "password": password})).expect(200);
    (flow_id, step)
}

#[test]
fn ones_own_password_is_changed_with_the_former_one() {
    let stage = Stage::new();
    let (own, other) = (stage.login(ADA), stage.login(ADA));
    assert_eq!(change(&stage, &own, "wrong-password", NEW, None).expect(401)["code"], "invalid_auth");
    assert_eq!(change(&stage, &own, PASSWORD, PASSWORD, None).expect(400)["errors"]["new_password"], "unchanged");
    assert!(opens(&stage, ADA, PASSWORD), "nothing was changed");
    change(&stage, &own, PASSWORD, NEW, None).expect(204);
    assert!(!opens(&stage, ADA, PASSWORD) && opens(&stage, ADA, NEW));
    assert_eq!((stage.me(&own).status, stage.me(&other).status), (200, 401), "the other session has ended");
    assert!(opens(&stage, BOB, PASSWORD), "nobody else's changed");
}

#[test]
fn other_sessions_stay_if_the_user_wants_it_and_logins_in_progress_never_do() {
    let stage = Stage::new();
    stage.set_up_pin(&stage.login(ADA));
    let sign_in_fully = || {
        let (flow_id, _) = sign_in(&stage, ADA, PASSWORD);
        stage.tokens_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200))
    };
    let (own, other) = (sign_in_fully(), sign_in_fully());
    let waiting = stage.begin_to_mfa(ADA);
    change(&stage, &own, PASSWORD, NEW, Some(false)).expect(204);
    assert_eq!((stage.me(&own).status, stage.me(&other).status), (200, 200));
    assert_invalid_flow(&stage.submit(&waiting, json!({"pin": PIN})));
}

#[test]
fn with_a_factor_a_new_password_needs_a_fresh_proof_of_it() {
    let (mut stage, account) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&account);
    stage.clock.advance_s(600);
    let refused = change(&stage, &tokens, PASSWORD, NEW, None);
    assert_eq!(refused.expect(401)["code"], "insufficient_user_authentication");
    stage.prove(&account, &tokens);
    change(&stage, &tokens, PASSWORD, NEW, None).expect(204);
    assert_eq!(stage.wire().post("/api/password", &json!({"old_password": NEW, "new_password": OTHER})).status, 401);
}

#[test]
fn guessing_the_former_password_is_slowed_down_like_a_login() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let answers: Vec<u16> =
        (0..6).map(|guess| change(&stage, &tokens, &format!("wrong-{guess}"), NEW, None).status).collect();
    assert_eq!(answers, [401, 401, 401, 429, 429, 429]);
    let right = change(&stage, &tokens, PASSWORD, NEW, None);
    assert_eq!(right.status, 429, "the right one waits as well");
    assert!(right.header("retry-after").is_some());
}

#[test]
fn of_two_changes_at_once_one_wins() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let answers: Vec<u16> = thread::scope(|scope| {
        let wishes = [NEW, OTHER].map(|new| scope.spawn(|| change(&stage, &tokens, PASSWORD, new, None).status));
        wishes.into_iter().map(|wish| wish.join().expect("an answer")).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 204).count(), 1, "{answers:?}");
    assert!(opens(&stage, ADA, NEW) != opens(&stage, ADA, OTHER));
}

#[test]
fn every_place_that_sets_a_password_has_the_same_rules() {
    let stage = Stage::with(|directory| {
        directory.append_settings("[passwords]\nlength_min = 10\nblocklist_file = \"listed.txt\"");
        std::fs::write(directory.path().join("listed.txt"), "one of the listed\n").expect("the list is written");
        directory.append_settings("[sign_up]\nmode = \"open\"");
    });
    let tokens = stage.login(ADA);
    let code = reset(&stage, BOB, &[]);
    let (flow_id, step) = sign_in(&stage, BOB, &code);
    assert_form(&step, "set_password");
    for (password, word) in [
        ("kz7.ß3x9q", "too_short"),
        ("password123", "too_common"),
        ("1234567890", "too_common"),
        ("ONE of the listed", "too_common"),
        ("Test host12", "is_a_name"),
    ] {
        let own = change(&stage, &tokens, PASSWORD, password, None).expect(400);
        assert_eq!((&own["code"], &own["errors"]["new_password"]), (&json!("password_refused"), &json!(word)));
        let step = stage.submit(&flow_id, json!({"new_password": password})).expect(200);
        assert_eq!(step["errors"]["new_password"], word, "{step}");
        let path = stage.directory.path();
        for command in [&["user", "add", "cleo"][..], &["user", "passwd", ADA]] {
            assert_eq!(run_host_with_input(&path, command, &format!("{password}\n")).code, Some(1), "{password}");
        }
    }
    let signed_up = stage.wire().post("/api/signup", &json!({"username": "dora", "password": "password123"}));
    assert_eq!(signed_up.expect(400)["errors"]["password"], "too_common");
    // A list that cannot be read refuses all, and says so to the admin only.
    std::fs::remove_file(stage.directory.path().join("listed.txt")).expect("the list goes");
    let answer = change(&stage, &tokens, PASSWORD, NEW, None);
    assert_eq!(answer.expect(503)["code"], "no_blocklist");
    assert!(!String::from_utf8_lossy(&answer.body).contains("listed.txt"));
    assert!(run_host(&stage.directory.path(), &["config", "check"]).text().contains("listed.txt"));
    assert!(opens(&stage, ADA, PASSWORD));
}

#[test]
fn a_users_own_name_is_no_password() {
    let stage = Stage::stopped();
    let path = stage.directory.path();
    let add = |password: &str| run_host_with_input(&path, &["user", "add", "cleopatra"], &format!("{password}\n")).code;
    assert_eq!((add("Cleopatra1"), add("cleopatra")), (Some(1), Some(1)));
    assert_eq!(add("cleopatra and the asp"), Some(0));
}

#[test]
fn after_a_reset_the_old_password_opens_nothing_and_the_code_leads_to_a_new_one() {
    let stage = Stage::new();
    let before = stage.login(BOB);
    let code = reset(&stage, BOB, &[]);
    assert!(code.len() >= 14, "60 bits in groups: {code}");
    assert_eq!(stage.me(&before).status, 401, "sessions have ended");
    assert!(!opens(&stage, BOB, PASSWORD) && !opens(&stage, BOB, &code), "the plain login gives nothing for it");
    let (flow_id, step) = sign_in(&stage, BOB, &code.to_lowercase().replace('-', " "));
    assert_form(&step, "set_password");
    assert_eq!(step["data_schema"][0]["name"], "new_password", "{step}");
    let done = stage.submit(&flow_id, json!({"new_password": NEW})).expect(200);
    let tokens = stage.tokens_of(&done);
    assert_eq!(stage.signed_in_name(&tokens), BOB);
    assert!(opens(&stage, BOB, NEW));
    let (_, step) = sign_in(&stage, BOB, &code);
    assert_eq!(step["errors"]["base"], "invalid_auth", "the code is used up: {step}");
    // The new password is a fresh proof: the way on to a set-up is open.
    stage.set_up_pin(&tokens);
    assert!(!stage.host().log().contains(&code));
    let folded = code.replace('-', "");
    let stored = read_lines(&stage.directory.store_files());
    assert!(stored.iter().all(|line| !line.text.contains(&code) && !line.text.contains(&folded)));
}

#[test]
fn the_second_factor_comes_before_the_new_password() {
    let mut stage = Stage::new();
    let account = stage.enrol_totp(BOB);
    let code = reset(&stage, BOB, &[]);
    let (flow_id, step) = sign_in(&stage, BOB, &code);
    assert_form(&step, "mfa");
    let answer = stage.submit(&flow_id, json!({"new_password": NEW}));
    assert_eq!(answer.status, 400, "the order of the steps is kept");
    let wrong = account.totp.wrong_code(stage.now_ms());
    assert_eq!(stage.submit_code(&flow_id, &wrong)["errors"]["base"], "invalid_code");
    let step = stage.submit_code(&flow_id, &account.totp.code(stage.now_ms()));
    assert_form(&step, "set_password");
    stage.crash();
    let done = stage.submit(&flow_id, json!({"new_password": NEW})).expect(200);
    let session = stage.session(&stage.tokens_of(&done));
    assert_eq!(session["mfa_method_used"], "totp", "{session}");
    assert!(session["mfa_verified_at"].is_string(), "{session}");
    assert_invalid_flow(&stage.submit(&flow_id, json!({"new_password": OTHER})));
}

#[test]
fn a_login_that_waits_for_a_new_password_gives_nothing_and_ends_in_its_time() {
    let mut stage = Stage::new();
    let code = reset(&stage, BOB, &[]);
    let (flow_id, step) = sign_in(&stage, BOB, &code);
    assert_form(&step, "set_password");
    assert!(step.get("result").is_none());
    for fields in [json!({}), json!({"new_password": ""}), json!({"new_password": 5}), json!({"password": NEW})] {
        assert_eq!(stage.submit(&flow_id, fields.clone()).status, 400, "{fields}");
    }
    stage.clock.advance_s(301);
    assert_abort(&stage.submit(&flow_id, json!({"new_password": NEW})).expect(200), "login_expired");
    assert!(!opens(&stage, BOB, NEW));
    // The code is good for its day and not a moment longer.
    assert_form(&sign_in(&stage, BOB, &code).1, "set_password");
    stage.clock.advance_s(24 * 3600);
    assert_eq!(sign_in(&stage, BOB, &code).1["errors"]["base"], "invalid_auth");
    assert!(!opens(&stage, BOB, PASSWORD));
}

#[test]
fn a_second_reset_and_a_switch_off_end_a_first_one_in_mid_flow() {
    let stage = Stage::new();
    let first = reset(&stage, BOB, &[]);
    let (flow_id, _) = sign_in(&stage, BOB, &first);
    let second = reset(&stage, BOB, &[]);
    assert_abort(&stage.submit(&flow_id, json!({"new_password": NEW})).expect(200), "login_expired");
    assert_eq!(sign_in(&stage, BOB, &first).1["errors"]["base"], "invalid_auth");
    let (flow_id, _) = sign_in(&stage, BOB, &second);
    run_host(&stage.directory.path(), &["user", "disable", BOB]).success();
    assert_abort(&stage.submit(&flow_id, json!({"new_password": NEW})).expect(200), "login_expired");
    assert_eq!(sign_in(&stage, BOB, &second).1["errors"]["base"], "invalid_auth");
}

#[test]
fn of_two_uses_of_one_code_at_once_one_wins() {
    let stage = Stage::new();
    let code = reset(&stage, BOB, &[]);
    let flows = [NEW, OTHER].map(|new| (sign_in(&stage, BOB, &code).0, new));
    let steps: Vec<Answer> = thread::scope(|scope| {
        let uses = flows.map(|(flow_id, new)| {
            let stage = &stage;
            scope.spawn(move || stage.submit(&flow_id, json!({"new_password": new})))
        });
        uses.into_iter().map(|used| used.join().expect("an answer")).collect()
    });
    let won = steps.iter().filter(|step| step.status == 200 && step.json()["type"] == "create_entry").count();
    assert_eq!(won, 1);
    assert!(opens(&stage, BOB, NEW) != opens(&stage, BOB, OTHER));
}

#[test]
fn guessing_a_one_time_code_is_slowed_down_like_a_password() {
    let stage = Stage::new();
    reset(&stage, BOB, &[]);
    let flow_id = stage.begin();
    let guess = || stage.submit(&flow_id, json!({"username": BOB, "password": "0000-0000-0000"})).status;
    assert_eq!([guess(), guess(), guess(), guess()], [200, 200, 200, 429]);
}

#[test]
fn an_admin_takes_factors_and_password_away_in_one_go() {
    let mut stage = Stage::new();
    let account = stage.enrol_totp(BOB);
    let waiting = stage.begin_to_mfa(BOB);
    let code = reset(&stage, BOB, &["--mfa"]);
    let step = stage.submit(&waiting, json!({"code": account.totp.code(stage.now_ms())})).expect(200);
    assert_abort(&step, "login_expired");
    let (flow_id, step) = sign_in(&stage, BOB, &code);
    assert_form(&step, "set_password");
    let tokens = stage.tokens_of(&stage.submit(&flow_id, json!({"new_password": NEW})).expect(200));
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
}

#[test]
fn an_owner_resets_over_http_and_nobody_else_does() {
    let stage = Stage::new();
    let (ada, bob) = (stage.login(ADA), stage.login(BOB));
    let id = |tokens: &Tokens| stage.me(tokens).expect(200)["user"]["id"].as_str().expect("an id").to_owned();
    let (ada_id, bob_id) = (id(&ada), id(&bob));
    let reset = |tokens: &Tokens, id: &str| {
        stage.wire().post_as(&tokens.access, &format!("/api/users/{id}/reset"), &json!({"methods": true}))
    };
    assert_eq!(reset(&bob, &ada_id).expect(403)["code"], "not_an_owner");
    assert_eq!(reset(&bob, &bob_id).status, 403);
    assert_eq!(reset(&ada, "0123456789abcdef0123456789abcdef").status, 404);
    let code = reset(&ada, &bob_id).expect(200)["code"].as_str().expect("a code").to_owned();
    assert_eq!(stage.me(&bob).status, 401);
    assert_form(&sign_in(&stage, BOB, &code).1, "set_password");
    assert!(opens(&stage, ADA, PASSWORD));
}

#[test]
fn a_stale_owner_resets_nobody() {
    let mut stage = Stage::new();
    let (ada, bob) = (stage.login(ADA), stage.login(BOB));
    let bob_id = stage.me(&bob).expect(200)["user"]["id"].as_str().expect("an id").to_owned();
    stage.clock.advance_s(301);
    let answer = stage.wire().post_as(&ada.access, &format!("/api/users/{bob_id}/reset"), &json!({}));
    assert_eq!(answer.expect(401)["code"], "insufficient_user_authentication");
    assert!(opens(&stage, BOB, PASSWORD));
}

#[test]
fn new_costs_reach_older_passwords_at_the_next_login() {
    let mut stage = Stage::new();
    // What the file says of a password is sealed; when its record was last written is not.
    let written = |stage: &Stage| {
        let lines = read_lines(&stage.directory.store_files());
        let users = lines.iter().filter(|line| line.is_record_of("user"));
        users.filter_map(|line| line.json["revision"].as_u64()).max().expect("users")
    };
    // The first login renews what `init` made at another cost than the settings of the tests ask for.
    stage.login(ADA);
    let before = written(&stage);
    stage.login(ADA);
    assert_eq!(written(&stage), before, "a hash of the present cost stays");
    stage.stop();
    stage.directory.replace_setting("memory_kib = 8192", "memory_kib = 9216");
    stage.start();
    let (_, step) = sign_in(&stage, ADA, "wrong-password");
    assert_eq!(step["errors"]["base"], "invalid_auth");
    assert_eq!(written(&stage), before, "a wrong password renews nothing");
    stage.login(ADA);
    let renewed = written(&stage);
    assert!(renewed > before, "the hash was made anew");
    stage.login(ADA);
    assert_eq!(written(&stage), renewed, "once");
}

#[test]
fn disabling_all_factors_needs_password_and_factor() {
    let (mut stage, account) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&account);
    stage.clock.advance_s(301);
    let disable = |stage: &Stage| stage.wire().delete_as(&tokens.access, "/api/mfa").status;
    assert_eq!(disable(&stage), 401);
    // The password alone is not enough, and neither is having begun.
    let (flow_id, client_id) = stage.begin_proof(&tokens);
    let step = stage.submit(&flow_id, json!({"client_id": client_id, "password": "wrong-password"})).expect(200);
    assert_eq!(step["errors"]["base"], "invalid_auth");
    assert_form(&stage.submit(&flow_id, json!({"client_id": client_id, "password": PASSWORD})).expect(200), "mfa");
    assert_eq!(disable(&stage), 401);
    let code = account.totp.code(stage.now_ms());
    stage.submit(&flow_id, json!({"client_id": client_id, "code": code})).expect(200);
    assert_eq!(disable(&stage), 204);
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
}
