//! Values and the places they go to. Each place has its own form of a value, so that none can break out of it.

/// Longest value but for whole texts; a name of ten thousand characters helps nobody.
const VALUE_CHARACTERS_MAX: usize = 200;
const TEXT_CHARACTERS_MAX: usize = 2000;

/// A value as it may stand anywhere in a message: one line, without characters that steer a screen or turn text around.
pub fn one_line(value: &str) -> String {
    shortened(
        &value.chars().map(|character| if steers(character) { ' ' } else { character }).collect::<String>(),
        VALUE_CHARACTERS_MAX,
    )
}

/// Several lines, otherwise as [`one_line`].
pub fn several_lines(value: &str) -> String {
    let kept = |character| if character != '\n' && steers(character) { ' ' } else { character };
    shortened(&value.replace("\r\n", "\n").chars().map(kept).collect::<String>(), TEXT_CHARACTERS_MAX)
}

fn shortened(text: &str, characters_max: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    text.chars().take(characters_max - 1).chain(['…']).collect()
}

/// Control characters, line and paragraph separators, and what turns the direction of text.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

/// Percent-encoded but for RFC 3986's unreserved characters and `:`, which parts nothing in a path or query and stands
/// in tokens and ids that servers compare undecoded.
pub fn percent(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_steer() {
        assert_eq!(one_line("a\r\nBcc: b\u{202e}c\u{2028}d\u{0}\u{85}"), "a  Bcc: b c d");
        assert_eq!(several_lines("a\r\nb\rc\u{1b}d\n"), "a\nb c d");
        let long = one_line(&"é".repeat(10_000));
        assert_eq!((long.chars().count(), long.chars().last()), (200, Some('…')));
    }

    #[test]
    fn what_parts_an_address_is_encoded() {
        assert_eq!(percent("a/b?c#d e&f=g%\"é:1"), "a%2Fb%3Fc%23d%20e%26f%3Dg%25%22%C3%A9:1");
    }
}
