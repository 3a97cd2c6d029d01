//! A phone whose clock is off: the set-up says by how much, because a code that is right at another time would otherwise
//! look merely wrong. A login never says it: the answer would tell a guesser when the guess will be right.

use serde_json::{Value, json};

use crate::harness::{ADA, Stage, Tokens, TotpSecret, totp, totp_from};

const MINUTE_MS: i64 = 60_000;

/// A set-up of TOTP that was begun: its flow and its secret.
fn begun(stage: &Stage, tokens: &Tokens) -> (String, TotpSecret) {
    let step = stage.begin_setup(tokens, "totp").expect(200);
    let secret = step["description_placeholders"]["code"].as_str().expect("a secret").to_owned();
    (step["flow_id"].as_str().expect("a flow id").to_owned(), TotpSecret(secret))
}

/// A set-up, and the code an app shows whose clock is off by this much. Two moments of two days may share a code, and the
/// nearer one would be told; this one has its code for itself.
fn begun_with_code(stage: &Stage, tokens: &Tokens, off_minutes: i64) -> (String, TotpSecret, String) {
    loop {
        let (flow_id, secret) = begun(stage, tokens);
        let code = secret.code(stage.now_ms() + off_minutes * MINUTE_MS);
        let around = totp_from(&secret.0, stage.now_ms() - 25 * 60 * MINUTE_MS, 2 * 25 * 120);
        if around.iter().filter(|other| **other == code).count() == 1 {
            return (flow_id, secret, code);
        }
    }
}

#[test]
fn a_set_up_says_by_how_many_minutes_the_phones_clock_is_off() {
    const DAY: i64 = 24 * 60;
    for (off, minutes, sentence) in [
        (63, "63", "your phone's clock is about 63 minutes ahead"),
        (-7, "7", "your phone's clock is about 7 minutes behind"),
        (1, "1", "your phone's clock is about a minute ahead"),
        (DAY - 1, "1439", "about 1439 minutes ahead"),
        (1 - DAY, "1439", "about 1439 minutes behind"),
    ] {
        let stage = Stage::new();
        let tokens = stage.login(ADA);
        let (flow_id, secret, code) = begun_with_code(&stage, &tokens, off);
        let told = stage.submit_setup(&tokens, &flow_id, &json!({"code": code})).expect(200);
        assert_eq!(told["errors"]["base"], "clock_differs", "{off}: {told}");
        assert_eq!(told["description_placeholders"]["minutes"], minutes, "{told}");
        let direction = if off > 0 { "ahead" } else { "behind" };
        assert_eq!(told["description_placeholders"]["direction"], direction, "{told}");
        assert!(told["error_texts"]["base"].as_str().is_some_and(|text| text.contains(sentence)), "{told}");
        assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
        // Mended, the same set-up goes on with the same secret.
        let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": secret.code(stage.now_ms())})).expect(200);
        assert_eq!(done["type"], "create_entry", "{done}");
    }
}

#[test]
fn a_clock_that_is_off_by_more_than_a_day_is_a_wrong_code() {
    for off in [24 * 60 + 1, -24 * 60 - 1] {
        let stage = Stage::new();
        let tokens = stage.login(ADA);
        let (flow_id, _, code) = begun_with_code(&stage, &tokens, off);
        let told = stage.submit_setup(&tokens, &flow_id, &json!({"code": code})).expect(200);
        assert_eq!(told["errors"]["base"], "invalid_code", "{off}: {told}");
        assert!(told["description_placeholders"].get("minutes").is_none(), "{told}");
    }
}

#[test]
fn being_told_costs_an_attempt_like_any_wrong_code() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let (flow_id, secret) = begun(&stage, &tokens);
    let off = json!({"code": secret.code(stage.now_ms() + 30 * MINUTE_MS)});
    for _ in 0..4 {
        assert_eq!(stage.submit_setup(&tokens, &flow_id, &off).expect(200)["errors"]["base"], "clock_differs");
    }
    assert_eq!(stage.submit_setup(&tokens, &flow_id, &off).expect(200)["reason"], "too_many_retry");
    let (flow_id, secret) = begun(&stage, &tokens);
    let right = stage.submit_setup(&tokens, &flow_id, &json!({"code": secret.code(stage.now_ms())}));
    assert_eq!(right.status, 429, "the set-up of this module is locked, whatever flow");
}

#[test]
fn a_login_answers_a_code_of_another_time_like_any_wrong_one() {
    let (stage, account) = Stage::ada_with_totp();
    let told = |code: &str| {
        let mut step = stage.submit_code(&stage.begin_to_mfa(ADA), code);
        let own = step.as_object_mut().expect("a step");
        own.remove("flow_id").zip(own.remove("expires_at")).expect("both are there");
        step
    };
    let wrong: Value = told(&account.totp.wrong_code(stage.now_ms()));
    assert_eq!(wrong["errors"]["base"], "invalid_code", "{wrong}");
    for off in [63, -63] {
        assert_eq!(told(&totp(&account.totp.0, stage.now_ms() + off * MINUTE_MS)), wrong, "{off}");
    }
}
