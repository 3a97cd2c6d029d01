//! HTTP as any client speaks it. Nothing is interpreted here: every status is an answer.

use std::time::Duration;

use base64::Engine;
use serde_json::Value;
use ureq::http::Request;

/// One answer of the host.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; the status must be this one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// A client of one address.
#[derive(Clone)]
pub struct Wire {
    base: String,
    agent: ureq::Agent,
}

impl Wire {
    pub fn new(base: &str) -> Self {
        let settings = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A killed host leaves dead connections behind; a new one for each request tells the truth.
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self { base: base.trim_end_matches('/').to_owned(), agent: settings.new_agent() }
    }

    /// Where it stands, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).expect("an answer")
    }

    pub fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &bearer(token))], None).expect("an answer")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_bytes(path, "application/json", body.to_string().into_bytes())
    }

    pub fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*bearer(token)), ("content-type", "application/json")];
        self.send("POST", path, &headers, Some(body.to_string().into_bytes())).expect("an answer")
    }

    pub fn patch_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*bearer(token)), ("content-type", "application/json")];
        self.send("PATCH", path, &headers, Some(body.to_string().into_bytes())).expect("an answer")
    }

    pub fn post_with_basic(&self, id: &str, secret: &str, path: &str, body: &Value) -> Answer {
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        let basic = format!("Basic {credentials}");
        let headers = [("authorization", &*basic), ("content-type", "application/json")];
        self.send("POST", path, &headers, Some(body.to_string().into_bytes())).expect("an answer")
    }

    pub fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.send("POST", path, &[("content-type", content_type)], Some(body)).expect("an answer")
    }

    pub fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let text: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
        self.post_bytes(path, "application/x-www-form-urlencoded", text.join("&").into_bytes())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None).expect("an answer")
    }

    pub fn delete_as(&self, token: &str, path: &str) -> Answer {
        self.send("DELETE", path, &[("authorization", &bearer(token))], None).expect("an answer")
    }

    pub fn delete_with(&self, token: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*bearer(token)), ("content-type", "application/json")];
        self.send("DELETE", path, &headers, Some(body.to_string().into_bytes())).expect("an answer")
    }

    /// Any request; an error is a lost connection, which is what a killed host gives.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body).expect("a request"))?,
            None => self.agent.run(request.body(()).expect("a request"))?,
        };
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Ok(Answer { status: response.status().as_u16(), headers, body: response.body_mut().read_to_vec()? })
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
