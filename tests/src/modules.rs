//! Modules as files: what is checked before one is opened, what a missing one means, instances that share nothing.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::json;

use crate::harness::{ADA, BOB, Directory, PASSWORD, PIN, Stage, assert_form, built_module, result_of, run_host};

fn pin_module(directory: &Directory) -> std::path::PathBuf {
    directory.path().join("modules/insecure_example.so")
}

/// The PIN module is refused with these words, and TOTP works on.
fn assert_only_the_pin_module_is_refused(stage: &mut Stage, words: &[&str]) {
    let tokens = stage.login(ADA);
    assert!(stage.begin_setup(&tokens, "insecure_example").status >= 400, "a refused module sets nothing up");
    let listed = run_host(&stage.directory.path(), &["module", "list"]).success().stdout;
    for word in words {
        assert!(listed.contains(word), "{word:?} in:\n{listed}");
    }
    stage.set_up_totp(&tokens);
}

#[test]
fn a_module_others_can_write_is_refused_with_the_command_that_mends_it() {
    for mode in [0o666, 0o664, 0o646] {
        let mut stage = Stage::with(|directory| {
            fs::set_permissions(pin_module(directory), fs::Permissions::from_mode(mode)).expect("the mode is changed");
        });
        assert_only_the_pin_module_is_refused(&mut stage, &["chmod go-w"]);
    }
}

#[test]
fn a_start_tells_of_a_module_that_does_not_serve() {
    let mut stage = Stage::with(|directory| fs::remove_file(pin_module(directory)).expect("the module is taken away"));
    assert_only_the_pin_module_is_refused(&mut stage, &["insecure_example.so"]);
    let log = stage.host().log();
    assert!(log.contains("module insecure_example: ") && log.contains("mfa-host module install"), "{log}");
}

#[test]
fn a_symlink_out_of_the_modules_directory_is_refused() {
    let mut stage = Stage::with(|directory| {
        let elsewhere = directory.beside("elsewhere.so");
        fs::copy(built_module("insecure_example"), &elsewhere).expect("the module is copied");
        fs::remove_file(pin_module(directory)).expect("the module is taken away");
        symlink(&elsewhere, pin_module(directory)).expect("a symlink");
    });
    assert_only_the_pin_module_is_refused(&mut stage, &["leads out of"]);
}

#[test]
fn what_is_no_library_is_refused() {
    let contents: [&[u8]; 4] =
        [b"", b"#!/bin/sh\nexit 0\n", b"\x7fELF", &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0]];
    for content in contents {
        let mut stage =
            Stage::with(|directory| fs::write(pin_module(directory), content).expect("the file is replaced"));
        let words =
            if content.starts_with(b"\x7fELF") { "cut off within its ELF header" } else { "not a shared library" };
        assert_only_the_pin_module_is_refused(&mut stage, &[words]);
    }
}

#[test]
fn a_truncated_library_is_refused_and_kills_nobody() {
    // What is cut off at a third may be debugging information alone; a library needs more than its first pages.
    for length in [64, 4096, 65_536] {
        let mut stage = Stage::with(|directory| {
            let whole = fs::read(built_module("insecure_example")).expect("a readable module");
            fs::write(pin_module(directory), &whole[..length]).expect("the file is replaced");
        });
        // Where the cut is decides whether the loader notices it or dies of it; both are told.
        assert_only_the_pin_module_is_refused(&mut stage, &["failed", "insecure_example"]);
        let status = run_host(&stage.directory.path(), &["status", "--json"]).success().stdout;
        assert!(status.contains("it cannot be loaded") || status.contains("it died while starting"), "{status}");
    }
}

#[test]
fn a_library_that_is_no_module_is_refused() {
    let Some(library) = ["/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib/libm.so.6", "/lib64/libm.so.6"]
        .into_iter()
        .chain(["/lib/aarch64-linux-gnu/libm.so.6"])
        .find(|path| Path::new(path).exists())
    else {
        panic!("this system has no libm to try");
    };
    let mut stage = Stage::with(|directory| {
        fs::remove_file(pin_module(directory)).expect("the module is taken away");
        directory.install(Path::new(library), "insecure_example");
    });
    assert_only_the_pin_module_is_refused(&mut stage, &["it does not export MFA_MODULE_V1"]);
}

#[test]
fn a_pinned_module_is_taken_only_with_its_own_hash() {
    use sha2::{Digest, Sha256};
    let hash = |directory: &Directory| {
        let bytes = fs::read(pin_module(directory)).expect("a readable module");
        data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes))
    };
    let pinned = |hash: &str| format!("type = \"insecure_example\"\nsha256 = \"{hash}\"");
    let stage = Stage::with(|directory| {
        directory.replace_setting("type = \"insecure_example\"", &pinned(&hash(directory)));
    });
    stage.set_up_pin(&stage.login(ADA));
    let mut stage = Stage::with(|directory| {
        directory.replace_setting("type = \"insecure_example\"", &pinned(&"0".repeat(64)));
    });
    assert_only_the_pin_module_is_refused(&mut stage, &["sha256"]);
}

#[test]
fn a_module_that_calls_itself_something_else_is_refused() {
    let mut stage = Stage::with(|directory| {
        fs::copy(built_module("totp"), pin_module(directory)).expect("the file is replaced");
    });
    assert_only_the_pin_module_is_refused(&mut stage, &["it is the module totp and not insecure_example"]);
}

#[test]
fn a_module_with_a_wrong_configuration_is_refused_with_its_place() {
    let mut stage = Stage::with(|directory| directory.configure_totp(Some("no_such_key = 1")));
    let listed = run_host(&stage.directory.path(), &["module", "list"]).success().stdout;
    assert!(listed.contains("no_such_key"), "{listed}");
    let tokens = stage.login(ADA);
    assert!(stage.begin_setup(&tokens, "totp").status >= 400);
    stage.set_up_pin(&tokens);
    stage.restart();
}

#[test]
fn a_removed_module_never_turns_the_second_factor_off() {
    let (mut stage, _) = Stage::ada_with_totp();
    stage.set_up_pin(&stage.login(BOB));
    stage.stop();
    fs::remove_file(stage.directory.path().join("modules/totp.so")).expect("the module is taken away");
    stage.start();
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD}));
    assert!(step.status != 200 || step.json()["type"] == "abort", "{}", String::from_utf8_lossy(&step.body));
    let flow_id = stage.begin_to_mfa(BOB);
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

#[test]
fn a_module_taken_out_of_the_settings_fails_closed_too() {
    let (mut stage, _) = Stage::ada_with_totp();
    stage.stop();
    stage.directory.configure_totp(None);
    stage.start();
    let flow_id = stage.begin();
    let step = stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD}));
    assert!(step.status != 200 || step.json()["type"] == "abort", "{}", String::from_utf8_lossy(&step.body));
}

#[test]
fn another_enrolled_module_still_lets_in() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    stage.stop();
    fs::remove_file(stage.directory.path().join("modules/totp.so")).expect("the module is taken away");
    stage.start();
    let flow_id = stage.begin();
    let mut step = stage.submit_password(&flow_id, ADA);
    if step["step_id"] == "select_mfa_module" {
        assert!(!step["data_schema"][0]["options"].to_string().contains("totp"), "{step}");
        step = stage.submit(&flow_id, json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    }
    assert_form(&step, "mfa");
    result_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
}

#[test]
fn two_instances_of_one_type_share_nothing() {
    let stage = Stage::with(|directory| {
        directory
            .append_settings("[[module]]\ntype = \"insecure_example\"\nid = \"second_pin\"\nname = \"Second PIN\"\n");
    });
    let tokens = stage.login(ADA);
    stage.set_up_pin_of(&tokens, "insecure_example", "1111");
    assert_eq!(stage.method(&tokens, "second_pin")["is_setup"], false);
    stage.set_up_pin_of(&tokens, "second_pin", "2222");
    assert_eq!(stage.method(&tokens, "second_pin")["name"], "Second PIN");
    for (id, own, other) in [("insecure_example", "1111", "2222"), ("second_pin", "2222", "1111")] {
        let flow_id = stage.begin();
        assert_form(&stage.submit_password(&flow_id, ADA), "select_mfa_module");
        let step = stage.submit(&flow_id, json!({"multi_factor_auth_module": id})).expect(200);
        assert_eq!(step["description_placeholders"]["mfa_module_id"], id);
        assert_form(&stage.submit(&flow_id, json!({"pin": other})).expect(200), "mfa");
        let done = stage.submit(&flow_id, json!({"pin": own})).expect(200);
        assert_eq!(stage.session(&stage.tokens_of(&done))["mfa_method_used"], id);
    }
    assert!(stage.delete_method(&tokens, "second_pin").status < 300);
    assert_eq!(stage.method(&tokens, "insecure_example")["is_setup"], true);
}

#[test]
fn two_instances_with_one_id_are_a_configuration_mistake() {
    let directory = Directory::new();
    directory.append_settings("[[module]]\ntype = \"insecure_example\"\n");
    let outcome = run_host(&directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("insecure_example"), "{}", outcome.stderr);
}

#[test]
fn totp_settings_reach_codes_and_uri() {
    use crate::harness::totp_with;
    let mut stage = Stage::with(|directory| {
        directory.configure_totp(Some("algorithm = \"SHA256\"\ndigits = 8\nperiod_s = 60"));
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    let uri = step["description_placeholders"]["url"].as_str().expect("a URI").to_owned();
    for part in ["algorithm=SHA256", "digits=8", "period=60"] {
        assert!(uri.contains(part), "{part} in {uri}");
    }
    let secret = step["description_placeholders"]["code"].as_str().expect("a secret").to_owned();
    let code = |stage: &Stage| totp_with(&secret, stage.now_ms(), "SHA256", 8, 60);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"code": code(&stage)})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    stage.clock.advance_s(60);
    let flow_id = stage.begin_to_mfa(ADA);
    result_of(&stage.submit_code(&flow_id, &code(&stage)));
}
