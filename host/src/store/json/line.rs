//! One record, or its deletion, as a line of JSON. The open part is authenticated as the bytes that stand on the line;
//! a line that another program wrote again with other white space or other escapes is taken by its meaning.

use std::{borrow::Cow, io::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::super::sealing::{Bound, Sealer};

/// What a line says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// The open JSON, as text.
    Value(&'a str),
    Deleted,
    /// The record was found tampered with before a compaction. This outlives the line that was, so that the key never
    /// reads as absent.
    Tampered,
}

/// A line that has the form of a record; what it says is to be judged.
pub(super) struct Line<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) revision: u64,
    body: Said<'a>,
    pub(super) sealed: Vec<u8>,
    pub(super) key_id: Cow<'a, str>,
}

enum Said<'a> {
    Value(Cow<'a, str>),
    Deleted,
    Tampered,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loose<'a> {
    key: String,
    revision: u64,
    #[serde(default, borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    tampered: bool,
    sealed: String,
    key_id: String,
}

impl<'a> Body<'a> {
    /// Name and value of the member of the line.
    fn member(self) -> (&'static str, &'a str) {
        match self {
            Self::Value(open) => ("value", open),
            Self::Deleted => ("deleted", "true"),
            Self::Tampered => ("tampered", "true"),
        }
    }
}

impl Line<'_> {
    pub(super) fn body(&self) -> Body<'_> {
        match &self.body {
            Said::Value(open) => Body::Value(open),
            Said::Deleted => Body::Deleted,
            Said::Tampered => Body::Tampered,
        }
    }
}

/// What the seal of such a line binds.
pub(super) fn bound(sealer: &Sealer, key: &str, revision: u64, body: Body<'_>) -> Bound {
    let (name, value) = body.member();
    Bound::new("record").text(sealer.key_id()).text(key).number(revision).text(name).text(value)
}

/// Appends the line of a record that is sealed already.
pub(super) fn write(out: &mut Vec<u8>, key: &str, revision: u64, body: Body<'_>, sealed: &[u8], key_id: &str) {
    let (name, value) = body.member();
    let sealed_bytes = base64::encoded_len(sealed.len(), true).unwrap_or_default();
    out.reserve(key.len() + value.len() + sealed_bytes + LINE_OVERHEAD_BYTES);
    // Keys, base64 and hexadecimal digits need no escaping.
    for part in ["{\"key\":\"", key, "\",\"revision\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    number(out, revision);
    for part in [",\"", name, "\":", value, ",\"sealed\":\""] {
        out.extend_from_slice(part.as_bytes());
    }
    let start = out.len();
    out.resize(start + sealed_bytes, 0);
    // The room is what this length takes.
    let _ = STANDARD.encode_slice(sealed, &mut out[start..]);
    for part in ["\",\"key_id\":\"", key_id, "\"}\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// About what a line holds beside its key, its open part and its seal.
pub(super) const LINE_OVERHEAD_BYTES: usize = 80;

/// Appends a number in decimal digits.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    // Writing to memory does not fail.
    let _ = write!(out, "{number}");
}

/// `None` if this is not what the host writes, to the byte. What stands in its value is not looked at.
pub(super) fn as_written(line: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(line).ok()?;
    let (key, rest) = text.strip_prefix("{\"key\":\"")?.split_once("\",\"revision\":")?;
    let (rest, key_id) = rest.strip_suffix("\"}")?.rsplit_once("\",\"key_id\":\"")?;
    let (rest, sealed) = rest.rsplit_once(",\"sealed\":\"")?;
    let (revision, body) = rest.split_once(',')?;
    let body = match body {
        "\"deleted\":true" => Said::Deleted,
        "\"tampered\":true" => Said::Tampered,
        _ => Said::Value(Cow::Borrowed(body.strip_prefix("\"value\":")?)),
    };
    Some(Line {
        key: Cow::Borrowed(key),
        revision: revision.parse().ok()?,
        body,
        sealed: STANDARD.decode(sealed).ok()?,
        key_id: Cow::Borrowed(key_id),
    })
}

/// `None` if the members of this line are not those of a record.
pub(super) fn as_meant(line: &[u8]) -> Option<Line<'_>> {
    let loose: Loose<'_> = serde_json::from_slice(line).ok()?;
    let body = match (loose.value, loose.deleted, loose.tampered) {
        (Some(value), false, false) => Said::Value(Cow::Owned(as_the_host_writes(value.get())?)),
        (None, true, false) => Said::Deleted,
        (None, false, true) => Said::Tampered,
        _ => return None,
    };
    let sealed = STANDARD.decode(&loose.sealed).ok()?;
    Some(Line { key: Cow::Owned(loose.key), revision: loose.revision, body, sealed, key_id: Cow::Owned(loose.key_id) })
}

/// Whether an interrupted write cannot have left this: JSON with a key.
pub(super) fn has_form(line: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, Value>>(line).is_ok_and(|line| line.contains_key("key"))
}

/// JSON without white space, and its texts with no escapes but those it needs.
fn as_the_host_writes(json: &str) -> Option<String> {
    let mut written = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let (before, text) = rest.split_at(start);
        written.extend(before.split_ascii_whitespace());
        // The first of what follows is this one text, up to its end.
        let mut texts = serde_json::Deserializer::from_str(text).into_iter::<String>();
        written.push_str(&serde_json::to_string(&texts.next()?.ok()?).ok()?);
        rest = &text[texts.byte_offset()..];
    }
    written.extend(rest.split_ascii_whitespace());
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_written_again_is_the_same_text() {
        let ours = r#"{"z":["a b","\"","\\",{"a":1.50}],"é":"\n","a":[null, true ,false]}"#.replace(" ,", ",").replace(", ", ",");
        let theirs = "{ \"z\" :\t[\"a b\", \"\\u0022\", \"\\u005c\",\r\n { \"a\" : 1.50 } ] , \"\\u00e9\":\"\\u000a\", \"a\" : [null , true, false]}";
        assert_eq!(as_the_host_writes(&ours).unwrap(), ours);
        assert_eq!(as_the_host_writes(theirs).unwrap(), ours);
    }
}
