//! One request to a gateway's HTTP interface. Redirects are not followed: a gateway that moved is for the admin to see.

use std::{error::Error, io};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header, response::Parts};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    connections::{AskError, Connections},
    contract::{Line, Parcel, SendError, Told},
    secret,
    values::percent,
};
use crate::{
    settings::{GatewayBody, GatewayRequest, Method},
    tls::Trust,
    words::filled,
};

const RETRY_AFTER_MAX_S: u64 = 3600;
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("mfa-host/", env!("CARGO_PKG_VERSION")));

/// A gateway and how it is asked.
pub struct Gateway {
    connections: Connections,
    request: GatewayRequest,
    user: Option<String>,
    secret: Option<SecretString>,
    host_name: String,
}

impl Gateway {
    /// `at_once` connections are kept.
    ///
    /// # Errors
    /// Whom to trust cannot be told to the library.
    pub fn new(
        request: GatewayRequest,
        user: Option<String>,
        secret: Option<SecretString>,
        trust: &Trust,
        at_once: usize,
        host_name: &str,
    ) -> Result<Self, rustls::Error> {
        let connections = Connections::new(trust.for_gateway()?, at_once);
        Ok(Self { connections, request, user, secret, host_name: host_name.to_owned() })
    }

    /// Asks the gateway to send.
    ///
    /// # Errors
    /// It did not say that it will.
    pub async fn send(&self, parcel: &Parcel, line: &Line) -> Result<(), SendError> {
        let mut request = self.filled(parcel, line)?;
        request.headers_mut().entry(header::USER_AGENT).or_insert(USER_AGENT);
        request.headers_mut().entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        match self.connections.ask(request.map(|body| Full::new(body.into()))).await {
            Ok((head, answer)) => self.judge(&head, &answer),
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
    fn judge(&self, head: &Parts, answer: &[u8]) -> Result<(), SendError> {
        let status = head.status;
        if status.is_success() {
            return Ok(());
        }
        let retry_after_s = retry_after_s(&head.headers);
        let secrets = secret::forms(self.secret.as_ref(), self.user.as_deref());
        let told = Told::new(&String::from_utf8_lossy(answer), &secrets);
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
fn words_of(error: &AskError) -> String {
    if let Some(error) = cause::<rustls::Error>(error) {
        return format!("the gateway's certificate is not trusted: {error}");
    }
    match error {
        AskError::Nowhere => "the gateway's address has no host".to_owned(),
        AskError::UnknownName => "the gateway's name is not known".to_owned(),
        AskError::Unreachable(error) => format!("the gateway cannot be reached: {}", error.kind()),
        AskError::Broken(error) if error.is_parse() => "the gateway does not speak HTTP".to_owned(),
        AskError::Broken(_) => "the gateway broke the connection off".to_owned(),
    }
}

/// The first cause of this kind, within what others wrap as well.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let wrapped = wrapped.map(|inner| inner as &(dyn Error + 'static));
    cause(wrapped.or_else(|| error.source())?)
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
