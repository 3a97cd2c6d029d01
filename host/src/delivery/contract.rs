//! What the flow hands over, and what it gets back.

use std::{collections::BTreeMap, fmt};

use crate::clock::Timestamp;

/// What is to be said. It may hold a code or a link, so it has no `Debug`; nor has anything made of it.
#[derive(Clone)]
pub struct Message {
    pub template: String,
    /// The reader's.
    pub language: String,
    pub values: BTreeMap<String, String>,
}

/// A message in the reader's language, for channels that carry a line or two.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// One line without any code: subjects are shown on locked screens and kept in the logs of mail servers.
    pub subject: String,
    pub short: String,
}

/// A message in the reader's language, for channels that carry a mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    pub line: Line,
    pub text: String,
    pub html: String,
}

/// The name of one message, the same at every try, so that a gateway or mailbox can know it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    /// 1 to 64 of letters, digits, `-` and `_`: it goes into headers and addresses as it is.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (is_plain && (1..=64).contains(&id.len())).then_some(Self(id))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One message to one address.
#[derive(Clone)]
pub struct Parcel {
    /// The channel's name in `host.toml`.
    pub channel: String,
    pub to: String,
    pub message: Message,
    pub message_id: MessageId,
    /// When it was asked for; the date of a mail.
    pub at: Timestamp,
}

/// Why a message did not go out. Its words hold no secret, code or address and may be logged.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Never try again: recipient or content were refused.
    #[error("{reason}")]
    Refused { reason: String, told: Option<Told> },
    /// Another try may succeed.
    #[error("{reason}")]
    Failed {
        reason: String,
        told: Option<Told>,
        /// How long the other side asked to be left alone.
        retry_after_s: Option<u64>,
    },
}

impl SendError {
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into(), told: None }
    }

    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), told: None, retry_after_s: None }
    }

    /// With what the other side said.
    pub fn with(self, words: Option<Told>) -> Self {
        match self {
            Self::Refused { reason, .. } => Self::Refused { reason, told: words },
            Self::Failed { reason, retry_after_s, .. } => Self::Failed { reason, told: words, retry_after_s },
        }
    }

    /// What the other side said.
    pub fn told(&self) -> Option<&Told> {
        match self {
            Self::Refused { told, .. } | Self::Failed { told, .. } => told.as_ref(),
        }
    }
}

/// The other side's own words. It may repeat what was sent, code included, so they are for `channel test` alone, whose
/// message holds none, and never for a log.
pub struct Told(String);

impl Told {
    const CHARACTERS_MAX: usize = 200;

    /// One line of it; none if it says nothing or repeats a secret.
    pub fn new(words: &str, secrets: &[String]) -> Option<Self> {
        if secrets.iter().any(|secret| !secret.is_empty() && words.contains(secret.as_str())) {
            return None;
        }
        let line: String =
            words.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().take(Self::CHARACTERS_MAX).collect();
        (!line.is_empty()).then_some(Self(line))
    }

    pub fn words(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Told(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_stand_anywhere() {
        assert!(MessageId::new("aB3-_").is_some());
        for id in ["", "a b", "a\r\n", "a>", "é", "..", &"a".repeat(65)] {
            assert!(MessageId::new(id).is_none(), "{id:?}");
        }
    }

    #[test]
    fn what_was_told_is_one_line_without_secrets() {
        let secrets = ["hunter2".to_owned(), String::new()];
        assert_eq!(Told::new(" 550 no\r\n\tsuch  user\u{1b}[2J ", &secrets).unwrap().words(), "550 no such user [2J");
        assert!(Told::new("you sent hunter2", &secrets).is_none());
        assert!(Told::new("\r\n", &secrets).is_none());
        assert_eq!(Told::new(&"x".repeat(1000), &secrets).unwrap().words().len(), 200);
        assert_eq!(format!("{:?}", Told::new("123456", &secrets)), "Some(Told(…))");
    }
}
