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
mod tests {
    use super::*;

    fn keys(first: u8) -> TokenKeys {
        let key = || Zeroizing::new([first; 32]);
        TokenKeys { flow: key(), access: key(), seeds: key(), waiting: key(), pages: key() }
    }

    #[test]
    fn a_spoken_code_is_the_same_however_it_is_typed() {
        let code = new_spoken_code(3);
        assert_eq!((code.len(), code.split('-').count()), (14, 3));
        assert_ne!(code, new_spoken_code(3));
        assert_eq!(folded_spoken_code(&code.to_lowercase()), code.replace('-', ""));
        assert_eq!(folded_spoken_code(" o1-Li \u{a0}z"), "0111Z");
    }

    #[test]
    fn a_spoken_code_uses_every_letter_and_an_id_is_never_had_twice() {
        let code = new_spoken_code(400);
        assert!(SPOKEN.iter().all(|letter| code.contains(char::from(*letter))), "{code}");
        for (make, length) in [(new_flow_id as fn() -> String, 43), (new_record_id, 32), (new_seed, 64)] {
            let (one, other) = (make(), make());
            assert_eq!((one.len(), other.len()), (length, length));
            assert_ne!(one, other);
        }
        assert_ne!(FlowToken::new_nonce(), FlowToken::new_nonce());
        assert_eq!(FlowToken::new_nonce().len(), 22);
    }

    #[test]
    fn a_name_is_the_same_in_any_case_and_between_blanks() {
        assert_eq!(folded_name_hash(" Ada\t"), hash("ada"));
        assert_ne!(folded_name_hash("ada"), folded_name_hash("adb"));
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((short_hash("abc").as_str(), short_hash("abd").len()), ("ungWv48Bz-pBQUDeXa4iIw", 22));
        assert_eq!((short(&hash("abc")), short("abc")), ("ba7816bf", "abc"));
    }

    fn flow_token() -> FlowToken {
        FlowToken {
            nonce: FlowToken::new_nonce(),
            created_ms: 1_000_000,
            provider: ProviderId { kind: "local".to_owned(), id: None },
            client_hash: short_hash("http://127.0.0.1/"),
            redirect_hash: short_hash("http://127.0.0.1/callback"),
            code_challenge: None,
            state: Some("x".to_owned()),
            proof_for: None,
        }
    }

    #[test]
    fn a_flow_id_opens_with_its_key_and_no_byte_of_it_may_change() {
        let token = flow_token();
        let sealed = token.seal(&keys(1));
        assert_eq!(FlowToken::open(&sealed, &keys(1)), Some(token));
        assert_eq!(FlowToken::open(&sealed, &keys(2)), None);
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(FlowToken::open(&URL_SAFE_NO_PAD.encode(changed), &keys(1)), None, "byte {place}");
        }
        for text in ["", "a", "%", &"A".repeat(5000)] {
            assert_eq!(FlowToken::open(text, &keys(1)), None);
        }
    }

    #[test]
    fn the_longest_token_is_taken_and_a_longer_one_is_not_even_looked_at() {
        let sealed = |state_bytes| {
            let token = FlowToken { state: Some("x".repeat(state_bytes)), ..flow_token() };
            token.seal(&keys(1))
        };
        let fits = (0..TOKEN_BYTES_MAX).map(sealed).find(|id| id.len() == TOKEN_BYTES_MAX).unwrap();
        assert!(FlowToken::open(&fits, &keys(1)).is_some());
        let longer = (0..TOKEN_BYTES_MAX).map(sealed).find(|id| id.len() > TOKEN_BYTES_MAX).unwrap();
        assert_eq!(FlowToken::open(&longer, &keys(1)), None);

        let bare = access_token("", Timestamp(77), &keys(1)).len();
        let opened = |bytes: usize| {
            let token = access_token(&"0".repeat(bytes - bare), Timestamp(77), &keys(1));
            assert_eq!(token.len(), bytes);
            open_access_token(&token, &keys(1))
        };
        assert!(opened(TOKEN_BYTES_MAX).is_some());
        assert_eq!(opened(TOKEN_BYTES_MAX + 1), None);
    }

    #[test]
    fn an_access_token_carries_its_end_and_neither_can_be_changed() {
        let token = access_token("00112233445566778899aabbccddeeff", Timestamp(77), &keys(1));
        let opened = open_access_token(&token, &keys(1));
        assert_eq!(opened, Some(("00112233445566778899aabbccddeeff".to_owned(), Timestamp(77))));
        assert_eq!(open_access_token(&token.replace(".77.", ".78."), &keys(1)), None);
        assert_eq!(open_access_token(&token, &keys(2)), None);
    }

    #[test]
    fn a_flow_begun_again_has_the_same_first_seed_and_another_flow_or_host_another_one() {
        let seed = first_seed("flow", &keys(1));
        assert_eq!((seed.len(), first_seed("flow", &keys(1))), (64, seed.clone()));
        assert_ne!(first_seed("other", &keys(1)), seed);
        assert_ne!(first_seed("flow", &keys(2)), seed);
    }

    #[test]
    fn a_links_number_has_two_digits_and_every_one_comes() {
        let numbers: std::collections::BTreeSet<u8> = (0..5000).map(|_| new_link_number()).collect();
        assert!(numbers.into_iter().eq(10..=99));
    }

    #[test]
    fn a_waiting_browser_is_of_its_flow_and_host_alone() {
        let tag = waiting_tag("flow", &keys(1));
        assert_eq!((tag.len(), waiting_tag("flow", &keys(1))), (43, tag.clone()));
        assert_ne!(waiting_tag("other", &keys(1)), tag);
        assert_ne!(waiting_tag("flow", &keys(2)), tag);
    }

    #[test]
    fn only_what_looks_like_a_session_is_looked_up() {
        let code = new_result_code(&new_record_id());
        assert!(code.text.len() >= 32 && claimed_session(&code.text).is_some());
        for text in ["", "x.y", "../../user/1.z", "00112233445566778899AABBCCDDEEFG.x"] {
            assert_eq!(claimed_session(text), None);
        }
    }

    #[test]
    fn the_challenge_of_rfc_7636_appendix_b_fits_its_verifier() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(fits_code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
        assert!(!fits_code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", challenge));
    }
}
