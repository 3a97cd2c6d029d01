//! One record, or its deletion, as a line of JSON. The open part is authenticated as the bytes that stand on the line;
//! a line that another program wrote again with other white space is taken by its meaning.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use super::super::sealing::{Bound, Sealer};

/// What a line says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The open JSON, as text.
    Value(Box<str>),
    Deleted,
    /// The record was found tampered with before a compaction. This outlives the line that was, so that the key never
    /// reads as absent.
    Tampered,
}

/// A line that has the form of a record; what it says is to be judged.
#[derive(Debug)]
pub(super) enum Line {
    Record {
        key: String,
        revision: u64,
        body: Body,
        sealed: Vec<u8>,
        key_id: String,
    },
    /// JSON with a key, and otherwise nothing the host ever wrote.
    Foreign,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loose {
    key: String,
    revision: u64,
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    tampered: bool,
    sealed: String,
    key_id: String,
}

/// Tells `"value":null` from no value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A body that stands elsewhere.
#[derive(Clone, Copy)]
pub(super) enum Shown<'a> {
    Value(&'a str),
    Deleted,
    Tampered,
}

impl Body {
    pub(super) fn shown(&self) -> Shown<'_> {
        match self {
            Self::Value(open) => Shown::Value(open),
            Self::Deleted => Shown::Deleted,
            Self::Tampered => Shown::Tampered,
        }
    }
}

impl<'a> Shown<'a> {
    /// Name and value of the member of the line.
    fn member(self) -> (&'static str, &'a str) {
        match self {
            Self::Value(open) => ("value", open),
            Self::Deleted => ("deleted", "true"),
            Self::Tampered => ("tampered", "true"),
        }
    }
}

/// What the seal of such a line binds.
pub(super) fn bound(sealer: &Sealer, key: &str, revision: u64, body: Shown<'_>) -> Bound {
    let (name, value) = body.member();
    Bound::new("record").text(sealer.key_id()).text(key).number(revision).text(name).text(value)
}

/// Appends the line of a record that is sealed already.
pub(super) fn write(out: &mut Vec<u8>, key: &str, revision: u64, body: Shown<'_>, sealed: &[u8], key_id: &str) {
    let (name, value) = body.member();
    // Keys, base64 and hexadecimal digits need no escaping.
    let sealed = STANDARD.encode(sealed);
    let line = format!(
        "{{\"key\":\"{key}\",\"revision\":{revision},\"{name}\":{value},\"sealed\":\"{sealed}\",\"key_id\":\"{key_id}\"}}\n"
    );
    out.extend_from_slice(line.as_bytes());
}

/// Seals and appends; the sealed bytes are handed back.
pub(super) fn seal(
    out: &mut Vec<u8>,
    sealer: &Sealer,
    key: &str,
    revision: u64,
    body: Shown<'_>,
    secret: &[u8],
) -> io::Result<Vec<u8>> {
    let sealed = sealer.seal(&bound(sealer, key, revision, body), secret)?;
    write(out, key, revision, body, &sealed, sealer.key_id());
    Ok(sealed)
}

/// `None` if this does not even have the form of a record.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(line).ok()?;
    as_written(text).or_else(|| as_meant(text))
}

fn as_written(text: &str) -> Option<Line> {
    let (key, rest) = text.strip_prefix("{\"key\":\"")?.split_once("\",\"revision\":")?;
    let (rest, key_id) = rest.strip_suffix("\"}")?.rsplit_once("\",\"key_id\":\"")?;
    let (rest, sealed) = rest.rsplit_once(",\"sealed\":\"")?;
    let (revision, body) = rest.split_once(',')?;
    let body = match body {
        "\"deleted\":true" => Body::Deleted,
        "\"tampered\":true" => Body::Tampered,
        _ => {
            let open = body.strip_prefix("\"value\":")?;
            serde_json::from_str::<IgnoredAny>(open).ok()?;
            Body::Value(open.into())
        }
    };
    Some(Line::Record {
        key: key.to_owned(),
        revision: revision.parse().ok()?,
        body,
        sealed: STANDARD.decode(sealed).ok()?,
        key_id: key_id.to_owned(),
    })
}

fn as_meant(text: &str) -> Option<Line> {
    let object: serde_json::Map<String, Value> = serde_json::from_str(text).ok()?;
    object.get("key")?;
    let foreign = Some(Line::Foreign);
    let Ok(loose) = serde_json::from_str::<Loose>(text) else { return foreign };
    let body = match (loose.value, loose.deleted, loose.tampered) {
        (Some(value), false, false) => Body::Value(value.to_string().into()),
        (None, true, false) => Body::Deleted,
        (None, false, true) => Body::Tampered,
        _ => return foreign,
    };
    let Ok(sealed) = STANDARD.decode(&loose.sealed) else { return foreign };
    Some(Line::Record { key: loose.key, revision: loose.revision, body, sealed, key_id: loose.key_id })
}
