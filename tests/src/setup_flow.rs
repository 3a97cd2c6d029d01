//! The guided set-up: a secret lives in its flow alone until a right code proves it.

use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};

use crate::harness::{ADA, BOB, PIN, Stage, TotpSecret, decode_svg, result_of};

fn placeholder(step: &Value, name: &str) -> String {
    step["description_placeholders"][name].as_str().unwrap_or_else(|| panic!("{name} in {step}")).to_owned()
}

#[test]
fn available_modules_are_listed_with_their_state() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let ids: Vec<_> = stage.methods(&tokens).into_iter().map(|method| method["id"].clone()).collect();
    assert_eq!(ids, ["totp", "insecure_example"]);
    for method in stage.methods(&tokens) {
        assert!(method["name"].is_string(), "{method}");
        for state in ["is_setup", "is_active", "is_primary"] {
            assert_eq!(method[state], false, "{method}");
        }
    }
}

#[test]
fn qr_secret_and_uri_say_the_same() {
    let stage = Stage::with(|directory| directory.configure_totp(Some("issuer = \"Test host\"")));
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let (secret, uri) = (placeholder(&step, "code"), placeholder(&step, "url"));
    let bytes = BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).expect("base32 without padding");
    assert_eq!(bytes.len() * 8, 160);
    assert!(uri.starts_with("otpauth://totp/"), "{uri}");
    assert!(uri.contains(&format!("secret={}", secret.replace(' ', ""))), "{uri}");
    assert!(uri.contains("issuer=Test%20host"), "the issuer is percent-encoded: {uri}");
    assert_eq!(decode_svg(&placeholder(&step, "qr_code")), uri, "the QR decodes to that very URI");
}

#[test]
fn secrets_are_never_the_same_twice() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let one = stage.begin_setup(&tokens, "totp").expect(200);
    let two = stage.begin_setup(&tokens, "totp").expect(200);
    assert_ne!(placeholder(&one, "code"), placeholder(&two, "code"));
}

#[test]
fn a_right_code_enrols_and_the_first_factor_becomes_primary() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    let totp = stage.method(&tokens, "totp");
    let pin = stage.method(&tokens, "insecure_example");
    assert_eq!(
        (&totp["is_setup"], &totp["is_active"], &totp["is_primary"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!((&pin["is_setup"], &pin["is_active"], &pin["is_primary"]), (&json!(true), &json!(true), &json!(false)));
}

#[test]
fn nothing_is_enrolled_before_the_code_is_right() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let secret = TotpSecret(placeholder(&step, "code"));
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let again = stage.submit_setup(&tokens, flow_id, &json!({"code": secret.wrong_code(stage.now_ms())})).expect(200);
    assert_eq!(again["type"], "form", "{again}");
    assert!(!again["errors"].as_object().expect("errors").is_empty(), "{again}");
    assert_eq!(placeholder(&again, "code"), secret.0, "the same secret until it is done");
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
    result_of(&stage.submit_password(&stage.begin(), ADA));
}

#[test]
fn the_final_answer_holds_no_secret() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let secret = TotpSecret(placeholder(&step, "code"));
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"code": secret.code(stage.now_ms())})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    assert!(!done.to_string().contains(&secret.0), "{done}");
    assert!(!stage.method(&tokens, "totp").to_string().contains(&secret.0));
    let answer = stage.submit_setup(&tokens, flow_id, &json!({"code": "000000"}));
    assert_eq!(answer.status, 404, "the flow is over");
}

#[test]
fn a_cancelled_set_up_leaves_nothing() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    assert!(stage.cancel_setup(&tokens, flow_id).status < 300);
    let code = TotpSecret(placeholder(&step, "code")).code(stage.now_ms());
    assert_eq!(stage.submit_setup(&tokens, flow_id, &json!({"code": code})).status, 404);
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
}

#[test]
fn a_set_up_flow_belongs_to_its_user() {
    let stage = Stage::new();
    let (of_ada, of_bob) = (stage.login(ADA), stage.login(BOB));
    let step = stage.begin_setup(&of_ada, "totp").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let code = json!({"code": TotpSecret(placeholder(&step, "code")).code(stage.now_ms())});
    let stolen = stage.submit_setup(&of_bob, flow_id, &code);
    let unknown = stage.submit_setup(&of_bob, "does-not-exist", &code);
    assert_eq!((stolen.status, &stolen.body), (404, &unknown.body), "a foreign flow looks like none");
    assert_eq!(stage.cancel_setup(&of_bob, flow_id).status, 404);
    let done = stage.submit_setup(&of_ada, flow_id, &code).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    assert_eq!(stage.method(&of_bob, "totp")["is_setup"], false);
}

#[test]
fn a_set_up_flow_ends_after_ten_minutes() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    stage.clock.advance_ms(600_001);
    let code = json!({"code": TotpSecret(placeholder(&step, "code")).code(stage.now_ms())});
    let answer = stage.submit_setup(&tokens, flow_id, &code);
    assert!(answer.status == 404 || answer.expect(200)["type"] == "abort", "{}", answer.status);
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
}

#[test]
fn setting_up_again_replaces_the_old_factor_only_on_success() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
    let setup_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, setup_id, &json!({"pin": "8642"})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit(&flow_id, json!({"pin": PIN})).expect(200)["errors"]["base"], "invalid_code");
    result_of(&stage.submit(&flow_id, json!({"pin": "8642"})).expect(200));
    let listed = stage.methods(&tokens).iter().filter(|method| method["id"] == "insecure_example").count();
    assert_eq!(listed, 1, "one enrolment for a user and a module");
}

#[test]
fn set_up_codes_are_counted_too() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let secret = TotpSecret(placeholder(&step, "code"));
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let wrong = json!({"code": secret.wrong_code(stage.now_ms())});
    let mut guesses = 0;
    loop {
        let answer = stage.submit_setup(&tokens, flow_id, &wrong);
        if answer.status != 200 || answer.json()["type"] != "form" {
            break;
        }
        guesses += 1;
        assert!(guesses < 6, "a set-up takes no endless guesses");
    }
    let code = json!({"code": secret.code(stage.now_ms())});
    let answer = stage.submit_setup(&tokens, flow_id, &code);
    assert!(answer.status != 200 || answer.json()["type"] != "create_entry", "the flow is over or locked");
}

#[test]
fn the_pin_module_sets_up_in_one_form() {
    let stage = Stage::new();
    let tokens = stage.login(BOB);
    let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
    assert_eq!(step["data_schema"][0]["name"], "pin", "{step}");
    stage.set_up_pin(&tokens);
    let flow_id = stage.begin_to_mfa(BOB);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

#[test]
fn unknown_and_foreign_modules_cannot_be_set_up() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    assert_eq!(stage.begin_setup(&tokens, "nothing").status, 404);
    assert_eq!(stage.begin_setup(&tokens, "%2e%2e%2fsecret").status, 404);
    let without = stage.wire().post("/api/mfa/totp/setup", &json!({}));
    assert_eq!(without.status, 401, "a set-up needs somebody who is signed in");
}
