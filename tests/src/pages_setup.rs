//! Methods and codes set up by the forms of a person's own pages, with a browser that has no script.

use crate::{
    harness::{ADA, Directory, PASSWORD, PIN, Page, PlainBrowser, Stage, TotpSecret, enable_backup_codes},
    pages_profile::{sign_in, signed_in},
};

/// The secret on the page of a set-up.
#[track_caller]
fn secret_of(page: &Page) -> TotpSecret {
    let value = page.html.split("data-value=\"").nth(1).and_then(|rest| rest.split('"').next());
    TotpSecret(value.unwrap_or_else(|| panic!("a secret in {}", page.html)).to_owned())
}

/// Codes on the one page that has them.
fn codes_of(page: &Page) -> Vec<String> {
    let codes = page.html.split("<li><code>").skip(1).filter_map(|rest| rest.split('<').next());
    codes.map(str::to_owned).collect()
}

/// Sets TOTP up by forms alone; time then moves on by one step.
#[track_caller]
pub fn set_up_totp(stage: &mut Stage, browser: &mut PlainBrowser) -> (TotpSecret, Page) {
    let page = browser.open("/profile/method/totp/setup");
    let page = browser.press(&page, "Begin", &[]);
    let secret = secret_of(&page);
    let done = browser.press(&page, "Confirm", &[("s.code", &secret.code(stage.now_ms()))]);
    stage.clock.advance_s(30);
    (secret, done)
}

#[test]
fn a_method_is_set_up_by_forms_alone_and_asked_for_from_then_on() {
    let mut stage = Stage::new();
    let (mut browser, page) = signed_in(&stage, ADA);
    page.says("You have none yet.").says("Authenticator");
    let page = browser.open("/profile/method/totp/setup");
    let page = browser.press(&page, "Begin", &[]);
    assert!(page.address.starts_with("/profile/setup/"), "{}", page.address);
    assert!(page.html.contains("<svg") && page.html.contains("otpauth:"), "{}", page.html);
    let secret = secret_of(&page);
    assert_eq!(secret_of(&browser.open(&page.address)).0, secret.0, "to load it again changes nothing");
    let wrong = browser.press(&page, "Confirm", &[("s.code", &secret.wrong_code(stage.now_ms()))]);
    assert!(wrong.html.contains("role=\"alert\"") && secret_of(&wrong).0 == secret.0, "{}", wrong.html);
    let done = browser.press(&wrong, "Confirm", &[("s.code", &secret.code(stage.now_ms()))]);
    assert_eq!(done.address, "/profile");
    done.says("It is set up and counts from now on.").says("Asked first");
    browser.open("/profile").says_not("It is set up and counts");
    assert_eq!(browser.open("/profile/method/totp").link("Back to the overview"), "/profile");
    let over = browser.open(&wrong.address);
    assert_eq!(over.status, 404);
    over.says("This is over");
    stage.clock.advance_s(30);
    let mut other = PlainBrowser::new(stage.wire());
    let page = sign_in(&mut other, "/profile/sessions", ADA, PASSWORD);
    let page = other.press(&page, "Confirm", &[("s.code", &secret.code(stage.now_ms()))]);
    assert_eq!(page.address, "/profile/sessions", "it leads to where the person was going");
    page.says("This browser");
}

#[test]
fn codes_are_shown_in_one_answer_and_count_once_they_are_saved() {
    let mut stage = Stage::with_backup_codes();
    let (mut browser, _) = signed_in(&stage, ADA);
    let (_, page) = set_up_totp(&mut stage, &mut browser);
    page.says("Save these codes now");
    let codes = codes_of(&page);
    assert_eq!(codes.len(), 10, "{}", page.html);
    assert!(page.html.contains("href=\"data:text/plain") && !page.address.contains(&codes[0]));
    assert!(browser.cookies.values().all(|value| !value.contains(&codes[0])));
    let (address, _) = page.sent_by("Go on", &[]);
    let again = browser.open(&address);
    again.says("cannot be shown again");
    assert!(codes_of(&again).is_empty() && !codes.iter().any(|code| again.html.contains(code)), "{}", again.html);
    assert!(again.links().iter().any(|(to, _)| to == "/profile/method/backup_codes/codes"), "{:?}", again.links());
    let not_yet = browser.press(&page, "Go on", &[]);
    not_yet.says_not("It is set up and counts");
    let saved = browser.press(&page, "Go on", &[("b.saved", "true")]);
    saved.says("It is set up and counts from now on.").says("10");
    let reloaded = browser.press(&page, "Go on", &[("b.saved", "true")]);
    reloaded.says("This is over").says("make new ones");
    let recovered = stage.recover(&codes[0]).expect(200);
    assert_eq!(recovered["type"], "create_entry", "{recovered}");
}

#[test]
fn new_codes_end_the_former_ones_and_are_made_by_a_button() {
    let mut stage = Stage::with_backup_codes();
    let (mut browser, _) = signed_in(&stage, ADA);
    let (totp, page) = set_up_totp(&mut stage, &mut browser);
    let former = codes_of(&page);
    browser.press(&page, "Go on", &[("b.saved", "true")]);
    let page = browser.open("/profile/method/backup_codes/codes");
    page.says("All former codes stop working at once.");
    assert_eq!(browser.open("/profile/method/backup_codes/codes").html, page.html, "to look makes none");
    let page = browser.press(&page, "Show codes", &[]);
    let codes = codes_of(&page);
    assert!(codes.len() == 10 && codes.iter().all(|code| !former.contains(code)));
    let saved = browser.press(&page, "Go on", &[("b.saved", "true")]);
    saved.says("It is set up and counts from now on.");
    assert_eq!(stage.recover(&former[0]).expect(200)["type"], "form");
    assert_eq!(stage.recover(&codes[1]).expect(200)["type"], "create_entry");
    drop(totp);
}

#[test]
fn codes_that_come_before_the_factor_count_with_it() {
    let mut stage = Stage::with(|directory| {
        enable_backup_codes(directory);
        directory.append_settings("[recovery]\nissue_at = \"create\"");
    });
    let (mut browser, _) = signed_in(&stage, ADA);
    let page = browser.open("/profile/method/totp/setup");
    let page = browser.press(&page, "Begin", &[]);
    let codes = codes_of(&page);
    assert_eq!(codes.len(), 10, "{}", page.text());
    let (to, fields) = page.sent_by("Go on", &[("saved", "true")]);
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let page = browser.open(&format!("{to}?{query}"));
    let secret = secret_of(&page);
    let wrong = browser.press(&page, "Confirm", &[("s.code", &secret.wrong_code(stage.now_ms()))]);
    let done = browser.press(&wrong, "Confirm", &[("s.code", &secret.code(stage.now_ms()))]);
    done.says("It is set up and counts from now on.");
    stage.clock.advance_s(30);
    assert_eq!(stage.recover(&codes[0]).expect(200)["type"], "create_entry");
}

#[test]
fn a_method_of_several_steps_is_set_up_and_what_was_typed_is_kept() {
    let stage = Stage::with(Directory::with_outbox);
    let (mut browser, _) = signed_in(&stage, ADA);
    let page = browser.open("/profile/method/email/setup");
    let page = browser.press(&page, "Begin", &[]);
    let odd = browser.press(&page, "Confirm", &[("f.email", "no \"address\"")]);
    odd.says("This is no address of that kind.");
    assert!(odd.html.contains("value=\"no &quot;address&quot;\""), "{}", odd.html);
    let page = browser.press(&odd, "Confirm", &[("f.email", "ada@example.org")]);
    let early = browser.press(&page, "Send it again", &[]);
    early.says("There were too many tries. Wait");
    let wrong = browser.press(&early, "Confirm", &[("s.code", "000000")]);
    assert!(wrong.html.contains("role=\"alert\""), "{}", wrong.html);
    browser.press(&wrong, "Confirm", &[("s.code", &stage.sent_code())]).says("It is set up and counts");
    let page = browser.open("/profile/method/email/setup");
    let page = browser.press(&page, "Begin", &[]);
    let cancelled = browser.press(&page, "Cancel the set-up", &[]);
    cancelled.says("Nothing was set up.");
    assert_eq!(browser.open(&page.address).status, 404);
}

#[test]
fn few_codes_that_are_left_are_told() {
    let mut stage = Stage::with(|directory| {
        enable_backup_codes(directory);
        directory.replace_setting("recovery = true\n", "recovery = true\n[module.config]\nlow_count = 9\n");
    });
    let (mut browser, _) = signed_in(&stage, ADA);
    let (_, page) = set_up_totp(&mut stage, &mut browser);
    let codes = codes_of(&page);
    let page = browser.press(&page, "Go on", &[("b.saved", "true")]);
    page.says_not("Only a few are left.");
    stage.recover(&codes[0]).expect(200);
    browser.open("/profile").says("Only a few are left.");
}

#[test]
fn where_each_factor_has_codes_of_its_own_the_page_asks_which() {
    let mut stage = Stage::with(|directory| {
        enable_backup_codes(directory);
        directory.append_settings("[recovery]\nscope = \"enrolment\"");
    });
    let (mut browser, _) = signed_in(&stage, ADA);
    let (_, page) = set_up_totp(&mut stage, &mut browser);
    let of_totp = codes_of(&page);
    browser.press(&page, "Go on", &[("b.saved", "true")]);
    let alone = browser.open("/profile/method/backup_codes/codes");
    alone.says_not("For which second factor?");
    let page = browser.open("/profile/method/insecure_example/setup");
    let page = browser.press(&page, "Begin", &[]);
    let page = browser.press(&page, "Confirm", &[("s.pin", PIN)]);
    browser.press(&page, "Go on", &[("b.saved", "true")]).says("It is set up and counts");
    let page = browser.open("/profile/method/backup_codes/codes");
    page.says("For which second factor?");
    let unnamed = browser.press(&page, "Show codes", &[]);
    unnamed.says("Each second factor has codes of its own. Choose one.");
    let page = browser.press(&unnamed, "Show codes", &[("f.factor", "totp")]);
    let renewed = codes_of(&page);
    assert!(renewed.len() == 10 && renewed.iter().all(|code| !of_totp.contains(code)), "{}", page.text());
    browser.press(&page, "Go on", &[("b.saved", "true")]).says("It is set up and counts");
}
