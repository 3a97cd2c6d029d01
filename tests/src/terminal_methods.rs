//! One's own methods at the terminal, as a script does it: sign in, one thing, sign out.

use serde_json::{Value, json};

use crate::harness::{ADA, Outcome, PASSWORD, PIN, Stage, TotpSecret, result_of, run_host_with_input};

/// `mfa-host methods …` for Ada, with these lines after her password.
fn methods(stage: &Stage, arguments: &[&str], lines: &[&str]) -> Outcome {
    let all = [&["methods"], arguments, &["--url", &stage.host().base, "--user", ADA]].concat();
    let input: String = [&[PASSWORD], lines].concat().iter().map(|line| format!("{line}\n")).collect();
    run_host_with_input(&stage.directory.path(), &all, &input)
}

fn json_of(stage: &Stage, arguments: &[&str], lines: &[&str]) -> Value {
    methods(stage, &[arguments, &["--json"]].concat(), lines).success().json()
}

/// Ada with TOTP, the primary, and the PIN. The second choice of a login is the PIN.
fn with_two(settings: &str) -> (Stage, TotpSecret) {
    let mut stage = Stage::with(|directory| directory.append_settings(settings));
    let tokens = stage.login(ADA);
    let totp = stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    (stage, totp)
}

const BY_PIN: [&str; 2] = ["2", PIN];

#[test]
fn own_methods_are_listed_and_changed() {
    let (stage, _) = with_two("");
    let listed = methods(&stage, &["list"], &BY_PIN).success().stdout;
    assert!(listed.contains("primary") && listed.contains("insecure_example"), "{listed}");
    assert!(!listed.contains(PIN) && !listed.contains(PASSWORD), "{listed}");
    assert_eq!(json_of(&stage, &["list"], &BY_PIN).as_array().map(Vec::len), Some(2));
    let renamed = json_of(&stage, &["rename", "totp", "My phone"], &BY_PIN);
    assert_eq!(renamed["label"], "My phone");
    assert!(methods(&stage, &["show", "totp"], &BY_PIN).success().stdout.contains("My phone"));
    let primary = json_of(&stage, &["primary", "insecure_example"], &BY_PIN);
    assert_eq!(primary["is_primary"], true);
    assert_eq!(json_of(&stage, &["deactivate", "totp"], &BY_PIN)["is_active"], false);
    // One is left, so the login asks for it at once.
    let refused = methods(&stage, &["deactivate", "insecure_example"], &[PIN]);
    assert!(refused.code == Some(1) && refused.text().contains("primary"), "{refused:?}");
    assert_eq!(json_of(&stage, &["activate", "totp"], &[PIN])["is_active"], true);
    assert_eq!(
        json_of(&stage, &["test", "insecure_example"], &["2", PIN, PIN]),
        json!({"id": "insecure_example", "works": true})
    );
    let wrong = methods(&stage, &["test", "insecure_example"], &["2", PIN, "9999", "9999", "9999"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    methods(&stage, &["remove", "totp"], &BY_PIN).success();
    assert_eq!(methods(&stage, &["show", "../me"], &[PIN]).code, Some(1));
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

#[test]
fn devices_are_listed_renamed_and_removed() {
    let (mut stage, totp) = with_two("");
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "totp"})).expect(200);
    let tokens = stage.tokens_of(&stage.submit_code(&flow_id, &totp.code(stage.now_ms())));
    stage.add_totp(&tokens, "Tablet");
    let listed = methods(&stage, &["devices", "totp"], &BY_PIN).success().stdout;
    assert!(listed.contains("Authenticator 1") && listed.contains("Tablet"), "{listed}");
    let shown = json_of(&stage, &["devices", "totp"], &BY_PIN);
    let id = shown["overview"]["devices"][1]["id"].as_str().expect("an id").to_owned();
    methods(&stage, &["rename", "totp", "Old tablet", "--device", &id], &BY_PIN).success();
    assert!(methods(&stage, &["devices", "totp"], &BY_PIN).success().stdout.contains("Old tablet"));
    methods(&stage, &["remove", "totp", "--device", &id], &BY_PIN).success();
    let left = json_of(&stage, &["devices", "totp"], &BY_PIN);
    assert_eq!(left["overview"]["devices"].as_array().map(Vec::len), Some(1), "{left}");
}

#[test]
fn a_method_that_is_out_of_use_is_removed_with_a_code_of_the_primary() {
    let (stage, _) = with_two("[methods]\ndelete_needs_code = true\n");
    methods(&stage, &["primary", "insecure_example"], &BY_PIN).success();
    methods(&stage, &["deactivate", "totp"], &BY_PIN).success();
    let told = methods(&stage, &["remove", "totp"], &[PIN, PIN]).success();
    assert!(told.stdout.contains("a code of insecure_example"), "{told:?}");
}

#[test]
fn a_code_that_the_settings_want_is_asked_for() {
    let (stage, totp) = with_two("[methods]\nprimary_needs_code = true\ndelete_needs_code = true\n");
    let wrong = methods(&stage, &["remove", "insecure_example"], &["2", PIN, "9999"]);
    assert!(wrong.code == Some(1) && wrong.text().contains("Wrong code"), "{wrong:?}");
    let code = totp.code(stage.now_ms());
    let told = methods(&stage, &["primary", "insecure_example"], &["2", PIN, &code]).success();
    assert!(told.stdout.contains("a code of totp"), "{told:?}");
    methods(&stage, &["remove", "insecure_example"], &["2", PIN, PIN]).success();
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code", "it was used up");
}
