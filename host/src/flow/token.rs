//! Ids and tokens: made of random bits, stored as hashes, authenticated where nothing is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::record::ProviderId;
use crate::{clock::Timestamp, keys::MasterKey};

/// Longest token the parsers look at.
const TOKEN_BYTES_MAX: usize = 2048;
const ACCESS_PREFIX: &str = "mha_";
const REFRESH_PREFIX: &str = "mhr_";

/// The keys that authenticate tokens.
pub struct TokenKeys {
    flow: Zeroizing<[u8; 32]>,
    access: Zeroizing<[u8; 32]>,
    seeds: Zeroizing<[u8; 32]>,
    waiting: Zeroizing<[u8; 32]>,
    pages: Zeroizing<[u8; 32]>,
}

impl TokenKeys {
    pub fn new(master: &MasterKey) -> Self {
        Self {
            flow: master.derive("flow tokens"),
            access: master.derive("access tokens"),
            seeds: master.derive("first seeds"),
            waiting: master.derive("waiting browsers"),
            pages: master.derive("pages"),
        }
    }
}

fn random<const N: usize>() -> [u8; N] {
    crate::random::bytes().expect("the system has a random number generator")
}

/// A new id of 256 random bits, 43 characters.
pub fn new_flow_id() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// A new id of 128 random bits in hexadecimal, fit for a record key.
pub fn new_record_id() -> String {
    data_encoding::HEXLOWER.encode(&random::<16>())
}

/// The token of a link: 256 random bits, 43 characters that no mail program breaks or changes.
pub fn new_link_token() -> String {
    new_flow_id()
}

/// Two digits that are shown in one place and typed in another: 10 to 99, each as likely.
pub fn new_link_number() -> u8 {
    // Twice 90 numbers fit into a byte; the rest would make some of them likelier.
    let [byte] = std::iter::repeat_with(random::<1>).find(|[byte]| *byte < 180).unwrap_or([0]);
    10 + byte % 90
}

/// What tells a browser as the one in which this flow waits; nobody else can make it.
pub fn waiting_tag(flow_hash: &str, keys: &TokenKeys) -> String {
    URL_SAFE_NO_PAD.encode(tag(&keys.waiting, &[flow_hash.as_bytes()]))
}

/// What a page gave to a browser, bound to these parts and where one ends; nobody else can make it.
pub fn page_tag(parts: &[&str], keys: &TokenKeys) -> String {
    let lengths: Vec<[u8; 8]> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
    let framed: Vec<&[u8]> =
        lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part.as_bytes()]).collect();
    URL_SAFE_NO_PAD.encode(tag(&keys.pages, &framed))
}

/// A seed for one module call: 256 random bits in hexadecimal.
pub fn new_seed() -> String {
    data_encoding::HEXLOWER.encode(&random::<32>())
}

/// The seed of the first module call in a flow: the same however often the flow is begun, and nobody can foretell it.
pub fn first_seed(flow_hash: &str, keys: &TokenKeys) -> String {
    data_encoding::HEXLOWER.encode(&tag(&keys.seeds, &[flow_hash.as_bytes()]))
}

/// Six digits, each of the 1,000,000 codes as likely as any other.
pub fn new_digits() -> String {
    loop {
        let number = u32::from_le_bytes(random::<4>());
        // The highest numbers would make the lowest codes likelier.
        if number < u32::MAX - u32::MAX % 1_000_000 {
            return format!("{:06}", number % 1_000_000);
        }
    }
}

/// Letters and digits that are not taken for one another when read aloud or typed; five bits each.
const SPOKEN: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code to hand over on paper or by telephone: `groups` of four characters, 20 random bits each.
pub fn new_spoken_code(groups: usize) -> String {
    let letter = || char::from(SPOKEN[usize::from(random::<1>()[0] % 32)]);
    let group = |_| std::iter::repeat_with(letter).take(4).collect::<String>();
    (0..groups).map(group).collect::<Vec<_>>().join("-")
}

/// The code however it was typed: without blanks and hyphens, in capitals, letters that look like digits as those.
pub fn folded_spoken_code(text: &str) -> String {
    let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    letters
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

/// SHA-256 in hexadecimal: what is stored of an id.
pub fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// A user name as it is compared: trimmed, in lower case.
pub fn folded_name_hash(name: &str) -> String {
    hash(&name.trim().to_lowercase())
}

/// Whether two texts are the same, in constant time for texts of one length.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// RFC 7636 section 4.6, method S256.
pub fn fits_code_challenge(verifier: &str, challenge: &str) -> bool {
    same(&URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())), challenge)
}

/// How a flow is named in logs: 8 hexadecimal digits of its hash.
pub fn short(flow_hash: &str) -> &str {
    flow_hash.get(..8).unwrap_or(flow_hash)
}

/// Everything known of a login flow before its first factor. The flow id carries it, so nothing is stored until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowToken {
    #[serde(rename = "n")]
    pub nonce: String,
    #[serde(rename = "t")]
    pub created_ms: i64,
    #[serde(rename = "p")]
    pub provider: ProviderId,
    #[serde(rename = "c")]
    pub client_hash: String,
    #[serde(rename = "r")]
    pub redirect_hash: String,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// For a proof: the access session it is for.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub proof_for: Option<String>,
}

impl FlowToken {
    pub fn new_nonce() -> String {
        URL_SAFE_NO_PAD.encode(random::<16>())
    }

    pub fn created_at(&self) -> Timestamp {
        Timestamp(self.created_ms)
    }

    /// The flow id.
    pub fn seal(&self, keys: &TokenKeys) -> String {
        let body = serde_json::to_vec(self).expect("a plain struct");
        let mut bytes = tag(&keys.flow, &[&body]).to_vec();
        bytes.extend_from_slice(&body);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a flow id carries, if this host (or one with the same key) made it.
    pub fn open(flow_id: &str, keys: &TokenKeys) -> Option<Self> {
        if flow_id.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(flow_id).ok()?;
        let (found, body) = bytes.split_at_checked(32)?;
        if !bool::from(tag(&keys.flow, &[body]).ct_eq(found)) {
            return None;
        }
        serde_json::from_slice(body).ok()
    }
}

/// Half a hash is enough to bind a client or a redirect URI, and keeps flow ids short.
pub fn short_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text.as_bytes())[..16])
}

fn tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// An access token: session id, end of life and a tag; checked without a look-up, believed only with one.
pub fn access_token(session: &str, expires_at: Timestamp, keys: &TokenKeys) -> String {
    let body = format!("{session}.{}", expires_at.0);
    let tag = URL_SAFE_NO_PAD.encode(tag(&keys.access, &[body.as_bytes()]));
    format!("{ACCESS_PREFIX}{body}.{tag}")
}

/// Session id and end of life of an access token this host made.
pub fn open_access_token(token: &str, keys: &TokenKeys) -> Option<(String, Timestamp)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (body, found) = token.strip_prefix(ACCESS_PREFIX)?.rsplit_once('.')?;
    let expected = URL_SAFE_NO_PAD.encode(tag(&keys.access, &[body.as_bytes()]));
    if !same(&expected, found) {
        return None;
    }
    let (session, expires_ms) = body.split_once('.')?;
    Some((session.to_owned(), Timestamp(expires_ms.parse().ok()?)))
}

/// A text of which the record `session` keeps the hash: a result code or a refresh token. 128 random bits.
pub struct Bearer {
    pub text: String,
    pub hash: String,
}

/// A result code for this access session; over 32 characters.
pub fn new_result_code(session: &str) -> Bearer {
    bearer("", session)
}

/// A refresh token for this access session.
pub fn new_refresh_token(session: &str) -> Bearer {
    bearer(REFRESH_PREFIX, session)
}

fn bearer(prefix: &str, session: &str) -> Bearer {
    let text = format!("{prefix}{session}.{}", URL_SAFE_NO_PAD.encode(random::<32>()));
    Bearer { hash: hash(&text), text }
}

/// The access session a result code or refresh token claims; whether it is right, its hash tells.
pub fn claimed_session(text: &str) -> Option<&str> {
    let text = text.strip_prefix(REFRESH_PREFIX).unwrap_or(text);
    let (session, _) = text.split_once('.')?;
    (session.len() == 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(session)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
