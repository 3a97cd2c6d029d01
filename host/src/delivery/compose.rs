//! A mail, byte for byte: two parts, no pictures, nothing that calls home.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::contract::{Letter, Parcel, SendError};

/// Who sends.
pub struct Sender {
    pub from: Mailbox,
    /// Stands before every subject.
    pub subject_prefix: String,
}

/// The mail to this address. Subject and addresses were freed of line ends before, and the library encodes what a
/// header cannot hold; the same parcel gives the same Message-ID at every try.
pub fn mail(sender: &Sender, to: &Address, parcel: &Parcel, letter: Letter) -> Result<Vec<u8>, SendError> {
    let wall_ms = u64::try_from(parcel.at.0).unwrap_or_default();
    // The library leaves ASCII as it is, and readers would decode what looks encoded already (RFC 2047).
    let subject = format!("{}{}", sender.subject_prefix, letter.line.subject).replace("=?", "= ?");
    let message_id = format!("<{}@{}>", parcel.message_id.as_str(), sender.from.email.domain());
    // RFC 3834: no answer by a holiday notice, please.
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let message = Message::builder()
        .from(sender.from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(super::values::one_line(&subject))
        .date(UNIX_EPOCH + Duration::from_millis(wall_ms))
        .message_id(Some(message_id))
        .raw_header(automatic)
        .multipart(MultiPart::alternative_plain_html(letter.text, letter.html));
    message.map(|message| message.formatted()).map_err(|error| SendError::refused(format!("it makes no mail: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        delivery::{
            Message, MessageId,
            contract::{Letter, Line},
        },
    };

    #[test]
    fn no_value_makes_a_header_of_its_own() {
        let sender =
            Sender { from: "Müller & Söhne <login@example.org>".parse().unwrap(), subject_prefix: "[ü] ".into() };
        let subject = "Hello\r\nBcc: eve@example.org\u{2028}X: y\nZ".into();
        let letter = Letter {
            line: Line { subject, short: String::new() },
            text: "\r\n.\r\nQUIT\r\nBcc: eve@example.org\n".into(),
            html: "<p>x</p>".into(),
        };
        let message_id = MessageId::new("id-1").unwrap();
        let parcel = Parcel {
            channel: "email".into(),
            to: String::new(),
            message: Message { template: "code".into(), language: "en".into(), values: [].into() },
            message_id,
            at: Timestamp(2_051_222_410_000),
        };
        let to = super::super::target::address("ada@bücher.example").unwrap();
        let mail = String::from_utf8(super::mail(&sender, &to, &parcel, letter).unwrap()).unwrap();
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(
            names,
            ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
        );
        assert!(head.is_ascii() && head.contains("To: ada@xn--bcher-kva.example"), "{head}");
        assert!(head.contains("Message-ID: <id-1@example.org>"), "{head}");
        assert!(head.contains("Date: Mon, 01 Jan 2035 00:00:10 +0000"), "{head}");
    }
}
