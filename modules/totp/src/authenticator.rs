//! A secret with its parameters: the codes it makes, and the address an app takes it from.

use mfa_sdk::equal_in_constant_time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use totp_rs::Builder;

/// What an app and the host share.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Authenticator {
    pub(crate) secret: Secret,
    pub(crate) algorithm: Algorithm,
    pub(crate) digits: u8,
    pub(crate) period_s: u64,
}

/// The hash function of the HMAC (RFC 6238, section 1.2).
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Authenticator {
    /// The newest time step within the window whose code this is. Every code of the window is computed and compared,
    /// so the time tells neither which one matched nor how far. The newest is taken, so that a code two steps happen
    /// to share is used up for both.
    pub(crate) fn matching_step(&self, code: &str, now_ms: i64, window: u64) -> Option<u64> {
        let now_s = u64::try_from(now_ms).ok()? / 1000;
        let now_step = now_s.checked_div(self.period_s)?;
        let mut matching = None;
        for step in now_step.saturating_sub(window)..=now_step.saturating_add(window) {
            if equal_in_constant_time(self.code(step), code) {
                matching = Some(step);
            }
        }
        matching
    }

    /// The newest time step whose code may have been accepted up to this moment. Before 1970 there was none.
    pub(crate) fn newest_step_at(&self, moment_ms: i64, window: u64) -> u64 {
        let moment_s = u64::try_from(moment_ms).unwrap_or_default() / 1000;
        moment_s.checked_div(self.period_s).map_or(0, |step| step.saturating_add(window))
    }

    /// The code of a time step: RFC 4226, section 5.3, with the step as the counter.
    pub(crate) fn code(&self, step: u64) -> String {
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
            Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
            Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
        };
        // A period of one second makes the time of totp-rs the step itself.
        let totp = Builder::new()
            .with_algorithm(algorithm)
            .with_digits(self.digits)
            .with_secret(self.secret.0.clone())
            .with_step_duration(1)
            .build_noncompliant();
        totp.generate(step).to_string()
    }

    /// The Key URI that authenticator apps read. All parameters are written out: apps differ in their defaults.
    pub(crate) fn uri(&self, issuer: &str, user: &str) -> String {
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
        };
        let (issuer, user, secret) = (percent_encoded(issuer), percent_encoded(user), self.secret.base32());
        let Self { digits, period_s, .. } = self;
        format!(
            "otpauth://totp/{issuer}:{user}?secret={secret}&issuer={issuer}&algorithm={algorithm}&digits={digits}&period={period_s}"
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
