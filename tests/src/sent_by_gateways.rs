//! Codes by text message and by notification: gateways are servers that are not ours, asked over HTTP.

use serde_json::{Value, json};

use crate::harness::{ADA, Directory, Server, Stage, assert_abort, assert_form, result_of};

const PHONE: &str = "+4915112345678";

/// A channel `sms` to this gateway, and the module.
fn with_sms(directory: &Directory, port: u16, path: &str) {
    directory.append_settings(&format!(
        "[[channel]]\nname = \"sms\"\ntype = \"http\"\nurl = \"http://127.0.0.1:{port}/{path}\"\ntarget = \"phone\"\n\
         prefixes = [\"+49\"]\nbody = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n\n\
         [[module]]\ntype = \"sms\"\nkind = \"possession\"\namr = [\"sms\"]"
    ));
}

/// A channel for notifications with free targets and one with the admin's own, and the module with this configuration.
fn with_notify(directory: &Directory, port: u16, config: &str) {
    directory.append_settings(&format!(
        "[[channel]]\nname = \"push\"\nlabel = \"Push service\"\ntype = \"http\"\npreset = \"ntfy\"\n\
         url = \"http://127.0.0.1:{port}\"\n\n\
         [[channel]]\nname = \"hall\"\nlabel = \"Hall display\"\ntype = \"http\"\nurl = \"http://127.0.0.1:{port}/hall/{{to}}\"\n\
         target = \"listed\"\ntargets = [\"left\", \"right\"]\nbody = {{ text = \"{{text}}\" }}\n\n\
         [[module]]\ntype = \"notify\"\nkind = \"possession\"\namr = [\"mca\"]\n[module.config]\n{config}"
    ));
}

/// The code a gateway was asked to bring.
#[track_caller]
fn code_of(request: &Value) -> String {
    let body = request["body"].as_str().expect("text");
    let groups: Vec<&str> =
        body.split(|letter: char| !letter.is_ascii_digit()).filter(|group| group.len() == 6).collect();
    assert_eq!(groups.len(), 1, "one code in {body}");
    groups[0].to_owned()
}

fn flow_of(step: &Value) -> String {
    step["flow_id"].as_str().unwrap_or_else(|| panic!("a flow id in {step}")).to_owned()
}

fn names(step: &Value) -> Vec<&str> {
    step["data_schema"].as_array().expect("fields").iter().filter_map(|field| field["name"].as_str()).collect()
}

#[test]
fn a_text_message_goes_out_at_once_and_five_wrong_codes_are_the_end() {
    let gateway = Server::gateway(&[]);
    let stage = Stage::with(|directory| with_sms(directory, gateway.port, "send"));
    let tokens = stage.login(ADA);
    let flow_id = flow_of(&stage.begin_setup(&tokens, "sms").expect(200));
    assert_eq!(stage.submit_setup(&tokens, &flow_id, &json!({"phone": "015112345678"})).status, 400);
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"phone": "+8821612345678"})).expect(200);
    assert_eq!((&step["errors"]["base"], names(&step)), (&json!("delivery_failed"), vec!["phone"]), "no such country");
    assert!(gateway.is_quiet());
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"phone": "+49 (151) 123-45678"})).expect(200);
    assert_eq!(step["delivery"], "sent", "{step}");
    let request = gateway.next();
    assert!(request["body"].as_str().is_some_and(|body| body.contains(PHONE)), "{request}");
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": code_of(&request)})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");

    let flow_id = stage.begin();
    assert_form(&stage.submit_password(&flow_id, ADA), "mfa");
    result_of(&stage.submit_code(&flow_id, &code_of(&gateway.next())));

    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    let right = code_of(&gateway.next());
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..4 {
        assert_eq!(stage.submit_code(&flow_id, wrong)["errors"]["base"], "invalid_code");
    }
    assert_abort(&stage.submit_code(&flow_id, wrong), "too_many_retry");
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    let locked = stage.submit(&flow_id, json!({"code": code_of(&gateway.next())}));
    assert_eq!(locked.status, 429, "the right code is refused while locked: {locked:?}");
}

#[test]
fn a_gateway_that_answers_500_costs_nothing_and_is_asked_again() {
    let gateway = Server::gateway(&[]);
    let mut stage = Stage::with(|directory| with_sms(directory, gateway.port, "500/send"));
    let tokens = stage.login(ADA);
    let flow_id = flow_of(&stage.begin_setup(&tokens, "sms").expect(200));
    let step = stage.submit_setup(&tokens, &flow_id, &json!({"phone": PHONE})).expect(200);
    assert_eq!((&step["errors"]["base"], &step["delivery"]), (&json!("delivery_failed"), &json!("failed")), "{step}");
    let first = gateway.next();
    stage.clock.advance_s(2);
    let second = gateway.next();
    assert_eq!(code_of(&first), code_of(&second), "the same message");
    // It did arrive, whatever the gateway said: the code is right.
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": code_of(&second)})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    assert!(!stage.host().log().contains(PHONE), "no number in the log");
}

#[test]
fn a_notification_goes_where_the_user_chose_among_what_the_admin_allows() {
    let gateway = Server::gateway(&[]);
    let config = "exclude = [\"email\"]\nmessage = \"Door code: {code}\"";
    let stage = Stage::with(|directory| {
        directory.with_outbox();
        with_notify(directory, gateway.port, config);
    });
    let tokens = stage.login(ADA);
    let step = stage.begin_setup(&tokens, "notify").expect(200);
    let offered: Vec<&str> = step["data_schema"][0]["options"]
        .as_array()
        .expect("options")
        .iter()
        .filter_map(|option| option[0].as_str())
        .collect();
    assert_eq!(offered, ["push", "hall"], "not what is excluded: {step}");
    let flow_id = flow_of(&step);
    let field = step["data_schema"][0]["name"].as_str().expect("a name").to_owned();
    assert_eq!(stage.submit_setup(&tokens, &flow_id, &json!({ &field: "email" })).status, 400);
    let step = stage.submit_setup(&tokens, &flow_id, &json!({ &field: "push" })).expect(200);
    let target = names(&step)[0].to_owned();
    let step = stage.submit_setup(&tokens, &flow_id, &json!({ &target: "ada-topic" })).expect(200);
    assert_eq!(step["delivery"], "sent", "{step}");
    let request = gateway.next();
    assert!(request.to_string().contains("ada-topic") && request.to_string().contains("Door code: "), "{request}");
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": code_of(&request)})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
    let flow_id = stage.begin();
    assert_form(&stage.submit_password(&flow_id, ADA), "mfa");
    let tokens = stage.tokens_of(&stage.submit_code(&flow_id, &code_of(&gateway.next())));
    assert_eq!(stage.session(&tokens)["mfa_method_used"], "notify");
}

#[test]
fn a_listed_target_is_one_of_the_admins_and_no_other() {
    let gateway = Server::gateway(&[]);
    let stage = Stage::with(|directory| with_notify(directory, gateway.port, "include = [\"hall\"]"));
    let tokens = stage.login(ADA);
    let mut step = stage.begin_setup(&tokens, "notify").expect(200);
    let flow_id = flow_of(&step);
    if names(&step).len() == 1 && step["data_schema"][0]["options"][0][0] == "hall" {
        let field = names(&step)[0].to_owned();
        step = stage.submit_setup(&tokens, &flow_id, &json!({ field: "hall" })).expect(200);
    }
    let field = names(&step)[0].to_owned();
    assert_eq!(stage.submit_setup(&tokens, &flow_id, &json!({ &field: "attic" })).status, 400);
    let step = stage.submit_setup(&tokens, &flow_id, &json!({ &field: "left" })).expect(200);
    assert_eq!(step["delivery"], "sent", "{step}");
    let request = gateway.next();
    assert_eq!(request["path"], "/hall/left", "{request}");
    let done = stage.submit_setup(&tokens, &flow_id, &json!({"code": code_of(&request)})).expect(200);
    assert_eq!(done["type"], "create_entry", "{done}");
}
