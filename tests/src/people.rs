//! What is known of users: who may see and change it, what is taken, and that nobody is left without an owner.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{
    ADA, Answer, BOB, PASSWORD, PIN, Stage, Tokens, assert_abort, assert_form, run_host, run_host_with_input,
};

fn patch(stage: &Stage, tokens: &Tokens, path: &str, body: &Value) -> Answer {
    stage.wire().patch_as(&tokens.access, path, body)
}

fn show(stage: &Stage, name: &str) -> Value {
    run_host(&stage.directory.path(), &["user", "show", name, "--json"]).success().json()
}

fn id_of(stage: &Stage, name: &str) -> String {
    show(stage, name)["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_admin_sets_and_shows_what_is_known_of_a_user() {
    let stage = Stage::new();
    let path = stage.directory.path();
    let set = |more: &[&str]| run_host(&path, &[&["user", "set", BOB], more].concat());
    set(&["--email", "Bob@Example.org", "--phone", "+49 30 123456", "--language", "DE", "--zone", "Europe/Berlin"])
        .success();
    set(&["--group", "family", "--group", "admins", "--display-name", "Bob of Hill"]).success();
    let shown = show(&stage, BOB);
    assert_eq!((&shown["language"], &shown["zone"]), (&json!("de"), &json!("Europe/Berlin")), "{shown}");
    assert_eq!((&shown["groups"], &shown["display_name"]), (&json!(["admins", "family"]), &json!("Bob of Hill")));
    assert_eq!(shown["phone"][0]["value"], "+4930123456", "{shown}");
    assert_eq!(shown["email"][0]["proved_at"], Value::Null, "an admin's word is no proof: {shown}");
    let email = shown["email"][0]["value"].as_str().expect("an address").to_owned();
    set(&["--email", &email, "--proved"]).success();
    assert!(show(&stage, BOB)["email"][0]["proved_at"].is_string());
    set(&["--email", &email, "--email", "second@example.org"]).success();
    let shown = show(&stage, BOB);
    assert!(shown["email"][0]["proved_at"].is_string() && shown["email"][1]["proved_at"].is_null(), "{shown}");
    set(&["--email", "", "--language", "", "--group", ""]).success();
    let shown = show(&stage, BOB);
    assert_eq!((&shown["email"], &shown["language"], &shown["groups"]), (&json!([]), &Value::Null, &json!([])));
    assert_eq!(shown["zone"], "Europe/Berlin", "what is not given stays");
    let text = run_host(&path, &["user", "show", BOB]).success().stdout;
    assert!(text.contains("+4930123456 (not proved)"), "{text}");
}

#[test]
fn what_is_no_address_or_word_is_refused_and_nothing_changes() {
    let stage = Stage::stopped();
    let path = stage.directory.path();
    for wrong in [
        ["--email", "bob"],
        ["--email", "a@b@c"],
        ["--email", "bob@example.org\r\nBcc: all@example.org"],
        ["--phone", "030 123456"],
        ["--phone", "+49 30 12ab"],
        ["--language", "german language"],
        ["--zone", "../../etc/passwd"],
        ["--zone", "Mars"],
        ["--group", "Family Hill"],
        ["--display-name", "Bob\u{202e}nimda"],
    ] {
        let arguments = ["user", "set", BOB, "--language", "fr", wrong[0], wrong[1]];
        let arguments = if wrong[0] == "--language" { &[&arguments[..3], &wrong[..]].concat()[..] } else { &arguments };
        assert_eq!(run_host(&path, arguments).code, Some(1), "{wrong:?}");
    }
    assert_eq!(show(&stage, BOB)["language"], Value::Null);
}

#[test]
fn addresses_are_sealed_and_in_no_log() {
    let stage = Stage::new();
    let address = "a-very-odd-mailbox@example.org";
    run_host(&stage.directory.path(), &["user", "set", BOB, "--email", address, "--proved"]).success();
    for file in stage.directory.store_files() {
        assert!(!std::fs::read_to_string(&file).expect("text").contains("very-odd"), "{}", file.display());
    }
    let log = stage.host().log();
    assert!(!log.contains("very-odd") && log.contains("user_changed") && log.contains("proved=true"), "{log}");
}

#[test]
fn users_change_their_own_words_but_no_address_and_no_group() {
    let stage = Stage::new();
    let bob = stage.login(BOB);
    let changed = patch(&stage, &bob, "/api/me", &json!({"language": "fr", "display_name": "Bob", "zone": "UTC"}));
    assert_eq!(changed.expect(200)["language"], "fr");
    let me = stage.me(&bob).expect(200);
    assert_eq!((&me["user"]["name"], &me["user"]["profile"]["display_name"]), (&json!(BOB), &json!("Bob")), "{me}");
    for body in [
        json!({"email": ["x@example.org"]}),
        json!({"groups": ["admins"]}),
        json!({"is_owner": true}),
        json!({"name": ADA}),
        json!({"language": "../x"}),
        json!({"zone": "Mars"}),
        json!({"display_name": "a\u{200b}"}),
    ] {
        assert_eq!(patch(&stage, &bob, "/api/me", &body).status, 400, "{body}");
    }
    assert_eq!(patch(&stage, &bob, "/api/me", &json!({"language": ""})).expect(200)["language"], Value::Null);
}

#[test]
fn only_an_owner_with_a_fresh_proof_acts_on_others() {
    let mut stage = Stage::new();
    let (ada, bob) = (stage.login(ADA), stage.login(BOB));
    let (ada_path, bob_path) =
        (format!("/api/users/{}", id_of(&stage, ADA)), format!("/api/users/{}", id_of(&stage, BOB)));
    let wish = json!({"email": ["bob@example.org"], "groups": ["family"]});
    for path in [&ada_path, &bob_path] {
        assert_eq!(patch(&stage, &bob, path, &wish).expect(403)["code"], "not_an_owner");
        assert_eq!(stage.wire().get_as(&bob.access, path).status, 403);
    }
    assert_eq!(stage.wire().get_as(&bob.access, "/api/users").status, 403);
    assert_eq!((stage.wire().get("/api/users").status, stage.wire().get(&bob_path).status), (401, 401));
    let changed = patch(&stage, &ada, &bob_path, &wish).expect(200);
    assert_eq!(
        (&changed["groups"], &changed["email"][0]["proved_at"]),
        (&json!(["family"]), &Value::Null),
        "{changed}"
    );
    let listed = stage.wire().get_as(&ada.access, "/api/users").expect(200);
    assert_eq!(listed.as_array().expect("a list").len(), 2);
    assert!(!listed.to_string().contains("argon2") && !listed.to_string().contains("bob@example.org"), "{listed}");
    assert_eq!(patch(&stage, &ada, "/api/users/none-of-them", &wish).status, 404);
    stage.clock.advance_s(301);
    assert_eq!(patch(&stage, &ada, &bob_path, &wish).expect(401)["code"], "insufficient_user_authentication");
    assert_eq!(stage.wire().get_as(&ada.access, &bob_path).status, 200, "looking needs no proof");
}

#[test]
fn an_owner_who_is_one_no_more_acts_on_nobody() {
    let stage = Stage::new();
    let path = stage.directory.path();
    run_host_with_input(&path, &["user", "add", "olga", "--owner"], &format!("{PASSWORD}\n")).success();
    let olga = stage.login("olga");
    run_host(&path, &["user", "disable", "olga"]).success();
    assert_eq!(stage.wire().get_as(&olga.access, "/api/users").status, 401);
}

#[test]
fn two_owners_switched_off_at_once_leave_one() {
    let stage = Stage::new();
    let path = stage.directory.path();
    run_host_with_input(&path, &["user", "add", "olga", "--owner"], &format!("{PASSWORD}\n")).success();
    for round in 0..8 {
        let codes: Vec<Option<i32>> = thread::scope(|scope| {
            let verb = |name: &str| if round % 2 == 0 || name == ADA { "disable" } else { "remove" };
            let deeds = [ADA, "olga"].map(|name| {
                let path = &path;
                let verb = verb(name);
                scope.spawn(move || run_host(path, &["user", verb, name]).code)
            });
            deeds.into_iter().map(|deed| deed.join().expect("an outcome")).collect()
        });
        let left = run_host(&path, &["user", "list", "--json"]).success().json();
        let owners = left.as_array().expect("a list").iter().filter(|user| user["is_owner"] == true);
        assert_eq!(owners.filter(|user| user["is_active"] == true).count(), 1, "{codes:?}: {left}");
        run_host(&path, &["user", "enable", ADA]).success();
        run_host(&path, &["user", "enable", "olga"]);
        run_host_with_input(&path, &["user", "add", "olga", "--owner"], &format!("{PASSWORD}\n"));
    }
}

#[test]
fn a_user_switched_off_goes_on_at_no_step() {
    let stage = Stage::new();
    let path = stage.directory.path();
    let off_and_on = || {
        run_host(&path, &["user", "disable", BOB]).success();
        run_host(&path, &["user", "enable", BOB]).success();
    };
    let tokens = stage.login(BOB);
    stage.set_up_pin(&tokens);
    let at_mfa = stage.begin_to_mfa(BOB);
    let plain = stage
        .wire()
        .post("/api/login", &json!({"client_id": crate::harness::CLIENT_ID, "username": BOB, "password": PASSWORD}));
    let plain = plain.expect(200)["token"].as_str().expect("a token").to_owned();
    let done = stage.submit(&stage.begin_to_mfa(BOB), json!({"pin": PIN})).expect(200);
    let setup = stage.begin_setup(&tokens, "totp").expect(200)["flow_id"].as_str().expect("a flow id").to_owned();
    let (proof, client_id) = stage.begin_proof(&tokens);
    off_and_on();
    assert_abort(&stage.submit(&at_mfa, json!({"pin": PIN})).expect(200), "login_expired");
    let verify = stage.wire().post("/api/login/verify", &json!({"token": plain, "code": PIN}));
    assert!(matches!(verify.status, 404 | 410), "{}", verify.status);
    let code = crate::harness::result_of(&done);
    assert!(stage.exchange(&code).status >= 400, "a result code is dead");
    assert_eq!(stage.submit_setup(&tokens, &setup, &json!({"code": "000000"})).status, 401);
    assert_eq!(stage.submit(&proof, json!({"client_id": client_id, "password": PASSWORD})).status, 404);
    assert_eq!(stage.me(&tokens).status, 401);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)];
    assert_eq!(stage.wire().post_form("/auth/token", &refresh).status, 400);
    // Switched on again, the user signs in as before.
    assert_form(&stage.submit_password(&stage.begin(), BOB), "mfa");
}

#[test]
fn a_client_id_that_the_settings_take_a_login_takes_too() {
    let (longest, longer) = ("c".repeat(255), "c".repeat(256));
    let block = |id: &str| format!("[[client]]\nid = \"{id}\"\nredirect_uris = [\"http://127.0.0.1/x\"]");
    let stage = Stage::with(|directory| directory.append_settings(&block(&longest)));
    let begun = stage.begin_with(json!({"client_id": longest, "redirect_uri": "http://127.0.0.1/x"}));
    begun.expect(200);
    let directory = crate::harness::Directory::new();
    directory.append_settings(&block(&longer));
    assert_eq!(run_host(&directory.path(), &["config", "check"]).code, Some(2));
}
