//! For development: messages are kept in memory and shown, and leave nowhere.

use std::{
    collections::VecDeque,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

use super::contract::{Letter, Parcel};
use crate::clock::Timestamp;

const MESSAGES_MAX: usize = 100;

/// A message that was not sent.
#[derive(Clone, Serialize)]
pub struct OutboxMessage {
    pub message_id: String,
    pub channel: String,
    pub to: String,
    pub at: Timestamp,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub short: String,
}

/// The latest messages; clones share them.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Mutex<VecDeque<OutboxMessage>>>);

impl Outbox {
    /// Keeps the message and prints it to the terminal.
    pub fn put(&self, parcel: &Parcel, letter: Letter) {
        let message = OutboxMessage {
            message_id: parcel.message_id.as_str().to_owned(),
            channel: parcel.channel.clone(),
            to: parcel.to.clone(),
            at: parcel.at,
            subject: letter.line.subject,
            text: letter.text,
            html: letter.html,
            short: letter.line.short,
        };
        print(&message);
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A message that was put a second time takes the place of the first.
        messages.retain(|kept| kept.message_id != message.message_id);
        while messages.len() >= MESSAGES_MAX {
            messages.pop_front();
        }
        messages.push_back(message);
    }

    /// The latest messages, the oldest of them first.
    pub fn messages(&self) -> Vec<OutboxMessage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Not to the log, which holds no code at any level, but to standard output.
fn print(message: &OutboxMessage) {
    let printable = |text: &str| -> String {
        text.chars()
            .map(|character| if character.is_control() && character != '\n' { '\u{fffd}' } else { character })
            .collect()
    };
    let body: String = printable(&message.text).lines().map(|line| format!("  | {line}\n")).collect();
    let head = format!("outbox: {} to {}: {}", message.channel, message.to, message.subject).replace('\n', " ");
    // A terminal that went away is no reason to lose the message.
    let _ = write!(std::io::stdout().lock(), "{}\n{body}", printable(&head));
}
