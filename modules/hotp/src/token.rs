//! A secret with its number of digits: the codes it makes, and the address an app takes it from.

use std::ops::RangeInclusive;

use mfa_sdk::{
    equal_in_constant_time,
    key_uri::{KeyUri, SharedSecret},
};
use serde::{Deserialize, Serialize};
use totp_rs::Builder;

/// What a token and the host share. RFC 4226 knows HMAC-SHA-1 only, and so do the tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) secret: SharedSecret,
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
            .with_secret(self.secret.bytes().to_vec())
            .with_step_duration(1)
            .build_noncompliant();
        hotp.generate(counter).to_string()
    }

    /// What an app, or whoever writes the key into the token, is told.
    pub(crate) fn key_uri<'a>(&'a self, issuer: &'a str, user: &'a str) -> KeyUri<'a> {
        KeyUri::hotp(issuer, user, &self.secret, 0).digits(self.digits)
    }
}
