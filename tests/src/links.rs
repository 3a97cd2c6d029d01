//! Links that confirm a login: what opening one shows, what a click on it does, and how the login that waits goes on.

use serde_json::{Value, json};

use crate::harness::{
    ADA, BOB, CLIENT_ID, Directory, PASSWORD, Server, Stage, Tokens, assert_abort, assert_form, assert_invalid_flow,
    at_once, number_of, read_lines, result_of, run_host, unescaped,
};

const ADDRESS: &str = "ada@example.org";
const BROWSER: &str = "Test/1.0 <script>alert(\"1\")</script>";

/// Ada with links by mail.
fn stage_with_links() -> Stage {
    let stage = Stage::with(Directory::with_links);
    stage.set_up_email(&stage.login(ADA), ADDRESS);
    stage
}

/// A login that waits for a link: its flow, the link, and the number shown where it waits.
#[track_caller]
fn waiting(stage: &Stage) -> (String, String, String) {
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    assert_form(&step, "mfa");
    assert_eq!(step["data_schema"], json!([]), "nothing is typed: {step}");
    (flow_id, stage.sent_link(), number_of(&step))
}

fn poll(stage: &Stage, flow_id: &str) -> Value {
    stage.submit(flow_id, json!({})).expect(200)
}

#[track_caller]
fn assert_waits(stage: &Stage, flow_id: &str) {
    let step = poll(stage, flow_id);
    assert_form(&step, "mfa");
    assert_eq!(step["errors"], json!({}), "{step}");
}

#[track_caller]
fn page(answer: &crate::harness::Answer, status: u16) -> String {
    let text = String::from_utf8(answer.body.clone()).expect("UTF-8");
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("text/html; charset=utf-8")), "{text}");
    assert!(text.starts_with("<!doctype html>"), "{text}");
    unescaped(&text)
}

#[test]
fn opening_a_link_changes_nothing_and_a_click_with_the_number_lets_the_waiting_login_pass_once() {
    let stage = stage_with_links();
    let flow_id = stage.begin();
    let body = json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD}).to_string().into_bytes();
    let headers = [("content-type", "application/json"), ("user-agent", BROWSER)];
    let step = stage.wire().send("POST", &format!("/auth/login_flow/{flow_id}"), &headers, Some(body));
    let step = step.expect("an answer").expect(200);
    let (link, number) = (stage.sent_link(), number_of(&step));
    assert!(step["display"].to_string().contains(&format!("type {number} there")), "any client shows it: {step}");

    let pages: Vec<String> = (0..3).map(|_| page(&stage.wire().get(&link), 200)).collect();
    assert!(pages[0] == pages[1] && pages[1] == pages[2], "a mail scanner sees what a person sees");
    for words in
        ["2035-01-01 00:00 UTC", "127.0.0.1", "Test/1.0 &lt;script&gt;alert", "Yes, it was me", "This was not me"]
    {
        assert!(pages[0].contains(words), "{words} in {}", pages[0]);
    }
    let (_, shown) = pages[0].split_once("<main>").expect("a page");
    let mut words = shown.split(|character: char| !character.is_ascii_alphanumeric());
    assert!(!words.any(|word| word == number) && !shown.contains("<script"), "{shown}");
    let head = stage.wire().send("HEAD", &link, &[], None).expect("an answer");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_waits(&stage, &flow_id);

    let without = page(&stage.wire().confirm(&link, None), 400);
    assert!(without.contains("name=\"number\"") && without.contains("role=\"alert\""), "{without}");
    assert_waits(&stage, &flow_id);
    let done = stage.wire().confirm(&link, Some(&number));
    assert!(page(&done, 200).contains("go back to where you signed in"));
    assert!(done.header("set-cookie").is_none(), "who clicks gets nothing");

    let step = poll(&stage, &flow_id);
    assert_eq!(stage.session(&stage.tokens_of(&step))["mfa_method_used"], "email");
    assert_invalid_flow(&stage.submit(&flow_id, json!({})));
}

#[test]
fn unknown_dead_and_used_links_are_one_page_to_the_byte() {
    let mut stage = stage_with_links();
    let unknown = stage.wire().get(&format!("/auth/link/{}", "A".repeat(43)));
    assert!(page(&unknown, 404).contains("leads nowhere"));
    let assert_gone = |stage: &Stage, link: &str, why: &str| {
        for answer in [stage.wire().get(link), stage.wire().confirm(link, Some("42")), stage.wire().not_me(link)] {
            assert_eq!((answer.status, &answer.body), (404, &unknown.body), "{why}");
            let headers = |answer: &crate::harness::Answer| {
                let mut headers = answer.headers.clone();
                headers.retain(|(name, _)| name != "date");
                headers
            };
            assert_eq!(headers(&answer), headers(&unknown), "{why}");
        }
    };
    for odd in ["a", "%00", "..%2f..%2fuser", "%ff", &"A".repeat(3000)] {
        assert_gone(&stage, &format!("/auth/link/{odd}"), odd);
    }
    let (flow_id, used, number) = waiting(&stage);
    page(&stage.wire().confirm(&used, Some(&number)), 200);
    assert_gone(&stage, &used, "used, and the login still waits");
    result_of(&poll(&stage, &flow_id));
    assert_gone(&stage, &used, "used, and the login has passed");
    let (flow_id, ended, _) = waiting(&stage);
    stage.wire().delete(&format!("/auth/login_flow/{flow_id}")).expect(200);
    assert_gone(&stage, &ended, "its login was given up");
    let (flow_id, late, _) = waiting(&stage);
    stage.clock.advance_ms(600_000);
    page(&stage.wire().get(&late), 200);
    stage.clock.advance_ms(1);
    assert_gone(&stage, &late, "expired");
    assert_abort(&poll(&stage, &flow_id), "login_expired");
}

#[test]
fn a_mail_holds_the_link_in_both_parts_and_nothing_else_does() {
    let server = Server::mail(&["--tls", "none"]);
    let stage = Stage::with(|directory| {
        directory.append_settings(&format!(
            "[[channel]]\nname = \"email\"\ntype = \"email\"\nhost = \"localhost\"\nport = {}\n\
             from = \"login@example.org\"\nencryption = \"none\"",
            server.port
        ));
        directory.with_email_module("mode = \"link\"");
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "email").expect(200);
    let setup = step["flow_id"].as_str().expect("a flow id").to_owned();
    stage.submit_setup(&tokens, &setup, &json!({"email": ADDRESS})).expect(200);
    let done = stage.submit_setup(&tokens, &setup, &json!({"code": server.next_code()})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");

    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    let (link, number) = (server.next_link(), number_of(&step));
    let token = link.rsplit('/').next().expect("a token");
    assert!(!step.to_string().contains(token), "{step}");
    page(&stage.wire().get(&link), 200);
    page(&stage.wire().confirm(&link, None), 400);
    page(&stage.wire().confirm(&link, Some(&number)), 200);
    page(&stage.wire().get(&link), 404);
    result_of(&poll(&stage, &flow_id));
    let log = stage.host().log();
    assert!(log.contains("link_confirmed") && log.contains("/auth/link/{token}"), "the route is logged as a pattern");
    assert!(!log.contains(token), "{}", log.lines().find(|line| line.contains(token)).unwrap_or_default());
    for file in stage.directory.store_files() {
        assert!(!std::fs::read_to_string(file).expect("text").contains(token), "only its hash is kept");
    }
}

#[test]
fn this_was_not_me_ends_the_login_and_whoever_waits_is_told_once() {
    let mut stage = stage_with_links();
    let (flow_id, link, _) = waiting(&stage);
    let from = stage.host().log().len();
    assert!(page(&stage.wire().not_me(&link), 200).contains("was ended"));
    let told = stage.host().until_logged(from, "login_denied");
    assert!(told.contains("method=\"email\"") && told.contains("127.0.0.1"), "{told}");
    stage.crash();
    assert_abort(&poll(&stage, &flow_id), "refused_by_user");
    assert_invalid_flow(&stage.submit(&flow_id, json!({})));
    let list = run_host(&stage.directory.path(), &["session", "list"]).success().stdout;
    assert!(!list.contains("validation"), "{list}");
    // Whoever gave up does not have to ask.
    let (flow_id, link, _) = waiting(&stage);
    page(&stage.wire().not_me(&link), 200);
    stage.wire().delete(&format!("/auth/login_flow/{flow_id}")).expect(200);
    assert_invalid_flow(&stage.submit(&flow_id, json!({})));
}

#[test]
fn a_click_survives_kill_9_and_counts_from_its_own_moment() {
    let mut stage = stage_with_links();
    let (flow_id, link, number) = waiting(&stage);
    stage.crash();
    page(&stage.wire().get(&link), 200);
    let clicked_at = stage.now_ms();
    page(&stage.wire().confirm(&link, Some(&number)), 200);
    stage.crash();
    stage.clock.advance_s(100);
    let session = stage.session(&stage.tokens_of(&poll(&stage, &flow_id)));
    let at = |time: &Value| time.as_str().expect("a time").to_owned();
    assert_eq!(at(&session["mfa_verified_at"]), "2035-01-01T00:00:10.000Z", "{session}");
    assert_eq!(clicked_at, 2_051_222_410_000);
}

#[test]
fn a_fresh_proof_is_confirmed_by_a_link_too_and_is_as_old_as_the_click() {
    let mut stage = stage_with_links();
    let (flow_id, link, number) = waiting(&stage);
    page(&stage.wire().confirm(&link, Some(&number)), 200);
    let tokens = stage.tokens_of(&poll(&stage, &flow_id));
    stage.clock.advance_s(1000);
    let (flow_id, client_id) = stage.begin_proof(&tokens);
    let step = stage.submit(&flow_id, json!({"client_id": client_id, "password": PASSWORD})).expect(200);
    page(&stage.wire().confirm(&stage.sent_link(), Some(&number_of(&step))), 200);
    stage.clock.advance_s(60);
    let done = stage.submit(&flow_id, json!({"client_id": client_id})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    assert_eq!(stage.session(&tokens)["mfa_verified_at"], "2035-01-01T00:16:50.000Z");
}

#[test]
fn a_confirmed_login_does_not_outlive_its_time_its_user_or_its_factor() {
    let mut stage = Stage::with(Directory::with_links);
    let bob = stage.login(BOB);
    stage.set_up_email(&bob, "bob@example.org");
    let confirmed = |stage: &Stage| {
        let flow_id = stage.begin();
        let number = number_of(&stage.submit_password(&flow_id, BOB));
        page(&stage.wire().confirm(&stage.sent_link(), Some(&number)), 200);
        flow_id
    };
    let late = confirmed(&stage);
    stage.clock.advance_ms(600_001);
    assert_abort(&poll(&stage, &late), "login_expired");
    let flow_id = confirmed(&stage);
    run_host(&stage.directory.path(), &["mfa", "reset", BOB]).success();
    assert_eq!(poll(&stage, &flow_id)["type"], "abort", "the factor is gone");
    let bob = stage.login(BOB);
    stage.set_up_email(&bob, "bob@example.org");
    let flow_id = confirmed(&stage);
    run_host(&stage.directory.path(), &["user", "disable", BOB]).success();
    assert_eq!(poll(&stage, &flow_id)["type"], "abort", "the user is switched off");
}

#[test]
fn a_factor_that_was_set_up_anew_takes_no_link_of_the_one_before() {
    let stage = Stage::with(Directory::with_links);
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, ADDRESS);
    let (confirmed, link, number) = waiting(&stage);
    page(&stage.wire().confirm(&link, Some(&number)), 200);
    let (flow_id, link, number) = waiting(&stage);
    stage.set_up_email(&tokens, "ada@new.example");
    page(&stage.wire().confirm(&link, Some(&number)), 503);
    assert_abort(&poll(&stage, &flow_id), "unknown_error");
    assert_abort(&poll(&stage, &confirmed), "unknown_error");
    let (flow_id, link, number) = waiting(&stage);
    page(&stage.wire().confirm(&link, Some(&number)), 200);
    result_of(&poll(&stage, &flow_id));
}

#[test]
fn the_page_speaks_the_users_language_and_loads_nothing() {
    let stage = stage_with_links();
    let (_, link, number) = waiting(&stage);
    let german = [("accept-language", "de-AT, en;q=0.5")];
    let asked =
        |headers: &[(&str, &str)]| page(&stage.wire().send("GET", &link, headers, None).expect("an answer"), 200);
    assert!(asked(&german).contains("<html lang=\"de\">") && asked(&german).contains("Das war ich nicht"));
    assert!(asked(&[]).contains("<html lang=\"en\">"));
    let gone = stage.wire().get("/auth/link/x");
    let answers = [
        stage.wire().get(&link),
        gone,
        stage.wire().confirm(&link, None),
        stage.wire().post_form(&link, &[("confirm", "maybe")]),
        stage.wire().confirm(&link, Some(&number)),
    ];
    for (answer, status) in answers.iter().zip([200, 404, 400, 400, 200]) {
        let html = page(answer, status);
        assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("http://"), "{html}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(answer.header("set-cookie").is_none() && answer.header("location").is_none());
    }
}

#[test]
fn the_browser_that_waits_is_known_by_its_cookie_and_types_no_number() {
    let stage = stage_with_links();
    let (other, _, _) = waiting(&stage);
    let (flow_id, link, _) = waiting(&stage);
    let cookie = stage.directory.waiting_cookie(&flow_id);
    let foreign = stage.directory.waiting_cookie(&other);
    let made_up = format!("__Host-mfa_waiting={}", "A".repeat(43));
    let open = |cookie: &str| stage.wire().send("GET", &link, &[("cookie", cookie)], None).expect("an answer");
    for wrong in [&foreign, &made_up, &format!("{cookie}; {foreign}"), &cookie.replace("__Host-", "")] {
        assert!(page(&open(wrong), 200).contains("name=\"number\""), "{wrong}");
        page(&stage.wire().confirm_with(&link, &[("cookie", wrong)], "confirm=yes"), 400);
    }
    assert_waits(&stage, &flow_id);
    assert!(!page(&open(&cookie), 200).contains("name=\"number\""));
    page(&stage.wire().confirm_with(&link, &[("cookie", &cookie)], "confirm=yes"), 200);
    result_of(&poll(&stage, &flow_id));
    assert_waits(&stage, &other);
}

#[test]
fn a_plain_login_shows_the_number_and_asks_with_its_token_alone() {
    let mut stage = stage_with_links();
    let login = || json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD});
    let answer = stage.wire().post("/api/login", &login()).expect(200);
    let (token, number) =
        (answer["token"].as_str().expect("a token"), answer["link_number"].as_str().expect("a number"));
    let verify = |stage: &Stage, token: &str| stage.wire().post("/api/login/verify", &json!({"token": token}));
    let link = stage.sent_link();
    assert_eq!(verify(&stage, token).expect(409)["code"], "pending");
    page(&stage.wire().confirm(&link, Some(number)), 200);
    let tokens = Tokens::of(&verify(&stage, token).expect(200));
    assert_eq!(stage.session(&tokens)["mfa_method_used"], "email");
    assert_eq!(verify(&stage, token).status, 404, "used up by success");
    let limbo = Tokens { access: token.to_owned(), refresh: token.to_owned() };
    assert_eq!(stage.me(&limbo).status, 401, "and of a type of its own");
    assert_eq!(verify(&stage, &tokens.access).status, 404);

    let answer = stage.wire().post("/api/login", &login()).expect(200);
    page(&stage.wire().not_me(&stage.sent_link()), 200);
    let token = answer["token"].as_str().expect("a token");
    assert_eq!(verify(&stage, token).expect(410)["code"], "refused_by_user");
    assert_eq!(verify(&stage, token).status, 404);

    // Ten minutes, and not a moment longer, however often it is asked for again.
    let answer = stage.wire().post("/api/login", &login()).expect(200);
    let mut token = answer["token"].as_str().expect("a token").to_owned();
    for _ in 0..2 {
        stage.clock.advance_s(300);
        let again = stage.wire().post("/api/login/resend", &json!({"token": token})).expect(200);
        token = again["token"].as_str().expect("a token").to_owned();
        assert_eq!(verify(&stage, &token).expect(409)["code"], "pending");
    }
    stage.clock.advance_ms(1);
    assert_eq!(verify(&stage, &token).expect(410)["code"], "login_expired");
}

#[test]
fn twenty_clicks_at_once_are_one_and_so_are_twenty_questions() {
    let stage = stage_with_links();
    let (flow_id, link, _) = waiting(&stage);
    let cookie = stage.directory.waiting_cookie(&flow_id);
    let clicks = at_once(20, |_| stage.wire().confirm_with(&link, &[("cookie", &cookie)], "confirm=yes").status);
    let of = |status: u16| clicks.iter().filter(|seen| **seen == status).count();
    assert_eq!((of(200), of(404)), (1, 19), "{clicks:?}");
    let answers = at_once(20, |_| stage.submit(&flow_id, json!({})));
    let passed = answers.iter().filter(|answer| answer.status == 200 && answer.json()["type"] == "create_entry");
    assert_eq!(passed.count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 404 | 503)));
    assert_invalid_flow(&stage.submit(&flow_id, json!({})));
}

#[test]
fn a_link_is_a_sealed_record_that_names_its_login_and_goes_with_it() {
    let mut stage = stage_with_links();
    let (_, link, number) = waiting(&stage);
    let records = |stage: &Stage| {
        // A snapshot comes before the journals that go on from it.
        let mut files = stage.directory.store_files();
        files.sort_by_key(|file| file.to_string_lossy().contains("journal"));
        let lines = read_lines(&files);
        let mut kept = std::collections::BTreeMap::new();
        for line in lines.into_iter().filter(|line| line.key().is_some_and(|key| key.starts_with("link/"))) {
            let key = line.key().expect("a key").to_owned();
            if line.json["deleted"] == true {
                kept.remove(&key)
            } else {
                kept.insert(key, line.json)
            };
        }
        kept
    };
    stage.kill9();
    let kept = records(&stage);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let record = kept.values().next().expect("one");
    assert!(record["value"]["session"].is_string() && record["value"]["dead_at"].is_string(), "{record}");
    assert!(record["value"].get("number").is_none() && record["value"].get("address").is_none(), "{record}");
    stage.start();
    page(&stage.wire().confirm(&link, Some(&number)), 200);
    stage.kill9();
    assert!(records(&stage).is_empty(), "used");
    stage.start();
}
