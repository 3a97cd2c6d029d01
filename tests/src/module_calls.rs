//! Modules in action that the host has no reason to trust: one from outside the workspace that works, one that does
//! not. Each misdeed costs one call; everything else goes on.

use serde_json::{Value, json};

use crate::harness::{ADA, BOB, Directory, PIN, Stage, hotp, outside_module, result_of, run_host, totp_with};

/// The working module from outside: a question is chosen at set-up, then answered; a login asks for the answer.
const OUTSIDE: &str = "favourite_colour";
/// The misbehaving module from outside does what the word in its field says; one word is right.
const MISBEHAVING: &str = "misbehaving";
const RIGHT: &str = "fine";
/// What a worker's walls must refuse; the module says whether they did.
const ESCAPES: [&str; 4] = ["file", "network", "program", "thread"];

fn with_outside(directory: &Directory, module_type: &str) {
    directory.install(&outside_module(module_type), module_type);
    directory.append_settings(&format!("[[module]]\ntype = \"{module_type}\"\n"));
}

/// The only field of a step.
fn field_of(step: &Value) -> String {
    step["data_schema"][0]["name"].as_str().unwrap_or_else(|| panic!("a field in {step}")).to_owned()
}

/// Sets a module up with these words, one a step.
fn set_up(stage: &Stage, name: &str, module_id: &str, words: &[&str]) {
    let tokens = stage.login(name);
    let mut step = stage.begin_setup(&tokens, module_id).expect(200);
    for word in words {
        let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
        step = stage.submit_setup(&tokens, &flow_id, &json!({ field_of(&step): word })).expect(200);
    }
    assert_eq!(step["type"], "create_entry", "{step}");
}

/// A login of this user up to an answer of one field.
fn answer(stage: &Stage, name: &str, word: &str) -> Value {
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, name);
    if step["type"] != "form" {
        return step;
    }
    stage.submit(&flow_id, json!({ field_of(&step): word })).expect(200)
}

#[test]
fn a_module_is_told_proved_addresses_and_no_others() {
    let stage = Stage::with(|directory| with_outside(directory, OUTSIDE));
    let set = |more: &[&str]| {
        run_host(&stage.directory.path(), &[&["user", "set", BOB], more].concat()).success();
    };
    let shown = || {
        let step = stage.begin_setup(&stage.login(BOB), OUTSIDE).expect(200);
        step["display"].to_string()
    };
    set(&["--email", "proved@example.org", "--phone", "+4930123456", "--proved"]);
    set(&["--email", "proved@example.org", "--email", "claimed@example.org"]);
    let told = shown();
    assert!(told.contains("proved@example.org") && told.contains("+4930123456"), "{told}");
    assert!(!told.contains("claimed@example.org"), "{told}");
    set(&["--email", "claimed@example.org", "--phone", ""]);
    assert!(!shown().contains("example.org"));
}

#[test]
fn a_module_from_outside_the_workspace_logs_a_user_in() {
    let mut stage = Stage::with(|directory| with_outside(directory, OUTSIDE));
    set_up(&stage, ADA, OUTSIDE, &["colour", "Heliotrope"]);
    assert_eq!(answer(&stage, ADA, "mauve")["errors"]["base"], "invalid_code");
    let done = answer(&stage, ADA, "heliotrope");
    assert_eq!(stage.session(&stage.tokens_of(&done))["mfa_method_used"], OUTSIDE);
    stage.crash();
    result_of(&answer(&stage, ADA, "heliotrope"));
}

#[test]
fn a_worker_has_no_files_sockets_programs_or_threads() {
    let stage = Stage::with(|directory| with_outside(directory, MISBEHAVING));
    set_up(&stage, ADA, MISBEHAVING, &[RIGHT]);
    for escape in ESCAPES {
        let step = answer(&stage, ADA, escape);
        assert_ne!(step["type"], "create_entry", "{escape}: {step}");
        assert!(!stage.host().log().contains("ESCAPED"), "{escape}:\n{}", stage.host().log());
    }
    assert!(stage.host().log().contains("refused:"), "the module said so itself");
    result_of(&answer(&stage, ADA, RIGHT));
}

#[test]
fn modules_that_harm_while_they_start_stop_nobody() {
    for harm in ["panic_in_new", "abort_in_new", "refuse_in_new", "loop_in_new"] {
        let mut stage = Stage::with(|directory| {
            directory.install(&outside_module(MISBEHAVING), MISBEHAVING);
            directory.append_settings(&format!(
                "[[module]]\ntype = \"{MISBEHAVING}\"\n[module.config]\nmisbehaviour = \"{harm}\"\n\n[limits]\nmodule_deadline_ms = 500\n"
            ));
        });
        let tokens = stage.login(ADA);
        let refused = stage.begin_setup(&tokens, MISBEHAVING);
        // A module that was late is asked for: it may be there in a moment.
        assert!(refused.status >= 400 || refused.json()["type"] == "abort", "{harm}: {}", refused.json());
        stage.set_up_totp(&tokens);
    }
}

#[test]
fn noise_is_no_way_to_stop_the_host() {
    let stage = Stage::with(|directory| with_outside(directory, MISBEHAVING));
    set_up(&stage, ADA, MISBEHAVING, &[RIGHT]);
    assert_ne!(answer(&stage, ADA, "noise")["type"], "create_entry");
    assert!(stage.host().log().len() < 8 * 1024 * 1024, "sixteen mebibytes of noise are capped");
    stage.set_up_pin(&stage.login(BOB));
}

/// Waits until the crashed module is either ready again or given up.
fn is_quarantined_when_settled(stage: &Stage) -> bool {
    for _ in 0..100 {
        let listed = crate::harness::run_host(&stage.directory.path(), &["module", "list"]).success().stdout;
        if listed.contains("quarantine") {
            return true;
        }
        if listed.matches(" ready ").count() == 3 {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the module never settled");
}

#[test]
fn a_module_that_crashes_in_a_row_is_quarantined_with_a_clear_word() {
    let stage = Stage::with(|directory| {
        with_outside(directory, MISBEHAVING);
        directory.append_settings("[limits]\nmodule_crashes_max = 2\n");
    });
    set_up(&stage, ADA, MISBEHAVING, &[RIGHT]);
    answer(&stage, ADA, "abort");
    assert!(!is_quarantined_when_settled(&stage), "once is no row");
    answer(&stage, ADA, RIGHT);
    answer(&stage, ADA, "abort");
    assert!(!is_quarantined_when_settled(&stage), "a right answer ended the row");
    // Each login shows its form well before the answer kills the worker; that does not end the row of answers.
    answer(&stage, ADA, "abort");
    assert!(is_quarantined_when_settled(&stage));
    let step = answer(&stage, ADA, RIGHT);
    assert_eq!(step["type"], "abort", "quarantined means no: {step}");
    stage.set_up_pin(&stage.login(BOB));
}

#[test]
fn two_modules_answer_at_once() {
    let mut stage = Stage::new();
    let of_ada = stage.login(ADA);
    let totp = stage.set_up_totp(&of_ada);
    stage.set_up_pin(&stage.login(BOB));
    let code = totp.code(stage.now_ms());
    std::thread::scope(|scope| {
        let ada = scope.spawn(|| result_of(&stage.submit_code(&stage.begin_to_mfa(ADA), &code)));
        let bobs: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| result_of(&stage.submit(&stage.begin_to_mfa(BOB), json!({"pin": PIN})).expect(200)))
            })
            .collect();
        ada.join().expect("ada gets in");
        bobs.into_iter().for_each(|bob| drop(bob.join().expect("bob gets in")));
    });
}

/// RFC 4226 appendix D and RFC 6238 appendix B: the independent tool the other tests trust agrees with the papers.
#[test]
fn the_authenticator_agrees_with_the_published_vectors() {
    let secret = "3132333435363738393031323334353637383930";
    for (counter, code) in [(0, "755224"), (1, "287082"), (5, "254676"), (9, "520489")] {
        assert_eq!(hotp(secret, counter), code);
    }
    let base32 = |seed: &str| data_encoding::BASE32_NOPAD.encode(seed.as_bytes());
    let (sha1, sha256, sha512) = (
        base32("12345678901234567890"),
        base32("12345678901234567890123456789012"),
        base32("1234567890123456789012345678901234567890123456789012345678901234"),
    );
    for (seconds, expected) in [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ] {
        for ((secret, algorithm), code) in
            [(&sha1, "SHA1"), (&sha256, "SHA256"), (&sha512, "SHA512")].into_iter().zip(expected)
        {
            assert_eq!(totp_with(secret, seconds * 1000, algorithm, 8, 30), code, "{algorithm} at {seconds}");
        }
    }
}
