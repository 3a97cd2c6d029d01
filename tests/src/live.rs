//! Settings and modules change in the running host: an edit takes effect as a whole or not at all, nobody who logs in
//! meanwhile notices, and what is refused is told while the former state goes on.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    ADA, BOB, Directory, PASSWORD, PATIENCE, PIN, Stage, Tokens, assert_form, module, outside_module, reason,
    result_of, run_host, until, until_reason, until_state, workers,
};

const THREADS: usize = 4;

/// The file of a module becomes another one that does the same.
fn replace_file(directory: &Directory, module_type: &str) {
    let path = directory.path().join("modules").join(format!("{module_type}.so"));
    let beside = directory.beside("next.so");
    fs::copy(&path, &beside).expect("a copy");
    OpenOptions::new().append(true).open(&beside).expect("the copy").write_all(b"another build").expect("is written");
    fs::rename(&beside, &path).expect("the file is replaced");
}

fn log_in_with_pin(stage: &Stage, name: &str) {
    let flow_id = stage.begin_to_mfa(name);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

fn tokens_by_pin(stage: &Stage, name: &str) -> Tokens {
    let flow_id = stage.begin_to_mfa(name);
    stage.tokens_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200))
}

/// Tells the threads to end, also when a deed panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bob logs in with his PIN in several threads while the deeds are done; not one login may fail.
fn while_bob_logs_in(stage: &Stage, deeds: impl FnOnce()) {
    let (over, logins) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    log_in_with_pin(stage, BOB);
                    logins.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _over = Over(&over);
        deeds();
    });
    assert!(logins.load(Ordering::Relaxed) >= THREADS, "somebody logged in meanwhile");
}

/// The line of `host.toml` that begins with this, counted from 1.
fn line_of(directory: &Directory, beginning: &str) -> usize {
    let settings = directory.settings();
    settings.lines().position(|line| line.starts_with(beginning)).expect("the line") + 1
}

fn assert_no_way_in(stage: &Stage, name: &str) {
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": name, "password": PASSWORD}));
    assert!(step.status != 200 || step.json()["type"] == "abort", "{}", String::from_utf8_lossy(&step.body));
}

fn offered(stage: &Stage, tokens: &Tokens) -> Vec<String> {
    let listed = stage.wire().get_as(&tokens.access, "/api/mfa").expect(200).to_string();
    let mut ids =
        ["totp", "insecure_example", "favourite_colour"].map(|id| (listed.find(&format!("\"id\":\"{id}\"")), id));
    ids.sort_unstable();
    ids.iter().filter(|(place, _)| place.is_some()).map(|(_, id)| (*id).to_owned()).collect()
}

#[test]
fn modules_change_under_running_logins_and_no_login_notices() {
    let stage = Stage::with(|directory| {
        directory.install(&outside_module("favourite_colour"), "favourite_colour");
    });
    stage.set_up_pin(&stage.login(BOB));
    let tokens = stage.login(ADA);
    let path = stage.directory.path();
    assert_eq!(offered(&stage, &tokens), ["totp", "insecure_example"]);
    let before = workers(&stage);
    while_bob_logs_in(&stage, || {
        run_host(&path, &["module", "enable", "favourite_colour"]).success();
        until_state(&stage, "favourite_colour", "ready");
        assert_eq!(offered(&stage, &tokens), ["totp", "insecure_example", "favourite_colour"]);
        assert!(workers(&stage).is_superset(&before), "what did not change keeps its worker");

        const TOTP: &str = "[[module]]\ntype = \"totp\"\nkind = \"possession\"\namr = [\"otp\"]\n";
        const LATER: &str = "[[module]]\ntype = \"totp\"\n[module.config]\ndigits = 8\n";
        stage.directory.replace_setting(TOTP, "");
        until(&stage, "without totp", |status| module(status, "totp").is_null());
        stage.directory.append_settings(LATER);
        until_state(&stage, "totp", "ready");
        assert_eq!(offered(&stage, &tokens), ["insecure_example", "favourite_colour", "totp"]);
        let step = stage.begin_setup(&tokens, "totp").expect(200);
        let uri = step["description_placeholders"]["url"].as_str().expect("a URI");
        assert!(uri.contains("digits=8"), "{uri}");

        let before = workers(&stage);
        replace_file(&stage.directory, "favourite_colour");
        let end = Instant::now() + PATIENCE;
        while workers(&stage).intersection(&before).count() != 2 || workers(&stage).len() != 3 {
            assert!(Instant::now() < end, "one worker is replaced: {before:?} {:?}", workers(&stage));
            thread::sleep(Duration::from_millis(50));
        }

        run_host(&path, &["module", "disable", "favourite_colour"]).success();
        until_state(&stage, "favourite_colour", "disabled");
        assert!(stage.begin_setup(&tokens, "favourite_colour").status >= 400, "switched off");
    });
}

#[test]
fn a_module_is_replaced_under_its_own_logins_and_none_fails() {
    let stage = Stage::new();
    stage.set_up_pin(&stage.login(BOB));
    while_bob_logs_in(&stage, || {
        for _ in 0..3 {
            let before = workers(&stage);
            replace_file(&stage.directory, "insecure_example");
            let end = Instant::now() + PATIENCE;
            while workers(&stage).intersection(&before).count() != 1 || workers(&stage).len() != 2 {
                assert!(Instant::now() < end, "the former worker ends: {before:?} {:?}", workers(&stage));
                thread::sleep(Duration::from_millis(50));
            }
        }
    });
}

#[test]
fn a_bad_edit_keeps_what_runs_and_is_told_with_its_line_until_it_is_mended() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&stage.login(BOB));
    let told = |status: &Value| status["settings"]["problem"].as_str().unwrap_or_default().to_owned();
    while_bob_logs_in(&stage, || {
        stage.directory.replace_setting("[[client]]\n", "[[client]]\ncolour = 1\n");
        let line = format!("host.toml:{}: ", line_of(&stage.directory, "colour"));
        let status = until(&stage, "told", |status| !status["settings"]["problem"].is_null());
        assert!(told(&status).contains(&line) && told(&status).contains("colour"), "{status}");
        let seen = stage.wire().get_as(&tokens.access, "/api/status").expect(200);
        assert!(told(&seen).contains(&line), "{seen}");
        assert!(stage.host().log().contains(&line));
        let shown = run_host(&stage.directory.path(), &["status"]).success().stdout;
        assert!(shown.contains(&line), "{shown}");
        let stranger = stage.wire().get("/api/status").expect(200);
        assert!(stranger.get("settings").is_none(), "{stranger}");

        stage.directory.replace_setting("[[client]]\ncolour = 1\n", "[[client]]\n");
        until(&stage, "mended", |status| status["settings"]["problem"].is_null());
    });
}

#[test]
fn a_refused_change_of_a_module_leaves_the_former_in_service() {
    let (mut stage, account) = Stage::ada_with_totp();
    let settings = stage.directory.settings();
    let is_refused = |status: &Value| module(status, "totp")["state"] == "ready" && !reason(status, "totp").is_empty();
    let is_sound = |status: &Value| module(status, "totp")["state"] == "ready" && reason(status, "totp").is_empty();

    stage.directory.configure_totp(Some("no_such_key = 1"));
    let status = until(&stage, "refused", is_refused);
    let place = format!("host.toml:{}: ", line_of(&stage.directory, "[[module]]"));
    assert!(reason(&status, "totp").starts_with(&place), "{status}");
    assert!(reason(&status, "totp").contains("no_such_key"), "{status}");
    let listed = run_host(&stage.directory.path(), &["module", "list"]).success().stdout;
    assert!(listed.contains("no_such_key"), "{listed}");
    let seen = stage.wire().get_as(&account.tokens.access, "/api/status").expect(200);
    assert!(reason(&seen, "totp").contains("no_such_key"), "{seen}");
    stage.login_totp(&account);
    fs::write(stage.directory.path().join("host.toml"), &settings).expect("host.toml is written");
    until(&stage, "taken back", is_sound);

    let path = stage.directory.path().join("modules/totp.so");
    let sound = fs::read(&path).expect("the module");
    fs::write(&path, "no library").expect("the file is overwritten");
    let status = until(&stage, "refused", is_refused);
    assert!(reason(&status, "totp").contains("totp.so"), "{status}");
    stage.login_totp(&account);
    fs::write(&path, sound).expect("the file is mended");
    until(&stage, "mended", is_sound);
    stage.login_totp(&account);
}

#[test]
fn a_module_that_goes_away_lets_nobody_in_and_comes_back() {
    let (mut stage, account) = Stage::ada_with_totp();
    let path = stage.directory.path();
    run_host(&path, &["module", "disable", "totp"]).success();
    until_state(&stage, "totp", "disabled");
    assert_no_way_in(&stage, ADA);
    run_host(&path, &["module", "enable", "totp"]).success();
    until_state(&stage, "totp", "ready");
    stage.login_totp(&account);
    // Another type under the same id: what was set up is not for it, and the former does not stand in.
    stage.directory.replace_setting("type = \"insecure_example\"\n", "type = \"insecure_example\"\nid = \"pin\"\n");
    stage.directory.replace_setting("type = \"totp\"\n", "type = \"absent\"\nid = \"totp\"\n");
    until_state(&stage, "totp", "failed");
    assert_no_way_in(&stage, ADA);
}

#[test]
fn a_module_whose_file_is_taken_away_goes_out_of_service_at_once() {
    let (mut stage, account) = Stage::ada_with_totp();
    stage.set_up_pin(&stage.login(BOB));
    let waiting = stage.begin_to_mfa(ADA);
    let path = stage.directory.path().join("modules/totp.so");
    let aside = stage.directory.beside("totp.so");
    fs::rename(&path, &aside).expect("the file is taken away");
    let status = until_reason(&stage, "totp", "there is no");
    assert_eq!(module(&status, "totp")["state"], "failed");
    assert_no_way_in(&stage, ADA);
    let code = account.totp.code(stage.now_ms());
    assert_eq!(stage.submit_code(&waiting, &code)["type"], "abort", "nor for who was on the way");
    assert!(stage.begin_setup(&tokens_by_pin(&stage, BOB), "totp").status >= 400, "it is offered to nobody");
    fs::rename(&aside, &path).expect("the file is put back");
    until_reason(&stage, "totp", "");
    stage.login_totp(&account);
}

#[test]
fn a_module_that_is_not_the_pinned_one_any_more_goes_out_of_service_at_once() {
    use sha2::{Digest, Sha256};
    let (mut stage, account) = Stage::ada_with_totp();
    let file = stage.directory.path().join("modules/totp.so");
    let hash = || data_encoding::HEXLOWER.encode(&Sha256::digest(fs::read(&file).expect("the module")));
    let (right, wrong) = (hash(), "0".repeat(64));
    let unpinned = "type = \"totp\"\n";
    let pinned = |hash: &str| format!("{unpinned}sha256 = \"{hash}\"\n");

    stage.directory.replace_setting(unpinned, &pinned(&wrong));
    let status = until_reason(&stage, "totp", "pins");
    assert_eq!(module(&status, "totp")["state"], "failed");
    assert_no_way_in(&stage, ADA);
    stage.directory.replace_setting(&pinned(&wrong), &pinned(&right));
    until_reason(&stage, "totp", "");
    stage.login_totp(&account);

    // The pin stays, and another file comes.
    replace_file(&stage.directory, "totp");
    until_reason(&stage, "totp", "pins");
    assert_no_way_in(&stage, ADA);
    stage.directory.replace_setting(&pinned(&right), &pinned(&hash()));
    until_reason(&stage, "totp", "");
    stage.login_totp(&account);
}

const MISBEHAVING: &str = "misbehaving";

fn with_misbehaving(config: &str, limits: &str) -> Stage {
    Stage::with(|directory| add_misbehaving(directory, config, limits))
}

fn add_misbehaving(directory: &Directory, config: &str, limits: &str) {
    directory.install(&outside_module(MISBEHAVING), MISBEHAVING);
    directory.append_settings(&format!(
        "[[module]]\ntype = \"misbehaving\"\n[module.config]\n{config}\n\n[limits]\n{limits}\n"
    ));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the module goes by the real time")]
fn a_module_that_is_late_at_its_first_start_is_tried_again() {
    let mut stage = Stage::stopped();
    // Only from here on does the time count.
    let in_a_while = std::time::SystemTime::now() + Duration::from_secs(6);
    let moment_ms = in_a_while.duration_since(std::time::UNIX_EPOCH).expect("a time after 1970").as_millis();
    let limits = "module_deadline_ms = 1000\nmodule_crashes_max = 100";
    add_misbehaving(&stage.directory, &format!("late_until_ms = {moment_ms}"), limits);
    stage.start();
    until_reason(&stage, MISBEHAVING, "");
    assert!(stage.host().log().contains("it did not start within 1000 ms"), "{}", stage.host().log());
    let tokens = stage.login(ADA);
    assert_eq!(stage.begin_setup(&tokens, MISBEHAVING).expect(200)["type"], "form");
}

#[test]
fn a_module_that_is_always_late_is_given_up_and_a_late_edit_is_refused() {
    let stage = with_misbehaving("", "module_deadline_ms = 1000\nmodule_crashes_max = 2");
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, MISBEHAVING).expect(200);
    let done =
        stage.submit_setup(&tokens, step["flow_id"].as_str().expect("an id"), &json!({"word": "any"})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    stage.directory.replace_setting("[module.config]\n", "[module.config]\nmisbehaviour = \"loop_in_new\"\n");
    let told = |status: &Value| reason(status, MISBEHAVING).contains("it did not start within 1000 ms");
    let status = until(&stage, "refused", told);
    assert_eq!(module(&status, MISBEHAVING)["state"], "ready", "the former one serves: {status}");
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit(&flow_id, json!({"word": "fine"})).expect(200));

    let mut stage = stage;
    stage.restart();
    until_state(&stage, MISBEHAVING, "quarantined");
    assert_no_way_in(&stage, ADA);
}

#[test]
fn a_quarantined_module_is_tried_again_when_its_file_is_put_in_place_anew() {
    let stage = with_misbehaving("", "module_crashes_max = 1");
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, MISBEHAVING).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let _ = stage.submit_setup(&tokens, flow_id, &json!({"word": "abort"}));
    until_state(&stage, MISBEHAVING, "quarantined");
    // The very same file, put in place once more.
    stage.directory.install(&outside_module(MISBEHAVING), MISBEHAVING);
    until_state(&stage, MISBEHAVING, "ready");
    assert_eq!(stage.begin_setup(&tokens, MISBEHAVING).expect(200)["type"], "form");
}

#[test]
fn clients_providers_and_limits_change_and_what_cannot_is_named() {
    let stage = Stage::new();
    let new_client = json!({"client_id": "app", "redirect_uri": "https://app.example/back"});
    assert!(stage.begin_with(new_client.clone()).status >= 400);
    stage.directory.replace_setting(
        "[[client]]\n",
        concat!(
            "[limits]\nbody_bytes_max = 4096\n\n",
            "[[client]]\nid = \"app\"\nredirect_uris = [\"https://app.example/back\"]\n\n[[client]]\n",
        ),
    );
    stage.directory.replace_setting("type = \"local\"\n", "type = \"local\"\nname = \"Here\"\n");
    stage.directory.replace_setting("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:9\"");
    let status = until(&stage, "named", |status| status["settings"]["at_next_start"] != json!([]));
    assert_eq!(status["settings"]["at_next_start"], json!(["listen"]));
    assert_form(&stage.begin_with(new_client).expect(200), "init");
    assert_eq!(stage.wire().get("/auth/providers").expect(200)["providers"][0]["name"], "Here");
    let long = json!({"client_id": "a".repeat(8192)});
    assert_eq!(stage.begin_with(long).status, 413);
    stage.directory.replace_setting("listen = \"127.0.0.1:9\"", "listen = \"127.0.0.1:0\"");
    until(&stage, "as before", |status| status["settings"]["at_next_start"] == json!([]));
}
