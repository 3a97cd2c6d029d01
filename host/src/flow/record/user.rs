//! Users, their names, and what they set up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub value: String,
    pub added_at: Timestamp,
    pub proved_at: Option<Timestamp>,
}

impl Addresses {
    /// The proved ones by channel, as modules get them.
    pub fn proved(&self) -> BTreeMap<String, Vec<String>> {
        let proved = |list: &[Address]| -> Vec<String> {
            list.iter().filter(|address| address.proved_at.is_some()).map(|address| address.value.clone()).collect()
        };
        let channels = [("email", proved(&self.email)), ("phone", proved(&self.phone))];
        channels.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name.to_owned(), list)).collect()
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
    pub created_at: Timestamp,
    #[serde(flatten)]
    pub unknown: Unknown,
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
                factor.primary |= !has_primary && !recovery;
            }
            None => self.factors.push(Factor {
                module: module.to_owned(),
                module_type: module_type.to_owned(),
                active: true,
                primary: !has_primary && !recovery,
                recovery,
                created_at: now,
                unknown: Unknown::new(),
            }),
        }
        self
    }

    /// The list without this module; another active one becomes primary if it was the primary.
    pub fn without(mut self, module: &str) -> Self {
        self.epoch += 1;
        self.factors.retain(|factor| factor.module != module);
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
    #[serde(flatten)]
    pub unknown: Unknown,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolmentSecret {
    /// Version of the module's data.
    pub version: u32,
    pub data: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn primary(factors: &FactorsOpen) -> Vec<&str> {
        factors.factors.iter().filter(|factor| factor.primary).map(|factor| factor.module.as_str()).collect()
    }

    #[test]
    fn there_is_one_primary_from_the_first_confirmation_to_the_last_removal() {
        let none = FactorsOpen::default();
        let codes = none.with_confirmed("codes", "codes", true, NOW);
        assert!(primary(&codes).is_empty() && !codes.requires_second_factor());
        let two = codes.with_confirmed("a", "a", false, NOW).with_confirmed("b", "b", false, NOW);
        assert_eq!(primary(&two), ["a"]);
        let again = two.with_confirmed("a", "a", false, NOW);
        assert_eq!((primary(&again), again.factors.len()), (vec!["a"], 3));
        let one = again.without("a");
        assert_eq!(primary(&one), ["b"]);
        assert!(!one.without("b").requires_second_factor());
    }

    #[test]
    fn only_proved_addresses_are_told() {
        let at = |value: &str, proved_at| Address { value: value.into(), added_at: NOW, proved_at };
        let email = vec![at("a@example.org", Some(NOW)), at("b@example.org", None)];
        let addresses = Addresses { email, phone: vec![at("+4930123456", None)] };
        assert_eq!(addresses.proved(), BTreeMap::from([("email".to_owned(), vec!["a@example.org".to_owned()])]));
    }

    #[test]
    fn a_user_of_an_older_build_is_read_and_one_of_a_newer_loses_nothing() {
        let secret: UserSecret = serde_json::from_value(serde_json::json!({"password": "p", "newer": 1})).unwrap();
        assert!(secret.addresses == Addresses::default() && secret.reset.is_none());
        assert_eq!(serde_json::to_value(&secret).unwrap()["newer"], 1);
    }

    #[test]
    fn every_change_raises_the_epoch() {
        let one = FactorsOpen::default().with_confirmed("a", "a", false, NOW);
        assert_eq!((one.epoch, one.without("a").epoch), (1, 2));
    }

    #[test]
    fn a_second_confirmation_makes_primary_only_what_nothing_else_is() {
        let two = FactorsOpen::default().with_confirmed("a", "a", false, NOW).with_confirmed("b", "b", false, NOW);
        assert_eq!(primary(&two.clone().with_confirmed("b", "b", false, NOW)), ["a"]);
        let mut off = two.with_confirmed("codes", "codes", true, NOW);
        off.factors.iter_mut().for_each(|factor| (factor.active, factor.primary) = (false, false));
        let codes_again = off.clone().with_confirmed("codes", "codes", true, NOW);
        assert!(primary(&codes_again).is_empty() && codes_again.of("codes").is_some_and(|codes| codes.active));
        assert_eq!(primary(&off.with_confirmed("b", "b", false, NOW)), ["b"]);
    }

    #[test]
    fn what_is_switched_off_requires_nothing_and_is_no_heir() {
        let mut two = FactorsOpen::default().with_confirmed("a", "a", false, NOW).with_confirmed("b", "b", false, NOW);
        two.factors[1].active = false;
        let rest = two.without("a");
        assert!(primary(&rest).is_empty() && !rest.requires_second_factor());
    }
}
