//! Codes that were sent and wait for an answer. What is kept is not the code but a keyed hash of it, bound to whom, for
//! what and until when; so a record that leaks opens nothing, and a record of one place is worth nothing in another.

mod steps;

use serde::{Deserialize, Serialize};

pub use self::steps::{SentCodeSteps, check_channel, check_lifetime};
use crate::{call::Call, constant_time::equal_in_constant_time, module::ModuleError};

/// Decimal digits of a sent code.
pub const CODE_DIGITS: usize = 6;

/// Longest life of a sent code in seconds (NIST SP 800-63B, section 5.1.3.2: ten minutes). A longer one is cut to it.
pub const CODE_LIFETIME_S_MAX: u32 = 600;

/// Shortest life a setting should allow, in seconds: messages take a while, and less would only lock people out.
pub const CODE_LIFETIME_S_MIN: u32 = 60;

/// A code that was sent: what a challenge or a set-up's state keeps of it.
///
/// ```
/// # use mfa_sdk::prelude::*;
/// fn sent<Q>(ask: &Call<'_, Q>, address: &str) -> Result<(SentCode, Message), ModuleError> {
///     let (sent, code) = SentCode::new(ask, &["login", address], 600)?;
///     Ok((sent, Message::code("email", address, code, 600)))
/// }
///
/// fn verdict<Q>(ask: &Call<'_, Q>, sent: &SentCode, address: &str, code: &str) -> Result<bool, ModuleError> {
///     Ok(sent.check(ask, &["login", address], code)? == Checked::Right)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCode {
    /// What the right code gives under [`Call::mac`].
    pub mac: String,
    /// The last moment it is right, in milliseconds since 1970-01-01T00:00:00Z.
    pub expires_at_ms: i64,
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is the code that was sent.
    Right,
    /// It is not.
    Wrong,
    /// Too late, right or wrong.
    Expired,
}

impl SentCode {
    /// A fresh code of six digits, each of the 1,000,000 as likely as any other, leading zeros kept; beside it what to
    /// keep in its place. The code goes into a message and nowhere else.
    ///
    /// `bound_to` says what it is for: at least the address, and whether it is a set-up or a login. It is right only
    /// with the same.
    ///
    /// # Errors
    /// [`ModuleError::Failed`] if the host gave no key.
    pub fn new<Q>(ask: &Call<'_, Q>, bound_to: &[&str], lifetime_s: u32) -> Result<(Self, String), ModuleError> {
        let code = ask.random().digits(CODE_DIGITS);
        let lifetime_ms = i64::from(lifetime_s.min(CODE_LIFETIME_S_MAX)) * 1000;
        let expires_at_ms = ask.now().saturating_add(lifetime_ms);
        let mac = mac(ask, bound_to, expires_at_ms, &code)?;
        Ok((Self { mac, expires_at_ms }, code))
    }

    /// Whether this is the code, in a time that does not depend on where it differs. Once it is accepted, this record
    /// has to go: a login's challenge does so by itself.
    ///
    /// # Errors
    /// [`ModuleError::Failed`] if the host gave no key.
    pub fn check<Q>(&self, ask: &Call<'_, Q>, bound_to: &[&str], code: &str) -> Result<Checked, ModuleError> {
        let right = equal_in_constant_time(mac(ask, bound_to, self.expires_at_ms, code)?, &self.mac);
        Ok(match right {
            _ if ask.now() > self.expires_at_ms => Checked::Expired,
            true => Checked::Right,
            false => Checked::Wrong,
        })
    }
}

/// The moment is among the parts, so that a record with another one is worth nothing.
fn mac<Q>(ask: &Call<'_, Q>, bound_to: &[&str], expires_at_ms: i64, code: &str) -> Result<String, ModuleError> {
    let moment = expires_at_ms.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![b"sent code", &moment, code.as_bytes()];
    parts.extend(bound_to.iter().map(|part| part.as_bytes()));
    ask.mac(&parts)
}

/// An address so that its owner knows it and nobody else learns it: `a•••@example.org`, `+49•••••89`, `se•••`.
#[must_use]
pub fn mask(target: &str) -> String {
    let first = |count: usize| -> String { target.chars().take(count).collect() };
    if let Some((local, domain)) = target.rsplit_once('@').filter(|(local, _)| !local.is_empty()) {
        // One letter is all there is to a short name; it is not shown then.
        let shown = if local.chars().count() > 1 { first(1) } else { String::new() };
        return format!("{shown}•••@{domain}");
    }
    let digits = target.strip_prefix('+').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits {
        Some(digits) if digits.len() >= 7 => format!("{}•••••{}", first(3), &digits[digits.len() - 2..]),
        _ if target.chars().count() > 5 => format!("{}•••", first(2)),
        _ => "•••".to_owned(),
    }
}

#[cfg(test)]
mod tests;
