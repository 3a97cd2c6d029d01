//! What the admin may set. Each new batch takes these; batches there are stay as they are.

use mfa_sdk::ConfigError;
use serde::Deserialize;

/// Shortest code there may be: with all digits and letters, ten have 51 bits and nine have 46.
pub(crate) const LENGTH_MIN: usize = 10;
/// Longest code there may be.
pub(crate) const LENGTH_MAX: usize = 32;
/// One hash is made for each code of a batch, in one call.
const COUNT_MAX: usize = 20;
/// Bits a code has at least.
const BITS_MIN: u32 = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Codes of a batch: 1 to 20.
    pub(crate) count: usize,
    /// Characters of a code: up to 32, and so many that a code has 50 bits.
    pub(crate) length: usize,
    /// What codes are made of: digits and lower-case letters, each once. The default has no two that look alike.
    pub(crate) alphabet: String,
    /// So few codes left, or fewer, are told at each use: 0 to `count`.
    pub(crate) low_count: usize,
}

impl Default for Config {
    fn default() -> Self {
        // 32 characters, so that ten of them have 50 bits: without i, l and o, which look like 1 and 0, and without u,
        // which looks like v.
        Self { count: 10, length: 10, alphabet: "0123456789abcdefghjkmnpqrstvwxyz".to_owned(), low_count: 3 }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self { count, length, alphabet, low_count } = self;
        let refused = |path, message: String| Err(ConfigError::new(path, message));
        if !(1..=COUNT_MAX).contains(count) {
            return refused("count", format!("must be 1 to {COUNT_MAX}"));
        }
        // Input is read without regard to case, hyphens and spaces.
        if !alphabet.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()) {
            return refused("alphabet", "must be of digits and lower-case letters".to_owned());
        }
        let repeated = alphabet.char_indices().find(|(position, character)| alphabet[..*position].contains(*character));
        if let Some((_, character)) = repeated {
            return refused("alphabet", format!("holds `{character}` twice"));
        }
        if *length > LENGTH_MAX {
            return refused("length", format!("must be at most {LENGTH_MAX}"));
        }
        if !has_bits(alphabet.len(), *length) {
            let needed = (1..=LENGTH_MAX).find(|length| has_bits(alphabet.len(), *length));
            let remedy = needed.map_or("a longer alphabet".to_owned(), |needed| format!("at least {needed}"));
            return refused("length", format!("gives a code fewer than {BITS_MIN} bits; it needs {remedy}"));
        }
        if low_count > count {
            return refused("low_count", format!("must be 0 to {count} (count)"));
        }
        Ok(())
    }

    pub(crate) fn is_low(&self, left: usize) -> bool {
        left <= self.low_count
    }
}

/// Whether there are at least 2^50 codes of this length.
fn has_bits(characters: usize, length: usize) -> bool {
    let codes = u32::try_from(length).ok().and_then(|length| (characters as u128).checked_pow(length));
    codes.is_none_or(|codes| codes >= 1 << BITS_MIN)
}
