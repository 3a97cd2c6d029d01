//! What a user makes of own methods: in and out of use, first, with a label. One primary at all times, a fresh proof for
//! every change, and nobody else's.

use serde_json::{Value, json};

use crate::harness::{ADA, BOB, PIN, Stage, Tokens, assert_form, assert_stale, at_once, result_of};

const NO_BODY: fn() -> Value = || json!({});

/// Ada with TOTP, the primary, and the PIN; her session is fresh.
fn with_two() -> (Stage, Tokens) {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    (stage, tokens)
}

fn states(stage: &Stage, tokens: &Tokens) -> Vec<(String, bool, bool)> {
    let of = |method: Value| {
        let id = method["id"].as_str().expect("an id").to_owned();
        (id, method["is_active"] == true, method["is_primary"] == true)
    };
    stage.methods(tokens).into_iter().filter(|method| method["is_setup"] == true).map(of).collect()
}

#[track_caller]
fn assert_problem(answer: &crate::harness::Answer, status: u16, code: &str) {
    assert_eq!(answer.expect(status)["code"], code);
}

#[test]
fn a_method_goes_out_of_use_and_comes_back() {
    let (mut stage, tokens) = with_two();
    let waiting = stage.begin();
    stage.submit_password(&waiting, ADA);
    stage.submit(&waiting, json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    let off = stage.method_deed(&tokens, "insecure_example", "deactivate", &NO_BODY()).expect(200);
    assert_eq!((&off["is_setup"], &off["is_active"]), (&json!(true), &json!(false)), "{off}");
    // A login that waits for it does not finish by it, and a new one does not offer it.
    let answer = stage.submit(&waiting, json!({"pin": PIN}));
    assert!(answer.status == 404 || answer.json()["type"] == "abort", "{}", String::from_utf8_lossy(&answer.body));
    let step = stage.submit_password(&stage.begin(), ADA);
    assert_form(&step, "mfa");
    assert_eq!(step["description_placeholders"]["mfa_module_id"], "totp");
    stage.crash();
    assert_eq!(states(&stage, &tokens)[1], ("insecure_example".to_owned(), false, false), "it survives a crash");
    // Again changes nothing.
    stage.method_deed(&tokens, "insecure_example", "deactivate", &NO_BODY()).expect(200);
    let on = stage.method_deed(&tokens, "insecure_example", "activate", &NO_BODY()).expect(200);
    assert_eq!(on["is_active"], true, "{on}");
    let flow_id = stage.begin();
    assert_form(&stage.submit_password(&flow_id, ADA), "select_mfa_module");
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

#[test]
fn the_primary_is_active_and_another_can_be_made_it() {
    let (stage, tokens) = with_two();
    assert_problem(&stage.method_deed(&tokens, "totp", "deactivate", &NO_BODY()), 409, "is_primary");
    stage.method_deed(&tokens, "insecure_example", "deactivate", &NO_BODY()).expect(200);
    assert_problem(&stage.method_deed(&tokens, "insecure_example", "primary", &NO_BODY()), 409, "not_active");
    stage.method_deed(&tokens, "insecure_example", "activate", &NO_BODY()).expect(200);
    let primary = stage.method_deed(&tokens, "insecure_example", "primary", &NO_BODY()).expect(200);
    assert_eq!(primary["is_primary"], true);
    let step = stage.submit_password(&stage.begin(), ADA);
    assert_eq!(step["data_schema"][0]["default"], "insecure_example", "it is preselected: {step}");
    stage.method_deed(&tokens, "totp", "deactivate", &NO_BODY()).expect(200);
    let expected = [("totp".to_owned(), false, false), ("insecure_example".to_owned(), true, true)];
    assert_eq!(states(&stage, &tokens), expected);
    // With the primary gone and the other one out of use nobody is asked, until it is activated and is the primary.
    assert_eq!(stage.delete_method(&tokens, "insecure_example").status, 204);
    result_of(&stage.submit_password(&stage.begin(), ADA));
    let back = stage.method_deed(&tokens, "totp", "activate", &NO_BODY()).expect(200);
    assert_eq!((&back["is_active"], &back["is_primary"]), (&json!(true), &json!(true)));
    assert_form(&stage.submit_password(&stage.begin(), ADA), "mfa");
}

#[test]
fn every_change_needs_a_fresh_proof_and_a_look_needs_none() {
    let (mut stage, tokens) = with_two();
    stage.clock.advance_s(301);
    for deed in ["deactivate", "activate", "primary"] {
        assert_stale(&stage.method_deed(&tokens, "insecure_example", deed, &NO_BODY()));
    }
    assert_stale(&stage.describe_method(&tokens, "totp", &json!({"label": "mine"})));
    let device = stage.devices(&tokens, "totp")[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/mfa/totp/devices/{device}");
    assert_stale(&stage.wire().patch_as(&tokens.access, &path, &json!({"name": "mine"})));
    assert_stale(&stage.wire().delete_as(&tokens.access, &path));
    let states = states(&stage, &tokens);
    assert!(states.iter().all(|(_, is_active, _)| *is_active) && states[0].2, "{states:?}");
    assert_eq!(stage.method_details(&tokens, "totp")["is_primary"], true);
}

#[test]
fn a_label_and_metadata_stay_with_the_method() {
    let (mut stage, tokens) = with_two();
    let words = json!({"label": " My phone ", "metadata": {"icon": "phone", "since": [2026, 1]}});
    let described = stage.describe_method(&tokens, "totp", &words).expect(200);
    assert_eq!(described["label"], "My phone");
    assert_eq!(stage.method(&tokens, "totp")["label"], "My phone", "listings show it");
    assert_eq!(stage.method(&tokens, "insecure_example")["label"], Value::Null);
    // What is not given stays, whatever else happens to the method.
    stage.describe_method(&tokens, "totp", &json!({})).expect(200);
    stage.add_totp(&tokens, "Tablet");
    stage.restart();
    let details = stage.method_details(&tokens, "totp");
    assert_eq!(
        (&details["label"], &details["metadata"]),
        (&words["label"].as_str().unwrap().trim().into(), &words["metadata"])
    );
    let bare = stage.describe_method(&tokens, "totp", &json!({"label": "", "metadata": {}})).expect(200);
    assert_eq!(bare["label"], Value::Null);
    assert_eq!(stage.method_details(&tokens, "totp")["metadata"], json!({}));
}

#[test]
fn words_that_are_none_are_refused_by_their_field() {
    let (stage, tokens) = with_two();
    let long = json!({"label": "é".repeat(255), "metadata": {"k": "x".repeat(4088)}});
    stage.describe_method(&tokens, "totp", &long).expect(200);
    for (body, field) in [
        (json!({"label": "é".repeat(256)}), "label"),
        (json!({"label": "two\nlines"}), "label"),
        (json!({"label": "invoice\u{202e}fdp.exe"}), "label"),
        (json!({"label": "ze\u{200b}ro"}), "label"),
        (json!({"metadata": {"k": "x".repeat(4089)}}), "metadata"),
    ] {
        let problem = stage.describe_method(&tokens, "totp", &body).expect(400);
        assert_eq!(problem["code"], "invalid_input", "{problem}");
        assert!(problem["errors"][field].is_string(), "{problem}");
    }
    for body in
        [json!({"label": 7}), json!({"metadata": []}), json!({"metadata": "x"}), json!({"name": "x"}), json!([])]
    {
        assert_eq!(stage.describe_method(&tokens, "totp", &body).status, 400, "{body}");
    }
    for deed in ["activate", "deactivate", "primary", "test"] {
        assert_eq!(stage.method_deed(&tokens, "totp", deed, &json!({"odd": 1})).status, 400, "{deed}");
    }
    assert_eq!(stage.method(&tokens, "totp")["label"], "é".repeat(255));
}

#[test]
fn what_another_has_set_up_looks_like_nothing() {
    let (mut stage, ada) = with_two();
    let device = stage.devices(&ada, "totp")[0]["id"].as_str().expect("an id").to_owned();
    let bob = stage.login(BOB);
    let wire = stage.wire();
    let ask = |tokens: &Tokens, module: &str, deed: &str| match deed {
        "patch" => wire.patch_as(&tokens.access, &format!("/api/mfa/{module}"), &json!({"label": "x"})),
        "delete" => wire.delete_as(&tokens.access, &format!("/api/mfa/{module}")),
        "device" => wire.delete_as(&tokens.access, &format!("/api/mfa/{module}/devices/{device}")),
        "name" => wire.patch_as(&tokens.access, &format!("/api/mfa/{module}/devices/{device}"), &json!({"name": "x"})),
        deed => wire.post_as(&tokens.access, &format!("/api/mfa/{module}/{deed}"), &json!({})),
    };
    for deed in ["patch", "delete", "device", "name", "activate", "deactivate", "primary", "test"] {
        let (of_ada, of_nobody) = (ask(&bob, "totp", deed), ask(&bob, "no_such_module", deed));
        assert_eq!((of_ada.status, of_nobody.status), (404, 404), "{deed}");
        assert_eq!(of_ada.body, of_nobody.body, "{deed}");
        let without = wire.post(&format!("/api/mfa/totp/{deed}"), &json!({}));
        assert!([401, 404, 405].contains(&without.status), "{deed} without a token: {}", without.status);
    }
    assert_eq!(wire.get_as(&bob.access, "/api/mfa/no_such_module").status, 404);
    let seen = stage.method_details(&bob, "totp");
    assert!(seen["is_setup"] == false && seen.get("overview").is_none(), "{seen}");
    // With a method of the same kind, another's device is as unknown as one that never was.
    stage.set_up_totp(&bob);
    let never = stage.wire().delete_as(&bob.access, "/api/mfa/totp/devices/0123456789abcdef");
    let foreign = stage.wire().delete_as(&bob.access, &format!("/api/mfa/totp/devices/{device}"));
    assert_eq!((foreign.status, &foreign.body), (404, &never.body));
    assert_eq!(stage.devices(&ada, "totp").len(), 1);
}

#[test]
fn whatever_is_wished_at_once_there_is_one_primary_and_it_is_active() {
    let (stage, tokens) = with_two();
    for _ in 0..8 {
        let wishes = [
            ("insecure_example", "primary"),
            ("insecure_example", "deactivate"),
            ("totp", "primary"),
            ("totp", "deactivate"),
            ("insecure_example", "activate"),
            ("totp", "activate"),
        ];
        let answers = at_once(wishes.len(), |number| {
            let (module, deed) = wishes[number];
            stage.method_deed(&tokens, module, deed, &NO_BODY())
        });
        for answer in answers {
            assert!([200, 409, 503].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
        }
        let primaries: Vec<_> = states(&stage, &tokens).into_iter().filter(|(_, _, is_primary)| *is_primary).collect();
        assert_eq!(primaries.len(), 1, "{primaries:?}");
        assert!(primaries[0].1, "the primary is active");
    }
}

#[test]
fn who_changed_what_stands_in_the_log() {
    let (stage, tokens) = with_two();
    let id = stage.me(&tokens).expect(200)["user"]["id"].as_str().expect("an id").to_owned();
    let from = stage.host().log().len();
    stage.method_deed(&tokens, "insecure_example", "primary", &NO_BODY()).expect(200);
    stage.method_deed(&tokens, "totp", "deactivate", &NO_BODY()).expect(200);
    stage.method_deed(&tokens, "totp", "activate", &NO_BODY()).expect(200);
    stage.describe_method(&tokens, "totp", &json!({"label": "a-private-word"})).expect(200);
    assert_eq!(stage.delete_method(&tokens, "totp").status, 204);
    for event in
        ["factor_made_primary", "factor_deactivated", "factor_activated", "factor_described", "factors_removed"]
    {
        let line = stage.host().until_logged(from, event);
        assert!(line.contains(&format!("user:{id}")), "{line}");
    }
    assert!(!stage.host().log().contains("a-private-word"), "what people say of their things is theirs");
}

#[test]
fn a_method_tells_all_there_is_to_say_of_it() {
    let (mut stage, tokens) = with_two();
    let totp = stage.method_details(&tokens, "totp");
    for (name, value) in
        [("id", json!("totp")), ("type", json!("totp")), ("sends", json!(false)), ("kind", json!("possession"))]
    {
        assert_eq!(totp[name], value, "{totp}");
    }
    assert!(totp["name"].is_string() && totp.get("setup_message").is_some(), "{totp}");
    assert_eq!(totp["code"], json!({"period_s": 30, "window": 1}));
    assert_eq!(totp["setup_schema"][0]["name"], "code", "{totp}");
    assert_eq!(totp["setup_schema"][0]["format"], "digits", "{totp}");
    assert_eq!(totp["overview"]["summary"], "1 of at most 5 authenticators");
    assert_eq!(
        (&totp["overview"]["low"], &totp["overview"]["devices"][0]["name"]),
        (&json!(false), &json!("Authenticator 1"))
    );
    let pin = stage.method_details(&tokens, "insecure_example");
    assert!(pin.get("code").is_none() && pin["overview"]["devices"] == json!([]), "{pin}");
    assert!(!totp.to_string().contains("otpauth"), "no set-up has begun");
    // What has no worker to answer is told without its module's words.
    stage.directory.replace_setting("type = \"insecure_example\"\n", "type = \"insecure_example\"\nenabled = false\n");
    stage.restart();
    let off = stage.method_details(&tokens, "insecure_example");
    assert_eq!((&off["is_setup"], &off["is_available"]), (&json!(true), &json!(false)));
    assert!(off.get("overview").is_none() && off.get("setup_schema").is_none(), "{off}");
    let refused = stage.method_deed(&tokens, "insecure_example", "test", &NO_BODY());
    assert_problem(&refused, 503, "module_unavailable");
    // It can be managed all the same.
    stage.method_deed(&tokens, "insecure_example", "deactivate", &NO_BODY()).expect(200);
    assert_eq!(stage.delete_method(&tokens, "insecure_example").status, 204);
}

#[test]
fn a_module_cannot_have_an_address_of_the_interface_as_its_id() {
    for id in ["setup", "test"] {
        let directory = crate::harness::Directory::new();
        directory.append_settings(&format!("[[module]]\ntype = \"insecure_example\"\nid = \"{id}\"\n"));
        let told = crate::harness::run_host(&directory.path(), &["config", "check"]);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.text().contains("another id"), "{told:?}");
    }
}

#[test]
fn factors_are_ranked_in_words_and_a_module_cannot_raise_itself() {
    let stage = Stage::with(|directory| {
        directory.with_outbox();
        directory.append_settings("[[module]]\ntype = \"pin\"\nstrength = \"strong\"\n\n[[module]]\ntype = \"hotp\"");
    });
    let tokens = stage.login(ADA);
    let strength = |id: &str| stage.method(&tokens, id)["strength"].clone();
    assert_eq!(strength("totp"), "good", "the admin says that it is had");
    assert_eq!(strength("insecure_example"), "basic", "known");
    assert_eq!(strength("email"), "basic", "sent");
    assert_eq!(strength("hotp"), "basic", "nobody but the module says that it is had");
    assert_eq!(strength("pin"), "strong", "the admin's word counts");
    let words = stage.method(&tokens, "totp")["strength_text"].clone();
    assert!(words.as_str().is_some_and(|words| words.starts_with("Good.")), "{words}");
}

#[test]
fn what_is_set_up_anew_was_never_used() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    stage.clock.advance_s(1);
    stage.login_with_pin(ADA, PIN);
    let used_at = || stage.method(&tokens, "insecure_example")["last_used_at"].clone();
    assert!(used_at().is_string());
    assert_eq!(stage.delete_method(&tokens, "insecure_example").status, 204);
    assert!(used_at().is_null());
    stage.clock.advance_s(1);
    stage.set_up_pin(&tokens);
    assert!(stage.method(&tokens, "insecure_example")["last_used_at"].is_null());
}
