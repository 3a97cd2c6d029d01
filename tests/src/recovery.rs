//! A way back in at any login step: which input is for it, what it costs, and whom it locks.

use serde_json::{Value, json};

use crate::harness::{
    ADA, Answer, CLIENT_ID, Codes, PASSWORD, PIN, Stage, Tokens, assert_abort, assert_form, at_once, built_module,
    enable_backup_codes, outside_module, result_of, run_host,
};

/// Fits the form of backup codes and is none.
const NO_CODE: &str = "zzzzzzzzzz";

fn plain_token(stage: &Stage) -> String {
    let body = json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD});
    stage.wire().post("/api/login", &body).expect(200)["token"].as_str().expect("a token").to_owned()
}

fn verify(stage: &Stage, mut body: Value) -> Answer {
    body["token"] = plain_token(stage).into();
    stage.wire().post("/api/login/verify", &body)
}

/// A PIN instead of the app, and codes with it.
fn with_pin() -> (Stage, Tokens, Codes) {
    let stage = Stage::with_backup_codes();
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "insecure_example").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"pin": PIN})).expect(200);
    let codes = Codes::of(&done["recovery"][0]);
    stage.save(&tokens, &codes);
    (stage, tokens, codes)
}

#[test]
fn a_code_lets_in_once_also_after_a_restart_and_is_stamped() {
    let (mut stage, ada, codes) = Stage::ada_with_codes();
    let step = stage.recover(&codes.codes[0]).expect(200);
    let session = stage.session(&stage.tokens_of(&step));
    assert_eq!(session["mfa_method_used"], "backup_code");
    assert_eq!(session["amr"], json!(["pwd", "otp", "mfa"]));
    assert!(session["mfa_verified_at"].is_string(), "{session}");
    let wrong = stage.recover(&codes.codes[0]).expect(200);
    assert_eq!(wrong["errors"]["base"], "invalid_code");
    let sentence = "This is not one of your backup codes, or it was used already.";
    assert_eq!(wrong["error_texts"]["base"], sentence, "in the words of the way back: {wrong}");
    stage.crash();
    assert_eq!(stage.recover(&codes.codes[0]).expect(200)["errors"]["base"], "invalid_code");
    let typed = format!(" {}-{} ", &codes.codes[1][..5], codes.codes[1][5..].to_uppercase());
    result_of(&stage.recover(&typed).expect(200));
    // A code counts as a fresh proof.
    let tokens = stage.tokens_of(&stage.recover(&codes.codes[2]).expect(200));
    Codes::of(&stage.regenerate(&tokens, "backup_codes", &json!({})).expect(200));
    stage.login_totp(&ada);
}

#[test]
fn the_offer_stands_beside_the_fields_so_that_older_clients_go_on_as_before() {
    let (stage, ada, codes) = Stage::ada_with_codes();
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    let fields: Vec<&Value> =
        step["data_schema"].as_array().expect("fields").iter().map(|field| &field["name"]).collect();
    assert_eq!(fields, ["code"], "{step}");
    let offered = json!({"field": "recovery_code", "modules": [{"id": "backup_codes", "name": "Backup codes"}]});
    assert_eq!(step["recovery"], offered);
    // A client that knows of the field and shows it leaves it empty.
    let both = json!({"code": ada.totp.code(stage.now_ms()), "recovery_code": ""});
    result_of(&stage.submit(&flow_id, both).expect(200));
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit(&flow_id, json!({"code": "", "recovery_code": codes.codes[0]})).expect(200));
    // Whoever has none is offered none.
    let bare = Stage::ada_with_totp().0;
    let flow_id = bare.begin();
    assert!(bare.submit_password(&flow_id, ADA).get("recovery").is_none());
    assert_eq!(
        bare.submit(&flow_id, json!({"recovery_code": NO_CODE})).expect(400)["errors"]["recovery_code"],
        "unexpected"
    );
}

#[test]
fn what_breaks_the_rule_of_the_asked_module_goes_to_the_one_way_back_it_fits() {
    let (stage, ada, codes) = Stage::ada_with_codes();
    let flow_id = stage.begin_to_mfa(ADA);
    // Meant for the app, and too short for it: nobody's attempt.
    let short = stage.submit(&flow_id, json!({"code": "12345"})).expect(400);
    assert_eq!(short["errors"]["code"], "too_short");
    assert_eq!(stage.submit(&flow_id, json!({"code": "!!!!!!!!!!"})).status, 400);
    assert_eq!(stage.submit_code(&flow_id, NO_CODE)["errors"]["base"], "invalid_code");
    result_of(&stage.submit_code(&flow_id, &codes.codes[0]));
    let answer = verify(&stage, json!({"code": codes.codes[1]})).expect(200);
    assert_eq!(stage.session(&Tokens::of(&answer))["mfa_method_used"], "backup_code");
    verify(&stage, json!({"recovery_code": codes.codes[2]})).expect(200);
    let answer = verify(&stage, json!({"code": ada.totp.code(stage.now_ms())})).expect(200);
    assert_eq!(stage.session(&Tokens::of(&answer))["mfa_method_used"], "totp");
    assert_eq!(verify(&stage, json!({"code": codes.codes[1]})).expect(401)["code"], "invalid_code");
    // Nothing at all asks whether the step may go on, and this one waits for a code.
    assert_eq!(verify(&stage, json!({})).expect(400)["code"], "invalid_input");
    for body in [json!({"code": "1", "recovery_code": "2"}), json!({"code": "1", "recovery_module": "a"})] {
        assert_eq!(verify(&stage, body).expect(400)["code"], "invalid_request");
    }
}

#[test]
fn what_fits_the_asked_module_is_its_own_and_never_for_two() {
    let stage = Stage::with(|directory| {
        enable_backup_codes(directory);
        directory.install(&outside_module("misbehaving"), "misbehaving");
        directory.append_settings("[[module]]\ntype = \"misbehaving\"\n");
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "misbehaving").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"word": "anything"})).expect(200);
    let codes = Codes::of(&done["recovery"][0]);
    stage.save(&tokens, &codes);
    let flow_id = stage.begin_to_mfa(ADA);
    // The word may be any text, so that a code is one too.
    let step = stage.submit(&flow_id, json!({"word": codes.codes[0]})).expect(200);
    assert_eq!(step["errors"]["base"], "invalid_code", "{step}");
    let two = stage.submit(&flow_id, json!({"word": "fine", "recovery_code": codes.codes[0]})).expect(400);
    assert_eq!(two["errors"]["word"], "unexpected");
    result_of(&stage.submit(&flow_id, json!({"recovery_code": codes.codes[0]})).expect(200));
}

#[test]
fn wrong_codes_lock_their_own_ledger_and_no_other() {
    let (mut stage, ada, codes) = Stage::ada_with_codes();
    let flow_id = stage.begin_to_mfa(ADA);
    for _ in 0..4 {
        assert_form(&stage.submit(&flow_id, json!({"recovery_code": NO_CODE})).expect(200), "mfa");
    }
    let last = stage.submit(&flow_id, json!({"recovery_code": NO_CODE})).expect(200);
    assert_abort(&last, "too_many_retry");
    let locked = stage.recover(&codes.codes[0]);
    assert_eq!((locked.status, locked.header("retry-after")), (429, Some("60")), "the right one too");
    stage.login_totp(&ada);
    assert_eq!(stage.recover(&codes.codes[0]).status, 429, "another factor's success forgives nothing");
    stage.clock.advance_ms(60_001);
    result_of(&stage.recover(&codes.codes[0]).expect(200));
    // The other way round, and far beyond the limit of all factors together.
    let wrong = ada.totp.wrong_code(stage.now_ms());
    for _ in 0..5 {
        let flow_id = stage.begin_to_mfa(ADA);
        stage.submit(&flow_id, json!({"code": wrong}));
    }
    let flow_id = stage.begin_to_mfa(ADA);
    let code = ada.totp.code(stage.now_ms());
    assert_eq!(stage.submit(&flow_id, json!({"code": code})).status, 429);
    result_of(&stage.submit(&flow_id, json!({"recovery_code": codes.codes[1]})).expect(200));
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit(&flow_id, json!({"code": code})).status, 429, "nor does a code forgive the app");
}

#[test]
fn a_flow_takes_no_more_guesses_for_having_a_way_back() {
    let (stage, ..) = with_pin();
    let flow_id = stage.begin_to_mfa(ADA);
    // The PIN takes three wrong answers a flow, backup codes five.
    assert_form(&stage.submit(&flow_id, json!({"pin": "9999"})).expect(200), "mfa");
    assert_form(&stage.submit(&flow_id, json!({"recovery_code": NO_CODE})).expect(200), "mfa");
    assert_abort(&stage.submit(&flow_id, json!({"recovery_code": NO_CODE})).expect(200), "too_many_retry");
}

#[test]
fn a_factor_lost_to_a_hundred_wrong_answers_comes_back_by_a_code() {
    let (mut stage, tokens, codes) = with_pin();
    for _ in 0..100 {
        let flow_id = stage.begin_to_mfa(ADA);
        stage.submit(&flow_id, json!({"pin": "9999"})).expect(200);
        stage.clock.advance_s(3601);
    }
    let flow_id = stage.begin_to_mfa(ADA);
    assert_abort(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200), "too_many_retry");
    let recovered = stage.tokens_of(&stage.recover(&codes.codes[0]).expect(200));
    let flow_id = stage.begin_to_mfa(ADA);
    assert_abort(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200), "too_many_retry");
    assert_eq!(stage.begin_setup(&tokens, "insecure_example").status, 401, "the older session proves nothing");
    stage.set_up_pin(&recovered);
    stage.login_with_pin(ADA, PIN);
}

#[test]
fn of_fifty_uses_of_one_code_at_once_one_lets_in() {
    let (mut stage, _, codes) = Stage::ada_with_codes();
    let flows: Vec<String> = (0..50).map(|_| stage.begin_to_mfa(ADA)).collect();
    let code = json!({"recovery_code": codes.codes[0]});
    let answers = at_once(50, |number| stage.submit(&flows[number], code.clone()));
    let passed = |answer: &&Answer| answer.status == 200 && answer.json()["type"] == "create_entry";
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(answers.iter().filter(passed).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
    stage.clock.advance_s(7200);
    let again = stage.recover(&codes.codes[0]).expect(200);
    assert_eq!(again["errors"]["base"], "invalid_code", "{again}");
    // Where many of the fifty came after the right one, that guess was the one there is after a lock.
    stage.clock.advance_s(7200);
    result_of(&stage.recover(&codes.codes[1]).expect(200));
}

#[test]
fn few_codes_left_are_told_after_the_login() {
    let (stage, _, codes) = Stage::ada_with_codes();
    for code in &codes.codes[..6] {
        assert!(stage.recover(code).expect(200).get("advice").is_none());
    }
    assert_eq!(stage.recover(&codes.codes[6]).expect(200)["advice"], "3 backup codes are left. Make new ones soon.");
    let answer = verify(&stage, json!({"code": codes.codes[7]})).expect(200);
    assert_eq!(answer["advice"], "2 backup codes are left. Make new ones soon.", "{answer}");
    stage.recover(&codes.codes[8]).expect(200);
    let last = stage.recover(&codes.codes[9]).expect(200);
    assert_eq!(last["advice"], "That was your last backup code. Make new ones now.");
}

#[test]
fn few_codes_left_are_told_after_a_new_password_as_well() {
    let (stage, _, codes) = Stage::ada_with_codes();
    codes.codes[..6].iter().for_each(|code| drop(stage.recover(code).expect(200)));
    let reset = run_host(&stage.directory.path(), &["user", "reset", ADA, "--json"]).success().json();
    let flow_id = stage.begin();
    stage.submit(&flow_id, json!({"username": ADA, "password": reset["code"]})).expect(200);
    let step = stage.submit(&flow_id, json!({"recovery_code": codes.codes[6]})).expect(200);
    assert_form(&step, "set_password");
    let done = stage.submit(&flow_id, json!({"new_password": "a-quite-new-word-88"})).expect(200);
    assert_eq!(done["advice"], "3 backup codes are left. Make new ones soon.", "{done}");
}

#[test]
fn a_way_back_is_no_factor_no_primary_and_in_no_selection() {
    let (stage, ada, _) = Stage::ada_with_codes();
    let codes = stage.method(&ada.tokens, "backup_codes");
    assert_eq!(
        (&codes["is_setup"], &codes["is_primary"], &codes["recovery"]),
        (&json!(true), &json!(false), &json!(true))
    );
    let token = plain_token(&stage);
    let body = json!({"token": token, "method": "backup_codes"});
    assert_eq!(stage.wire().post("/api/login/change", &body).status, 404);
    stage.set_up_pin(&ada.tokens);
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, ADA);
    assert_eq!(step["step_id"], "select_mfa_module");
    assert!(!step.to_string().contains("backup_codes"), "{step}");
    let chosen = stage.submit(&flow_id, json!({"multi_factor_auth_module": "backup_codes"})).expect(200);
    assert_eq!(chosen["errors"]["base"], "invalid_auth_module", "{chosen}");
}

#[test]
fn with_two_ways_back_a_code_says_for_which_it_is() {
    let mut stage = Stage::with(|directory| {
        enable_backup_codes(directory);
        directory.append_settings(
            "[[module]]\ntype = \"backup_codes\"\nid = \"in_the_safe\"\nname = \"In the safe\"\nrecovery = true\n",
        );
    });
    let tokens = stage.login(ADA);
    let (_, done) = stage.prove_totp(&tokens);
    let [first, second] = &Codes::all(&done)[..] else { panic!("two batches in {done}") };
    assert_eq!((&*first.module, &*second.module), ("backup_codes", "in_the_safe"));
    stage.save(&tokens, first);
    result_of(&stage.recover(&first.codes[0]).expect(200));
    stage.save(&tokens, second);
    let flow_id = stage.begin_to_mfa(ADA);
    let submit = |fields: Value| stage.submit(&flow_id, fields);
    let code = &second.codes[0];
    assert_eq!(submit(json!({"recovery_code": code})).expect(400)["errors"]["recovery_module"], "required");
    assert!(submit(json!({"code": code})).expect(400)["errors"]["code"].is_string(), "it could be for either");
    let of = |module: &str| json!({"recovery_code": code, "recovery_module": module});
    assert_eq!(submit(of("totp")).expect(400)["errors"]["recovery_code"], "unexpected");
    assert_eq!(submit(of("backup_codes")).expect(200)["errors"]["base"], "invalid_code");
    let step = submit(of("in_the_safe")).expect(200);
    assert_eq!(stage.session(&stage.tokens_of(&step))["mfa_method_used"], "backup_code");
    let body = json!({"recovery_code": second.codes[1], "recovery_module": "in_the_safe"});
    verify(&stage, body).expect(200);
}

#[test]
fn a_way_back_that_is_switched_off_or_gone_lets_nobody_in_and_bars_nobody() {
    let (mut stage, ada, codes) = Stage::ada_with_codes();
    let path = stage.directory.path();
    stage.stop();
    run_host(&path, &["module", "disable", "backup_codes"]).success();
    stage.start();
    assert_eq!(stage.recover(&codes.codes[0]).status, 400);
    let flow_id = stage.begin_to_mfa(ADA);
    assert_eq!(stage.submit(&flow_id, json!({"code": codes.codes[0]})).status, 400);
    stage.login_totp(&ada);
    stage.stop();
    run_host(&path, &["module", "enable", "backup_codes"]).success();
    stage.directory.install(&built_module("totp"), "backup_codes");
    stage.start();
    assert_eq!(stage.recover(&codes.codes[0]).status, 400);
    stage.login_totp(&ada);
    stage.stop();
    stage.directory.install(&built_module("backup_codes"), "backup_codes");
    stage.start();
    result_of(&stage.recover(&codes.codes[0]).expect(200));
}
