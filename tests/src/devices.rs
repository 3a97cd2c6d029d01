//! Several authenticators in one enrolment: each is added, named, used and removed by itself.

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, Stage, Tokens, TotpSecret, at_once, result_of};

fn id_of(device: &Value) -> String {
    device["id"].as_str().unwrap_or_else(|| panic!("an id in {device}")).to_owned()
}

fn remove(stage: &Stage, tokens: &Tokens, device: &str) -> Answer {
    stage.wire().delete_as(&tokens.access, &format!("/api/mfa/totp/devices/{device}"))
}

fn rename(stage: &Stage, tokens: &Tokens, device: &str, body: &Value) -> Answer {
    stage.wire().patch_as(&tokens.access, &format!("/api/mfa/totp/devices/{device}"), body)
}

fn with_two() -> (Stage, Tokens, TotpSecret, TotpSecret) {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let first = stage.set_up_totp(&tokens);
    let second = stage.add_totp(&tokens, "Tablet");
    (stage, tokens, first, second)
}

#[test]
fn a_further_set_up_adds_a_device_and_either_lets_in() {
    let (mut stage, tokens, first, second) = with_two();
    let shown = stage.devices(&tokens, "totp");
    let names: Vec<_> = shown.iter().map(|device| device["name"].clone()).collect();
    assert_eq!(names, ["Authenticator 1", "Tablet"]);
    assert!(
        shown.iter().all(|device| device["created_at"].is_string() && device["last_used_at"].is_null()),
        "{shown:?}"
    );
    assert_eq!(stage.methods(&tokens).iter().filter(|method| method["id"] == "totp").count(), 1);
    for secret in [&first, &second] {
        let code = secret.code(stage.now_ms());
        let flow_id = stage.begin_to_mfa(ADA);
        result_of(&stage.submit_code(&flow_id, &code));
        // Each has a bar of its own: the other one's code of this very step is still good, its own is not.
        let flow_id = stage.begin_to_mfa(ADA);
        assert_eq!(stage.submit_code(&flow_id, &code)["errors"]["base"], "invalid_code");
    }
    assert!(stage.devices(&tokens, "totp").iter().all(|device| device["last_used_at"].is_string()));
    stage.crash();
    assert_eq!(stage.devices(&tokens, "totp").len(), 2);
}

#[test]
fn one_of_two_goes_and_the_other_stays() {
    let (stage, tokens, first, second) = with_two();
    let waiting = stage.begin_to_mfa(ADA);
    let id = id_of(&stage.devices(&tokens, "totp")[0]);
    assert_eq!(remove(&stage, &tokens, &id).status, 204);
    assert_eq!(remove(&stage, &tokens, &id).status, 404, "it is gone");
    assert_eq!(rename(&stage, &tokens, &id, &json!({"name": "Ghost"})).status, 404);
    assert_eq!(stage.submit_code(&waiting, &first.code(stage.now_ms()))["errors"]["base"], "invalid_code");
    result_of(&stage.submit_code(&waiting, &second.code(stage.now_ms())));
    assert_eq!(stage.devices(&tokens, "totp").len(), 1);
}

#[test]
fn with_the_last_device_the_method_goes() {
    let (stage, tokens, _, _) = with_two();
    for device in stage.devices(&tokens, "totp") {
        assert_eq!(remove(&stage, &tokens, &id_of(&device)).status, 204);
    }
    assert_eq!(stage.method(&tokens, "totp")["is_setup"], false);
    result_of(&stage.submit_password(&stage.begin(), ADA));
}

#[test]
fn a_device_has_the_name_its_user_gives_it() {
    let (stage, tokens, _, _) = with_two();
    let id = id_of(&stage.devices(&tokens, "totp")[1]);
    assert_eq!(rename(&stage, &tokens, &id, &json!({"name": " Grandma's phone "})).status, 204);
    assert_eq!(stage.devices(&tokens, "totp")[1]["name"], "Grandma's phone");
    let long = "x".repeat(65);
    for name in ["", "  ", "a\nb", "a\u{202e}b", &long] {
        let problem = rename(&stage, &tokens, &id, &json!({"name": name})).expect(400);
        assert!(problem["errors"]["name"].is_string(), "{problem}");
    }
    for body in [json!({}), json!({"name": 1}), json!({"name": "x", "odd": 1})] {
        assert_eq!(rename(&stage, &tokens, &id, &body).status, 400, "{body}");
    }
    assert_eq!(rename(&stage, &tokens, "0123456789abcdef", &json!({"name": "x"})).status, 404);
    let without = stage.wire().patch_as(&tokens.access, "/api/mfa/insecure_example/devices/x", &json!({"name": "x"}));
    assert_eq!(without.status, 404);
    assert_eq!(stage.devices(&tokens, "totp")[1]["name"], "Grandma's phone");
}

#[test]
fn at_the_most_there_can_be_the_set_up_says_what_to_do() {
    let mut stage = Stage::with(|directory| directory.configure_totp(Some("devices_max = 2")));
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.add_totp(&tokens, "");
    let over = stage.begin_setup(&tokens, "totp").expect(200);
    assert_eq!((&over["type"], &over["reason"]), (&json!("abort"), &json!("too_many_devices")), "{over}");
    assert!(over["text"].as_str().expect("a sentence").contains("Remove one of them first"), "{over}");
    let names: Vec<_> = stage.devices(&tokens, "totp").iter().map(|device| device["name"].clone()).collect();
    assert_eq!(names, ["Authenticator 1", "Authenticator 2"], "an empty name is none");
    assert_eq!(remove(&stage, &tokens, &id_of(&stage.devices(&tokens, "totp")[0])).status, 204);
    stage.add_totp(&tokens, "New");
}

#[test]
fn the_form_asks_for_a_name_only_where_there_is_something_to_tell_apart() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    let fields = |step: Value| -> Vec<Value> { step["data_schema"].as_array().expect("fields").clone() };
    let first = fields(stage.begin_setup(&tokens, "totp").expect(200));
    assert_eq!(first.iter().map(|field| field["name"].clone()).collect::<Vec<_>>(), ["code"]);
    stage.set_up_totp(&tokens);
    let second = fields(stage.begin_setup(&tokens, "totp").expect(200));
    assert_eq!((&second[1]["name"], &second[1]["required"]), (&json!("name"), &json!(false)), "{second:?}");
    assert_eq!(second[1]["default"], "Authenticator 2");
}

#[test]
fn two_removals_at_once_leave_one_device_or_no_method() {
    for _ in 0..4 {
        let (stage, tokens, _, _) = with_two();
        let ids: Vec<String> = stage.devices(&tokens, "totp").iter().map(id_of).collect();
        let statuses: Vec<u16> =
            at_once(2, |number| remove(&stage, &tokens, &ids[number])).iter().map(|answer| answer.status).collect();
        let removed = statuses.iter().filter(|status| **status == 204).count();
        assert!(statuses.iter().all(|status| [204, 503].contains(status)), "{statuses:?}");
        let method = stage.method_details(&tokens, "totp");
        let left = method["overview"]["devices"].as_array().map_or(0, Vec::len);
        assert_eq!(left, 2 - removed, "{statuses:?} {method}");
        assert_eq!(method["is_setup"], left > 0, "no method without a device");
    }
}

#[test]
fn a_set_up_and_a_removal_at_once_both_count() {
    for _ in 0..4 {
        let (stage, tokens, _, second) = with_two();
        let step = stage.begin_setup(&tokens, "totp").expect(200);
        let secret = TotpSecret(step["description_placeholders"]["code"].as_str().expect("a secret").to_owned());
        let flow_id = step["flow_id"].as_str().expect("a flow id");
        let id = id_of(&stage.devices(&tokens, "totp")[0]);
        let code = secret.code(stage.now_ms());
        let answers = at_once(2, |number| match number {
            0 => stage.submit_setup(&tokens, flow_id, &json!({"code": code, "name": "Third"})),
            _ => remove(&stage, &tokens, &id),
        });
        assert_eq!((answers[0].status, answers[1].status), (200, 204));
        let names: Vec<_> = stage.devices(&tokens, "totp").iter().map(|device| device["name"].clone()).collect();
        assert_eq!(names, ["Tablet", "Third"], "neither undoes the other");
        result_of(&stage.submit_code(&stage.begin_to_mfa(ADA), &second.code(stage.now_ms())));
    }
}
