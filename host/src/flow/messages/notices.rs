//! What users are told of, whether or not it was them who did it: at every address of theirs, in the commit of what it
//! tells of. A notice holds no code and no link that does anything.

use std::{collections::BTreeMap, net::IpAddr};

use mfa_sdk::TargetKind;

use super::{Outgoing, Written};
use crate::{
    clock::{Timestamp, zoned},
    flow::{
        engine::Engine,
        record::{Document, Found, MessageOpen, MessageRecord, MessageSecret, SentTo, Unknown, User, key},
        token,
    },
    words::ENGLISH,
};

/// A notice helps as long as somebody can still act on it.
const LIFETIME_S: u64 = 24 * 3600;
/// What happened: a template and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    template: &'static str,
    values: BTreeMap<String, String>,
    /// Ids of the methods it is about, which are called by name in the reader's language.
    methods: Vec<String>,
}

impl Notice {
    fn new(template: &'static str) -> Self {
        Self { template, values: BTreeMap::new(), methods: Vec::new() }
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    fn about(template: &'static str, methods: &[String]) -> Self {
        Self { methods: methods.to_vec(), ..Self::new(template) }
    }

    /// `method` is its id.
    pub fn factor_added(method: &str) -> Self {
        Self::about("factor_added", &[method.to_owned()])
    }

    pub fn factors_removed(methods: &[String]) -> Self {
        Self::about("factor_removed", methods)
    }

    pub fn factor_changed(method: &str) -> Self {
        Self::about("factor_changed", &[method.to_owned()])
    }

    /// The advice is what its module says of what is left, or nothing.
    pub fn recovery_used(advice: &str) -> Self {
        Self::new("recovery_used").with("advice", advice)
    }

    pub fn recovery_renewed() -> Self {
        Self::new("recovery_renewed")
    }

    pub fn factors_reset() -> Self {
        Self::new("factors_reset")
    }

    pub fn password_changed() -> Self {
        Self::new("password_changed")
    }

    pub fn password_reset() -> Self {
        Self::new("password_reset")
    }

    pub fn locked(method: &str) -> Self {
        Self::about("account_locked", &[method.to_owned()])
    }

    /// So many wrong second factors after a right password.
    pub fn wrong_codes(count: u32) -> Self {
        Self::new("wrong_codes").with("count", count)
    }

    pub fn login_denied() -> Self {
        Self::new("login_denied")
    }

    pub fn change_denied() -> Self {
        Self::new("change_denied")
    }

    pub fn address_changed(address: &str) -> Self {
        Self::new("address_changed").with("address", address)
    }
}

/// Who is told, and from where it was done.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub user: &'a Found<User>,
    /// None if an admin did it.
    pub source: Option<IpAddr>,
    /// Where else this user can be told: addresses of the factor it is about.
    pub also: &'a [SentTo],
    pub now: Timestamp,
}

impl Engine {
    /// The notice as part of a commit. Empty where the user can be told nowhere, or has been told too much already.
    pub fn notices(&self, notice: &Notice, about: About<'_>) -> Written {
        let mut written = Written::default();
        let Some(user) = &about.user.record else { return written };
        let user_id = about.user.key.as_str().trim_start_matches("user/");
        let targets = self.notice_targets(user, about);
        let event = match targets.is_empty() {
            true => Some("notice_has_no_address"),
            false => self.messages.count_notice(user_id, about.now).err().map(|_| "notice_left_out"),
        };
        if let Some(event) = event {
            tracing::info!(target: "audit", event, user = user_id, what = notice.template);
            return written;
        }
        let mut values = notice.values.clone();
        let language = self.words().language_for(user.open.language.as_deref().unwrap_or(ENGLISH));
        if !notice.methods.is_empty() {
            let names: Vec<String> = notice.methods.iter().map(|method| self.name_of(method, language)).collect();
            values.insert("method".to_owned(), names.join(", "));
        }
        values.insert("user".to_owned(), user.open.display_name.clone().unwrap_or_else(|| user.open.name.clone()));
        values.insert("time".to_owned(), zoned(about.now, user.open.zone.as_deref()));
        if let Some(source) = about.source {
            values.insert("source".to_owned(), source.to_string());
        }
        for SentTo { channel, to } in targets {
            let record = Document {
                open: MessageOpen {
                    user: user_id.to_owned(),
                    flow: None,
                    created_at: about.now,
                    dead_at: about.now.plus_s(LIFETIME_S),
                    tries: 1,
                    lease_until: self.lease_until(&channel, about.now),
                    channel,
                    unknown: Unknown::new(),
                },
                secret: MessageSecret {
                    waits: None,
                    to,
                    template: notice.template.to_owned(),
                    language: language.to_owned(),
                    values: values.clone(),
                },
            };
            let id = token::new_record_id();
            let Some(key) = key::message(&id) else { continue };
            let place: Found<MessageRecord> = Found { key, revision: None, record: None };
            written.changes.push(place.put(&record));
            written.expectations.push(place.unchanged());
            written.messages.push(Outgoing { id, record });
        }
        written
    }

    /// Every proved mail address, those that left within the last week, and what the factor itself is reached by.
    fn notice_targets(&self, user: &User, about: About<'_>) -> Vec<SentTo> {
        let mut targets: Vec<SentTo> = Vec::new();
        let mut add = |channel: &str, to: &str| {
            let Ok(to) = self.delivery.target(channel, to) else { return };
            let target = SentTo { channel: channel.to_owned(), to };
            if !targets.contains(&target) {
                targets.push(target);
            }
        };
        if let Some(mail) = self.delivery.channels().find(|channel| channel.target == TargetKind::Email) {
            let addresses = &user.secret.addresses;
            let present = addresses.email.iter().filter(|address| address.proved_at.is_some());
            present.for_each(|address| add(&mail.name, &address.value));
            let former = addresses.former.iter().filter(|address| about.now <= address.told_until);
            former.for_each(|address| add(&mail.name, &address.value));
        }
        // Notices go by mail alone: a text message costs money, and a display in the hall is read by everybody.
        let is_mail =
            |name: &str| self.delivery.channels().any(|known| known.name == name && known.target == TargetKind::Email);
        about.also.iter().filter(|sent| is_mail(&sent.channel)).for_each(|sent| add(&sent.channel, &sent.to));
        targets
    }
}
