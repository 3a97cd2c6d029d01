//! A module nobody here has seen gets its pages from its form alone: every kind of field and everything above them, with
//! the longest and oddest words, in set-up and in login; what was wrong stands beside its field.

use crate::{
    browser::{Browser, Key},
    harness::{Directory, Stage, outside_module},
};

const MODULE: &str = "every_kind";
const WRONG_NUMBER: &str = "This is no address of that kind.";

fn with_module(directory: &Directory) {
    directory.install(&outside_module(MODULE), MODULE);
    directory.append_settings(&format!("[[module]]\ntype = \"{MODULE}\""));
}

/// What is shown above the fields, on a telephone.
#[track_caller]
fn assert_shown(browser: &Browser) {
    let said = browser.until_text("A second one.");
    for words in ["A first paragraph.", "<script>document.title='ran'</script>", "The key", "abcd", "one", "two"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert_eq!(browser.qr(), "every:kind?of=content");
    let pixel = "const image = document.querySelector('main img'); return image.naturalWidth === 1 && image.alt";
    assert_eq!(browser.script(pixel), "A pixel");
    assert_eq!(browser.script("return document.querySelectorAll('b, main script').length"), 0);
    browser.resize(320, 640);
    browser.assert_fits();
    browser.assert_accessible();
}

fn fill_secrets(browser: &Browser) {
    let secrets = [
        ("Six digits", "123 456"),
        ("Hidden digits", "4711"),
        ("Letters and digits", "AB-12 cd"),
        ("Pass phrase", " with blanks "),
    ];
    secrets.into_iter().for_each(|(field, value)| browser.fill(field, value));
}

fn fill(browser: &Browser, telephone: &str) {
    for (field, value) in [("One line", " Ada "), ("Mail", "ada@example.org"), ("Call", telephone)] {
        browser.fill(field, value);
    }
    browser.tick("Blue");
    browser.choose("One of many", "Seventh");
    browser.tick("I am sure");
    fill_secrets(browser);
}

#[test]
fn every_kind_of_field_and_block_is_shown_filled_in_and_kept_beside_what_was_wrong() {
    let (stage, browser) = (Stage::with(with_module), Browser::new());
    browser.sign_in_to_own_pages(&stage);
    browser.press("Set up Every kind");
    browser.press("Begin");
    assert_shown(&browser);
    assert_eq!(browser.value("One of many"), "c", "what it begins with");
    fill(&browser, "12");
    browser.press("Confirm");
    let said = browser.until_text(WRONG_NUMBER);
    assert_eq!(browser.focused(), "textbox Call", "one can type on where it was wrong: {said}");
    let beside = "const field = document.activeElement; return field.ariaInvalid + ' ' + field.getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id).innerText).join(' ')";
    let beside = browser.script(beside);
    assert!(beside.as_str().is_some_and(|words| words.starts_with("true") && words.contains(WRONG_NUMBER)), "{beside}");
    browser.assert_accessible();
    for (field, kept) in [("One line", " Ada "), ("Mail", "ada@example.org"), ("Call", "12"), ("One of many", "g")] {
        assert_eq!(browser.value(field), kept, "{field}");
    }
    assert_eq!(
        browser.script("return document.querySelectorAll(':checked:is([value=blue], [type=checkbox])').length"),
        2
    );
    for secret in ["Six digits", "Hidden digits", "Letters and digits", "Pass phrase"] {
        assert_eq!(browser.value(secret), "", "{secret} comes back to nobody");
    }
    browser.fill("Call", "+49 (30) 123-456");
    fill_secrets(&browser);
    browser.press("Confirm");
    browser.until_text("It is set up and counts from now on.");
}

#[test]
fn without_script_one_is_asked_for_all_of_it_at_sign_in_as_well() {
    let (stage, browser) = (Stage::with(with_module), Browser::without_script());
    browser.sign_in_to_own_pages(&stage);
    browser.press("Set up Every kind");
    browser.press("Begin");
    fill(&browser, "+4930123456");
    browser.press("Confirm");
    browser.until_text("It is set up and counts from now on.");
    let another = Browser::new();
    another.sign_in_to_own_pages(&stage);
    assert_shown(&another);
    fill(&another, "+4930123457");
    another.key_to_page(Key::Enter);
    another.until_text("This is not what was to be filled in.");
    fill_secrets(&another);
    another.fill("Call", "+4930123456");
    another.press("Confirm");
    another.until_text("Second factors");
}
