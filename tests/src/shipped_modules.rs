//! The modules that come with the program, in their workers: each loads, and those that send nothing set up and log in.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde_json::{Value, json};

use crate::harness::{ADA, Directory, Stage, Tokens, assert_form, hotp, result_of, run_host};

/// A PIN nobody would try first.
const PIN: &str = "402817";

fn with(modules: &[&str]) -> Stage {
    Stage::with(|directory| {
        directory.configure_totp(None);
        // Ten slow hashes in one call, on a machine that has other things to do.
        directory.append_settings("[limits]\nmodule_deadline_ms = 25000");
        enable(directory, modules);
    })
}

fn enable(directory: &Directory, modules: &[&str]) {
    for module in modules {
        directory.append_settings(&format!("[[module]]\ntype = \"{module}\"\n"));
    }
}

/// Goes through a set-up of one form; `fields` are made of what it shows.
fn set_up(stage: &Stage, tokens: &Tokens, module: &str, fields: impl FnOnce(&Value) -> Value) {
    let step = stage.begin_setup(tokens, module).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let done = stage.submit_setup(tokens, flow_id, &fields(&step)).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}

fn submit(stage: &Stage, fields: Value) -> Value {
    stage.submit(&stage.begin_to_mfa(ADA), fields).expect(200)
}

#[test]
fn every_module_loads_and_none_is_on_by_itself_but_the_first() {
    let directory = Directory::new();
    let path = directory.path();
    let shipped = ["backup_codes", "email", "hotp", "notify", "pin", "sms"];
    for module in shipped {
        assert!(path.join("modules").join(format!("{module}.so")).is_file(), "init installs {module}");
        assert!(!directory.settings().contains(&format!("\"{module}\"")), "{module} waits to be enabled");
    }
    enable(&directory, &shipped);
    run_host(&path, &["config", "check"]).success();
}

#[test]
fn a_module_tells_what_is_wrong_with_its_configuration_and_where() {
    let directory = Directory::new();
    directory.append_settings("[[module]]\ntype = \"backup_codes\"\n\n[module.config]\nlength = 6\n");
    let refused = run_host(&directory.path(), &["config", "check"]);
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(told.contains("length") && told.contains("fewer than 50 bits"), "{told}");
}

#[test]
fn a_pin_is_set_up_and_lets_in() {
    let stage = with(&["pin"]);
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "pin").expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let refused = stage.submit_setup(&tokens, flow_id, &json!({"pin": "123456"})).expect(200);
    assert_eq!(refused["errors"]["base"], "too_simple", "{refused}");
    let done = stage.submit_setup(&tokens, flow_id, &json!({"pin": PIN})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    assert_form(&submit(&stage, json!({"pin": "402818"})), "mfa");
    result_of(&submit(&stage, json!({"pin": PIN})));
}

#[test]
fn a_counting_token_lets_in_once_a_code_and_comes_back_into_step() {
    let stage = with(&["hotp"]);
    let tokens = stage.login(ADA);
    let mut secret = String::new();
    set_up(&stage, &tokens, "hotp", |step| {
        let shown = step["description_placeholders"]["code"].as_str().expect("a secret").replace(' ', "");
        secret = HEXLOWER.encode(&BASE32_NOPAD.decode(shown.as_bytes()).expect("base32"));
        json!({"code": hotp(&secret, 0)})
    });
    let code = |counter: u64| json!({"code": hotp(&secret, counter)});
    assert_form(&submit(&stage, code(0)), "mfa");
    result_of(&submit(&stage, code(3)));
    assert_form(&submit(&stage, code(3)), "mfa");
    assert_form(&submit(&stage, code(2)), "mfa");
    let flow_id = stage.begin_to_mfa(ADA);
    assert_form(&stage.submit(&flow_id, code(50)).expect(200), "mfa");
    result_of(&stage.submit(&flow_id, code(51)).expect(200));
    assert_form(&submit(&stage, code(51)), "mfa");
}
