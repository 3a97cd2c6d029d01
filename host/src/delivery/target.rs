//! What a user may give to be reached by a channel, brought into one form.

use lettre::Address;
use mfa_sdk::TargetKind;

use crate::settings::ChannelSettings;

const TEXT_CHARACTERS_MAX: usize = 256;
/// RFC 5321 section 4.5.3.1.3, without the angle brackets.
const ADDRESS_BYTES_MAX: usize = 254;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("there is no such channel, or it is switched off")]
    UnknownChannel,
    #[error("this is not an e-mail address")]
    NotAnAddress,
    #[error("this is not a phone number with its country, such as +4915112345678")]
    NotANumber,
    #[error("numbers of this country are not allowed")]
    CountryNotAllowed,
    #[error("this is empty, too long or not printable")]
    NotPrintable,
    #[error("this is not one of the targets of the channel")]
    NotListed,
}

/// The rule of one channel.
#[derive(Clone)]
pub enum TargetRule {
    Email,
    Phone { prefixes: Vec<String> },
    Text,
    Listed { targets: Vec<String> },
}

impl TargetRule {
    /// The rule the settings ask for; what they leave open was refused when they were read.
    pub fn of(channel: &ChannelSettings) -> Self {
        match channel.target() {
            Some(TargetKind::Email) => Self::Email,
            Some(TargetKind::Phone) => Self::Phone { prefixes: channel.prefixes.clone() },
            Some(TargetKind::Text) => Self::Text,
            Some(TargetKind::Listed) | None => Self::Listed { targets: channel.targets.clone() },
        }
    }

    /// The target as it is kept and sent to.
    pub fn normalised(&self, to: &str) -> Result<String, TargetError> {
        let trimmed = to.trim();
        match self {
            Self::Email => Ok(address(trimmed)?.to_string()),
            Self::Phone { prefixes } => {
                let number = number(trimmed)?;
                let is_allowed = prefixes.iter().any(|prefix| number.starts_with(prefix.as_str()));
                if is_allowed { Ok(number) } else { Err(TargetError::CountryNotAllowed) }
            }
            Self::Text => {
                let is_printable = !trimmed.chars().any(char::is_control);
                let is_short = (1..=TEXT_CHARACTERS_MAX).contains(&trimmed.chars().count());
                if is_printable && is_short { Ok(trimmed.to_owned()) } else { Err(TargetError::NotPrintable) }
            }
            Self::Listed { targets } if targets.iter().any(|target| target == to) => Ok(to.to_owned()),
            Self::Listed { .. } => Err(TargetError::NotListed),
        }
    }
}

/// The domain in ASCII and small letters, so that one mailbox is one address; the part before it belongs to its server
/// and stays as it is.
pub fn address(text: &str) -> Result<Address, TargetError> {
    // A quoted local part may hold almost anything, and nobody has one.
    if text.len() > ADDRESS_BYTES_MAX
        || text.chars().any(|character| character.is_control() || "\"<>(),:;\\ ".contains(character))
    {
        return Err(TargetError::NotAnAddress);
    }
    let address: Address = text.parse().map_err(|_| TargetError::NotAnAddress)?;
    let domain = match url::Host::parse(address.domain()) {
        Ok(url::Host::Domain(domain)) if domain.contains('.') || domain == "localhost" => domain,
        _ => return Err(TargetError::NotAnAddress),
    };
    Address::new(address.user(), domain).map_err(|_| TargetError::NotAnAddress)
}

/// E.164: a plus, and 7 to 15 digits that do not begin with 0.
fn number(text: &str) -> Result<String, TargetError> {
    let kept: String = text.chars().filter(|character| !" -./()\u{a0}".contains(*character)).collect();
    let digits = kept.strip_prefix('+').unwrap_or_default();
    let is_number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if is_number { Ok(kept) } else { Err(TargetError::NotANumber) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_mailbox_and_never_two() {
        for (text, wanted) in [
            (" ada@example.org ", "ada@example.org"),
            ("Ada.L+login@EXAMPLE.org", "Ada.L+login@example.org"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("ädä@example.org", "ädä@example.org"),
        ] {
            assert_eq!(TargetRule::Email.normalised(text).as_deref(), Ok(wanted), "{text}");
        }
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org,eve@example.org",
            "ada@example.org\n",
            "Ada <ada@example.org>",
            "\"a b\"@example.org",
            "ada@exa mple.org",
            "ada@example.org>",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@intern",
            "a\u{0}da@example.org",
            "ada@@example.org",
            &format!("ada@{}.org", "a".repeat(250)),
        ] {
            // A line's end at the end is trimmed away; within, it is refused.
            if text != "ada@example.org\n" {
                assert_eq!(TargetRule::Email.normalised(text), Err(TargetError::NotAnAddress), "{text:?}");
            }
        }
    }

    #[test]
    fn a_number_has_its_country_and_an_allowed_one() {
        let rule = TargetRule::Phone { prefixes: vec!["+49".into(), "+43".into()] };
        assert_eq!(rule.normalised("+49 (151) 123-456.78").as_deref(), Ok("+4915112345678"));
        assert_eq!(rule.normalised("+43664123456").as_deref(), Ok("+43664123456"));
        assert_eq!(rule.normalised("+8821612345"), Err(TargetError::CountryNotAllowed));
        for text in [
            "",
            "+",
            "015112345678",
            "004915112345678",
            "+0491511234",
            "+49151123456789012",
            "+49x15112345",
            "+٤٩١٥١١٢٣٤",
        ] {
            assert_eq!(rule.normalised(text), Err(TargetError::NotANumber), "{text}");
        }
        let everywhere = TargetRule::Phone { prefixes: vec!["+".into()] };
        assert!(everywhere.normalised("+8821612345").is_ok());
    }

    #[test]
    fn texts_are_printable_and_lists_exact() {
        assert_eq!(TargetRule::Text.normalised(" topic ").as_deref(), Ok("topic"));
        for text in ["", "  ", "a\nb", "a\u{7f}", &"é".repeat(257)] {
            assert_eq!(TargetRule::Text.normalised(text), Err(TargetError::NotPrintable), "{text:?}");
        }
        let rule = TargetRule::Listed { targets: vec!["kitchen".into()] };
        assert_eq!(rule.normalised("kitchen").as_deref(), Ok("kitchen"));
        for text in ["Kitchen", " kitchen", ""] {
            assert_eq!(rule.normalised(text), Err(TargetError::NotListed), "{text:?}");
        }
    }
}
