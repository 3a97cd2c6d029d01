//! From what a module asks for to messages that are part of a commit: address, limits, words.

use std::collections::{BTreeMap, VecDeque};

use mfa_sdk::Message;

use super::{
    permitted::{self, Known},
    quota,
};
use crate::{
    clock::Timestamp,
    flow::{
        FlowError,
        engine::Engine,
        record::{
            AccountOpen, Document, Found, MessageOpen, MessageRecord, MessageSecret, SentTo, Target, Unknown, key,
        },
        token,
    },
    store::{Change, Expectation, Key},
};

/// Beyond what a channel takes at most for a try.
const LEASE_MARGIN_S: u64 = 5;

/// Whom messages are for, and where they belong.
#[derive(Clone, Copy)]
pub struct Writing<'a> {
    pub user: &'a str,
    /// The reader's.
    pub language: &'a str,
    /// Where the flow stands that waits for them; its key ends with the hash of its id. None: nobody's flow does.
    pub place: Option<&'a Key>,
    pub known: Known<'a>,
    /// What a message that confirms the step by a link leads to; none where no link can.
    pub link: Option<&'a str>,
    pub wanted_by: WantedBy,
    pub now: Timestamp,
}

/// Who makes a message come: a login is not to lack its code because others used the limits up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedBy {
    /// A step after a right first factor, at an address of the user's.
    Login,
    /// A user who gives an address, which may be another person's.
    SetUp,
    /// Anybody who knows a name.
    Anybody,
}

/// A message that is part of a commit, to be handed over once that is durable.
#[derive(Clone)]
pub struct Outgoing {
    pub id: String,
    pub record: MessageRecord,
}

/// Messages, and what a commit needs so that they exist.
#[derive(Clone, Default)]
pub struct Written {
    pub messages: Vec<Outgoing>,
    pub changes: Vec<Change>,
    pub expectations: Vec<Expectation>,
}

impl Written {
    /// These and others, for one commit.
    pub fn extend(&mut self, other: Self) {
        self.messages.extend(other.messages);
        self.changes.extend(other.changes);
        self.expectations.extend(other.expectations);
    }

    pub fn ids(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.id.clone()).collect()
    }

    pub fn sent_to(&self) -> Vec<SentTo> {
        let target = |message: &Outgoing| SentTo {
            channel: message.record.open.channel.clone(),
            to: message.record.secret.to.clone(),
        };
        self.messages.iter().map(target).collect()
    }

    /// How long the one that lives longest is worth sending, in seconds.
    pub fn lifetime_s(&self, now: Timestamp) -> u64 {
        let lives = self.messages.iter().map(|message| message.record.open.dead_at.since_ms(now));
        lives.max().and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default() / 1000
    }
}

/// Why none of the messages exists.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The module names an address that neither user nor admin named: a lie, or a mistake.
    NotPermitted,
    /// The channel is gone or takes no such address, or the host can make no such message.
    NotPossible { reason: String },
    /// The hour has as many as it takes.
    TooMany { retry_after_s: u64 },
}

impl Engine {
    /// Messages as part of a commit that also puts `counted`, the user's account, and expects it unchanged.
    pub async fn write(
        &self,
        asked: Vec<Message>,
        writing: Writing<'_>,
        counted: &mut AccountOpen,
    ) -> Result<Result<Written, Unsendable>, FlowError> {
        let mut written = Written::default();
        let mut too_many = None;
        let mut targets: BTreeMap<String, (Found<Target>, VecDeque<Timestamp>)> = BTreeMap::new();
        for message in asked {
            let to = match self.permitted_target(&message, writing) {
                Ok(to) => to,
                Err(unsendable) => return Ok(Err(unsendable)),
            };
            let tag = self.messages.target_tag(&message.channel, &to);
            if !targets.contains_key(&tag) {
                let found: Found<Target> = self.read(key::target(&tag)).await?;
                let sent = found.open().sent;
                targets.insert(tag.clone(), (found, sent));
            }
            let Some((_, sent_to_target)) = targets.get_mut(&tag) else { continue };
            match self.count(&mut counted.sent, sent_to_target, writing) {
                Ok(()) => {}
                // The same word goes to each address, and one that has had its share keeps it from no other.
                Err(retry_after_s) if writing.wanted_by == WantedBy::Anybody => {
                    too_many = Some(Unsendable::TooMany { retry_after_s });
                    continue;
                }
                Err(retry_after_s) => return Ok(Err(Unsendable::TooMany { retry_after_s })),
            }
            match self.outgoing(message, to, writing) {
                Ok(outgoing) => written.messages.push(outgoing),
                Err(unsendable) => return Ok(Err(unsendable)),
            }
        }
        if let Some(too_many) = too_many.filter(|_| written.messages.is_empty()) {
            return Ok(Err(too_many));
        }
        for (found, sent) in targets.into_values() {
            let mut open = found.open();
            open.sent = sent;
            written.changes.push(found.put(&Document { open, secret: () }));
            written.expectations.push(found.unchanged());
        }
        for message in &written.messages {
            let Some(key) = key::message(&message.id) else { continue };
            let place: Found<MessageRecord> = Found { key, revision: None, record: None };
            written.changes.push(place.put(&message.record));
            written.expectations.push(place.unchanged());
        }
        Ok(Ok(written))
    }

    /// Whether a resend would be too many, without counting it.
    pub async fn may_send_again(
        &self,
        sent_to: &[SentTo],
        counted: &AccountOpen,
        now: Timestamp,
    ) -> Result<Result<(), u64>, FlowError> {
        let limits = &self.settings.delivery;
        let mut of_user = counted.sent.clone();
        for SentTo { channel, to } in sent_to {
            let target: Found<Target> = self.read(key::target(&self.messages.target_tag(channel, to))).await?;
            let mut of_target = target.open().sent;
            let room = quota::count(&mut of_user, limits.messages_per_user_hour_max, now)
                .and_then(|()| quota::count(&mut of_target, limits.messages_per_target_hour_max, now));
            if room.is_err() {
                return Ok(room);
            }
        }
        Ok(Ok(()))
    }

    fn count(
        &self,
        of_user: &mut VecDeque<Timestamp>,
        of_target: &mut VecDeque<Timestamp>,
        Writing { wanted_by, now, .. }: Writing<'_>,
    ) -> Result<(), u64> {
        let limits = &self.settings.delivery;
        // What is not for a login gets one half, so that the other is left for logins.
        let half = |limit: u64, is_whole: bool| if is_whole { limit } else { limit.div_ceil(2) };
        let is_login = wanted_by == WantedBy::Login;
        let of_user_max = half(limits.messages_per_user_hour_max, wanted_by != WantedBy::Anybody);
        let of_target_max = half(limits.messages_per_target_hour_max, is_login);
        // What one of them refuses is counted by none.
        quota::room(of_user, of_user_max, now)?;
        quota::room(of_target, of_target_max, now)?;
        self.messages.count(half(limits.messages_per_hour_max, is_login), now)?;
        of_user.push_back(now);
        of_target.push_back(now);
        Ok(())
    }

    /// The address in the form it is kept and sent to.
    fn permitted_target(&self, message: &Message, writing: Writing<'_>) -> Result<String, Unsendable> {
        let channel = self.delivery.channels().find(|channel| channel.name == message.channel);
        let Some(channel) = channel else {
            return Err(Unsendable::NotPossible { reason: format!("the channel {} cannot send", message.channel) });
        };
        let to = self.delivery.target(&channel.name, &message.to);
        let to = to.map_err(|error| Unsendable::NotPossible { reason: error.to_string() })?;
        let same = |text: &str| self.delivery.target(&channel.name, text).is_ok_and(|other| other == to);
        if permitted::is_permitted(channel, &to, writing.known, same) { Ok(to) } else { Err(Unsendable::NotPermitted) }
    }

    fn outgoing(&self, message: Message, to: String, writing: Writing<'_>) -> Result<Outgoing, Unsendable> {
        let mut values = message.values;
        if message.link {
            let Some(link) = writing.link else {
                return Err(Unsendable::NotPossible { reason: "no link can confirm this step".to_owned() });
            };
            values.insert("link".to_owned(), link.to_owned());
        }
        let flow = writing.place.and_then(|place| place.as_str().rsplit('/').next());
        let record = Document {
            open: MessageOpen {
                user: writing.user.to_owned(),
                flow: flow.map(|flow| token::short(flow).to_owned()),
                created_at: writing.now,
                dead_at: writing.now.plus_s(message.lifetime_s.into()),
                tries: 1,
                lease_until: self.lease_until(&message.channel, writing.now),
                channel: message.channel,
                unknown: Unknown::new(),
            },
            secret: MessageSecret {
                waits: writing.place.map(|place| place.as_str().to_owned()),
                to,
                template: message.template,
                language: writing.language.to_owned(),
                values,
            },
        };
        Ok(Outgoing { id: token::new_record_id(), record })
    }

    /// When a try that begins now has ended for certain.
    pub(super) fn lease_until(&self, channel: &str, now: Timestamp) -> Timestamp {
        let settings = self.settings.channels.iter().find(|settings| settings.name == channel);
        let timeout_s = settings.map_or(0, |settings| settings.timeout_s);
        now.plus_s(2 * timeout_s + LEASE_MARGIN_S)
    }
}
