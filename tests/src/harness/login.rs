//! A client of the login flow and of the token endpoint, and the looks of their answers.

use serde_json::{Map, Value, json};

use super::{Answer, PASSWORD, Stage};

/// An address as client id: its own origin is where it may be sent back to.
pub const CLIENT_ID: &str = "http://127.0.0.1:9/";
pub const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";
/// The one 404 of flows.
pub const INVALID_FLOW: &[u8] = br#"{"message":"Invalid flow specified"}"#;

/// What a finished login gives.
#[derive(Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    pub fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name} in {answer}")).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

impl Stage {
    /// Starts a login flow with the plain `local` provider; its id.
    pub fn begin(&self) -> String {
        let step = self.begin_with(json!({})).expect(200);
        assert_form(&step, "init");
        step["flow_id"].as_str().expect("a flow id").to_owned()
    }

    /// Starts a login flow; `changes` replace or add fields of the request.
    pub fn begin_with(&self, changes: Value) -> Answer {
        let mut body = json!({"client_id": CLIENT_ID, "handler": ["local", null], "redirect_uri": REDIRECT_URI});
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        self.wire().post("/auth/login_flow", &body)
    }

    /// Answers a step of a login flow.
    pub fn submit(&self, flow_id: &str, fields: Value) -> Answer {
        let mut body: Map<String, Value> = fields.as_object().expect("an object").clone();
        body.entry("client_id").or_insert_with(|| CLIENT_ID.into());
        self.wire().post(&format!("/auth/login_flow/{flow_id}"), &Value::Object(body))
    }

    /// The right name and password; the step that follows.
    #[track_caller]
    pub fn submit_password(&self, flow_id: &str, name: &str) -> Value {
        self.submit(flow_id, json!({"username": name, "password": PASSWORD})).expect(200)
    }

    /// A code; the step that follows.
    #[track_caller]
    pub fn submit_code(&self, flow_id: &str, code: &str) -> Value {
        self.submit(flow_id, json!({"code": code})).expect(200)
    }

    /// A flow that has passed the first factor and waits for the second, with the only module of this user.
    #[track_caller]
    pub fn begin_to_mfa(&self, name: &str) -> String {
        let flow_id = self.begin();
        assert_form(&self.submit_password(&flow_id, name), "mfa");
        flow_id
    }

    /// Turns the result of a login into tokens.
    pub fn exchange(&self, result: &str) -> Answer {
        self.wire().post_form(
            "/auth/token",
            &[("grant_type", "authorization_code"), ("client_id", CLIENT_ID), ("code", result)],
        )
    }

    /// Tokens of a finished step.
    #[track_caller]
    pub fn tokens_of(&self, step: &Value) -> Tokens {
        Tokens::of(&self.exchange(&result_of(step)).expect(200))
    }

    /// A whole login of a user without factors.
    #[track_caller]
    pub fn login(&self, name: &str) -> Tokens {
        let flow_id = self.begin();
        let step = self.submit_password(&flow_id, name);
        self.tokens_of(&step)
    }
}

#[track_caller]
pub fn assert_form(step: &Value, step_id: &str) {
    assert_eq!(step["type"], "form", "{step}");
    assert_eq!(step["step_id"], step_id, "{step}");
    for name in ["flow_id", "handler", "data_schema", "errors", "description_placeholders", "last_step", "preview"] {
        assert!(step.get(name).is_some(), "{name} is missing in {step}");
    }
}

/// The proof is too old for this (RFC 9470).
#[track_caller]
pub fn assert_stale(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", String::from_utf8_lossy(&answer.body));
    let challenge = answer.header("www-authenticate").expect("WWW-Authenticate");
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("max_age"), "{challenge}");
}

#[track_caller]
pub fn assert_abort(step: &Value, reason: &str) {
    assert_eq!(step["type"], "abort", "{step}");
    assert_eq!(step["reason"], reason, "{step}");
}

#[track_caller]
pub fn assert_invalid_flow(answer: &Answer) {
    assert_eq!(answer.status, 404, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.body, INVALID_FLOW, "the one 404 is the same to the byte");
}

/// The result code of a finished login.
#[track_caller]
pub fn result_of(step: &Value) -> String {
    assert_eq!(step["type"], "create_entry", "{step}");
    let result = step["result"].as_str().unwrap_or_else(|| panic!("a result in {step}"));
    assert!(result.len() >= 32, "a result code has at least 32 characters");
    result.to_owned()
}
