//! Files that are no modules of this host: each is refused before anything of it is called, with a reason that says
//! what is wrong, and the other module works on.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::harness::{
    ADA, BOB, Directory, Stage, built_module, module, outside_module, reason, result_of, run_host, until, until_reason,
};

const REPLACED: &str = "insecure_example";
const SKEWED: &str = "skewed";

/// With another file in place of the PIN module, which is refused in these words; the rest works.
fn refused(words: &str, put: impl FnOnce(&Path)) -> Stage {
    let mut stage = Stage::with(|directory| {
        let file = directory.path().join("modules").join(format!("{REPLACED}.so"));
        fs::remove_file(&file).expect("the module is taken away");
        put(&file);
    });
    let status = until(&stage, "refused", |status| module(status, REPLACED)["state"] == "failed");
    assert!(reason(&status, REPLACED).contains(words), "{words:?} in {status:#}");
    assert!(module(&status, REPLACED)["remedy"].as_str().is_some_and(|remedy| remedy.len() > 3), "{status}");
    let found = run_host(&stage.directory.path(), &["doctor"]);
    assert!(found.code == Some(1) && found.stdout.contains(words), "{found:?}");
    let tokens = stage.login(ADA);
    assert!(stage.begin_setup(&tokens, REPLACED).status >= 400, "a refused module sets nothing up");
    stage.set_up_totp(&tokens);
    stage
}

/// A copy of the built PIN module with a few bytes changed.
fn changed(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(built_module(REPLACED)).expect("the module");
    change(&mut bytes);
    fs::write(file, bytes).expect("a changed copy");
}

#[test]
fn a_library_for_another_architecture_is_refused_by_its_name() {
    const E_MACHINE: usize = 18;
    let (other, name) = if cfg!(target_arch = "aarch64") { (62_u16, "x86_64") } else { (183, "aarch64") };
    refused(&format!("it was built for {name}"), |file| {
        changed(file, |bytes| bytes[E_MACHINE..E_MACHINE + 2].copy_from_slice(&other.to_le_bytes()));
    });
}

#[test]
fn a_library_of_another_layout_is_refused_before_it_is_called() {
    let stage = refused("its layout is not the one of this ABI", |file| {
        fs::copy(outside_module("wrong_layout"), file).expect("the library is copied");
    });
    assert!(!stage.host().log().contains("CALLED"), "{}", stage.host().log());
}

#[test]
fn a_header_that_is_none_is_refused() {
    let magic = b"abi stable library for Rust";
    refused("its header is not one this host can read", |file| {
        changed(file, |bytes| {
            let places: Vec<usize> =
                (0..bytes.len() - magic.len()).filter(|place| bytes[*place..].starts_with(magic)).collect();
            assert!(!places.is_empty(), "a module has the header's magic text");
            places.into_iter().for_each(|place| bytes[place] = b'A');
        });
    });
}

#[test]
fn a_text_and_a_program_are_refused_by_what_they_are() {
    refused("not a shared library", |file| fs::write(file, "[[module]]\n").expect("a text"));
    refused("a program or an object file", |file| {
        const E_TYPE: usize = 16;
        changed(file, |bytes| bytes[E_TYPE] = 2);
    });
}

fn with_skewed(name: &str) -> Stage {
    Stage::with(|directory| {
        directory.install(&outside_module(&format!("skewed_{name}")), SKEWED);
        directory.append_settings("[[module]]\ntype = \"skewed\"\n");
    })
}

fn set_up(stage: &Stage, name: &str, word: &str) {
    let tokens = stage.login(name);
    let step = stage.begin_setup(&tokens, SKEWED).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"word": word})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

fn answer(stage: &Stage, name: &str, word: &str) -> Value {
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, name);
    if step["type"] != "form" {
        return step;
    }
    stage.submit(&flow_id, json!({"word": word})).expect(200)
}

#[test]
fn modules_of_an_older_and_of_a_newer_sdk_work() {
    // The older one has not heard of `depose`; the newer one says more than this host knows.
    for (name, takes_leave) in [("older", false), ("newer", true)] {
        let stage = with_skewed(name);
        until_reason(&stage, SKEWED, "");
        set_up(&stage, ADA, "swordfish");
        assert_eq!(answer(&stage, ADA, "codfish")["errors"]["base"], "invalid_code", "{name}");
        let tokens = stage.tokens_of(&answer(&stage, ADA, "swordfish"));
        assert!(stage.delete_method(&tokens, SKEWED).status < 300, "{name}: gone, whatever the module knows of it");
        assert_eq!(stage.method(&tokens, SKEWED)["is_setup"], false);
        result_of(&stage.submit_password(&stage.begin(), ADA));
        assert_eq!(stage.host().log().contains("took leave of an enrolment"), takes_leave, "{name}");
    }
}

#[test]
fn what_an_older_module_wrote_a_newer_one_takes_over_and_a_panic_in_it_is_a_no() {
    let stage = with_skewed("older");
    set_up(&stage, ADA, "swordfish");
    set_up(&stage, BOB, "panic");
    put_in_place(&stage.directory, "skewed_newer");
    let is_newer = |log: &str| log.matches("serves as it is now").count() > 0;
    until(&stage, "replaced", |_| is_newer(&stage.host().log()));
    let step = answer(&stage, BOB, "panic");
    assert_eq!(step["reason"], "unknown_error", "{step}");
    stage.host().until_logged(0, "asked to panic in migrate");
    assert_eq!(answer(&stage, ADA, "codfish")["errors"]["base"], "invalid_code");
    result_of(&answer(&stage, ADA, "swordfish"));
    // It was rewritten with that login, so the older build cannot read it any more, and says no.
    put_in_place(&stage.directory, "skewed_older");
    until(&stage, "put back", |_| stage.host().log().matches("serves as it is now").count() > 1);
    assert_eq!(answer(&stage, ADA, "swordfish")["reason"], "unknown_error");
}

/// In one move: a file that is taken away first would go out of service in between.
fn put_in_place(directory: &Directory, library: &str) {
    let beside = directory.beside("next.so");
    fs::copy(outside_module(library), &beside).expect("a copy");
    fs::rename(beside, directory.path().join("modules/skewed.so")).expect("it is put in place");
}
