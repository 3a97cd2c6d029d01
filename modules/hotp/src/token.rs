//! A secret with its number of digits: the codes it makes, and the address an app takes it from.

use std::ops::RangeInclusive;

use mfa_sdk::equal_in_constant_time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use totp_rs::Builder;

/// What a token and the host share. RFC 4226 knows HMAC-SHA-1 only, and so do the tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    pub(crate) digits: u8,
}

impl Token {
    /// The counters within the window whose code this is. Every code of the window is computed and compared, so the
    /// time tells nothing of them.
    pub(crate) fn matching(&self, code: &str, window: RangeInclusive<u64>) -> Vec<u64> {
        let mut matching = Vec::new();
        for counter in window {
            if equal_in_constant_time(self.code(counter), code) {
                matching.push(counter);
            }
        }
        matching
    }

    /// The code of a counter: RFC 4226, section 5.3.
    pub(crate) fn code(&self, counter: u64) -> String {
        // TOTP is HOTP of the time step (RFC 6238, section 4.2); with steps of one second the time is the counter.
        let hotp = Builder::new()
            .with_algorithm(totp_rs::Algorithm::SHA1)
            .with_digits(self.digits)
            .with_secret(self.secret.0.clone())
            .with_step_duration(1)
            .build_noncompliant();
        hotp.generate(counter).to_string()
    }

    /// The Key URI that authenticator apps read. All parameters are written out: apps differ in their defaults.
    pub(crate) fn uri(&self, issuer: &str, user: &str) -> String {
        let (issuer, user, secret) = (percent_encoded(issuer), percent_encoded(user), self.secret.base32());
        let digits = self.digits;
        format!(
            "otpauth://hotp/{issuer}:{user}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={digits}&counter=0"
        )
    }
}

/// A shared secret. It has no `Debug`, and is written as base32 without padding (RFC 4648, section 6).
#[derive(Clone)]
pub(crate) struct Secret(totp_rs::Secret);

impl Secret {
    pub(crate) fn new<const N: usize>(bytes: [u8; N]) -> Self {
        Self(bytes.to_vec().into())
    }

    pub(crate) fn base32(&self) -> String {
        self.0.to_base32()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.base32())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let secret = totp_rs::Secret::try_from_base32(text).map_err(|_| D::Error::custom("not base32"))?;
        Ok(Self(secret))
    }
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
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
