//! Request bodies, strictly: bounded, UTF-8, each name once, no NUL, no unknown fields where the type denies them.

use std::{fmt, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::flow::Flows;

use super::error::Failure;

/// A body has to be there within this time once its head is.
const READ_TIMEOUT_S: u64 = 10;

/// A JSON body under `/api/`: the content type has to say so; an empty body reads as `{}`.
pub struct Json<T>(pub T);

/// A JSON body of the login flow. Clients of that protocol send it under any content type, so none is asked for.
pub struct UntypedJson<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Flows> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, flows: &Flows) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = bytes(body, flows).await?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        require(&parts.headers, "application/json")?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Flows> for UntypedJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, flows: &Flows) -> Result<Self, Failure> {
        parse(&bytes(request.into_body(), flows).await?).map(Self)
    }
}

/// The whole body, if it is not too long and comes in time.
pub async fn bytes(body: Body, flows: &Flows) -> Result<Vec<u8>, Failure> {
    let reading = bounded(body, flows.settings().limits.body_bytes_max);
    tokio::time::timeout(Duration::from_secs(READ_TIMEOUT_S), reading).await.unwrap_or_else(|_| {
        Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body did not come in time."))
    })
}

async fn bounded(body: Body, limit: usize) -> Result<Vec<u8>, Failure> {
    let too_large =
        || Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("A body has at most {limit} bytes."));
    // A body that announces too much is refused unread.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|_| Failure::malformed("The body ended early."))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn require(headers: &HeaderMap, kind: &str) -> Result<(), Failure> {
    let (given, _) = content_type(headers);
    if given.eq_ignore_ascii_case(kind) { Ok(()) } else { Err(wrong_type(kind)) }
}

/// The content type without its parameters, and the parameters.
pub fn content_type(headers: &HeaderMap) -> (&str, &str) {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = given.split_once(';').unwrap_or((given, ""));
    (essence.trim(), parameters)
}

/// 415.
pub fn wrong_type(kind: &str) -> Failure {
    let detail = format!("Send a body of the type {kind}.");
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

/// The value of a JSON text. Messages name the place, never the content: it may be a secret.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let Strict(value) = serde_json::from_slice(bytes).map_err(|error| {
        Failure::malformed(format!("The body is not clean JSON (line {}, column {}).", error.line(), error.column()))
    })?;
    // serde takes a list for a structure without names, in which nothing would be unknown.
    if !value.is_object() {
        return Err(Failure::malformed("The body is no JSON object."));
    }
    // Where a mistake stands is looked for only when there is one.
    T::deserialize(&value).or_else(|_| serde_path_to_error::deserialize(value)).map_err(|error| {
        let path = error.path().to_string();
        let shown = if path.len() <= 64 { path } else { "a field".to_owned() };
        Failure::malformed(match error.inner().to_string() {
            text if text.starts_with("missing field") => format!("There is a {text}."),
            text if text.starts_with("unknown field") => format!("Unknown field: {shown}."),
            _ => format!("Wrong type: {shown}."),
        })
    })
}

/// JSON in which every name stands once and no text holds a NUL. Depth is bounded by the parser (128).
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

fn clean<E: Error>(text: String) -> Result<String, E> {
    if text.contains('\0') { Err(E::custom("a text holds a NUL")) } else { Ok(text) }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        clean(value.to_owned()).map(Value::String)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        clean(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if map.insert(clean(name)?, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Login {
        #[expect(dead_code, reason = "only whether it parses matters")]
        password: String,
    }

    #[test]
    fn json_that_can_be_read_two_ways_is_refused() {
        for text in [
            &br#"{"password":"a","password":"b"}"#[..],
            br#"{"password":"a\u0000b"}"#,
            br#"{"password":"a","more":1}"#,
            br#"{"password":1}"#,
            br#"{}"#,
            br#"[]"#,
            br#"["a"]"#,
            br#"{"password":"a"} x"#,
            b"{\"password\":\"\xff\"}",
            b"",
        ] {
            let failure = parse::<Login>(text).expect_err(&String::from_utf8_lossy(text));
            assert_eq!(failure.status, StatusCode::BAD_REQUEST);
        }
        assert!(parse::<Login>(br#"{"password":"a"}"#).is_ok());
        let nested = parse::<Map<String, Value>>(br#"{"a":{"b":1,"b":2}}"#);
        assert!(nested.is_err(), "names stand once at every depth");
    }

    #[test]
    fn depth_is_bounded_and_no_value_is_echoed() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert_eq!(parse::<Value>(&deep).unwrap_err().status, StatusCode::BAD_REQUEST);
        let failure = parse::<Login>(br#"{"password":12345678}"#).unwrap_err();
        assert!(!format!("{failure:?}").contains("12345678"));
    }

    #[test]
    fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(bounded(Body::from("1234"), 4)).unwrap(), b"1234");
        let failure = runtime.block_on(bounded(Body::from("12345"), 4)).unwrap_err();
        assert_eq!(failure.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn the_content_type_is_compared_without_its_parameters() {
        let with = |kind: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        assert!(require(&with("Application/JSON; charset=utf-8"), "application/json").is_ok());
        for other in ["text/plain", "application/jsonp", "text/plain; application/json"] {
            let failure = require(&with(other), "application/json").unwrap_err();
            assert_eq!(failure.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{other}");
        }
        assert!(require(&HeaderMap::new(), "application/json").is_err());
    }
}
