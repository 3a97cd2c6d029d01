//! Directories of earlier versions: each is opened by today's host, and the login that was in progress goes on.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::harness::{Directory, ManualClock, Stage, built_module, copy_directory, result_of, set_modes, totp};

#[test]
fn every_fixture_opens_and_its_login_goes_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut seen = 0;
    for entry in fs::read_dir(&root).expect("tests/fixtures; cargo xtask fixture NAME makes one") {
        let fixture = entry.expect("a readable entry").path();
        if fixture.is_dir() {
            go_on_with(&fixture);
            seen += 1;
        }
    }
    assert!(seen > 0, "there is at least one fixture");
}

fn go_on_with(fixture: &Path) {
    let text = fs::read_to_string(fixture.join("expect.json")).expect("expect.json");
    let expect: Value = serde_json::from_str(&text).expect("expect.json is JSON");
    let text_of = |name: &str| expect[name].as_str().unwrap_or_else(|| panic!("{name} in {expect}")).to_owned();
    let number_of = |name: &str| expect["clock"][name].as_i64().unwrap_or_else(|| panic!("{name} in {expect}"));

    let directory = Directory::empty();
    copy_directory(&fixture.join("config"), &directory.path());
    // The modules are this build's; version control keeps neither libraries nor modes.
    let modules = directory.path().join("modules");
    fs::create_dir_all(&modules).expect("the modules' directory");
    for id in ["totp", "insecure_example"] {
        directory.install(&built_module(id), id);
    }
    set_modes(&directory.path());
    let clock = ManualClock::at(&directory.path(), number_of("wall_ms"), number_of("boot_ms"), &text_of_clock(&expect));
    let stage = Stage::on(directory, clock);

    let code = totp(&text_of("totp_secret"), stage.now_ms());
    let answer = stage.submit(&text_of("flow_id"), json!({"client_id": text_of("client_id"), "code": code}));
    let result = result_of(&answer.expect(200));
    let exchanged = stage.wire().post_form(
        "/auth/token",
        &[("grant_type", "authorization_code"), ("client_id", &text_of("client_id")), ("code", &result)],
    );
    let tokens = crate::harness::Tokens::of(&exchanged.expect(200));
    assert_eq!(stage.signed_in_name(&tokens), text_of("user"), "{}", fixture.display());
}

fn text_of_clock(expect: &Value) -> String {
    expect["clock"]["boot_id"].as_str().expect("a boot id").to_owned()
}
