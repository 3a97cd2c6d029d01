//! The keyed code of some parts: HMAC-SHA-256 (RFC 2104) with a key of the host's.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// The code of `parts` in base64url without padding; none if `key` is not 64 hexadecimal digits.
pub(crate) fn of(key: &str, parts: &[&[u8]]) -> Option<String> {
    let key = HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok().filter(|key| key.len() == KEY_BYTES)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    for part in parts {
        // The length before each part keeps apart what would run together.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Some(BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together_and_the_key_matters() {
        let key = "0b".repeat(32);
        let code = of(&key, &[b"ab", b"c"]).unwrap();
        // Computed apart from this code: HMAC-SHA-256 over 00000000000000026162000000000000000163.
        assert_eq!(code, "3Tkm483xDTKznH_7XLErG4zndj6k1mdmibVav3dmyIg");
        assert_eq!(of(&key, &[b"ab", b"c"]).unwrap(), code);
        for other in [&[b"a".as_slice(), b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[]] {
            assert_ne!(of(&key, other).unwrap(), code);
        }
        assert_ne!(of(&"0c".repeat(32), &[b"ab", b"c"]).unwrap(), code);
    }

    #[test]
    fn without_a_key_there_is_no_code() {
        for key in ["", "0b", &"0b".repeat(31), &"0b".repeat(33), &"0g".repeat(32), &"é".repeat(32)] {
            assert!(of(key, &[b"a"]).is_none(), "{key}");
        }
    }
}
