//! What people do in the middle of a sign-in: go back, load again, open it twice, press twice, wait too long, guess too
//! often, read their mail in a second window.

use crate::{
    browser::{Application, Browser},
    harness::{ADA, Account, Directory, PASSWORD, Stage},
};

const CODE: &str = "Code from the app";
const CONFIRM: &str = "Confirm that it is you";
const OVER: &str = "This sign-in is over";

/// Gives the code of this moment and comes back to the application.
#[track_caller]
fn finish(stage: &mut Stage, ada: &Account, application: &Application, browser: &Browser) {
    browser.fill(CODE, &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    assert_eq!(stage.session(&application.tokens(stage, browser))["mfa_method_used"], "totp");
    stage.clock.advance_s(30);
}

#[test]
fn to_load_a_page_again_sends_nothing_and_to_go_back_begins_anew() {
    let ((mut stage, ada), application, browser) = (Stage::ada_with_totp(), Application::new(), Browser::new());
    browser.give_password(&stage, &application);
    browser.until_text(CONFIRM);
    browser.fill(CODE, &ada.totp.wrong_code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("This is not the code");
    for _ in 0..6 {
        browser.reload();
        let said = browser.until_text(CONFIRM);
        assert!(!said.contains("This is not the code"), "it is told once: {said}");
    }
    browser.back();
    browser.until_text(CONFIRM);
    browser.back();
    browser.until_text("User name");
    browser.fill("User name", ADA);
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    browser.until_text(CONFIRM);
    finish(&mut stage, &ada, &application, &browser);
    browser.back();
    browser.until_text(OVER);
    browser.press("Start again");
    browser.until_text("to go on to 127.0.0.1");
}

#[test]
fn two_tabs_are_two_sign_ins() {
    let ((mut stage, ada), browser) = (Stage::ada_with_totp(), Browser::new());
    let (first_application, second_application) = (Application::new(), Application::new());
    let first = browser.window();
    browser.give_password(&stage, &first_application);
    let second = browser.open_window();
    browser.give_password(&stage, &second_application);
    browser.look_at(&first);
    browser.until_text(CONFIRM);
    finish(&mut stage, &ada, &first_application, &browser);
    browser.look_at(&second);
    finish(&mut stage, &ada, &second_application, &browser);
}

#[test]
fn tabs_that_a_browser_opens_at_once_all_sign_in() {
    let (stage, application, browser) = (Stage::new(), Application::new(), Browser::new());
    let windows = browser.open_at_once(&vec![application.sign_in(&stage); 4]);
    for window in &windows {
        browser.look_at(window);
        browser.until_text("User name");
    }
    for window in &windows {
        browser.look_at(window);
        browser.fill("User name", ADA);
        browser.fill("Password", PASSWORD);
        browser.press("Sign in");
        application.tokens(&stage, &browser);
    }
}

#[test]
fn who_presses_twice_signs_in_once() {
    let ((mut stage, ada), application, browser) = (Stage::ada_with_totp(), Application::new(), Browser::new());
    browser.open(&application.sign_in(&stage));
    browser.fill("User name", ADA);
    browser.fill("Password", PASSWORD);
    browser.double_press("Sign in");
    browser.until_text(CONFIRM);
    browser.fill(CODE, &ada.totp.code(stage.now_ms()));
    browser.double_press("Confirm");
    application.tokens(&stage, &browser);
    stage.clock.advance_s(30);

    let plain = Browser::without_script();
    plain.open(&application.sign_in(&stage));
    plain.fill("User name", ADA);
    plain.fill("Password", PASSWORD);
    plain.double_press("Sign in");
    plain.until_text(CONFIRM);
    finish(&mut stage, &ada, &application, &plain);
}

#[test]
fn who_waits_too_long_begins_again_even_with_the_right_code() {
    let ((mut stage, ada), application, browser) = (Stage::ada_with_totp(), Application::new(), Browser::new());
    browser.give_password(&stage, &application);
    browser.until_text(CONFIRM);
    stage.clock.advance_s(3600);
    browser.fill(CODE, &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text(OVER);
    browser.assert_accessible();
    browser.press("Start again");
    browser.fill("User name", ADA);
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    finish(&mut stage, &ada, &application, &browser);
}

#[test]
fn who_guesses_too_often_is_told_how_long_to_wait_and_then_gets_in() {
    let ((mut stage, ada), application, browser) = (Stage::ada_with_totp(), Application::new(), Browser::new());
    browser.give_password(&stage, &application);
    for _ in 0..4 {
        guess(&stage, &ada, &browser);
        browser.until_text("This is not the code");
    }
    guess(&stage, &ada, &browser);
    browser.until_text("Too many wrong codes. Start again.");
    browser.assert_accessible();
    browser.give_password(&stage, &application);
    browser.fill(CODE, &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("There were too many tries. Wait 60 s, then try again.");
    browser.assert_accessible();
    stage.clock.advance_s(60);
    browser.give_password(&stage, &application);
    finish(&mut stage, &ada, &application, &browser);
}

fn guess(stage: &Stage, ada: &Account, browser: &Browser) {
    browser.fill(CODE, &ada.totp.wrong_code(stage.now_ms()));
    browser.press("Confirm");
}

#[test]
fn who_waits_for_a_link_reads_that_it_was_refused() {
    let (stage, application) = (Stage::with(Directory::with_links), Application::new());
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    let (browser, telephone) = (Browser::new(), Browser::new());
    browser.give_password(&stage, &application);
    browser.until_text("a•••@example.org");
    telephone.open(&format!("{}{}", stage.host().base, stage.sent_link()));
    telephone.press("This was not me");
    browser.until_text("This sign-in was refused from the message that was sent.");
    browser.assert_accessible();
}

#[test]
fn a_link_that_is_opened_in_a_second_window_lets_the_first_go_on_by_itself() {
    let (stage, application, browser) = (Stage::with(Directory::with_links), Application::new(), Browser::new());
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    browser.give_password(&stage, &application);
    let waiting = browser.window();
    let shown = browser.until_text("a•••@example.org");
    browser.assert_accessible();
    browser.open_window();
    browser.open(&format!("{}{}", stage.host().base, stage.sent_link()));
    browser.until_text("Are you signing in?");
    assert!(!browser.has_field("Number"), "the same browser need not be told apart: {shown}");
    browser.press("Yes, it was me");
    browser.until_text("Confirmed");
    browser.look_at(&waiting);
    assert_eq!(stage.session(&application.tokens(&stage, &browser))["mfa_method_used"], "email");
}

#[test]
fn without_script_the_first_window_goes_on_by_its_button() {
    let (stage, application) = (Stage::with(Directory::with_links), Application::new());
    let (browser, telephone) = (Browser::without_script(), Browser::new());
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    browser.give_password(&stage, &application);
    let shown = browser.until_text("type");
    browser.press("Go on");
    browser.until_text(CONFIRM);
    let number = browser.script("return document.querySelector('.number strong').innerText");
    telephone.open(&format!("{}{}", stage.host().base, stage.sent_link()));
    telephone.fill("Number", number.as_str().unwrap_or_else(|| panic!("{shown}")));
    telephone.press("Yes, it was me");
    telephone.until_text("Confirmed");
    browser.press("Go on");
    application.tokens(&stage, &browser);
}

#[test]
fn a_backup_code_opens_the_door_whose_key_is_lost() {
    let ((stage, _, codes), application, browser) = (Stage::ada_with_codes(), Application::new(), Browser::new());
    browser.give_password(&stage, &application);
    browser.until_text(CONFIRM);
    browser.press_here("Try another way");
    browser.fill("Backup codes", &codes.codes[0]);
    browser.assert_accessible();
    browser.press("Use this code");
    assert_eq!(stage.session(&application.tokens(&stage, &browser))["mfa_method_used"], "backup_code");
    let again = Browser::without_script();
    again.give_password(&stage, &application);
    again.press_here("Try another way");
    again.fill("Backup codes", &codes.codes[0]);
    again.press("Use this code");
    again.until_text("This is not");
    assert_eq!(again.focused(), "textbox Backup codes", "one can type on where it was wrong");
    again.fill("Backup codes", &"x".repeat(5000));
    again.press("Use this code");
    again.until_text("This is too long");
    again.fill("Backup codes", &codes.codes[1].to_lowercase());
    again.press("Use this code");
    application.tokens(&stage, &again);
}
