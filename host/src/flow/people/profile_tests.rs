//! What is known of a user: which texts are taken, which addresses stay, count and leave, and who hears of it.

use super::*;
use crate::flow::{
    record::MailedCode,
    test_stage::{NOW, TestStage, user},
};

const LATER: Timestamp = Timestamp(NOW.0 + 1_000_000);
const WEEK_S: u64 = 7 * 24 * 3600;

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
    let mut user = user("ada");
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

fn address(value: &str, proved_at: Option<Timestamp>, by_code: bool) -> Address {
    Address { value: value.to_owned(), added_at: NOW, proved_at, by_code }
}

fn mails(count: usize) -> Vec<Address> {
    (0..count).map(|place| address(&format!("a{place}@example.org"), Some(NOW), false)).collect()
}

fn told(former: &[FormerAddress]) -> Vec<(&str, Timestamp)> {
    former.iter().map(|left| (&*left.value, left.told_until)).collect()
}

#[test]
fn what_an_admin_vouches_for_needs_no_proof_and_what_the_user_proved_stays_proved_since_then() {
    let mut known = vec![address("own@example.org", Some(NOW), true), address("new@example.org", None, false)];
    let values = || vec!["own@example.org".to_owned(), "new@example.org".to_owned()];
    let after = |known: &[Address], proved_at| -> Vec<_> {
        merged(known, values(), LATER, proved_at).iter().map(|a| (a.proved_at, a.by_code)).collect()
    };
    assert_eq!(after(&known, None), [(Some(NOW), true), (None, false)]);
    assert_eq!(after(&known, Some(LATER)), [(Some(NOW), false), (Some(LATER), false)]);
    known[1].by_code = true;
    assert_eq!(after(&known, Some(LATER))[1], (Some(LATER), false));
}

#[test]
fn a_proved_mail_address_that_left_is_told_for_a_week_unless_it_comes_back_and_is_proved() {
    let email = vec![address("left@example.org", Some(NOW), false), address("never-proved@example.org", None, false)];
    let left_before = |value: &str, told_until| FormerAddress { value: value.to_owned(), told_until };
    let before = Addresses {
        email,
        phone: vec![address("+4930123456", Some(NOW), false)],
        former: vec![
            left_before("to-the-last-moment@example.org", NOW),
            left_before("over@example.org", Timestamp(NOW.0 - 1)),
            left_before("back@example.org", NOW.plus_s(9)),
            left_before("back-and-proved@example.org", NOW.plus_s(9)),
        ],
    };
    let next = [address("back@example.org", None, false), address("back-and-proved@example.org", Some(NOW), true)];
    let after = former(&before, &next, NOW);
    let in_a_week = NOW.plus_s(WEEK_S);
    let expected =
        [("to-the-last-moment@example.org", NOW), ("back@example.org", NOW.plus_s(9)), ("left@example.org", in_a_week)];
    assert_eq!(told(&after), expected);
}

#[test]
fn an_admin_pushes_the_oldest_that_left_out_and_a_user_is_refused() {
    let mut ada = user("ada");
    let gone = |place: usize| FormerAddress { value: format!("gone{place}@example.org"), told_until: NOW.plus_s(9) };
    for (already, is_taken) in [(9, true), (10, false)] {
        let before = Addresses { email: mails(1), former: (0..already).map(gone).collect(), ..Addresses::default() };
        let mut own = user("ada");
        let leave = take_leave(&before, &mut own, NOW);
        assert_eq!(leave.is_ok(), is_taken, "{already}");
        assert_eq!(own.secret.addresses.former.len(), if is_taken { 10 } else { 0 });
        ada.secret.addresses = before;
    }
    let none = UserChanges { email: Some(Vec::new()), ..UserChanges::default() };
    apply(&mut ada, &none, NOW).unwrap();
    let left: Vec<&str> = ada.secret.addresses.former.iter().map(|left| &*left.value).collect();
    assert_eq!((left.len(), left[0], left[9]), (10, "gone1@example.org", "a0@example.org"));
}

#[test]
fn a_kind_has_room_for_five_addresses() {
    for (count, has) in [(0, true), (4, true), (5, false), (6, false)] {
        assert_eq!(has_room(&mails(count)).is_ok(), has, "{count}");
    }
}

#[test]
fn a_mailed_code_is_dead_once_an_address_left_that_it_may_have_gone_to() {
    let code = || MailedCode { mac: "m".to_owned(), expires_at: LATER };
    let values = |values: &[&str]| values.iter().map(|value| format!("{value}@example.org")).collect::<Vec<_>>();
    for (count, next, stays) in [
        (1, values(&["a0"]), true),
        (1, values(&["a0", "new"]), true),
        (1, values(&["new"]), false),
        (2, values(&["a1", "a0"]), true),
        (2, values(&["a1"]), false),
        (2, values(&[]), false),
    ] {
        let mut ada = user("ada");
        (ada.secret.addresses.email, ada.secret.mailed_codes) = (mails(count), vec![code()]);
        apply(&mut ada, &UserChanges { email: Some(next.clone()), ..UserChanges::default() }, NOW).unwrap();
        assert_eq!(ada.secret.mailed_codes.len(), usize::from(stays), "{count} {next:?}");
    }
    let mut ada = user("ada");
    ada.secret.mailed_codes = vec![code()];
    take_leave(&Addresses { email: mails(1), ..Addresses::default() }, &mut ada, NOW).unwrap();
    assert!(ada.secret.mailed_codes.is_empty());
}

#[test]
fn what_is_new_is_told_and_of_what_only_left_that_it_did() {
    let with = |count, phone: &[&str]| {
        let mut ada = user("ada");
        ada.secret.addresses.email = mails(count);
        ada.secret.addresses.phone = phone.iter().map(|number| address(number, None, false)).collect();
        ada
    };
    let number = "+4930123456";
    for (before, after, told) in [
        (with(1, &[]), with(1, &[]), &[][..]),
        (with(1, &[]), with(2, &[number]), &["a1@example.org", number]),
        (with(1, &[number]), with(1, &[]), &["—"]),
        (with(1, &[number]), with(2, &[]), &["a1@example.org"]),
    ] {
        assert_eq!(new_addresses(Some(&before), &after), told);
    }
    assert_eq!(new_addresses(None, &with(1, &[])), ["a0@example.org"]);
}

#[test]
fn an_address_that_is_refused_is_told_by_its_kind() {
    for (kind, word) in [(FieldKind::Email, "e-mail"), (FieldKind::Phone, "telephone")] {
        let refused = normalised("address", kind, &given("?")).unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[tokio::test]
async fn the_former_addresses_hear_of_a_change_and_the_new_one_does_not() {
    let channel = "[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"";
    let stage = TestStage::with(&format!("[development]\n[[provider]]\ntype = \"local\"\n{channel}"));
    let mut ada = user("ada");
    ada.secret.addresses.email = mails(1);
    stage.put_person("ada", &ada, None).await;
    let changed = UserChanges { email: Some(given("new@example.org")), proved: true, ..UserChanges::default() };
    stage.flows.change_profile("admin", Who::Id("ada"), &changed).await.unwrap();
    stage.all_sent().await;
    let sent = stage.flows.delivery().outbox();
    assert_eq!(sent.iter().map(|message| &*message.to).collect::<Vec<_>>(), ["a0@example.org"]);
    assert!(sent[0].text.contains("new@example.org"));
    let kept: User = stage.read("user/ada").await;
    assert_eq!(told(&kept.secret.addresses.former), [("a0@example.org", NOW.plus_s(WEEK_S))]);
}
