//! The OpenAPI document shows every answer shape: what the host says is documented, status and content type.

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, BOB, CLIENT_ID, Codes, PASSWORD, Stage, run_host};

/// The documented responses of an operation; the path is the template.
fn responses<'a>(document: &'a Value, method: &str, path: &str) -> &'a Value {
    let operation = &document["paths"][path][method];
    assert!(operation.is_object(), "{method} {path} is documented");
    &operation["responses"]
}

#[track_caller]
fn assert_documented(document: &Value, method: &str, path: &str, answer: &Answer) {
    let responses = responses(document, method, path);
    let status = answer.status.to_string();
    let class = format!("{}XX", &status[..1]);
    let documented = [status.as_str(), class.as_str(), "default"].iter().find_map(|name| responses.get(name));
    let documented = documented.unwrap_or_else(|| panic!("{method} {path} does not document {status}"));
    let Some(content_type) = answer.header("content-type") else { return };
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if !answer.body.is_empty() {
        assert!(
            documented["content"].get(media).is_some() || documented.get("$ref").is_some(),
            "{method} {path} {status} does not document {media}: {documented}"
        );
    }
}

#[test]
fn the_document_is_openapi_3_1_and_its_references_resolve() {
    let stage = Stage::new();
    let document = stage.wire().get("/api/openapi.json").expect(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("a reference inside: {reference}"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.push(reference.clone());
            }
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[test]
fn every_operation_has_responses() {
    let stage = Stage::new();
    let document = stage.wire().get("/api/openapi.json").expect(200);
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 12, "{} paths", paths.len());
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            if ["get", "post", "delete", "put", "patch"].contains(&method.as_str()) {
                let responses = operation["responses"].as_object().expect("responses");
                assert!(!responses.is_empty(), "{method} {path} has no responses");
                for (status, response) in responses {
                    assert!(
                        !response["description"].as_str().unwrap_or_default().is_empty(),
                        "{method} {path} {status}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_answer_about_people_is_documented() {
    let stage = Stage::with(|directory| directory.append_settings("[sign_up]\nmode = \"invite\""));
    let document = stage.wire().get("/api/openapi.json").expect(200);
    let seen = |method: &str, path: &str, answer: Answer| assert_documented(&document, method, path, &answer);
    let (ada, bob) = (stage.login(ADA), stage.login(BOB));
    let (user, reset) = ("/api/users/{id}", "/api/users/{id}/reset");
    let id = stage.me(&bob).expect(200)["user"]["id"].as_str().expect("an id").to_owned();
    let (at_user, at_reset) = (format!("/api/users/{id}"), format!("/api/users/{id}/reset"));
    let wire = stage.wire();
    for body in [json!({"language": "de"}), json!({"language": "?"}), json!({"odd": 1})] {
        seen("patch", "/api/me", wire.patch_as(&bob.access, "/api/me", &body));
        seen("patch", user, wire.patch_as(&ada.access, &at_user, &body));
    }
    seen("patch", user, wire.patch_as(&bob.access, &at_user, &json!({})));
    for tokens in [&ada, &bob] {
        seen("get", "/api/users", wire.get_as(&tokens.access, "/api/users"));
        seen("get", user, wire.get_as(&tokens.access, &at_user));
        seen("get", user, wire.get_as(&tokens.access, "/api/users/nobody"));
    }
    for (old, new) in [("wrong-password", "x"), (PASSWORD, "x"), (PASSWORD, "a-quite-new-word-88")] {
        let body = json!({"old_password": old, "new_password": new});
        seen("post", "/api/password", wire.post_as(&bob.access, "/api/password", &body));
    }
    let (sessions, session) = ("/api/me/sessions", "/api/me/sessions/{id}");
    for token in ["nonsense", &bob.access] {
        seen("get", sessions, wire.get_as(token, sessions));
        seen("delete", session, wire.delete_as(token, "/api/me/sessions/nobody"));
        seen("delete", sessions, wire.delete_as(token, sessions));
    }
    seen("post", reset, wire.post_as(&bob.access, &at_reset, &json!({})));
    seen("post", reset, wire.post_as(&ada.access, &at_reset, &json!({"methods": true})));
    seen("post", reset, wire.post_as("nonsense", &at_reset, &json!({})));
    let invited = run_host(&stage.directory.path(), &["user", "invite", "--json"]).success().json();
    let wish = |name: &str, invite: &Value| json!({"username": name, "password": PASSWORD, "invite": invite});
    for (name, invite) in [("cleo", &json!("no")), ("ada", &invited["code"])] {
        seen("post", "/api/signup", wire.post("/api/signup", &wish(name, invite)));
    }
    seen("post", "/api/signup", wire.post("/api/signup", &wish("cleo", &invited["code"])));
}

#[test]
fn every_answer_about_methods_is_documented() {
    let mut stage = Stage::new();
    let document = stage.wire().get("/api/openapi.json").expect(200);
    let seen = |method: &str, path: &str, answer: Answer| assert_documented(&document, method, path, &answer);
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    let (one, device) = ("/api/mfa/{id}", "/api/mfa/{id}/devices/{device}");
    let at_device =
        format!("/api/mfa/totp/devices/{}", stage.devices(&tokens, "totp")[0]["id"].as_str().expect("an id"));
    let details = stage.wire().get_as(&tokens.access, "/api/mfa/totp");
    let schema = &document["components"]["schemas"]["MethodDetailsJson"];
    assert!(schema.is_object(), "{document:#}");
    seen("get", one, details);
    seen("get", one, stage.wire().get_as(&tokens.access, "/api/mfa/nothing"));
    for body in [json!({"label": "x"}), json!({"label": "\n"}), json!({"odd": 1})] {
        seen("patch", one, stage.describe_method(&tokens, "totp", &body));
    }
    for deed in ["deactivate", "activate", "primary", "test"] {
        let path = format!("/api/mfa/{{id}}/{deed}");
        for (module, body) in [("totp", json!({})), ("nothing", json!({})), ("insecure_example", json!({"odd": 1}))] {
            seen("post", &path, stage.method_deed(&tokens, module, deed, &body));
        }
        seen("post", &path, stage.wire().post(&format!("/api/mfa/totp/{deed}"), &json!({})));
    }
    seen(
        "post",
        "/api/mfa/{id}/deactivate",
        stage.method_deed(&tokens, "insecure_example", "deactivate", &json!({"code": "9"})),
    );
    let begun = stage.method_deed(&tokens, "insecure_example", "test", &json!({})).expect(200);
    let trial = format!("/api/mfa/test/{}", begun["flow_id"].as_str().expect("a flow id"));
    for body in [json!({}), json!({"pin": "9999"}), json!({"pin": crate::harness::PIN}), json!({"pin": "9999"})] {
        seen("post", "/api/mfa/test/{flow_id}", stage.wire().post_as(&tokens.access, &trial, &body));
    }
    let begun = stage.method_deed(&tokens, "insecure_example", "test", &json!({})).expect(200);
    let trial = format!("/api/mfa/test/{}", begun["flow_id"].as_str().expect("a flow id"));
    for _ in 0..2 {
        seen("delete", "/api/mfa/test/{flow_id}", stage.wire().delete_as(&tokens.access, &trial));
    }
    for body in [json!({"name": "x"}), json!({"name": ""})] {
        seen("patch", device, stage.wire().patch_as(&tokens.access, &at_device, &body));
    }
    stage.clock.advance_s(301);
    seen("delete", device, stage.wire().delete_as(&tokens.access, &at_device));
    let flow_id = stage.begin();
    stage.submit_password(&flow_id, ADA);
    stage.submit(&flow_id, json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    let fresh = stage.tokens_of(&stage.submit(&flow_id, json!({"pin": crate::harness::PIN})).expect(200));
    seen("delete", device, stage.wire().delete_as(&fresh.access, &at_device));
    seen("delete", device, stage.wire().delete_as(&fresh.access, &at_device));
}

#[test]
fn every_answer_about_ways_back_is_documented() {
    let mut stage = Stage::with_backup_codes();
    let document = stage.wire().get("/api/openapi.json").expect(200);
    let seen = |method: &str, path: &str, answer: Answer| assert_documented(&document, method, path, &answer);
    let (flow, setup, anew) = ("/auth/login_flow/{flow_id}", "/api/mfa/setup/{flow_id}", "/api/mfa/{id}/regenerate");
    let tokens = stage.login(ADA);
    seen("post", anew, stage.regenerate(&tokens, "backup_codes", &json!({})));
    stage.prove_totp(&tokens);
    let issued = stage.regenerate(&tokens, "backup_codes", &json!({}));
    let codes = Codes::of(&issued.expect(200));
    seen("post", anew, issued);
    for (module, body) in [("totp", json!({})), ("nothing", json!({})), ("backup_codes", json!({"odd": 1}))] {
        seen("post", anew, stage.regenerate(&tokens, module, &body));
    }
    for body in [json!({}), json!({"saved": false}), json!({"saved": true})] {
        seen("post", setup, stage.submit_setup(&tokens, &codes.flow_id, &body));
    }
    seen("post", "/api/mfa/{id}/setup", stage.begin_setup(&tokens, "backup_codes"));
    seen("post", flow, stage.recover("zzzzzzzzzz"));
    seen("post", flow, stage.recover("?"));
    seen("post", flow, stage.recover(&codes.codes[0]));
    for body in [json!({"code": codes.codes[1]}), json!({"recovery_code": "zzzzzzzzzz"}), json!({})] {
        let plain = json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD});
        let token = stage.wire().post("/api/login", &plain).expect(200)["token"].clone();
        let mut body = body;
        body["token"] = token;
        seen("post", "/api/login/verify", stage.wire().post("/api/login/verify", &body));
    }
}

#[test]
fn every_answer_of_a_long_walk_is_documented() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let document = stage.wire().get("/api/openapi.json").expect(200);
    let (flow, setup) = ("/auth/login_flow/{flow_id}", "/api/mfa/setup/{flow_id}");
    let seen = |method: &str, path: &str, answer: Answer| assert_documented(&document, method, path, &answer);

    seen("get", "/auth/providers", stage.wire().get("/auth/providers"));
    seen("get", "/healthz", stage.wire().get("/healthz"));
    seen("get", "/api/status", stage.wire().get("/api/status"));
    seen("post", "/auth/login_flow", stage.begin_with(json!({})));
    seen("post", "/auth/login_flow", stage.begin_with(json!({"redirect_uri": "x"})));
    let flow_id = stage.begin();
    seen("post", flow, stage.submit(&flow_id, json!({})));
    seen("post", flow, stage.submit(&flow_id, json!({"username": ADA, "password": PASSWORD})));
    seen("post", flow, stage.submit("nothing", json!({"code": "000000"})));
    seen("post", flow, stage.submit(&flow_id, json!({"code": ada.totp.code(stage.now_ms())})));
    seen("delete", flow, stage.wire().delete("/auth/login_flow/nothing"));
    seen("post", "/auth/token", stage.exchange("nonsense"));
    seen("post", "/auth/revoke", stage.wire().post_form("/auth/revoke", &[("token", "nonsense")]));

    let plain = json!({"client_id": CLIENT_ID, "username": ADA, "password": PASSWORD});
    seen("post", "/api/login", stage.wire().post("/api/login", &plain));
    seen("post", "/api/login", stage.wire().post("/api/login", &json!({})));
    let nonsense = json!({"token": "nonsense", "code": "123456", "method": "totp"});
    for (path, names) in [
        ("/api/login/verify", &["token", "code"][..]),
        ("/api/login/change", &["token", "method"]),
        ("/api/login/resend", &["token"]),
    ] {
        let body: Value = names
            .iter()
            .map(|name| ((*name).to_owned(), nonsense[name].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        seen("post", path, stage.wire().post(path, &body));
    }

    stage.clock.advance_s(30);
    let tokens = stage.login_totp(&ada);
    seen("get", "/api/me", stage.me(&tokens));
    seen("get", "/api/me", stage.wire().get("/api/me"));
    seen("get", "/api/mfa", stage.wire().get_as(&tokens.access, "/api/mfa"));
    let begun = stage.begin_setup(&tokens, "insecure_example");
    let flow_id = begun.json()["flow_id"].as_str().expect("a flow id").to_owned();
    seen("post", "/api/mfa/{id}/setup", begun);
    seen("post", "/api/mfa/{id}/setup", stage.begin_setup(&tokens, "nothing"));
    seen("post", setup, stage.submit_setup(&tokens, &flow_id, &json!({})));
    seen("delete", setup, stage.cancel_setup(&tokens, &flow_id));
    seen("delete", setup, stage.cancel_setup(&tokens, &flow_id));
    seen("post", "/api/proof", stage.wire().post_as(&tokens.access, "/api/proof", &json!({})));
    seen("delete", "/api/mfa/{id}", stage.delete_method(&tokens, "totp"));
    seen("delete", "/api/mfa", stage.wire().delete_as(&tokens.access, "/api/mfa"));
}
