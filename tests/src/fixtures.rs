//! Directories of earlier versions: each is opened by today's host, the login that was in progress goes on, and
//! everybody in it is as they were.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Directory, ManualClock, PATIENCE, Stage, Tokens, assert_abort, assert_form, built_module, copy_directory,
    hotp_of_base32, result_of, run_host, set_modes, totp,
};

/// For people of a fixture who choose one here.
const NEW: &str = "a-quite-new-word-88";

#[test]
fn every_fixture_opens_and_its_login_goes_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut seen, mut peopled, mut waiting) = (0, 0, 0);
    for entry in fs::read_dir(&root).expect("tests/fixtures; cargo xtask fixture NAME makes one") {
        let fixture = entry.expect("a readable entry").path();
        if fixture.is_dir() {
            eprintln!("{}", fixture.display());
            let text = fs::read_to_string(fixture.join("expect.json")).expect("expect.json");
            let expect: Value = serde_json::from_str(&text).expect("expect.json is JSON");
            let mut stage = open(&fixture, &expect);
            go_on_with_the_login(&stage, &expect);
            if expect["sent"].is_object() {
                what_was_sent_leads_on(&stage, &expect["sent"]);
                waiting += 1;
            }
            if expect["people"].is_object() {
                find_everybody(&mut stage, &expect);
                peopled += 1;
            }
            seen += 1;
        }
    }
    assert!(seen > 1 && peopled > 0 && waiting > 0, "there are fixtures, and some with more than a login");
}

/// Today's host on a copy of the directory, at the moment it was left.
fn open(fixture: &Path, expect: &Value) -> Stage {
    let clock = &expect["clock"];
    let number_of = |name: &str| clock[name].as_i64().unwrap_or_else(|| panic!("{name} in {clock}"));
    let directory = Directory::empty();
    copy_directory(&fixture.join("config"), &directory.path());
    // The modules are this build's; version control keeps neither libraries nor modes.
    fs::create_dir_all(directory.path().join("modules")).expect("the modules' directory");
    let further = expect["modules"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for id in ["totp", "insecure_example"].into_iter().chain(further) {
        directory.install(&built_module(id), id);
    }
    if let Some(not_taken) = expect["sent"]["not_taken"].as_str() {
        // What nobody took when it was made is taken now.
        let settings = directory.path().join("host.toml");
        let before = fs::read_to_string(&settings).expect("the settings");
        let kept = before.strip_suffix(not_taken).expect("the channel ends the settings");
        fs::write(&settings, format!("{kept}{}", text(&expect["sent"], "taken"))).expect("they are written");
    }
    set_modes(&directory.path());
    let (wall_ms, boot_ms) = (number_of("wall_ms"), number_of("boot_ms"));
    let clock = ManualClock::at(&directory.path(), wall_ms, boot_ms, text(clock, "boot_id"));
    Stage::on(directory, clock)
}

fn go_on_with_the_login(stage: &Stage, expect: &Value) {
    let code = totp(text(expect, "totp_secret"), stage.now_ms());
    let client_id = text(expect, "client_id");
    let answer = stage.submit(text(expect, "flow_id"), json!({"client_id": client_id, "code": code}));
    let result = result_of(&answer.expect(200));
    let exchanged = stage
        .wire()
        .post_form("/auth/token", &[("grant_type", "authorization_code"), ("client_id", client_id), ("code", &result)]);
    let tokens = Tokens::of(&exchanged.expect(200));
    assert_eq!(stage.signed_in_name(&tokens), text(expect, "user"));
    if expect["backup_codes"].is_array() {
        let method = stage.method(&tokens, "backup_codes");
        assert_eq!((&method["is_setup"], &method["is_active"]), (&json!(true), &json!(true)), "{method}");
        assert_eq!(stage.method(&tokens, "totp")["is_primary"], true);
    }
}

/// Logins that wait for a code, a link and a message that lay in the queue, and a set-up that waits for its code.
fn what_was_sent_leads_on(stage: &Stage, sent: &Value) {
    let (mailed, linked, texted, set_up) = (&sent["mailed"], &sent["linked"], &sent["texted"], &sent["set_up"]);
    result_of(&stage.submit_code(text(mailed, "flow_id"), text(mailed, "code")));
    assert_eq!(stage.wire().confirm(text(linked, "link"), linked["number"].as_str()).status, 200);
    result_of(&stage.submit(text(linked, "flow_id"), json!({})).expect(200));
    let end = Instant::now() + PATIENCE;
    while !stage.outbox().iter().any(|message| message["to"] == texted["to"]) {
        assert!(Instant::now() < end, "the queued message was not sent: {:#?}", stage.outbox());
        std::thread::sleep(Duration::from_millis(20));
    }
    result_of(&stage.submit_code(text(texted, "flow_id"), &stage.code_sent_to(text(texted, "to"))));
    let tokens = Tokens { access: text(set_up, "access_token").to_owned(), refresh: String::new() };
    let code = json!({"code": text(set_up, "code")});
    let done = stage.submit_setup(&tokens, text(set_up, "flow_id"), &code).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

fn find_everybody(stage: &mut Stage, expect: &Value) {
    let people = &expect["people"];
    // What is counted, locked or switched off comes first: nobody's patience is tried.
    assert_locked(stage, &people["locked"]);
    one_try_is_left(stage, expect, &people["tried"]);
    let (_, refused) = sign_in(stage, &people["off"]);
    assert_eq!(refused.expect(200)["errors"]["base"], "invalid_auth");
    look_at_the_rich_one(stage, &people["rich"]);
    their_factors_are_as_far_as_they_were(stage, &people["rich"]);
    the_reset_leads_on(stage, &people["reset"]);
    the_invitation_lets_in(stage, &people["invited"]);
    stage.clock.advance_s(61);
    let (flow_id, step) = sign_in(stage, &people["locked"]);
    assert_form(&step.expect(200), "mfa");
    result_of(&stage.submit(&flow_id, json!({"pin": people["locked"]["pin"]})).expect(200));
}

/// A login of the flow's attempts and of the ledger's: the next wrong one is the last of both.
fn one_try_is_left(stage: &Stage, expect: &Value, tried: &Value) {
    let flow_id = text(tried, "flow_id");
    let wrong = json!({"client_id": expect["client_id"], "pin": tried["wrong"]});
    assert_abort(&stage.submit(flow_id, wrong).expect(200), "too_many_retry");
    assert_locked(stage, tried);
}

/// Neither the password nor the right PIN leads on.
fn assert_locked(stage: &Stage, somebody: &Value) {
    let (flow_id, step) = sign_in(stage, somebody);
    let refused = if step.status == 429 { step } else { stage.submit(&flow_id, json!({"pin": text(somebody, "pin")})) };
    assert_eq!(refused.status, 429, "five wrong in a row are remembered");
}

/// The session is open, the set-up goes on, and everything that was known of the user is known.
fn look_at_the_rich_one(stage: &Stage, rich: &Value) {
    let shown = run_host(&stage.directory.path(), &["--json", "user", "show", text(rich, "name")]).success().json();
    for (name, was) in rich["shown"].as_object().expect("what was shown") {
        assert_eq!(&shown[name], was, "{name}");
    }
    let tokens = Tokens { access: text(rich, "access_token").to_owned(), refresh: String::new() };
    assert_eq!(stage.signed_in_name(&tokens), text(rich, "name"));
    let setup = &rich["setup"];
    let code = totp(text(setup, "secret"), stage.now_ms());
    let done = stage.submit_setup(&tokens, text(setup, "flow_id"), &json!({"code": code})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

fn their_factors_are_as_far_as_they_were(stage: &Stage, rich: &Value) {
    let choose = |module: &str| {
        let (flow_id, step) = sign_in(stage, rich);
        assert_form(&step.expect(200), "select_mfa_module");
        assert_form(&stage.submit(&flow_id, json!({"multi_factor_auth_module": module})).expect(200), "mfa");
        flow_id
    };
    let counted = &rich["hotp"];
    let used = counted["used_counter"].as_u64().expect("a counter");
    let code = |counter: u64| hotp_of_base32(text(counted, "secret"), counter);
    let flow_id = choose("hotp");
    assert_form(&stage.submit_code(&flow_id, &code(used)), "mfa");
    result_of(&stage.submit_code(&flow_id, &code(used + 1)));
    result_of(&stage.submit(&choose("pin"), json!({"pin": rich["pin"]})).expect(200));
}

fn the_reset_leads_on(stage: &Stage, reset: &Value) {
    let with = |password: &Value| sign_in(stage, &json!({"name": reset["name"], "password": password}));
    assert_eq!(with(&reset["former_password"]).1.expect(200)["errors"]["base"], "invalid_auth");
    let (flow_id, step) = with(&reset["code"]);
    assert_form(&step.expect(200), "set_password");
    result_of(&stage.submit(&flow_id, json!({"new_password": NEW})).expect(200));
    result_of(&with(&json!(NEW)).1.expect(200));
}

fn the_invitation_lets_in(stage: &Stage, invited: &Value) {
    let body = json!({"username": "newcomer", "password": NEW, "invite": invited["code"]});
    stage.wire().post("/api/signup", &body).expect(201);
    let shown = run_host(&stage.directory.path(), &["--json", "user", "show", "newcomer"]).success().json();
    assert_eq!(shown["groups"], invited["groups"]);
}

/// A new login of somebody with `name` and `password`: its id, and the answer to the password.
fn sign_in(stage: &Stage, somebody: &Value) -> (String, Answer) {
    let flow_id = stage.begin();
    let fields = json!({"username": somebody["name"], "password": somebody["password"]});
    let answer = stage.submit(&flow_id, fields);
    (flow_id, answer)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}
