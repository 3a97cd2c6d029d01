//! Users, their names, and what they set up.

use std::collections::BTreeMap;

use mfa_sdk::protocol;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Document, Unknown};
use crate::clock::Timestamp;

/// `user/<id>`
pub type User = Document<UserOpen, UserSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct UserOpen {
    pub name: String,
    pub is_active: bool,
    pub is_owner: bool,
    pub created_at: Timestamp,
    /// Raised when all sessions of the user must end: a new password, switched off, reset.
    pub epoch: u64,
    /// For people; the name is what the user signs in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Primary subtag of BCP 47, such as `de`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Name in the IANA time zone database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// After a reset: the one-time code leads to a new password and to nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_change_password: bool,
    /// Whether the user signs in from local networks only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_only: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct UserSecret {
    /// PHC string for the `local` provider.
    pub password: Option<String>,
    #[serde(default)]
    pub addresses: Addresses,
    /// Takes the place of the password after a reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<ResetCode>,
    /// Stand beside the password for a while, once they were asked for by mail; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailed_codes: Vec<MailedCode>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Where a user can be reached. What is not proved confirms nothing and is shown to no module.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    #[serde(default)]
    pub email: Vec<Address>,
    #[serde(default)]
    pub phone: Vec<Address>,
    /// Mail addresses that were taken away lately: they are told of changes for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerAddress>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerAddress {
    pub value: String,
    pub told_until: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub value: String,
    pub added_at: Timestamp,
    pub proved_at: Option<Timestamp>,
    /// Whether the user proved it, by a code that was sent there; else it counts by an admin's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_code: bool,
}

impl Address {
    /// How long an address that its user added confirms nothing: whoever sits at a user's unlocked screen could add one.
    const CONFIRMS_AFTER_S: u64 = 7 * 24 * 3600;

    /// Whether it may confirm who somebody is.
    pub fn confirms(&self, now: Timestamp) -> bool {
        self.proved_at.is_some_and(|proved_at| !self.by_code || now >= proved_at.plus_s(Self::CONFIRMS_AFTER_S))
    }
}

impl Addresses {
    /// Those that may confirm who the user is.
    pub fn confirming(&self, now: Timestamp) -> Self {
        let confirming = |list: &[Address]| list.iter().filter(|address| address.confirms(now)).cloned().collect();
        Self { email: confirming(&self.email), phone: confirming(&self.phone), former: Vec::new() }
    }

    /// The proved ones by channel, as modules get them.
    pub fn proved(&self) -> BTreeMap<String, Vec<String>> {
        let proved = |list: &[Address]| -> Vec<String> {
            list.iter().filter(|address| address.proved_at.is_some()).map(|address| address.value.clone()).collect()
        };
        let channels = [("email", proved(&self.email)), ("phone", proved(&self.phone))];
        channels.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name.to_owned(), list)).collect()
    }
}

/// A code that was mailed to a user who forgot the password: a keyed hash of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct MailedCode {
    pub mac: String,
    pub expires_at: Timestamp,
}

impl MailedCode {
    /// The latest two count: who knows no more than a name, and asks for a code of their own, does not take away the one
    /// that is being typed.
    const AT_ONCE_MAX: usize = 2;

    /// Adds this one to those that still count.
    pub fn join(self, list: &mut Vec<Self>, now: Timestamp) {
        list.retain(|code| now <= code.expires_at);
        list.push(self);
        let too_many = list.len().saturating_sub(Self::AT_ONCE_MAX);
        list.drain(..too_many);
    }
}

/// A code an admin hands to a user.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetCode {
    /// PHC string of the folded code.
    pub phc: String,
    pub expires_at: Timestamp,
}

/// `owners`: written by every change that takes an owner away, so that two of them cannot take the last two at once.
pub type Owners = Document<OwnersOpen, ()>;

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct OwnersOpen {
    /// Raised by every such change.
    pub epoch: u64,
}

/// `invitation/<hash of the folded code>`: lets one person sign up.
pub type Invitation = Document<InvitationOpen, ()>;

#[derive(Clone, Serialize, Deserialize)]
pub struct InvitationOpen {
    pub groups: Vec<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// `user_name/<hash of the folded name>`
pub type UserName = Document<NameOpen, ()>;

#[derive(Clone, Serialize, Deserialize)]
pub struct NameOpen {
    pub user: String,
}

/// `factors/<user>`: the list every factor change writes, so that a login can expect it unchanged.
pub type Factors = Document<FactorsOpen, ()>;

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct FactorsOpen {
    /// Raised by every change.
    pub epoch: u64,
    pub factors: Vec<Factor>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Factor {
    pub module: String,
    pub module_type: String,
    pub active: bool,
    pub primary: bool,
    /// A way back in, not a factor of its own.
    #[serde(default)]
    pub recovery: bool,
    /// Of a way back in: the factors it stands in for. Empty: for any of the user's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
    pub created_at: Timestamp,
    /// What the user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A client's own, of no meaning to the host.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Factor {
    /// Whether this way back in stands in for a factor of the user's.
    pub fn stands_in_for(&self, factor: &str) -> bool {
        self.recovery && (self.of.is_empty() || self.of.iter().any(|of| of == factor))
    }
}

impl FactorsOpen {
    /// Whether a login needs a second factor at all.
    pub fn requires_second_factor(&self) -> bool {
        self.factors.iter().any(|factor| factor.active && !factor.recovery)
    }

    pub fn of(&self, module: &str) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.module == module)
    }

    /// The list with this module confirmed: the first that counts becomes primary.
    pub fn with_confirmed(mut self, module: &str, module_type: &str, recovery: bool, now: Timestamp) -> Self {
        self.epoch += 1;
        let has_primary = self.factors.iter().any(|factor| factor.primary && factor.module != module);
        match self.factors.iter_mut().find(|factor| factor.module == module) {
            Some(factor) => {
                factor.active = true;
                factor.module_type = module_type.to_owned();
                // What was proved as a factor stays one, whatever its module says of itself since.
                factor.recovery &= recovery;
                factor.of.retain(|_| recovery);
                factor.primary |= !has_primary && !factor.recovery;
            }
            None => self.factors.push(Factor {
                module: module.to_owned(),
                module_type: module_type.to_owned(),
                active: true,
                primary: !has_primary && !recovery,
                recovery,
                of: Vec::new(),
                created_at: now,
                label: None,
                metadata: Map::new(),
                unknown: Unknown::new(),
            }),
        }
        self
    }

    /// Whether there is a way back in of this module already: for this factor, or (with none) for any.
    pub fn has_way_back(&self, module: &str, of: Option<&str>) -> bool {
        self.of(module).is_some_and(|factor| of.is_none_or(|of| factor.stands_in_for(of)))
    }

    /// The list with a way back in, for this factor or (with none) for any.
    pub fn with_way_back(self, module: &str, module_type: &str, of: Option<&str>, now: Timestamp) -> Self {
        let mut list = self.with_confirmed(module, module_type, true, now);
        if let Some(factor) = list.factors.iter_mut().find(|factor| factor.module == module) {
            factor.of.retain(|other| of.is_some_and(|of| of != other));
            factor.of.extend(of.map(str::to_owned));
        }
        list
    }

    /// The list without the way back in that stands in for this factor; with none, without this module.
    pub fn without_way_back(mut self, module: &str, of: Option<&str>) -> Self {
        match self.factors.iter_mut().find(|factor| factor.module == module) {
            Some(factor) if of.is_some() && factor.of.iter().any(|other| Some(&**other) != of) => {
                self.epoch += 1;
                factor.of.retain(|other| Some(&**other) != of);
                self
            }
            _ => self.without(module),
        }
    }

    /// The list without this module, and without what stands in for it alone; another active one becomes primary if it
    /// was the primary.
    pub fn without(mut self, module: &str) -> Self {
        self.epoch += 1;
        let is_left = |factor: &Factor| factor.of.is_empty() || factor.of.iter().any(|of| of != module);
        self.factors.retain(|factor| factor.module != module && is_left(factor));
        self.factors.iter_mut().for_each(|factor| factor.of.retain(|of| of != module));
        if !self.factors.iter().any(|factor| factor.primary)
            && let Some(next) = self.factors.iter_mut().find(|factor| factor.active && !factor.recovery)
        {
            next.primary = true;
        }
        self
    }
}

/// `enrolment/<user>/<module>`
pub type Enrolment = Document<EnrolmentOpen, EnrolmentSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolmentOpen {
    pub module: String,
    pub module_type: String,
    pub created_at: Timestamp,
    /// The set-up that made it, by 8 hexadecimal digits of its hash: another one, another enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_up: Option<String>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolmentSecret {
    /// Version of the module's data.
    pub version: u32,
    pub data: Value,
    /// Of a way back in that stands in for single factors: what it keeps for each, in place of `data`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_factor: BTreeMap<String, protocol::Enrolment>,
    /// Where messages for it may go: the addresses that were proved when it was set up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_to: Vec<SentTo>,
}

/// An address on a channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentTo {
    pub channel: String,
    pub to: String,
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
