//! Comparison whose time tells nothing about where two values differ.

use std::hint::black_box;

/// Whether both are the same bytes. The time depends on the lengths alone, so give it values of one known length, or
/// hashes; the length itself is not hidden.
#[must_use]
pub fn equal_in_constant_time(left: impl AsRef<[u8]>, right: impl AsRef<[u8]>) -> bool {
    let (left, right) = (left.as_ref(), right.as_ref());
    let difference = left.iter().zip(right).fold(0, |difference, (left, right)| black_box(difference | (left ^ right)));
    left.len() == right.len() && black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_not_equal() {
        assert!(equal_in_constant_time("1234", "1234"));
        assert!(!equal_in_constant_time("1234", "1235"));
        assert!(!equal_in_constant_time("0234", "1234"));
        assert!(!equal_in_constant_time("1234", "123"));
        assert!(!equal_in_constant_time("", "1"));
    }
}
