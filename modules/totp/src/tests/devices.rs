//! Several authenticators of one user.

use mfa_sdk::{
    Device, DeviceChange, Text, json,
    testing::{Bench, Failure, Outcome, SetupOutcome},
};

use super::{START_MS, STEP, answer, enrolled, scanned, uri, used, wrong};
use crate::{Totp, authenticator::Authenticator};

/// Sets up one more authenticator under this name at `START_MS`, and returns the app.
fn add(bench: &mut Bench<Totp>, name: Option<&str>) -> Authenticator {
    let app = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
    let mut input = json!({ "code": app.code(STEP) });
    if let Some(name) = name {
        input["name"] = name.into();
    }
    assert_eq!(bench.fill(input).unwrap(), SetupOutcome::Done);
    app
}

fn devices(bench: &mut Bench<Totp>) -> Vec<Device> {
    bench.overview().unwrap().devices
}

#[test]
fn a_further_set_up_adds_an_authenticator_and_each_of_them_lets_in() {
    let (mut bench, first) = enrolled(json!({}));
    let second = add(&mut bench, Some("Old phone"));
    let third = add(&mut bench, None);
    let shown = devices(&mut bench);
    let names: Vec<&str> = shown.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["Authenticator 1", "Old phone", "Authenticator 3"]);
    assert!(shown.iter().all(|device| device.created_at_ms == START_MS && device.last_used_at_ms.is_none()));
    bench.at(START_MS + 300_000);
    for app in [&first, &second, &third] {
        assert_eq!(answer(&mut bench, &app.code(STEP + 10)), Outcome::Accepted);
    }
    assert!(devices(&mut bench).iter().all(|device| device.last_used_at_ms == Some(START_MS + 300_000)));
    assert_eq!(bench.overview().unwrap().summary, Some(Text::new("devices").with("count", 3).with("max", 5)));
}

#[test]
fn the_bar_against_replay_is_each_authenticators_own() {
    let (mut bench, first) = enrolled(json!({}));
    let second = add(&mut bench, None);
    bench.at(START_MS + 300_000);
    assert_eq!(answer(&mut bench, &first.code(STEP + 11)), Outcome::Accepted);
    // An earlier step of the other one was never used; the used one stays used.
    assert_eq!(answer(&mut bench, &second.code(STEP + 9)), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &first.code(STEP + 10)), used());
    assert_eq!(answer(&mut bench, &second.code(STEP + 9)), used());
    assert_eq!(answer(&mut bench, &second.code(STEP + 10)), Outcome::Accepted);
    // After a restore all of them are barred.
    bench.restored_at(START_MS + 600_000).at(START_MS + 600_000);
    for app in [&first, &second] {
        assert_eq!(answer(&mut bench, &app.code(STEP + 20)), used());
    }
}

#[test]
fn the_code_that_proved_an_authenticator_is_used_up_for_it_alone() {
    let (mut bench, first) = enrolled(json!({}));
    let second = add(&mut bench, None);
    assert_eq!(answer(&mut bench, &second.code(STEP)), used());
    assert_eq!(answer(&mut bench, &first.code(STEP + 1)), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &second.code(STEP + 1)), Outcome::Accepted);
}

#[test]
fn a_removed_authenticator_lets_nobody_in_and_the_last_one_takes_all_with_it() {
    let (mut bench, first) = enrolled(json!({}));
    let second = add(&mut bench, None);
    let ids: Vec<String> = devices(&mut bench).into_iter().map(|device| device.id).collect();
    bench.change_device(&ids[1], DeviceChange::Rename { name: "Watch".to_owned() }).unwrap();
    assert_eq!(devices(&mut bench)[1].name, "Watch");
    bench.change_device(&ids[0], DeviceChange::Remove).unwrap();
    assert_eq!(devices(&mut bench).len(), 1);
    bench.at(START_MS + 300_000);
    assert_eq!(answer(&mut bench, &first.code(STEP + 10)), wrong());
    assert_eq!(answer(&mut bench, &second.code(STEP + 10)), Outcome::Accepted);
    for change in [DeviceChange::Remove, DeviceChange::Rename { name: "Ghost".to_owned() }] {
        assert!(matches!(bench.change_device(&ids[0], change), Err(Failure::Failed(_))), "it is gone");
    }
    bench.change_device(&ids[1], DeviceChange::Remove).unwrap();
    assert!(bench.enrolment().is_none());
}

#[test]
fn a_name_given_by_default_is_free() {
    let (mut bench, _) = enrolled(json!({}));
    add(&mut bench, Some("Authenticator 3"));
    add(&mut bench, Some(""));
    assert_eq!(devices(&mut bench)[2].name, "Authenticator 4");
    let long = "ü".repeat(65);
    let app = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
    let shown = bench.fill(json!({ "code": app.code(STEP), "name": long })).unwrap();
    assert_eq!(shown.error(), Some("name_too_long"));
    assert_eq!(devices(&mut bench).len(), 3);
}

#[test]
fn there_are_no_more_authenticators_than_the_settings_have() {
    let (mut bench, app) = enrolled(json!({ "devices_max": 2 }));
    let waiting = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
    let kept = bench.enrolment().unwrap().data.clone();
    add(&mut bench, None);
    let two = bench.enrolment().unwrap().data.clone();
    let full = SetupOutcome::Abort { reason: "too_many_devices".to_owned() };
    assert_eq!(bench.begin_setup().unwrap(), full);
    // One that was under way when the last place was taken.
    bench.keep_enrolment(2, kept);
    let begun = scanned(&uri(bench.begin_setup().unwrap().form().unwrap()));
    bench.keep_enrolment(2, two);
    assert_eq!(bench.fill(json!({ "code": begun.code(STEP) })).unwrap(), full);
    // Those there are go on under a lower limit.
    bench.reconfigure(json!({ "devices_max": 1 })).unwrap();
    bench.at(START_MS + 300_000);
    assert_eq!(answer(&mut bench, &app.code(STEP + 10)), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &waiting.code(STEP + 10)), wrong());
}

#[test]
fn an_enrolment_of_version_1_goes_on_and_keeps_its_bar() {
    let (mut bench, app) = enrolled(json!({}));
    let secret = app.secret.base32();
    let single = json!({ "secret": secret, "algorithm": "SHA1", "digits": 6, "period_s": 30, "last_step": STEP + 5 });
    bench.keep_enrolment(1, single.clone());
    bench.at(START_MS + 150_000);
    assert_eq!(answer(&mut bench, &app.code(STEP + 5)), used());
    assert_eq!(answer(&mut bench, &app.code(STEP + 6)), Outcome::Accepted);
    assert_eq!(bench.enrolment().unwrap().version, 2);
    assert_eq!(answer(&mut bench, &app.code(STEP + 6)), used());
    let shown = devices(&mut bench);
    assert_eq!((shown.len(), shown[0].name.as_str(), shown[0].created_at_ms), (1, "Authenticator 1", 0));
    // A second one beside an enrolment that no login has brought up to date yet.
    bench.keep_enrolment(1, single).at(START_MS);
    let second = add(&mut bench, None);
    bench.at(START_MS + 300_000);
    assert_eq!(answer(&mut bench, &app.code(STEP + 10)), Outcome::Accepted);
    assert_eq!(answer(&mut bench, &second.code(STEP + 10)), Outcome::Accepted);
}

#[test]
fn authenticators_of_different_lengths_share_one_form() {
    let (mut bench, short) = enrolled(json!({}));
    bench.reconfigure(json!({ "digits": 8 })).unwrap();
    let long = add(&mut bench, None);
    bench.at(START_MS + 300_000);
    for code in [short.code(STEP + 10), long.code(STEP + 10)] {
        assert_eq!(answer(&mut bench, &code), Outcome::Accepted);
    }
    assert!(matches!(answer(&mut bench, "12345"), Outcome::BadInput(_)));
}
