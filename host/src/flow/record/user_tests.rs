//! Lists of factors and addresses.

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
fn a_factor_never_becomes_a_way_back_but_a_way_back_may_become_a_factor() {
    let factor = FactorsOpen::default().with_confirmed("a", "a", false, NOW).with_confirmed("a", "a", true, NOW);
    assert!(factor.requires_second_factor() && primary(&factor) == ["a"]);
    let counts = factor.without("a").with_way_back("codes", "t", Some("a"), NOW);
    let counts = counts.with_confirmed("codes", "t", false, NOW);
    assert!(counts.requires_second_factor() && primary(&counts) == ["codes"] && counts.factors[0].of.is_empty());
}

#[test]
fn a_way_back_goes_with_the_last_factor_it_stands_in_for() {
    let two = FactorsOpen::default().with_confirmed("a", "a", false, NOW).with_confirmed("b", "b", false, NOW);
    let both = two.clone().with_way_back("codes", "t", Some("a"), NOW).with_way_back("codes", "t", Some("b"), NOW);
    assert!(both.has_way_back("codes", Some("a")) && both.has_way_back("codes", Some("b")));
    assert!(both.has_way_back("codes", None) && !both.has_way_back("codes", Some("c")));
    assert!(!both.has_way_back("other", None) && !both.has_way_back("a", Some("a")));
    let one = both.clone().without("a");
    assert!(!one.has_way_back("codes", Some("a")) && one.has_way_back("codes", Some("b")));
    assert!(one.without("b").factors.is_empty());
    let renewed = both.clone().without_way_back("codes", Some("a"));
    assert!(!renewed.has_way_back("codes", Some("a")) && renewed.has_way_back("codes", Some("b")));
    assert!(renewed.without_way_back("codes", Some("b")).of("codes").is_none());
    assert!(both.clone().without_way_back("codes", None).of("codes").is_none());
    // One for all takes the place of those for single factors, and stays while there is any.
    let all = both.with_way_back("codes", "t", None, NOW);
    assert!(all.of("codes").unwrap().of.is_empty());
    assert!(all.without("a").has_way_back("codes", Some("b")));
}

#[test]
fn only_proved_addresses_are_told() {
    let at = |value: &str, proved_at| Address { value: value.into(), added_at: NOW, proved_at, by_code: false };
    let email = vec![at("a@example.org", Some(NOW)), at("b@example.org", None)];
    let addresses = Addresses { email, phone: vec![at("+4930123456", None)], former: Vec::new() };
    assert_eq!(addresses.proved(), BTreeMap::from([("email".to_owned(), vec!["a@example.org".to_owned()])]));
}

#[test]
fn a_new_address_confirms_nothing_for_seven_days_unless_an_admin_vouches() {
    let mut address = Address { value: "a".into(), added_at: NOW, proved_at: Some(NOW), by_code: true };
    let week = NOW.plus_s(7 * 24 * 3600);
    assert!(!address.confirms(NOW) && !address.confirms(Timestamp(week.0 - 1)) && address.confirms(week));
    address.by_code = false;
    assert!(address.confirms(NOW));
    address.proved_at = None;
    assert!(!address.confirms(week));
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
    assert_eq!((one.epoch, one.clone().without("a").epoch), (1, 2));
    let both = one.with_way_back("codes", "t", Some("a"), NOW).with_way_back("codes", "t", Some("b"), NOW);
    assert_eq!((both.epoch, both.without_way_back("codes", Some("a")).epoch), (3, 4));
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

#[test]
fn the_latest_two_mailed_codes_count_while_they_last() {
    let code = |mac: &str, expires_at| MailedCode { mac: mac.to_owned(), expires_at };
    let mut list = vec![code("over", Timestamp(NOW.0 - 1)), code("to-the-last-moment", NOW)];
    let macs = |list: &[MailedCode]| list.iter().map(|code| code.mac.clone()).collect::<Vec<_>>();
    code("second", NOW.plus_s(9)).join(&mut list, NOW);
    assert_eq!(macs(&list), ["to-the-last-moment", "second"]);
    code("third", NOW.plus_s(9)).join(&mut list, NOW);
    assert_eq!(macs(&list), ["second", "third"]);
}
