//! What is known of a user beside name and secrets: addresses, language, zone, groups.

use mfa_sdk::form::{Field, FieldKind, Form};
use serde_json::{Map, Value};

use super::{PeopleError, UserDetails, Who, add::is_deceptive, view::details};
use crate::{
    clock::{Timestamp, is_zone},
    flow::{
        FlowError, Flows,
        engine::{Committed, TRIES_MAX},
        messages::{About, Notice, Written},
        record::{Address, Addresses, Factors, FormerAddress, Found, User, key},
    },
};

const DISPLAY_NAME_CHARS_MAX: usize = 128;
const ADDRESSES_MAX: usize = 5;
/// Mail addresses that left and are told of changes.
const FORMER_MAX: usize = 2 * ADDRESSES_MAX;
/// How long a mail address that left is told of changes.
const FORMER_TOLD_S: u64 = 7 * 24 * 3600;
const GROUPS_MAX: usize = 32;
const LANGUAGE_BYTES_MAX: usize = 35;

/// What to change; what is not given stays. An empty text or list takes away.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserChanges {
    pub display_name: Option<String>,
    pub language: Option<String>,
    pub zone: Option<String>,
    pub email: Option<Vec<String>>,
    pub phone: Option<Vec<String>>,
    pub groups: Option<Vec<String>>,
    /// Whether the given addresses count as the user's own, by the word of whoever changes them.
    pub proved: bool,
}

impl Flows {
    /// Changes what is known of a user. Addresses that stay keep their proof; new ones have none unless `proved`.
    /// The former addresses are told.
    pub async fn change_profile(
        &self,
        actor: &str,
        who: Who<'_>,
        changes: &UserChanges,
    ) -> Result<UserDetails, PeopleError> {
        let now = self.engine.clock.now().wall;
        for _ in 0..TRIES_MAX {
            let (id, found, mut user) = self.engine.person(who).await?;
            let changed = apply(&mut user, changes, now)?;
            let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
            if changed.is_empty() {
                return Ok(details(&id, &user, &factors.open()));
            }
            let mut told = Written::default();
            for address in new_addresses(found.record.as_ref(), &user) {
                // The former addresses hear of it; the new one is nobody's yet.
                let about = About { user: &found, source: None, also: &[], now };
                told.extend(self.engine.notices(&Notice::address_changed(&address), about));
            }
            let (changes_made, expectations) = (vec![found.put(&user)], vec![found.unchanged()]);
            if let Committed::Done = self.engine.commit_and_tell(changes_made, expectations, told).await? {
                let by_word = changes.proved && changed.iter().any(|field| matches!(*field, "email" | "phone"));
                tracing::info!(target: "audit", event = "user_changed", actor, user = id, fields = ?changed, proved = by_word);
                return Ok(details(&id, &user, &factors.open()));
            }
        }
        Err(PeopleError::Busy)
    }
}

/// Changes the user; the names of the fields that changed.
pub(super) fn apply(user: &mut User, changes: &UserChanges, now: Timestamp) -> Result<Vec<&'static str>, PeopleError> {
    let before = user.clone();
    let open = &mut user.open;
    if let Some(name) = &changes.display_name {
        open.display_name = if name.trim().is_empty() { None } else { Some(display_name(name)?) };
    }
    if let Some(language) = &changes.language {
        open.language = if language.trim().is_empty() { None } else { Some(checked_language(language)?) };
    }
    if let Some(zone) = &changes.zone {
        open.zone = if zone.trim().is_empty() { None } else { Some(checked_zone(zone)?) };
    }
    if let Some(groups) = &changes.groups {
        open.groups = checked_groups(groups)?;
    }
    let proved_at = changes.proved.then_some(now);
    let addresses = &mut user.secret.addresses;
    if let Some(given) = &changes.email {
        let email = merged(&addresses.email, normalised("email", FieldKind::Email, given)?, now, proved_at);
        let mut left = former(addresses, &email, now);
        left.drain(..left.len().saturating_sub(FORMER_MAX));
        addresses.former = left;
        if addresses.email.iter().any(|address| !email.iter().any(|stays| stays.value == address.value)) {
            // The code may have gone to the one that leaves.
            user.secret.mailed_codes.clear();
        }
        addresses.email = email;
    }
    if let Some(given) = &changes.phone {
        addresses.phone = merged(&addresses.phone, normalised("phone", FieldKind::Phone, given)?, now, proved_at);
    }
    let (open, former) = (&user.open, &before.open);
    let differ = [
        ("display_name", open.display_name != former.display_name),
        ("language", open.language != former.language),
        ("zone", open.zone != former.zone),
        ("groups", open.groups != former.groups),
        ("email", user.secret.addresses.email != before.secret.addresses.email),
        ("phone", user.secret.addresses.phone != before.secret.addresses.phone),
    ];
    Ok(differ.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect())
}

fn merged(former: &[Address], given: Vec<String>, now: Timestamp, proved_at: Option<Timestamp>) -> Vec<Address> {
    let address = |value: String| match former.iter().find(|address| address.value == value) {
        // What an admin vouches for needs no proof of the user's any more.
        Some(known) => Address {
            proved_at: known.proved_at.or(proved_at),
            by_code: known.by_code && proved_at.is_none(),
            ..known.clone()
        },
        None => Address { value, added_at: now, proved_at, by_code: false },
    };
    given.into_iter().map(address).collect()
}

/// Proved mail addresses that leave, with those that left lately and did not come back.
fn former(addresses: &Addresses, next: &[Address], now: Timestamp) -> Vec<FormerAddress> {
    let told_until = now.plus_s(FORMER_TOLD_S);
    let leaving = addresses.email.iter().filter(|address| address.proved_at.is_some());
    let leaving = leaving.map(|address| FormerAddress { value: address.value.clone(), told_until });
    let mut former: Vec<FormerAddress> =
        addresses.former.iter().filter(|left| now <= left.told_until).cloned().collect();
    former.extend(leaving);
    former.retain(|left| !next.iter().any(|address| address.value == left.value && address.proved_at.is_some()));
    former
}

/// Whether one more address of a kind has room.
pub(super) fn has_room(list: &[Address]) -> Result<(), FlowError> {
    if list.len() < ADDRESSES_MAX {
        return Ok(());
    }
    let detail = "five addresses of a kind are the most; remove one first".to_owned();
    Err(FlowError::NotPossible { code: "too_many_addresses", detail })
}

/// What goes with a mail address its user takes away. Whoever wants it to hear no more could take away others until it is
/// pushed out, so that too many are refused.
pub(super) fn take_leave(before: &Addresses, user: &mut User, now: Timestamp) -> Result<(), FlowError> {
    let left = former(before, &user.secret.addresses.email, now);
    if left.len() > FORMER_MAX {
        let detail = "too many addresses were taken away within a week; try again later".to_owned();
        return Err(FlowError::NotPossible { code: "too_many_addresses", detail });
    }
    user.secret.addresses.former = left;
    // The code may have gone to the one that leaves.
    user.secret.mailed_codes.clear();
    Ok(())
}

/// Addresses the user has now and had not before; what was taken away without another in its place counts as "none".
fn new_addresses(before: Option<&User>, after: &User) -> Vec<String> {
    let of = |user: &User| -> Vec<String> {
        let addresses = &user.secret.addresses;
        addresses.email.iter().chain(&addresses.phone).map(|address| address.value.clone()).collect()
    };
    let (before, after) = (before.map(of).unwrap_or_default(), of(after));
    let new: Vec<String> = after.iter().filter(|address| !before.contains(address)).cloned().collect();
    let is_less = before.iter().any(|address| !after.contains(address));
    if new.is_empty() && is_less { vec!["—".to_owned()] } else { new }
}

fn refused(field: &'static str, word: &'static str, problem: &'static str) -> PeopleError {
    PeopleError::InvalidProfile { field, word, problem }
}

/// As the fields of forms have them, so that an address here is the address a module gets typed. Empty ones are none.
pub(super) fn normalised(field: &'static str, kind: FieldKind, given: &[String]) -> Result<Vec<String>, PeopleError> {
    let form = Form { fields: vec![Field::new(field, kind.clone())], ..Form::default() };
    let mut addresses: Vec<String> = Vec::new();
    for text in given.iter().filter(|text| !text.trim().is_empty()) {
        let raw = Map::from_iter([(field.to_owned(), Value::from(text.as_str()))]);
        let problem = match kind {
            FieldKind::Phone => "not a telephone number with + and country code",
            _ => "not an e-mail address",
        };
        let mut fields = form.normalise(&raw).map_err(|_| refused(field, "invalid_address", problem))?;
        if let Some(Value::String(address)) = fields.remove(field)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(refused(field, "too_long", "at most five addresses of a kind"));
    }
    Ok(addresses)
}

/// A name for people.
pub(super) fn display_name(text: &str) -> Result<String, PeopleError> {
    let text = text.trim();
    let fits = (1..=DISPLAY_NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(is_deceptive);
    let problem = "1 to 128 characters, and no control, invisible or combining ones";
    if fits { Ok(text.to_owned()) } else { Err(refused("display_name", "invalid_characters", problem)) }
}

/// A tag of RFC 5646, its first part in small letters. Which languages have words is the admin's to say and may change.
fn checked_language(text: &str) -> Result<String, PeopleError> {
    let text = text.trim();
    let (first, rest) = text.split_once('-').unwrap_or((text, ""));
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let fits = (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && text.len() <= LANGUAGE_BYTES_MAX
        && (rest.is_empty() && first.len() == text.len() || rest.split('-').all(is_part));
    let problem = "a language is a tag such as de or pt-BR";
    if !fits {
        return Err(refused("language", "invalid_characters", problem));
    }
    Ok(format!("{}{}", first.to_ascii_lowercase(), &text[first.len()..]))
}

fn checked_zone(text: &str) -> Result<String, PeopleError> {
    let text = text.trim();
    let problem = "there is no such time zone; give a name of the IANA time zone database, such as Europe/Berlin";
    if is_zone(text) { Ok(text.to_owned()) } else { Err(refused("zone", "unknown_zone", problem)) }
}

/// Groups as they are kept: in order, each once. Empty names are none.
pub(super) fn checked_groups(given: &[String]) -> Result<Vec<String>, PeopleError> {
    let mut groups: Vec<String> = given.iter().filter(|group| !group.is_empty()).cloned().collect();
    if !groups.iter().all(|group| is_group(group)) {
        return Err(refused("groups", "invalid_characters", "a group has 1 to 64 of a-z, 0-9, _ and -"));
    }
    groups.sort();
    groups.dedup();
    if groups.len() > GROUPS_MAX {
        return Err(refused("groups", "too_long", "at most 32 groups"));
    }
    Ok(groups)
}

pub(super) fn is_group(text: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(is_letter)
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
