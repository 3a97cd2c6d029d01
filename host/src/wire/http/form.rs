//! Form bodies, strictly: URL-encoded (RFC 6749), and the multipart form (RFC 7578) that browsers make of `FormData`,
//! which is how the home-automation protocol's own library asks for tokens. Texts only, each parameter once.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};

use crate::flow::Flows;

use super::{
    body::{bytes, content_type, wrong_type},
    error::Failure,
};

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
/// RFC 2046 section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
/// No grant has more; many tiny parts only cost time.
const PARTS_MAX: usize = 32;

/// The parameters of a form; which ones matter is the reader's choice (RFC 6749 section 3.2).
pub struct Form(pub BTreeMap<String, String>);

impl FromRequest<Flows> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, flows: &Flows) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let (kind, parameters) = content_type(&parts.headers);
        if kind.eq_ignore_ascii_case(URLENCODED) {
            return urlencoded(&bytes(body, flows).await?).map(Self);
        }
        if kind.eq_ignore_ascii_case(MULTIPART) {
            let boundary = parameter(parameters, "boundary").ok_or_else(malformed)?;
            return multipart(&bytes(body, flows).await?, &boundary).map(Self);
        }
        // Nothing, of no type: a form without parameters.
        if kind.is_empty() && bytes(body, flows).await?.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        Err(wrong_type(URLENCODED))
    }
}

fn malformed() -> Failure {
    Failure::malformed("The body is not a clean form.")
}

fn keep(fields: &mut BTreeMap<String, String>, name: String, value: String) -> Result<(), Failure> {
    match fields.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(Failure::malformed("A parameter stands twice.")),
    }
}

fn text_of(bytes: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    if text.contains('\0') { Err(malformed()) } else { Ok(text.to_owned()) }
}

/// Pairs of a form or a query.
pub fn urlencoded(bytes: &[u8]) -> Result<BTreeMap<String, String>, Failure> {
    let mut fields = BTreeMap::new();
    for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = (decoded(&pair[..equals])?, decoded(pair.get(equals + 1..).unwrap_or_default())?);
        keep(&mut fields, name, value)?;
    }
    Ok(fields)
}

/// `application/x-www-form-urlencoded` without the leniency of browsers: bad escapes and bad UTF-8 are refused.
fn decoded(text: &[u8]) -> Result<String, Failure> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
                let (high, low) = (digit().ok_or_else(malformed)?, digit().ok_or_else(malformed)?);
                u8::try_from(high * 16 + low).map_err(|_| malformed())?
            }
            other => *other,
        });
    }
    text_of(&plain)
}

/// Every part is a named text; files, nested parts and encodings are no business of a token.
fn multipart(bytes: &[u8], boundary: &str) -> Result<BTreeMap<String, String>, Failure> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return Err(malformed());
    }
    // With a line end in front, every delimiter looks the same, the first one too.
    let body = [b"\r\n", bytes].concat();
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = after(&body, delimiter.as_bytes()).map(|(_, rest)| rest).ok_or_else(malformed)?;
    let mut fields = BTreeMap::new();
    for _ in 0..=PARTS_MAX {
        if rest.starts_with(b"--") {
            return Ok(fields);
        }
        let part = rest.strip_prefix(b"\r\n").ok_or_else(malformed)?;
        let (part, next) = after(part, delimiter.as_bytes()).ok_or_else(malformed)?;
        let (head, value) = after(part, b"\r\n\r\n").ok_or_else(malformed)?;
        keep(&mut fields, name_of(&text_of(head)?)?, text_of(value)?)?;
        rest = next;
    }
    Err(malformed())
}

/// The name in a part's `Content-Disposition: form-data; name="…"`.
fn name_of(head: &str) -> Result<String, Failure> {
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let (kind, parameters) = disposition.and_then(|value| value.split_once(';')).ok_or_else(malformed)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") || parameter(parameters, "filename").is_some() {
        return Err(malformed());
    }
    parameter(parameters, "name").ok_or_else(malformed)
}

/// A parameter of a header. Quoted values with semicolons or escapes are not read: no name of ours has any.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    parameters.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.trim().eq_ignore_ascii_case(wanted).then(|| bare.to_owned())
    })
}

/// What stands before and after the first `mark`.
fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_once_and_strictly() {
        let fields = urlencoded(b"grant_type=refresh_token&refresh_token=a%2Bb+c&empty=&bare").unwrap();
        assert_eq!(fields["refresh_token"], "a+b c");
        assert_eq!((fields["empty"].as_str(), fields["bare"].as_str()), ("", ""));
        for text in [&b"a=1&a=2"[..], b"a=%", b"a=%2", b"a=%zz", b"a=%ff", b"a=%00", b"a=\0", b"a=%+1"] {
            assert!(urlencoded(text).is_err(), "{text:?}");
        }
    }

    fn part(head: &str, value: &str) -> String {
        format!("--b\r\nContent-Disposition: {head}\r\n\r\n{value}\r\n")
    }

    #[test]
    fn a_browsers_form_data_is_read() {
        let text =
            [part("form-data; name=\"client_id\"", "http://door/"), part("form-data; name=\"code\"", "a--b\r\nc")];
        let fields = multipart(format!("{}--b--\r\n", text.concat()).as_bytes(), "b").unwrap();
        assert_eq!((fields["client_id"].as_str(), fields["code"].as_str()), ("http://door/", "a--b\r\nc"));
        assert!(multipart(b"--b--\r\n", "b").unwrap().is_empty());
        assert_eq!(parameter(" charset=x; Boundary=\"b c\"", "boundary").as_deref(), Some("b c"));
    }

    #[test]
    fn what_is_not_a_plain_form_is_refused() {
        let good = part("form-data; name=\"a\"", "1");
        let ended = |text: &str| format!("{text}--b--");
        for text in [
            String::new(),
            good.clone(),
            ended(&format!("{good}{good}")),
            ended(&part("form-data; name=\"a\"; filename=\"x\"", "1")),
            ended(&part("attachment; name=\"a\"", "1")),
            ended(&part("form-data", "1")),
            ended(&part("form-data; name=\"a\"", "\0")),
            ended("--b\r\nno blank line\r\n"),
            ended(&(0..40).map(|at| part(&format!("form-data; name=\"{at}\""), "")).collect::<String>()),
        ] {
            assert!(multipart(text.as_bytes(), "b").is_err(), "{text:?}");
        }
        assert!(multipart(ended(&good).as_bytes(), "").is_err());
        assert!(multipart(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--b--", "b").is_err());
    }
}
