//! HTTP to the host: no redirects, no proxy, bounded in time and size.

use std::time::Duration;

use serde_json::Value;
use ureq::{
    Agent,
    http::{Request, Response, StatusCode, header},
};

use super::conversation::Stop;
use crate::tls::Trust;

/// The client id of the terminal client; `init` writes it into `host.toml`.
pub const CLIENT_ID: &str = "mfa-host-cli";
/// Its redirect URI. Nothing listens there: the result code comes back in the step itself.
pub const REDIRECT_URI: &str = "http://127.0.0.1/mfa-host-cli";

const TIMEOUT_S: u64 = 60;
const CONNECT_TIMEOUT_S: u64 = 5;
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A running host.
pub struct Host {
    agent: Agent,
    url: String,
}

/// Status and JSON of an answer.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Host {
    /// `trusted` are the authorities that are believed where TLS is spoken; read only there, since a machine has hundreds.
    pub fn new(url: &str, trusted: impl FnOnce() -> Result<Trust, Stop>) -> Result<Self, Stop> {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(CONNECT_TIMEOUT_S)))
            .timeout_global(Some(Duration::from_secs(TIMEOUT_S)))
            .user_agent(concat!("mfa-host-cli/", env!("CARGO_PKG_VERSION")));
        let is_encrypted = url.starts_with("https:");
        let settings = if is_encrypted { settings.tls_config(trusted()?.for_http()) } else { settings };
        let agent = settings.build().new_agent();
        Ok(Self { agent, url: url.to_owned() })
    }

    pub fn get(&self, path: &str, bearer: Option<&str>) -> Result<Answer, Stop> {
        let request = self.request("GET", path, bearer).body(()).map_err(unsendable)?;
        self.answer(self.agent.run(request))
    }

    pub fn delete(&self, path: &str, bearer: Option<&str>) -> Result<Answer, Stop> {
        let request = self.request("DELETE", path, bearer).body(()).map_err(unsendable)?;
        self.answer(self.agent.run(request))
    }

    pub fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> Result<Answer, Stop> {
        self.send("POST", path, bearer, body)
    }

    /// A request of any method with a body.
    pub fn send(&self, method: &str, path: &str, bearer: Option<&str>, body: &Value) -> Result<Answer, Stop> {
        let request = self.request(method, path, bearer).header(header::CONTENT_TYPE, "application/json");
        self.answer(self.agent.run(request.body(body.to_string()).map_err(unsendable)?))
    }

    pub fn post_form(&self, path: &str, pairs: &[(&str, &str)]) -> Result<Answer, Stop> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let kind = "application/x-www-form-urlencoded";
        let request = self.request("POST", path, None).header(header::CONTENT_TYPE, kind);
        self.answer(self.agent.run(request.body(form).map_err(unsendable)?))
    }

    fn request(&self, method: &str, path: &str, bearer: Option<&str>) -> ureq::http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = match language() {
            Some(language) => request.header(header::ACCEPT_LANGUAGE, language),
            None => request,
        };
        match bearer {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    fn answer(&self, answered: Result<Response<ureq::Body>, ureq::Error>) -> Result<Answer, Stop> {
        let mut response = answered.map_err(|error| {
            let remedy = if is_untrusted(&error) {
                "name the authority of its certificate with --ca FILE, or a name the certificate has with --url URL"
            } else {
                "start it: mfa-host --config DIR serve, or name another with --url URL"
            };
            Stop(format!("no host answers at {} ({error})\n  {remedy}", self.url))
        })?;
        let text = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(|error| Stop(format!("the answer of {} broke off: {error}", self.url)))?;
        Ok(Answer { status: response.status(), body: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }
}

/// Whether somebody answers, with a certificate that is not believed.
fn is_untrusted(error: &ureq::Error) -> bool {
    let inner = match error {
        ureq::Error::Rustls(inner) => Some(inner),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

fn unsendable(error: ureq::http::Error) -> Stop {
    Stop(format!("this cannot be asked over HTTP: {error}"))
}

/// `de` of `LANG=de_CH.UTF-8`.
fn language() -> Option<String> {
    let said = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|said| !said.is_empty()))?;
    let tag = said.split(['_', '.', '@']).next()?.to_ascii_lowercase();
    ((2..=3).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(tag)
}

impl Answer {
    /// The body of a 200, else what the host says is wrong.
    pub fn accepted(self) -> Result<Value, Stop> {
        if self.status.is_success() {
            return if self.body.is_null() {
                Err(Stop("this is not an mfa-host: its answer is not JSON".into()))
            } else {
                Ok(self.body)
            };
        }
        Err(Stop(self.complaint()))
    }

    /// The host's own words, whichever dialect they are in.
    pub fn complaint(&self) -> String {
        let words =
            ["detail", "error_description", "message", "error"].iter().find_map(|name| self.body[*name].as_str());
        match words {
            Some(words) => format!("the host refused: {words} ({})", self.status.as_u16()),
            None => format!("the host answered {}", self.status),
        }
    }

    /// RFC 9470.
    pub fn wants_fresh_proof(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED && self.body["code"] == "insufficient_user_authentication"
    }

    /// The fields the host found malformed, with their words.
    pub fn field_errors(&self) -> Option<&serde_json::Map<String, Value>> {
        (self.status == StatusCode::BAD_REQUEST).then(|| self.body["errors"].as_object()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), body }
    }

    #[test]
    fn refusals_of_every_dialect_are_told_in_the_hosts_words() {
        for body in [json!({"detail": "D"}), json!({"error": "e", "error_description": "D"}), json!({"message": "D"})] {
            assert_eq!(answer(503, body).accepted().err().unwrap().0, "the host refused: D (503)");
        }
        assert!(answer(502, Value::Null).accepted().err().unwrap().0.contains("502"));
        assert!(answer(200, Value::Null).accepted().is_err(), "a page is no answer of ours");
    }

    #[test]
    fn only_the_rfc_9470_code_asks_for_a_proof() {
        assert!(answer(401, json!({"code": "insufficient_user_authentication"})).wants_fresh_proof());
        assert!(!answer(401, json!({"code": "unauthenticated"})).wants_fresh_proof());
        assert!(!answer(403, json!({"code": "insufficient_user_authentication"})).wants_fresh_proof());
    }
}
