//! "Sign-in and security" in a real browser: a person sets a second factor up, saves backup codes, loses the telephone
//! and gets back in.

use crate::{
    browser::{Browser, Key},
    harness::{ADA, Directory, PASSWORD, Stage},
};

const CODE: &str = "Code from the app";
const SAVED: &str = "I have saved these codes";
const DONE: &str = "It is set up and counts from now on.";

/// The codes on the page, which its file to download holds as well.
#[track_caller]
fn shown_codes(browser: &Browser) -> Vec<String> {
    let codes = browser.script("return [...document.querySelectorAll('.codes code')].map(code => code.innerText)");
    let codes: Vec<String> = serde_json::from_value(codes).expect("a list of codes");
    let file = "return decodeURIComponent(document.querySelector('a[download]').href.split(',')[1])";
    assert_eq!(browser.script(file).as_str().expect("a file").trim().lines().collect::<Vec<_>>(), codes);
    codes
}

#[test]
fn who_has_never_read_the_manual_sets_up_a_factor_and_gets_back_in_after_losing_it() {
    let mut stage = Stage::with_backup_codes();
    let browser = Browser::new();
    browser.sign_in_to_own_pages(&stage);
    browser.until_text("You have none yet. Only your password guards your account.");
    assert!(!browser.has_button("Set up Backup codes"), "they stand in for a factor, which is not there yet");
    browser.until_text("Set one up first.");
    browser.press("Set up Authenticator app");
    browser.press("Begin");
    browser.until_text(CODE);
    let secret = browser.scanned_secret();
    let said = browser.text().replace(' ', "");
    assert!(said.contains(&secret.0), "it stands there to be typed as well: {said}");
    browser.press_here("Copy");
    browser.until_text("Copied");
    browser.fill(CODE, &secret.wrong_code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("This is not the code");
    browser.fill(CODE, &secret.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("Save these codes now");
    let codes = shown_codes(&browser);
    assert!(browser.has_button("Copy") && browser.has_button("Print"));
    browser.tick(SAVED);
    browser.press("Go on");
    browser.until_text(DONE);
    stage.clock.advance_s(30);

    let another = Browser::new();
    another.sign_in_to_own_pages(&stage);
    another.until_text(CODE);
    another.press_here("Try another way");
    another.fill("Backup codes", &codes[0]);
    another.press("Use this code");
    another.until_text("Second factors");
    another.open(&format!("{}/profile/sessions", stage.host().base));
    let said = another.until_text("This browser");
    assert!(
        said.contains("Backup codes") && !said.contains("backup_code"),
        "words of machines are for machines: {said}"
    );
    another.press("End all others");
    another.until_text("All other sessions are over.");
    browser.reload();
    browser.until_text("User name");
}

#[test]
fn a_mistyped_address_is_answered_with_a_page_that_leads_on() {
    let stage = Stage::new();
    let browser = Browser::new();
    for path in ["/profile/", "/profil", "/auth/authorise"] {
        browser.open(&format!("{}{path}", stage.host().base));
        browser.until_text("There is nothing here");
        browser.assert_accessible();
        browser.press("Back to the overview");
        browser.until_text("User name");
    }
    for path in ["/profil", "/api/profile"] {
        assert_eq!(stage.wire().get(path).expect(404)["code"], "no_such_route", "a program is told as ever");
    }
    browser.open(&format!("{}/api/profile", stage.host().base));
    browser.until_text("no_such_route");
}

#[test]
fn without_script_the_codes_are_shown_and_saved_as_well() {
    let stage = Stage::with_backup_codes();
    let browser = Browser::without_script();
    browser.sign_in_to_own_pages(&stage);
    browser.press("Set up Authenticator app");
    browser.press("Begin");
    browser.until_text(CODE);
    let secret = browser.scanned_secret();
    assert!(!browser.has_button("Copy"), "what needs a script is not offered");
    browser.fill(CODE, &secret.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("Save these codes now");
    assert!(!browser.has_button("Copy") && !browser.has_button("Print") && browser.has_button("Download"));
    browser.tick(SAVED);
    browser.press("Go on");
    browser.until_text(DONE);
}

#[test]
fn the_keyboard_alone_sets_up_a_factor_and_removes_it() {
    let stage = Stage::with_backup_codes();
    let browser = Browser::new();
    browser.sign_in_to_own_pages(&stage);
    browser.until_text("You have none yet.");
    browser.tab_to("Set up Authenticator app");
    browser.key_to_page(Key::Enter);
    browser.tab_to("Begin");
    browser.key_to_page(Key::Enter);
    browser.until_text(CODE);
    let secret = browser.scanned_secret();
    browser.tab_to(CODE);
    browser.write(&secret.code(stage.now_ms()));
    browser.key_to_page(Key::Enter);
    browser.until_text("Save these codes now");
    browser.tab_to(SAVED);
    browser.key(Key::Space);
    browser.tab_to("Go on");
    browser.key_to_page(Key::Enter);
    browser.until_text(DONE);
    browser.tab_to("Manage Authenticator app");
    browser.key_to_page(Key::Enter);
    browser.tab_to("Remove");
    browser.key_to_page(Key::Enter);
    browser.until_text("It is your only second factor.");
    browser.tab_to("Remove");
    browser.key_to_page(Key::Enter);
    browser.until_text("It is removed.");
}

#[test]
fn a_change_asks_for_a_fresh_proof_in_place() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let browser = Browser::new();
    browser.sign_in_to_own_pages(&stage);
    browser.fill(CODE, &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("Second factors");
    stage.clock.advance_s(3600);
    browser.open(&format!("{}/profile/method/totp/remove", stage.host().base));
    browser.until_text("show once more that it is you");
    browser.fill("Password", PASSWORD);
    browser.press("Confirm");
    browser.fill(CODE, &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("It is your only second factor.");
    browser.press("Remove");
    browser.until_text("It is removed.");
}

#[test]
fn a_change_that_waits_for_a_link_is_done_once_the_link_was_confirmed_in_a_second_window() {
    let stage = Stage::with(|directory: &Directory| {
        directory.with_links();
        directory.append_settings("[methods]\ndelete_needs_code = true");
    });
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    let browser = Browser::new();
    browser.sign_in_to_own_pages(&stage);
    confirm_in_another_window(&stage, &browser, "Are you signing in?");
    browser.until_text("Second factors");
    browser.open(&format!("{}/profile/method/email/remove", stage.host().base));
    browser.press("Send the code");
    browser.until_text("a•••@example.org");
    browser.assert_accessible();
    confirm_in_another_window(&stage, &browser, "Are you changing a second factor?");
    browser.until_text("It is removed.");
}

/// Opens the link in a window of its own, as a mail program does, and comes back.
#[track_caller]
fn confirm_in_another_window(stage: &Stage, browser: &Browser, asked: &str) {
    let waiting = browser.window();
    browser.open_window();
    browser.open(&format!("{}{}", stage.host().base, stage.sent_link()));
    browser.until_text(asked);
    assert!(!browser.has_field("Number"), "the same browser need not be told apart");
    browser.press("Yes, it was me");
    browser.until_text("Confirmed");
    browser.look_at(&waiting);
}
