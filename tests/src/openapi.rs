//! The OpenAPI document shows every answer shape: what the host says is documented, status and content type.

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, CLIENT_ID, PASSWORD, Stage};

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
