//! One request to a gateway's HTTP interface. Redirects are not followed: a gateway that moved is for the admin to see.

use std::{io::Read, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use ureq::{
    Agent,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header},
};

use super::{
    contract::{Line, Parcel, SendError, Told},
    secret,
    values::percent,
};
use crate::{
    settings::{GatewayBody, GatewayRequest, Method},
    tls::Trust,
    words::filled,
};

/// Nobody needs more of an answer than its first words.
const ANSWER_BYTES_MAX: u64 = 4096;
const RETRY_AFTER_MAX_S: u64 = 3600;

/// A gateway and how it is asked.
pub struct Gateway {
    agent: Agent,
    request: GatewayRequest,
    user: Option<String>,
    secret: Option<SecretString>,
    host_name: String,
}

impl Gateway {
    /// Without trust only an address without TLS can be asked.
    pub fn new(
        request: GatewayRequest,
        user: Option<String>,
        secret: Option<SecretString>,
        trust: Option<&Trust>,
        timeout: Duration,
        host_name: &str,
    ) -> Self {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(timeout))
            .user_agent(concat!("mfa-host/", env!("CARGO_PKG_VERSION")));
        let settings = match trust {
            Some(trust) => settings.tls_config(trust.for_http()),
            None => settings,
        };
        let agent = settings.build().new_agent();
        Self { agent, request, user, secret, host_name: host_name.to_owned() }
    }

    /// Asks the gateway to send. Blocks for at most the timeout.
    ///
    /// # Errors
    /// It did not say that it will.
    pub fn send(&self, parcel: &Parcel, line: &Line) -> Result<(), SendError> {
        let request = self.filled(parcel, line)?;
        match self.agent.run(request) {
            Ok(response) => self.judge(response),
            Err(error) => Err(SendError::failed(words_of(&error))),
        }
    }

    fn filled(&self, parcel: &Parcel, line: &Line) -> Result<Request<Vec<u8>>, SendError> {
        let value = |name: &str| -> Option<&str> {
            Some(match name {
                "to" => &parcel.to,
                "subject" => &line.subject,
                "text" => &line.short,
                "message_id" => parcel.message_id.as_str(),
                "host_name" => &self.host_name,
                "secret" => self.secret.as_ref()?.expose_secret(),
                _ => return None,
            })
        };
        let plain = |text: &str| -> String {
            filled(text, |name| value(name).map(|value| Ok::<_, std::convert::Infallible>(value.to_owned())))
                .unwrap_or_default()
        };
        let url = filled(&self.request.url, |name| value(name).map(in_address))?;
        let method = match self.request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let mut request = Request::builder().method(method).uri(url);
        let (content_type, body) = match &self.request.body {
            GatewayBody::Nothing => (None, Vec::new()),
            GatewayBody::Json(json) => (Some("application/json"), json_filled(json, &plain).to_string().into_bytes()),
            GatewayBody::Form(fields) => {
                let pairs = fields.iter().map(|(name, text)| (name, plain(text)));
                let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                (Some("application/x-www-form-urlencoded"), form.into_bytes())
            }
            GatewayBody::Text(text) => (Some("text/plain; charset=utf-8"), plain(text).into_bytes()),
        };
        let names = self.request.headers.iter().map(|(name, _)| name);
        if let Some(content_type) = content_type
            && !names.clone().any(|name| name.eq_ignore_ascii_case("content-type"))
        {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        for (name, text) in &self.request.headers {
            let name = header_name(name)?;
            let value = header_value(&name, &plain(text))?;
            request = request.header(name, value);
        }
        if let (Some(user), Some(secret)) = (&self.user, &self.secret) {
            let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{}", secret.expose_secret())));
            request = request.header(header::AUTHORIZATION, header_value(&header::AUTHORIZATION, &basic)?);
        }
        // The error would name the address, which may hold the secret.
        request.body(body).map_err(|_| SendError::refused("the message does not fit into a request"))
    }

    /// 2xx: sent. Refusals of the request are final; anything else may pass.
    fn judge(&self, mut response: Response<ureq::Body>) -> Result<(), SendError> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after_s = retry_after_s(response.headers());
        let mut answer = Vec::new();
        // What cannot be read of it is not told.
        let _ = response.body_mut().as_reader().take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
        let secrets = secret::forms(self.secret.as_ref(), self.user.as_deref());
        let told = Told::new(&String::from_utf8_lossy(&answer), &secrets);
        let code = status.as_u16();
        let may_pass = [408, 425, 429].contains(&code) || !status.is_client_error();
        Err(if may_pass {
            let reason = match status {
                StatusCode::TOO_MANY_REQUESTS => match retry_after_s {
                    Some(seconds) => format!("the gateway asks to wait {seconds} s ({code})"),
                    None => format!("the gateway asks to wait ({code})"),
                },
                _ if status.is_redirection() => format!("the gateway points elsewhere ({code}), which is not followed"),
                _ => format!("the gateway failed ({code})"),
            };
            SendError::Failed { reason, told, retry_after_s }
        } else {
            let what = if [401, 403].contains(&code) { "the sender, its user or secret" } else { "the message" };
            SendError::refused(format!("the gateway refuses {what} ({code})")).with(told)
        })
    }
}

/// A value in a path or query. One that would be a step in the path is refused.
fn in_address(value: &str) -> Result<String, SendError> {
    if ["", ".", ".."].contains(&value) {
        return Err(SendError::refused("the target cannot stand in an address"));
    }
    Ok(percent(value))
}

fn json_filled(value: &Value, plain: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(plain(text)),
        Value::Array(list) => list.iter().map(|value| json_filled(value, plain)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), json_filled(value, plain))).collect())
        }
        other => other.clone(),
    }
}

fn header_name(name: &str) -> Result<HeaderName, SendError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| SendError::refused("a header's name is none"))
}

/// A text of several lines becomes one; then nothing can end the header. Other than ASCII is written as RFC 2047 has it
/// for mails, which gateways with texts in headers read; credentials are never encoded so.
fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, SendError> {
    let line: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let line = match line.trim() {
        line if line.is_ascii() => line.to_owned(),
        _ if *name == header::AUTHORIZATION => {
            return Err(SendError::refused(
                "the secret has other than ASCII characters and does not fit into a header",
            ));
        }
        line => format!("=?UTF-8?B?{}?=", STANDARD.encode(line)),
    };
    HeaderValue::from_str(&line).map_err(|_| SendError::refused("a value does not fit into a header"))
}

/// Seconds, or a date measured against the answer's own.
fn retry_after_s(headers: &HeaderMap) -> Option<u64> {
    let text = |name| headers.get(name)?.to_str().ok();
    let asked = text(header::RETRY_AFTER)?.trim();
    let seconds = asked.parse().ok().or_else(|| {
        let until = httpdate::parse_http_date(asked).ok()?;
        let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
        Some(until.duration_since(now).unwrap_or_default().as_secs())
    })?;
    Some(seconds.min(RETRY_AFTER_MAX_S))
}

/// The library's own words may name the address, and the address may hold a secret.
fn words_of(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "the gateway did not answer in time".to_owned(),
        ureq::Error::HostNotFound => "the gateway's name is not known".to_owned(),
        ureq::Error::Rustls(error) => format!("the gateway's certificate is not trusted: {error}"),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => format!("the gateway's certificate is not trusted: {error}"),
            None => format!("the gateway cannot be reached: {}", error.kind()),
        },
        ureq::Error::ConnectionFailed => "the gateway cannot be reached".to_owned(),
        _ => "the gateway does not speak HTTP".to_owned(),
    }
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
