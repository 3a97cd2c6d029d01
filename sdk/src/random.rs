//! The random stream of a call: ChaCha20 (RFC 8439) seeded by the host, so that a repeated call repeats itself.

use std::cell::RefCell;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// The stream of one call. Each read goes on where the last one stopped, also through another handle of the same call.
pub struct Random<'a>(pub(crate) &'a RefCell<ChaCha20Rng>);

impl Random<'_> {
    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.0.borrow_mut().fill_bytes(bytes);
    }

    /// A number from 0 to `bound` - 1, each as likely as any other.
    ///
    /// # Panics
    /// If `bound` is 0.
    #[must_use]
    pub fn below(&self, bound: u32) -> u32 {
        assert!(bound > 0, "there is no number below 0");
        // Numbers of the last, incomplete round are thrown away: they would make small results likelier.
        let limit = u32::MAX - u32::MAX % bound;
        loop {
            let number = self.0.borrow_mut().next_u32();
            if number < limit {
                return number % bound;
            }
        }
    }

    /// A code of `length` decimal digits, uniform over the whole range, leading zeros kept.
    #[must_use]
    pub fn digits(&self, length: usize) -> String {
        self.word("0123456789", length)
    }

    /// A word of `length` characters of `alphabet`, each as likely as any other.
    ///
    /// # Panics
    /// If `alphabet` is empty and `length` is not 0.
    #[must_use]
    pub fn word(&self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        let size = u32::try_from(alphabet.len()).expect("an alphabet has fewer than 2^32 characters");
        (0..length).map(|_| alphabet[self.below(size) as usize]).collect()
    }
}

/// The generator of a seed of 64 hexadecimal digits; none if it is anything else.
pub(crate) fn generator(seed: &str) -> Option<RefCell<ChaCha20Rng>> {
    let bytes = seed.as_bytes();
    if bytes.len() != 64 || !bytes.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut key = [0; 32];
    for (byte, position) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&seed[position..position + 2], 16).ok()?;
    }
    Some(RefCell::new(ChaCha20Rng::from_seed(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_chacha20_and_never_starts_again_within_a_call() {
        // RFC 8439, appendix A.1, test vector 1: the key stream of the zero key.
        let zero = generator(&"0".repeat(64)).unwrap();
        assert_eq!(Random(&zero).bytes::<4>(), [0x76, 0xb8, 0xe0, 0xad]);
        assert_eq!(Random(&zero).bytes::<4>(), [0xa0, 0xf1, 0x3d, 0x90]);
    }

    #[test]
    fn a_seed_that_is_not_64_hexadecimal_digits_is_none() {
        for seed in ["", "00", &"0".repeat(63), &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert!(generator(seed).is_none(), "{seed}");
        }
    }

    #[test]
    fn every_digit_comes_up_in_every_place() {
        let generator = generator(&"7".repeat(64)).unwrap();
        let codes: Vec<String> = (0..500).map(|_| Random(&generator).digits(6)).collect();
        for place in 0..6 {
            for digit in b'0'..=b'9' {
                assert!(codes.iter().any(|code| code.as_bytes()[place] == digit));
            }
        }
    }
}
