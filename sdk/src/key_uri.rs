//! Secrets an authenticator app or a token shares with the host, and the Key URI it takes them from (`otpauth://…`, as
//! the QR code of a set-up has it).

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{form::Form, module::ConfigError, random::Random, text::Text};

/// 160 bits, the length of an HMAC-SHA-1 (RFC 4226, section 4, R6).
pub const SECRET_BYTES: usize = 20;
/// Longest issuer a setting should allow, so that the QR code stays readable.
pub const ISSUER_BYTES_MAX: usize = 100;
/// Characters of the account's name an app is told; a longer label would outgrow the QR code, and no app shows it.
const ACCOUNT_CHARACTERS_MAX: usize = 64;

/// A shared secret. It has no `Debug`, and is written as base32 without padding (RFC 4648, section 6), as people type it.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(Vec<u8>);

impl SharedSecret {
    /// A fresh one of [`SECRET_BYTES`].
    #[must_use]
    pub fn new(random: &Random<'_>) -> Self {
        Self(random.bytes::<SECRET_BYTES>().to_vec())
    }

    /// One that is known already, from an older system for example.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The key of the HMAC.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// To be typed into an app.
    #[must_use]
    pub fn base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }
}

impl Serialize for SharedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.base32())
    }
}

impl<'de> Deserialize<'de> for SharedSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The error must not quote what was there.
        BASE32_NOPAD.decode(text.as_bytes()).map(Self).map_err(|_| D::Error::custom("not base32"))
    }
}

/// What an app is told of a secret. All parameters are written out, because apps differ in their defaults.
///
/// ```
/// use mfa_sdk::key_uri::{KeyUri, SharedSecret};
///
/// let secret = SharedSecret::from_bytes(*b"12345678901234567890");
/// let uri = KeyUri::totp("Home & Garden", "ann", &secret, 30).algorithm("SHA256").digits(8);
/// assert_eq!(
///     uri.uri(),
///     "otpauth://totp/Home%20%26%20Garden:ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
///      &issuer=Home%20%26%20Garden&algorithm=SHA256&digits=8&period=30"
/// );
/// ```
pub struct KeyUri<'a> {
    issuer: &'a str,
    account: &'a str,
    secret: &'a SharedSecret,
    moves: Moves,
    algorithm: &'a str,
    digits: u8,
}

/// What makes the next code another one.
#[derive(Clone, Copy)]
enum Moves {
    PeriodS(u64),
    Counter(u64),
}

impl<'a> KeyUri<'a> {
    /// Codes that follow from the time (RFC 6238), six digits by HMAC-SHA-1, new every `period_s` seconds.
    #[must_use]
    pub fn totp(issuer: &'a str, account: &'a str, secret: &'a SharedSecret, period_s: u64) -> Self {
        Self { issuer, account, secret, moves: Moves::PeriodS(period_s), algorithm: "SHA1", digits: 6 }
    }

    /// Codes that follow from a counter (RFC 4226), six digits by HMAC-SHA-1, the first of them of `counter`.
    #[must_use]
    pub fn hotp(issuer: &'a str, account: &'a str, secret: &'a SharedSecret, counter: u64) -> Self {
        Self { issuer, account, secret, moves: Moves::Counter(counter), algorithm: "SHA1", digits: 6 }
    }

    /// `SHA1`, `SHA256` or `SHA512`.
    #[must_use]
    pub fn algorithm(mut self, algorithm: &'a str) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Digits of a code.
    #[must_use]
    pub fn digits(mut self, digits: u8) -> Self {
        self.digits = digits;
        self
    }

    /// The address an app opens.
    #[must_use]
    pub fn uri(&self) -> String {
        let account: String = self.account.chars().take(ACCOUNT_CHARACTERS_MAX).collect();
        let (issuer, account) = (percent_encoded(self.issuer), percent_encoded(&account));
        let (kind, moves) = match self.moves {
            Moves::PeriodS(period_s) => ("totp", format!("period={period_s}")),
            Moves::Counter(counter) => ("hotp", format!("counter={counter}")),
        };
        let Self { algorithm, digits, .. } = self;
        let secret = self.secret.base32();
        format!(
            "otpauth://{kind}/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm={algorithm}&digits={digits}&{moves}"
        )
    }

    /// Adds to a set-up's form what an app takes: the picture (`qr_code`), the secret to type (`code`, with this label),
    /// the address (`url`).
    #[must_use]
    pub fn shown(&self, form: Form, secret_label: impl Into<Text>) -> Form {
        let uri = self.uri();
        form.qr("qr_code", &uri).secret("code", self.secret.base32(), secret_label).uri("url", uri)
    }
}

/// Whether a setting is an issuer: one line of 1 to [`ISSUER_BYTES_MAX`] bytes. Its path is `path`.
///
/// # Errors
/// [`ConfigError`] if it is none.
pub fn check_issuer(path: &str, issuer: &str) -> Result<(), ConfigError> {
    if issuer.trim().is_empty() || issuer.len() > ISSUER_BYTES_MAX {
        return Err(ConfigError::new(path, format!("must have 1 to {ISSUER_BYTES_MAX} bytes")));
    }
    if issuer.chars().any(char::is_control) {
        return Err(ConfigError::new(path, "must not hold control characters"));
    }
    Ok(())
}

/// Everything but the unreserved characters of RFC 3986, section 2.3. So a colon in a name is not taken for the one
/// between issuer and account.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn a_fresh_secret_has_160_bits_and_no_padding_and_comes_back_as_it_was() {
        let generator = random::generator(&"7".repeat(64)).unwrap();
        let [first, second] = [(); 2].map(|()| SharedSecret::new(&Random(&generator)));
        assert_eq!((first.bytes().len(), first.base32().len()), (20, 32));
        assert!(first != second);
        let written = serde_json::to_value(&first).unwrap();
        assert_eq!(written, first.base32());
        assert!(serde_json::from_value::<SharedSecret>(written).unwrap() == first);
        // A length that base32 would pad.
        assert_eq!(SharedSecret::from_bytes(*b"ab").base32(), "MFRA");
        let Err(error) = serde_json::from_value::<SharedSecret>("not base32 either".into()) else { panic!("read") };
        assert_eq!(error.to_string(), "not base32");
    }

    #[test]
    fn awkward_names_are_percent_encoded_and_long_ones_cut() {
        let secret = SharedSecret::from_bytes(*b"12345678901234567890");
        let uri = KeyUri::hotp("Müller: Söhne", &"ö?".repeat(100), &secret, 7).digits(8).uri();
        let account = "%C3%B6%3F".repeat(32);
        assert_eq!(
            uri,
            format!(
                "otpauth://hotp/M%C3%BCller%3A%20S%C3%B6hne:{account}?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
                 &issuer=M%C3%BCller%3A%20S%C3%B6hne&algorithm=SHA1&digits=8&counter=7"
            )
        );
    }

    #[test]
    fn an_issuer_is_one_short_line() {
        assert!(check_issuer("issuer", "Müller & Söhne").is_ok());
        for issuer in ["", " ", "a\nb", &"x".repeat(101)] {
            assert_eq!(check_issuer("issuer", issuer).unwrap_err().path, "issuer", "{issuer:?}");
        }
    }
}
