//! Words of strangers in a real browser: names with markup, in other directions, without an end and with emoji are shown
//! as text, run nothing, and leave the page its width.

use crate::{
    browser::{Application, Browser},
    harness::{Directory, Stage},
};

/// Markup, a script, an entity, Hebrew in a text that goes the other way, emoji that are joined, and no place to break.
const NAME: &str = "<b>Host</b><script>document.title='ran'</script>&amp;\u{5d0}\u{5d1}\u{5d2} 👩‍👩‍👧‍👦 ";

fn hostile(directory: &Directory) {
    let name = format!("{NAME}{}", "x".repeat(40));
    directory.replace_setting("name = \"Test host\"", &format!("name = \"{name}\""));
}

#[track_caller]
fn assert_shown_as_text(browser: &Browser, words: &str) {
    let said = browser.until_text(words);
    assert!(said.contains("<script>document.title='ran'</script>&amp;"), "{said}");
    assert_eq!(browser.script("return document.querySelectorAll('b, main script').length"), 0);
    assert!(!browser.title().starts_with("ran"), "{}", browser.title());
    for width in [320, 1280] {
        browser.resize(width, 800);
        browser.assert_fits();
    }
    browser.assert_accessible();
}

#[test]
fn the_name_of_a_host_is_text_on_every_page() {
    let (stage, browser) = (Stage::with(hostile), Browser::new());
    browser.open(&Application::new().sign_in(&stage));
    assert_shown_as_text(&browser, "User name");
    browser.sign_in_to_own_pages(&stage);
    assert_shown_as_text(&browser, "Second factors");
}

#[test]
fn what_was_typed_comes_back_as_text() {
    let (stage, browser) = (Stage::new(), Browser::new());
    browser.open(&Application::new().sign_in(&stage));
    let typed = format!("\"><img src=x onerror=alert(1)>{}", "ו".repeat(60));
    browser.fill("User name", &typed);
    browser.fill("Password", "'\"</input>");
    browser.press("Sign in");
    browser.until_text("The user name or password is wrong");
    assert_eq!(browser.value("User name"), typed);
    assert_eq!(browser.script("return document.querySelectorAll('main img').length"), 0);
    browser.resize(320, 800);
    browser.assert_fits();
    browser.assert_accessible();
}
