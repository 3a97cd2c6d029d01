//! More than one way to sign in: a person sees the others, chooses one, and stays with it; who sits in a trusted network
//! says who they are and needs no password.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::{
    browser::{Application, Browser},
    harness::{ADA, AT_HOME, BOB, Directory, Stage},
};

const CODE: &str = "Code from the app";
const HOUSE_PASSWORD: &str = "the-old-house-password-42";
const HOUSE: &str = "House password";

fn several(directory: &Directory) {
    let file = directory.path().join("house.password");
    fs::write(&file, HOUSE_PASSWORD).expect("is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode is set");
    directory.append_settings(&format!(
        "[[provider]]\ntype = \"legacy_api_password\"\nname = \"{HOUSE}\"\nuser = \"{ADA}\"\npassword_file = \"house.password\""
    ));
    directory.with_trusted_network();
}

#[test]
fn one_of_several_ways_is_chosen_and_kept_through_a_wrong_password() {
    let (stage, application) = (Stage::with(several), Application::new());
    for browser in [Browser::new(), Browser::without_script()] {
        browser.open(&application.sign_in(&stage));
        assert!(browser.has_field("User name") && browser.has_button(AT_HOME));
        browser.press(HOUSE);
        assert!(!browser.has_field("User name") && !browser.has_button(HOUSE) && browser.has_button(AT_HOME));
        browser.fill("Password", "not this one");
        browser.press("Sign in");
        browser.until_text("wrong");
        assert!(!browser.has_field("User name") && !browser.has_button(HOUSE), "it is still the same way");
        browser.fill("Password", HOUSE_PASSWORD);
        browser.press("Sign in");
        assert_eq!(stage.signed_in_name(&application.tokens(&stage, &browser)), ADA);
    }
}

#[test]
fn who_sits_in_a_trusted_network_says_who_they_are_and_types_nothing() {
    let (mut stage, application) = (Stage::with(Directory::with_trusted_network), Application::new());
    stage.set_up_totp(&stage.login(ADA));
    for browser in [Browser::new(), Browser::without_script()] {
        browser.open(&application.sign_in(&stage));
        browser.press(AT_HOME);
        assert!(!browser.has_field("Password"));
        browser.press(&format!("Go on with “{AT_HOME}”"));
        browser.tick(BOB);
        browser.tick(ADA);
        browser.press("Confirm");
        let tokens = application.tokens(&stage, &browser);
        assert_eq!((stage.signed_in_name(&tokens).as_str(), &stage.session(&tokens)["amr"]), (ADA, &json!([])));
    }
}

#[test]
fn a_second_factor_is_asked_there_where_the_settings_want_it() {
    let (mut stage, application, browser) =
        (Stage::with(Directory::with_trusted_network), Application::new(), Browser::new());
    let totp = stage.set_up_totp(&stage.login(ADA));
    stage.stop();
    stage
        .directory
        .replace_setting(&format!("name = \"{AT_HOME}\""), &format!("name = \"{AT_HOME}\"\nsupport_mfa = true"));
    stage.start();
    stage.clock.advance_s(30);
    browser.open(&application.sign_in(&stage));
    browser.press(AT_HOME);
    browser.press(&format!("Go on with “{AT_HOME}”"));
    browser.tick(ADA);
    browser.press("Confirm");
    browser.fill(CODE, &totp.code(stage.now_ms()));
    browser.press("Confirm");
    assert_eq!(stage.session(&application.tokens(&stage, &browser))["mfa_method_used"], "totp");
}
