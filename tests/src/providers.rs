//! First factors: which exist is configuration; whom they know, nobody outside can tell.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{ADA, BOB, Directory, Host, PASSWORD, PIN, Stage, assert_form, run_host_with_input};

const HOUSE_PASSWORD: &str = "the-old-house-password-42";

fn write_private(directory: &Directory, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("the file is written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("0600");
}

fn with_legacy(directory: &Directory) {
    write_private(directory, "house.password", &format!("{HOUSE_PASSWORD}\n"));
    directory.append_settings(
        "[[provider]]\ntype = \"legacy_api_password\"\nname = \"House password\"\nuser = \"ada\"\npassword_file = \"house.password\"\n",
    );
}

#[test]
fn an_unknown_user_gets_the_same_answer_as_a_wrong_password() {
    let stage = Stage::new();
    let ask = |name: &str| {
        let flow_id = stage.begin();
        let answer = stage.submit(&flow_id, json!({"username": name, "password": "wrong-password"}));
        (answer.status, String::from_utf8(answer.body).expect("text").replace(&flow_id, "FLOW"))
    };
    assert_eq!(ask(ADA), ask("nobody-of-this-name"));
}

#[test]
fn an_unknown_user_costs_the_same_work_as_a_known_one() {
    let stage = Stage::with(|directory| directory.replace_setting("iterations = 2", "iterations = 64"));
    let fastest_ms = |name: &str| {
        let once = |_| {
            let flow_id = stage.begin();
            let begun = std::time::Instant::now();
            stage.submit(&flow_id, json!({"username": name, "password": "wrong-password"})).expect(200);
            begun.elapsed().as_millis()
        };
        (0..3).map(once).min().expect("three tries")
    };
    // Set anew, so that all passwords cost what the settings ask for now; else some unknown names cost the former.
    for name in [ADA, BOB] {
        run_host_with_input(&stage.directory.path(), &["user", "passwd", name], &format!("{PASSWORD}\n")).success();
    }
    let (known_ms, unknown_ms) = (fastest_ms(ADA), fastest_ms("nobody-of-this-name"));
    assert!(unknown_ms * 4 > known_ms && known_ms * 4 > unknown_ms, "{known_ms} ms and {unknown_ms} ms");
}

#[test]
fn a_user_switched_off_gets_the_same_answer_as_a_wrong_password() {
    let stage = Stage::new();
    run_host_with_input(&stage.directory.path(), &["user", "disable", BOB], "").success();
    let ask = |name: &str, password: &str| {
        let flow_id = stage.begin();
        let answer = stage.submit(&flow_id, json!({"username": name, "password": password}));
        (answer.status, String::from_utf8(answer.body).expect("text").replace(&flow_id, "FLOW"))
    };
    assert_eq!(ask(BOB, PASSWORD), ask(ADA, "wrong-password"));
}

#[test]
fn the_home_automation_alias_means_local() {
    let stage = Stage::new();
    let step = stage.begin_with(json!({"handler": ["homeassistant", null]})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let tokens = stage.tokens_of(&stage.submit_password(flow_id, ADA));
    assert_eq!(stage.signed_in_name(&tokens), ADA);
}

#[test]
fn the_legacy_password_signs_its_one_user_in() {
    let mut stage = Stage::with(with_legacy);
    let listed = stage.wire().get("/auth/providers").expect(200);
    assert_eq!(listed["providers"][1]["type"], "legacy_api_password", "{listed}");
    assert_eq!(listed["providers"][1]["name"], "House password", "{listed}");

    let begin = |stage: &Stage| {
        let step = stage.begin_with(json!({"handler": ["legacy_api_password", null]})).expect(200);
        step["flow_id"].as_str().expect("a flow id").to_owned()
    };
    let flow_id = begin(&stage);
    let step = stage.submit(&flow_id, json!({"password": "not-the-house-password"})).expect(200);
    assert_eq!(step["errors"]["base"], "invalid_auth");
    let done = stage.submit(&flow_id, json!({"password": HOUSE_PASSWORD})).expect(200);
    assert_eq!(stage.signed_in_name(&stage.tokens_of(&done)), ADA);

    // The user's second factor guards this door as well.
    let tokens = stage.login(ADA);
    let totp = stage.set_up_totp(&tokens);
    let flow_id = begin(&stage);
    assert_form(&stage.submit(&flow_id, json!({"password": HOUSE_PASSWORD})).expect(200), "mfa");
    let session = stage.session(&stage.tokens_of(&stage.submit_code(&flow_id, &totp.code(stage.now_ms()))));
    assert_eq!(session["mfa_method_used"], "totp");
}

#[test]
fn a_legacy_password_file_others_can_read_opens_nothing() {
    let stage = Stage::with(|directory| {
        with_legacy(directory);
        use std::os::unix::fs::PermissionsExt;
        let file = directory.path().join("house.password");
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).expect("0644");
    });
    let step = stage.begin_with(json!({"handler": ["legacy_api_password", null]})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let step = stage.submit(flow_id, json!({"password": HOUSE_PASSWORD}));
    assert!(step.status != 200 || step.json()["type"] != "create_entry", "{}", step.status);
}

const SERVICE_SECRET: &str = "3f9a41d07c1be66258e0a7b94d1c2f85";

fn with_service(directory: &Directory) {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(SERVICE_SECRET.as_bytes()));
    directory.append_settings(&format!(
        "[[provider]]\ntype = \"service\"\n\n[[provider.credential]]\nid = \"portal\"\nsecret_sha256 = \"{hash}\"\nclients = [\"{}\"]\n",
        crate::harness::CLIENT_ID
    ));
}

#[test]
fn a_service_with_its_credential_vouches_for_a_user() {
    let stage = Stage::with(with_service);
    let ada = stage.login(ADA);
    stage.set_up_pin(&ada);
    let user_id = stage.me(&ada).expect(200)["user"]["id"].as_str().expect("an id").to_owned();
    let begin = || {
        let step = stage.begin_with(json!({"handler": ["service", null]})).expect(200);
        step["flow_id"].as_str().expect("a flow id").to_owned()
    };
    let vouch = |flow_id: &str, id: &str, secret: &str| {
        let path = format!("/auth/login_flow/{flow_id}");
        let body = json!({"client_id": crate::harness::CLIENT_ID, "user_id": user_id});
        stage.wire().post_with_basic(id, secret, &path, &body)
    };
    let flow_id = begin();
    assert_form(&vouch(&flow_id, "portal", SERVICE_SECRET).expect(200), "mfa");
    let done = stage.submit(&flow_id, json!({"pin": PIN})).expect(200);
    assert_eq!(stage.signed_in_name(&stage.tokens_of(&done)), ADA);
    for (id, secret) in [("portal", "wrong"), ("other", SERVICE_SECRET), ("", "")] {
        let answer = vouch(&begin(), id, secret);
        assert!(answer.status >= 400 || answer.json()["errors"]["base"] == "invalid_auth", "{id}: {}", answer.status);
    }
    let without = stage.submit(&begin(), json!({"user_id": user_id}));
    assert!(without.status >= 400 || without.json()["errors"]["base"] == "invalid_auth", "{}", without.status);
}

#[test]
fn the_service_provider_is_off_unless_configured() {
    let stage = Stage::new();
    let status = stage.begin_with(json!({"handler": ["service", null]})).status;
    assert!(matches!(status, 400 | 404), "{status}");
    let listed = stage.wire().get("/auth/providers").expect(200);
    assert_eq!(listed["providers"].as_array().expect("a list").len(), 1);
}

#[test]
fn a_provider_switched_off_is_neither_listed_nor_usable() {
    let stage = Stage::with(|directory| {
        with_legacy(directory);
        directory.replace_setting("type = \"local\"", "type = \"local\"\nenabled = false");
    });
    let listed = stage.wire().get("/auth/providers").expect(200);
    assert!(!listed.to_string().contains("\"local\""), "{listed}");
    let status = stage.begin_with(json!({})).status;
    assert!(matches!(status, 400 | 404), "{status}");
}

#[test]
fn configuration_mistakes_give_file_line_and_exit_code_2() {
    for mistake in ["lisen = \"127.0.0.1:0\"", "trusted_proxies = [\"not-a-network\"]", "name = 5"] {
        let directory = Directory::new();
        // Before the first line, where keys of the root belong; a second `name` is a mistake of its own.
        directory.replace_setting("name = \"Test host\"", mistake);
        let outcome = crate::harness::run_host(&directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        let said = outcome.stderr;
        assert!(said.contains("host.toml:2") || (said.contains("host.toml") && said.contains("line 2")), "{said}");
    }
}

#[test]
fn two_passwords_of_two_users_are_not_mixed_up() {
    let stage = Stage::stopped();
    let path = stage.directory.path();
    crate::harness::run_host_with_input(&path, &["user", "add", "cleo"], "another-password-entirely\n").success();
    let host = Host::start(&path);
    let ask = |name: &str, password: &str| {
        let body = json!({"client_id": crate::harness::CLIENT_ID, "username": name, "password": password});
        host.wire.post("/api/login", &body).status
    };
    assert_eq!(ask("cleo", PASSWORD), 401);
    assert_eq!(ask("cleo", "another-password-entirely"), 200);
}
