//! Codes of a way back in: handed out with the first factor, in one answer, worth nothing before they are saved, and
//! made anew at the cost of the former ones.

use serde_json::{Value, json};

use crate::harness::{ADA, BOB, Codes, PIN, Stage, Tokens, TotpSecret, built_module, enable_backup_codes, result_of};

fn is_set_up(stage: &Stage, tokens: &Tokens) -> bool {
    stage.method(tokens, "backup_codes")["is_setup"] == true
}

/// Both settings, and the module.
fn with_settings(recovery: &str) -> Stage {
    Stage::with(|directory| {
        enable_backup_codes(directory);
        directory.append_settings(&format!("[recovery]\n{recovery}\n"));
    })
}

#[test]
fn the_first_factor_brings_ten_codes_in_one_answer_and_in_no_file() {
    let mut stage = Stage::with_backup_codes();
    let tokens = stage.login(ADA);
    let (_, done) = stage.prove_totp(&tokens);
    let [codes] = &Codes::all(&done)[..] else { panic!("one batch in {done}") };
    assert_eq!((&*codes.module, codes.codes.len()), ("backup_codes", 10));
    assert_eq!(done["recovery"][0]["name"], "Backup codes", "{done}");
    let shown = stage.wire().get_as(&tokens.access, &format!("/api/mfa/setup/{}", codes.flow_id));
    assert_eq!(shown.expect(200)["data_schema"][0]["name"], "saved");
    let again = stage.submit_setup(&tokens, &codes.flow_id, &json!({"saved": false}));
    assert_eq!(again.expect(200)["errors"]["base"], "not_saved");
    for answer in [&shown, &again, &stage.wire().get_as(&tokens.access, "/api/mfa")] {
        assert!(!codes.stand_in(&String::from_utf8_lossy(&answer.body)));
    }
    stage.save(&tokens, codes);
    for file in stage.directory.store_files() {
        assert!(!codes.stand_in(&std::fs::read_to_string(&file).expect("a file of the store")), "{}", file.display());
    }
    // The second factor brings none.
    let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let second = stage.submit_setup(&tokens, flow_id, &json!({"pin": PIN})).expect(200);
    assert_eq!((&second["type"], second.get("recovery")), (&json!("create_entry"), None), "{second}");
}

#[test]
fn codes_are_worth_nothing_before_they_are_saved() {
    let mut stage = Stage::with_backup_codes();
    let tokens = stage.login(ADA);
    let (_, done) = stage.prove_totp(&tokens);
    let codes = Codes::of(&done["recovery"][0]);
    assert!(!is_set_up(&stage, &tokens));
    assert_eq!(stage.recover(&codes.codes[0]).expect(400)["errors"]["recovery_code"], "unexpected");
    assert_eq!(stage.submit_setup(&tokens, &codes.flow_id, &json!({})).status, 400);
    stage.save(&tokens, &codes);
    assert!(is_set_up(&stage, &tokens));
    result_of(&stage.recover(&codes.codes[0]).expect(200));
    let over = stage.submit_setup(&tokens, &codes.flow_id, &json!({"saved": true}));
    assert_eq!(over.status, 404, "the flow is over");
}

#[test]
fn codes_nobody_saved_in_time_never_count() {
    let mut stage = Stage::with_backup_codes();
    let tokens = stage.login(ADA);
    let (_, done) = stage.prove_totp(&tokens);
    let codes = Codes::of(&done["recovery"][0]);
    stage.clock.advance_ms(600_001);
    let late = stage.submit_setup(&tokens, &codes.flow_id, &json!({"saved": true})).expect(200);
    assert_eq!(late["reason"], "setup_expired", "{late}");
    assert!(!is_set_up(&stage, &tokens));
}

#[test]
fn codes_belong_to_their_user() {
    let mut stage = Stage::with_backup_codes();
    let (of_ada, of_bob) = (stage.login(ADA), stage.login(BOB));
    let (_, done) = stage.prove_totp(&of_ada);
    let codes = Codes::of(&done["recovery"][0]);
    assert_eq!(stage.submit_setup(&of_bob, &codes.flow_id, &json!({"saved": true})).status, 404);
    assert_eq!(stage.cancel_setup(&of_bob, &codes.flow_id).status, 404);
    stage.save(&of_ada, &codes);
}

#[test]
fn after_kill_9_right_after_the_codes_were_shown_they_are_worth_nothing_and_new_ones_can_be_made() {
    let mut stage = Stage::with_backup_codes();
    let tokens = stage.login(ADA);
    let (_, done) = stage.prove_totp(&tokens);
    let lost = Codes::of(&done["recovery"][0]);
    stage.crash();
    assert!(!is_set_up(&stage, &tokens));
    assert_eq!(stage.recover(&lost.codes[0]).status, 400);
    let codes = Codes::of(&stage.regenerate(&tokens, "backup_codes", &json!({})).expect(200));
    stage.crash();
    stage.save(&tokens, &codes);
    stage.crash();
    assert_eq!(stage.recover(&lost.codes[0]).expect(200)["type"], "form");
    result_of(&stage.recover(&codes.codes[0]).expect(200));
    // Of two batches the one that was saved first counts.
    let over = stage.submit_setup(&tokens, &lost.flow_id, &json!({"saved": true})).expect(200);
    assert_eq!(over["reason"], "superseded", "{over}");
    result_of(&stage.recover(&codes.codes[1]).expect(200));
}

#[test]
fn a_user_asks_for_codes_in_one_way_and_only_with_a_factor() {
    let mut stage = Stage::with_backup_codes();
    let tokens = stage.login(ADA);
    assert_eq!(stage.begin_setup(&tokens, "backup_codes").expect(409)["code"], "no_factor");
    assert_eq!(stage.regenerate(&tokens, "backup_codes", &json!({})).expect(409)["code"], "no_factor");
    stage.prove_totp(&tokens);
    let step = stage.begin_setup(&tokens, "backup_codes").expect(200);
    let shown = step["description_placeholders"]["codes"].as_str().expect("the codes").to_owned();
    assert_eq!((shown.lines().count(), &step["data_schema"][0]["name"]), (10, &json!("saved")), "{step}");
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    let codes = Codes { module: "backup_codes".into(), codes: shown.lines().map(str::to_owned).collect(), flow_id };
    let again = stage.wire().get_as(&tokens.access, &format!("/api/mfa/setup/{}", codes.flow_id)).expect(200);
    assert!(!codes.stand_in(&again.to_string()), "{again}");
    stage.save(&tokens, &codes);
    assert_eq!(stage.begin_setup(&tokens, "backup_codes").expect(409)["code"], "use_regenerate");
    assert_eq!(stage.regenerate(&tokens, "totp", &json!({})).expect(409)["code"], "no_recovery");
    assert_eq!(stage.regenerate(&tokens, "nothing", &json!({})).status, 404);
    assert_eq!(
        stage.regenerate(&tokens, "backup_codes", &json!({"factor": "totp"})).expect(409)["code"],
        "one_for_all"
    );
    result_of(&stage.recover(&codes.codes[0]).expect(200));
}

#[test]
fn new_codes_end_the_former_ones_at_once_and_need_factor_and_password() {
    let (mut stage, ada, former) = Stage::ada_with_codes();
    stage.clock.advance_s(301);
    let stale = stage.regenerate(&ada.tokens, "backup_codes", &json!({})).expect(401);
    assert_eq!(stale["code"], "insufficient_user_authentication");
    stage.prove(&ada, &ada.tokens);
    let codes = Codes::of(&stage.regenerate(&ada.tokens, "backup_codes", &json!({})).expect(200));
    assert!(!is_set_up(&stage, &ada.tokens), "neither the former nor the new ones");
    for code in [&former.codes[0], &codes.codes[0]] {
        assert_eq!(stage.recover(code).status, 400, "no way back in is set up");
    }
    stage.save(&ada.tokens, &codes);
    assert_eq!(stage.recover(&former.codes[0]).expect(200)["errors"]["base"], "invalid_code");
    result_of(&stage.recover(&codes.codes[0]).expect(200));
}

#[test]
fn number_length_and_alphabet_are_settings() {
    let mut stage = Stage::with(|directory| {
        enable_backup_codes(directory);
        let config = "config = { count = 3, length = 17, alphabet = \"0123456789\" }\n";
        directory.replace_setting("type = \"backup_codes\"\n", &format!("type = \"backup_codes\"\n{config}"));
    });
    let (_, codes) = stage.enrol_with_codes();
    let distinct: std::collections::BTreeSet<&String> = codes.codes.iter().collect();
    assert_eq!(distinct.len(), 3);
    assert!(distinct.iter().all(|code| code.len() == 17 && code.bytes().all(|byte| byte.is_ascii_digit())));
    let told = stage.recover(&codes.codes[0]).expect(200);
    assert_eq!(told["advice"], "2 backup codes are left. Make new ones soon.");
}

#[test]
fn deleting_everything_deletes_the_codes() {
    let (stage, ada, codes) = Stage::ada_with_codes();
    assert_eq!(stage.wire().delete_as(&ada.tokens.access, "/api/mfa").status, 204);
    assert!(stage.methods(&ada.tokens).iter().all(|method| method["is_setup"] == false));
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    assert_eq!(stage.recover(&codes.codes[0]).status, 400, "nothing of it comes back with another factor");
}

#[test]
fn slow_hashes_of_many_batches_leave_the_module_its_memory() {
    let (stage, ada, _) = Stage::ada_with_codes();
    // Each slot of the module has several turns.
    for _ in 0..12 {
        Codes::of(&stage.regenerate(&ada.tokens, "backup_codes", &json!({})).expect(200));
    }
}

#[test]
fn the_last_factor_takes_its_codes_along() {
    let (mut stage, ada, codes) = Stage::ada_with_codes();
    stage.set_up_pin(&ada.tokens);
    let waiting = Codes::of(&stage.regenerate(&ada.tokens, "backup_codes", &json!({})).expect(200));
    stage.save(&ada.tokens, &waiting);
    assert_eq!(stage.delete_method(&ada.tokens, "totp").status, 204);
    result_of(&stage.recover(&waiting.codes[0]).expect(200));
    let late = Codes::of(&stage.regenerate(&ada.tokens, "backup_codes", &json!({})).expect(200));
    assert_eq!(stage.delete_method(&ada.tokens, "insecure_example").status, 204);
    assert!(!is_set_up(&stage, &ada.tokens));
    let refused = stage.submit_setup(&ada.tokens, &late.flow_id, &json!({"saved": true})).expect(409);
    assert_eq!(refused["code"], "confirm_first", "nothing is left that they lead back to: {refused}");
    let tokens = stage.login(ADA);
    let (_, done) = stage.prove_totp(&tokens);
    let [newer] = &Codes::all(&done)[..] else { panic!("one batch in {done}") };
    assert!(newer.codes.iter().all(|code| !codes.codes.contains(code) && !waiting.codes.contains(code)));
}

#[test]
fn codes_given_with_the_first_step_count_after_factor_and_saving() {
    let mut stage = with_settings("issue_at = \"create\"");
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let codes = Codes::of(&step["recovery_codes"][0]);
    let saved = json!({"saved": true});
    assert_eq!(stage.submit_setup(&tokens, &codes.flow_id, &saved).expect(409)["code"], "confirm_first");
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let shown = stage.wire().get_as(&tokens.access, &format!("/api/mfa/setup/{flow_id}")).expect(200);
    assert!(!codes.stand_in(&shown.to_string()), "{shown}");
    let secret = TotpSecret(step["description_placeholders"]["code"].as_str().expect("a secret").to_owned());
    let done = stage.submit_setup(&tokens, flow_id, &json!({"code": secret.code(stage.now_ms())})).expect(200);
    assert_eq!((&done["type"], done.get("recovery")), (&json!("create_entry"), None), "{done}");
    stage.clock.advance_s(30);
    assert_eq!(stage.recover(&codes.codes[0]).status, 400, "the factor is proved, the codes are not saved");
    stage.save(&tokens, &codes);
    result_of(&stage.recover(&codes.codes[0]).expect(200));
}

#[test]
fn codes_of_one_factor_let_in_only_where_it_is_asked_and_go_with_it() {
    let mut stage = with_settings("scope = \"enrolment\"");
    let tokens = stage.login(ADA);
    let (totp, done) = stage.prove_totp(&tokens);
    assert_eq!(done["recovery"][0]["factor"], "totp", "{done}");
    let of_totp = Codes::of(&done["recovery"][0]);
    stage.save(&tokens, &of_totp);
    let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"pin": PIN})).expect(200);
    assert_eq!(done["recovery"][0]["factor"], "insecure_example", "{done}");
    let of_pin = Codes::of(&done["recovery"][0]);
    let at = |stage: &Stage, module: &str, code: &str| -> Value {
        let flow_id = stage.begin();
        stage.submit_password(&flow_id, ADA);
        stage.submit(&flow_id, json!({"multi_factor_auth_module": module})).expect(200);
        stage.submit(&flow_id, json!({"recovery_code": code})).json()
    };
    assert_eq!(at(&stage, "insecure_example", &of_totp.codes[0])["errors"]["recovery_code"], "unexpected");
    stage.save(&tokens, &of_pin);
    assert_eq!(at(&stage, "insecure_example", &of_totp.codes[0])["errors"]["base"], "invalid_code");
    result_of(&at(&stage, "totp", &of_totp.codes[0]));
    assert_eq!(at(&stage, "totp", &of_totp.codes[0])["errors"]["base"], "invalid_code", "once");
    result_of(&at(&stage, "insecure_example", &of_pin.codes[0]));
    result_of(&at(&stage, "insecure_example", &of_pin.codes[1]));
    let name = |module: &str| stage.method(&tokens, module)["name"].as_str().expect("a name").to_owned();
    let (pin, app) = (name("insecure_example"), name("totp"));
    assert_eq!(
        stage.method_details(&tokens, "backup_codes")["overview"]["summary"],
        format!("{pin}: 8 of 10 codes left. {app}: 9 of 10 codes left.")
    );
    assert_eq!(stage.regenerate(&tokens, "backup_codes", &json!({})).expect(409)["code"], "which_factor");
    assert_eq!(stage.regenerate(&tokens, "backup_codes", &json!({"factor": "nothing"})).status, 404);
    let of_pin = stage.regenerate(&tokens, "backup_codes", &json!({"factor": "insecure_example"})).expect(200);
    stage.save(&tokens, &Codes::of(&of_pin));
    result_of(&at(&stage, "totp", &of_totp.codes[1]));
    assert_eq!(stage.delete_method(&tokens, "insecure_example").status, 204);
    assert!(is_set_up(&stage, &tokens), "those of the other factor stay");
    assert_eq!(stage.recover(&Codes::of(&of_pin).codes[0]).expect(200)["errors"]["base"], "invalid_code");
    result_of(&stage.recover(&of_totp.codes[2]).expect(200));
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &totp.code(stage.now_ms())));
}

#[test]
fn a_way_back_that_does_not_work_keeps_nobody_from_a_factor() {
    let mut stage = Stage::with(|directory| {
        enable_backup_codes(directory);
        directory.append_settings("[[module]]\ntype = \"backup_codes\"\nid = \"switched_off\"\nenabled = false\n");
        directory.install(&built_module("totp"), "backup_codes");
    });
    let tokens = stage.login(ADA);
    let (_, done) = stage.prove_totp(&tokens);
    assert!(done.get("recovery").is_none(), "{done}");
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], true);
    for (module, status) in [("backup_codes", 503), ("switched_off", 404)] {
        assert_eq!(stage.begin_setup(&tokens, module).status, status);
        assert_eq!(stage.regenerate(&tokens, module, &json!({})).status, status);
    }
}
