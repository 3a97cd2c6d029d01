//! The request an `http` channel makes: as `host.toml` has it, completed by what is known of the gateway.

use mfa_sdk::TargetKind;
use serde_json::{Map, Value, json};

use super::channel::{BodyFormat, ChannelSettings, Method, Preset};

/// Names that may stand in braces in an address, a header or a body.
pub const PLACES: [&str; 6] = ["to", "subject", "text", "message_id", "host_name", "secret"];

/// A request with its places still open.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayRequest {
    pub url: String,
    pub method: Method,
    /// In the order they are sent.
    pub headers: Vec<(String, String)>,
    pub body: GatewayBody,
}

/// A body by its structure, so that no value can break out of its place.
#[derive(Clone, Debug, PartialEq)]
pub enum GatewayBody {
    Nothing,
    Json(Value),
    Form(Vec<(String, String)>),
    Text(String),
}

/// What is known of a gateway.
struct Known {
    /// Address when the settings name none.
    address: Option<&'static str>,
    path: &'static str,
    method: Method,
    header: Option<(&'static str, &'static str)>,
    body: Value,
}

impl Preset {
    /// What a user gives to be reached there.
    pub fn target(self) -> TargetKind {
        match self {
            Self::Ntfy | Self::Telegram | Self::Matrix => TargetKind::Text,
            Self::Gotify | Self::HomeAssistant => TargetKind::Listed,
        }
    }

    fn known(self) -> Known {
        const BEARER: Option<(&str, &str)> = Some(("Authorization", "Bearer {secret}"));
        let known = |path, method, header, body| Known { address: None, path, method, header, body };
        match self {
            Self::Ntfy => {
                let body = json!({ "topic": "{to}", "title": "{subject}", "message": "{text}" });
                known("/", Method::Post, BEARER, body)
            }
            Self::Gotify => {
                let body = json!({ "title": "{subject}", "message": "{text}", "priority": 5 });
                known("/message", Method::Post, Some(("X-Gotify-Key", "{secret}")), body)
            }
            Self::Telegram => {
                let body = json!({ "chat_id": "{to}", "text": "{text}" });
                let address = Some("https://api.telegram.org");
                Known { address, ..known("/bot{secret}/sendMessage", Method::Post, None, body) }
            }
            Self::Matrix => {
                let body = json!({ "msgtype": "m.text", "body": "{text}" });
                let path = "/_matrix/client/v3/rooms/{to}/send/m.room.message/{message_id}";
                known(path, Method::Put, BEARER, body)
            }
            Self::HomeAssistant => {
                let body = json!({ "title": "{subject}", "message": "{text}" });
                known("/api/services/notify/{to}", Method::Post, BEARER, body)
            }
        }
    }
}

impl ChannelSettings {
    /// The request of an `http` channel.
    ///
    /// # Errors
    /// The key that is wrong, and what is wrong with it.
    pub fn request(&self) -> Result<GatewayRequest, (&'static str, String)> {
        let known = self.preset.map(Preset::known);
        let has_secret = self.secret_file.is_some() || self.secret_env.is_some();
        let address = self.url.as_deref().or(known.as_ref().and_then(|known| known.address));
        let address = address.ok_or(("url", "an http channel needs url".to_owned()))?;
        let url = match &known {
            Some(known) => format!("{}{}", address.trim_end_matches('/'), known.path),
            None => address.to_owned(),
        };
        let mut headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some((name, value)) = known.as_ref().and_then(|known| known.header)
            && has_secret
            && !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            headers.push((name.to_owned(), value.to_owned()));
        }
        let method = self.method.or(known.as_ref().map(|known| known.method)).unwrap_or(Method::Post);
        let body = match (&self.body, known) {
            (Some(body), _) => self.body_of(body)?,
            (None, Some(known)) => GatewayBody::Json(known.body),
            (None, None) => GatewayBody::Nothing,
        };
        Ok(GatewayRequest { url, method, headers, body })
    }

    fn body_of(&self, body: &toml::Value) -> Result<GatewayBody, (&'static str, String)> {
        let wrong = |problem: &str| Err(("body", problem.to_owned()));
        match (self.format.unwrap_or(BodyFormat::Json), body) {
            (BodyFormat::Json, toml::Value::Table(_)) => Ok(GatewayBody::Json(json_of(body))),
            (BodyFormat::Json, _) => wrong("a JSON body is a table"),
            (BodyFormat::Form, toml::Value::Table(fields)) => {
                let mut form = Vec::new();
                for (name, value) in fields {
                    match value {
                        toml::Value::String(text) => form.push((name.clone(), text.clone())),
                        toml::Value::Integer(_) | toml::Value::Boolean(_) => {
                            form.push((name.clone(), value.to_string()));
                        }
                        _ => return wrong("a form holds texts, whole numbers, true and false"),
                    }
                }
                Ok(GatewayBody::Form(form))
            }
            (BodyFormat::Form, _) => wrong("the body of a form is a table"),
            (BodyFormat::Text, toml::Value::String(text)) => Ok(GatewayBody::Text(text.clone())),
            (BodyFormat::Text, _) => wrong("a plain body is a text"),
        }
    }
}

fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(is) => json!(is),
        toml::Value::Datetime(moment) => json!(moment.to_string()),
        toml::Value::Array(list) => Value::Array(list.iter().map(json_of).collect()),
        toml::Value::Table(table) => {
            let members = table.iter().map(|(name, value)| (name.clone(), json_of(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

impl GatewayRequest {
    /// Every text that may hold places, with the key it stands under.
    pub fn texts(&self) -> Vec<(&'static str, &str)> {
        let mut texts = vec![("url", self.url.as_str())];
        texts.extend(self.headers.iter().map(|(_, value)| ("headers", value.as_str())));
        match &self.body {
            GatewayBody::Nothing => {}
            GatewayBody::Json(value) => texts_of(value, &mut texts),
            GatewayBody::Form(fields) => texts.extend(fields.iter().map(|(_, value)| ("body", value.as_str()))),
            GatewayBody::Text(text) => texts.push(("body", text)),
        }
        texts
    }
}

fn texts_of<'a>(value: &'a Value, texts: &mut Vec<(&'static str, &'a str)>) {
    match value {
        Value::String(text) => texts.push(("body", text)),
        Value::Array(list) => list.iter().for_each(|value| texts_of(value, texts)),
        Value::Object(members) => members.values().for_each(|value| texts_of(value, texts)),
        _ => {}
    }
}

/// A piece of a text with places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Words(&'a str),
    Place(&'a str),
}

/// The pieces of a text, in order. Braces around anything but a name of small letters are ordinary characters.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(open) = text[at..].find('{').map(|offset| at + offset) {
        at = open + 1;
        if let Some(name) = text[at..].split_once('}').map(|(name, _)| name).filter(|name| is_name(name)) {
            parts.extend([Part::Words(&text[start..open]), Part::Place(name)]);
            at += name.len() + 1;
            start = at;
        }
    }
    parts.push(Part::Words(&text[start..]));
    parts
}

/// The names of the places, in order.
pub fn places(text: &str) -> impl Iterator<Item = &str> {
    parts(text).into_iter().filter_map(|part| match part {
        Part::Place(name) => Some(name),
        Part::Words(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_braces_are_places() {
        let names = |text| places(text).collect::<Vec<_>>();
        assert_eq!(names("{to}{text} {x"), ["to", "text"]);
        assert_eq!(names("{{to}} {\"a\": {secret}} {To} {} {a1}"), ["to", "secret"]);
        let whole: String = parts("{ {to} é{{x}")
            .iter()
            .map(|part| match part {
                Part::Words(words) => (*words).to_owned(),
                Part::Place(name) => format!("<{name}>"),
            })
            .collect();
        assert_eq!(whole, "{ <to> é{<x>");
    }
}
