//! What is known of a user beside name and secrets: addresses, language, zone, groups.

use mfa_sdk::form::{Field, FieldKind, Form};
use serde_json::{Map, Value};

use super::{PeopleError, UserDetails, Who, add::is_deceptive, view::details};
use crate::{
    clock::{Timestamp, is_zone},
    flow::{
        FlowError, Flows,
        engine::{Committed, TRIES_MAX},
        messages::{About, Notice},
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
            let mut changes_made = vec![found.put(&user)];
            let mut expectations = vec![found.unchanged()];
            let mut told = Vec::new();
            for address in new_addresses(found.record.as_ref(), &user) {
                // The former addresses hear of it; the new one is nobody's yet.
                let about = About { user: &found, source: None, also: &[], now };
                let notices = self.engine.notices(&Notice::address_changed(&address), about);
                changes_made.extend(notices.changes);
                expectations.extend(notices.expectations);
                told.extend(notices.messages);
            }
            if let Committed::Done = self.engine.commit(changes_made, expectations).await? {
                self.engine.post(told);
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
            user.secret.forgotten = None;
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
    user.secret.forgotten = None;
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
mod tests {
    use super::*;
    use crate::flow::record::UserSecret;

    const NOW: Timestamp = Timestamp(1_000_000);
    const LATER: Timestamp = Timestamp(2_000_000);

    fn given(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn an_address_that_stays_keeps_its_proof_and_no_other_gets_one() {
        let one = merged(&[], given("a@example.org"), NOW, Some(NOW));
        let two = merged(&one, vec!["b@example.org".into(), "a@example.org".into()], LATER, None);
        assert_eq!((two[0].proved_at, two[0].added_at), (None, LATER));
        assert_eq!((two[1].proved_at, two[1].added_at), (Some(NOW), NOW));
        assert!(merged(&two, Vec::new(), LATER, None).is_empty());
        let back = merged(&[], given("a@example.org"), LATER, None);
        assert_eq!(back[0].proved_at, None, "what was taken away is proved no more");
    }

    #[test]
    fn addresses_are_those_a_form_would_take() {
        let email = |text: &str| normalised("email", FieldKind::Email, &given(text));
        assert_eq!(email(" a@example.org ").unwrap(), ["a@example.org"]);
        for odd in ["a", "a@b\r\nBcc: c@d", "a@@b", "a b@example.org"] {
            assert!(email(odd).is_err(), "{odd}");
        }
        let phone = |text: &str| normalised("phone", FieldKind::Phone, &given(text));
        assert!(phone("+49 30 123456").is_ok() && phone("030123456").is_err() && phone("+49;rm").is_err());
        let twice = vec!["a@example.org".to_owned(), "a@example.org".to_owned(), String::new()];
        assert_eq!(normalised("email", FieldKind::Email, &twice).unwrap().len(), 1);
    }

    #[test]
    fn words_are_checked() {
        assert_eq!(checked_language(" DE ").unwrap(), "de");
        assert_eq!(checked_language("PT-BR").unwrap(), "pt-BR");
        for odd in ["d", "../de", "de-", "-de", "de--AT", "de-ä", "de_AT", "abcdefghi", ""] {
            assert!(checked_language(odd).is_err(), "{odd}");
        }
        assert_eq!(checked_zone(" Europe/Berlin ").unwrap(), "Europe/Berlin");
        for odd in ["Mars", "../etc", "Europe/", "Europe Berlin"] {
            assert!(checked_zone(odd).is_err(), "{odd}");
        }
        assert_eq!(checked_groups(&["b".into(), "a".into(), "b".into()]).unwrap(), ["a", "b"]);
        assert!(checked_groups(&given("Family")).is_err());
    }

    #[test]
    fn everything_has_an_exact_longest_length() {
        let names = |count: usize| (0..count).map(|place| format!("g{place}")).collect::<Vec<String>>();
        assert!(checked_groups(&names(GROUPS_MAX)).is_ok() && checked_groups(&names(GROUPS_MAX + 1)).is_err());
        let addresses = |count: usize| {
            let given: Vec<String> = (0..count).map(|place| format!("a{place}@example.org")).collect();
            normalised("email", FieldKind::Email, &given)
        };
        assert!(addresses(ADDRESSES_MAX).is_ok() && addresses(ADDRESSES_MAX + 1).is_err());
        let name = |chars: usize| display_name(&"é".repeat(chars)).is_ok();
        assert!(name(1) && name(DISPLAY_NAME_CHARS_MAX) && !name(DISPLAY_NAME_CHARS_MAX + 1) && !name(0));
        assert!(is_group(&"g".repeat(64)) && !is_group(&"g".repeat(65)) && !is_group(""));
        assert!(checked_language(&"d".repeat(8)).is_ok() && checked_language(&"d".repeat(9)).is_err());
        let tag = |last: usize| checked_language(&format!("de-12345678-12345678-12345678-{}", "x".repeat(last)));
        assert!(tag(5).is_ok() && tag(6).is_err());
    }

    #[test]
    fn letters_outside_of_the_alphabet_are_refused_one_by_one() {
        assert!(display_name("Ada Lovelace").is_ok() && display_name("Ada\u{202e}").is_err());
        assert!(is_group("a-z_09") && !is_group("a b") && !is_group("A") && !is_group("é"));
        assert!(checked_language("d1").is_err());
    }

    fn user() -> User {
        let open = serde_json::json!({
            "name": "ada", "is_active": true, "is_owner": false, "created_at": NOW, "epoch": 0,
        });
        User { open: serde_json::from_value(open).unwrap(), secret: UserSecret::default() }
    }

    #[test]
    fn a_change_names_what_it_changed_and_nothing_else() {
        let text = |text: &str| Some(text.to_owned());
        let cases = [
            ("display_name", UserChanges { display_name: text("Ada"), ..UserChanges::default() }),
            ("language", UserChanges { language: text("de"), ..UserChanges::default() }),
            ("zone", UserChanges { zone: text("Europe/Berlin"), ..UserChanges::default() }),
            ("groups", UserChanges { groups: Some(given("family")), ..UserChanges::default() }),
            ("email", UserChanges { email: Some(given("a@example.org")), ..UserChanges::default() }),
            ("phone", UserChanges { phone: Some(given("+4930123456")), ..UserChanges::default() }),
        ];
        let mut user = user();
        for (field, changes) in &cases {
            assert_eq!(apply(&mut user, changes, NOW).unwrap(), [*field]);
            assert!(apply(&mut user, changes, LATER).unwrap().is_empty(), "{field} is there already");
        }
        let empty = Some(String::new());
        let emptied = UserChanges {
            display_name: empty.clone(),
            language: empty.clone(),
            zone: empty,
            email: Some(Vec::new()),
            phone: Some(Vec::new()),
            groups: Some(Vec::new()),
            proved: true,
        };
        let order = ["display_name", "language", "zone", "groups", "email", "phone"];
        assert_eq!(apply(&mut user, &emptied, LATER).unwrap(), order);
        assert!(user.open.display_name.is_none() && user.open.language.is_none() && user.open.zone.is_none());
    }

    #[test]
    fn a_store_that_fails_is_told_as_such_and_not_as_busy() {
        use crate::{flow::FlowError, store::StoreError};

        let failed = FlowError::Store(StoreError::Poisoned("a full disk".to_owned()));
        assert!(matches!(PeopleError::from(failed), PeopleError::Store(StoreError::Poisoned(_))));
        assert!(matches!(PeopleError::from(FlowError::Busy), PeopleError::Busy));
    }
}
