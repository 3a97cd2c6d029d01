//! Five languages in a real browser: the page says which it speaks, nothing in it is left in English, a person's own
//! choice goes before the browser's, and times stand in the person's zone.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    browser::{Application, Browser, Key},
    harness::{ADA, Account, PASSWORD, Stage},
};

const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "zh"];
/// Everything a page says, aloud or to a screen reader, now or when a script is done, piece by piece.
const SAID: &str = "
    const pieces = [document.title], walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        if (!walk.currentNode.parentElement.closest('script, style, code, bdi, .value')) pieces.push(walk.currentNode.data);
    }
    for (const element of document.querySelectorAll('*')) {
        for (const name of ['aria-label', 'alt', 'title', 'placeholder']) pieces.push(element.getAttribute(name) ?? '');
        for (const name in element.dataset) if (/Words|done/.test(name)) pieces.push(element.dataset[name]);
    }
    return pieces.map(piece => piece.replace(/\\s+/g, ' ').trim()).filter(piece => /\\p{L}{3}/u.test(piece));";
/// Names, which are the same in every language.
const NAMES: [&str; 7] = ["UTC", "Test host", "Authenticator 1", "English", "Deutsch", "Français", "Español"];
/// Words that are the same in both.
const SHARED: [(&str, &str); 2] = [("de", "Name"), ("de", "Browser")];
const OWN_PAGES: [&str; 16] = [
    "",
    "/method/totp",
    "/method/totp/setup",
    "/method/totp/rename",
    "/method/totp/test",
    "/method/totp/remove",
    "/method/insecure_example",
    "/method/insecure_example/primary",
    "/method/insecure_example/off",
    "/method/backup_codes",
    "/method/backup_codes/codes",
    "/remove-all",
    "/sessions",
    "/password",
    "/addresses",
    "/language",
];

/// What each page said, by its name.
type Said = BTreeMap<String, BTreeSet<String>>;

fn listen(browser: &Browser, language: &str, page: &str, said: &mut Said) {
    let lang = browser.script("return document.documentElement.lang");
    assert!(lang.as_str().is_some_and(|lang| lang.starts_with(language)), "{lang} for {language} on {page}");
    let pieces: BTreeSet<String> = serde_json::from_value(browser.script(SAID)).expect("texts");
    said.insert(page.to_owned(), pieces);
}

/// Signs in to the own pages of a host in the language of the browser, and looks at all of them.
fn go_through(stage: &mut Stage, ada: &Account, language: &str) -> Said {
    let (browser, mut said) = (Browser::new(), Said::new());
    browser.speak(language);
    browser.open(&Application::new().sign_in(stage));
    listen(&browser, language, "sign-in for an application", &mut said);
    browser.open(&stage.host().base);
    type_in(&browser, &[ADA, "not this one"]);
    listen(&browser, language, "sign-in, refused", &mut said);
    type_in(&browser, &["", PASSWORD]);
    listen(&browser, language, "code", &mut said);
    type_in(&browser, &[&ada.totp.wrong_code(stage.now_ms())]);
    listen(&browser, language, "code, refused", &mut said);
    type_in(&browser, &[&ada.totp.code(stage.now_ms())]);
    stage.clock.advance_s(30);
    for page in OWN_PAGES {
        browser.open(&format!("{}/profile{page}", stage.host().base));
        listen(&browser, language, page, &mut said);
    }
    said
}

/// Field by field from where typing begins, whatever they are called; an empty one is left as it is.
fn type_in(browser: &Browser, texts: &[&str]) {
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            browser.key(Key::Tab);
        }
        browser.write(text);
    }
    browser.key_to_page(Key::Enter);
}

#[test]
fn nothing_is_left_in_english_on_the_pages_of_another_language() {
    let (mut stage, ada, _) = Stage::ada_with_codes();
    stage.set_up_pin(&ada.tokens);
    let english = go_through(&mut stage, &ada, LANGUAGES[0]);
    let mut left = Vec::new();
    for language in LANGUAGES.into_iter().skip(1) {
        for (page, pieces) in go_through(&mut stage, &ada, language) {
            let same = pieces.intersection(&english[&page]).filter(|piece| has_words(piece));
            let same = same.filter(|piece| !SHARED.contains(&(language, piece)));
            left.extend(same.map(|piece| format!("{language}, {page}: {piece}")));
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

/// Whether there is more in it than names.
fn has_words(piece: &str) -> bool {
    let rest = NAMES.iter().fold(piece.to_owned(), |rest, name| rest.replace(name, ""));
    rest.chars().any(char::is_alphabetic)
}

#[test]
fn what_a_person_chose_goes_before_what_the_browser_asks_and_times_are_in_their_zone() {
    let ((mut stage, ada), browser) = (Stage::ada_with_totp(), Browser::new());
    browser.speak("it, es;q=0.5, fr;q=0.9");
    browser.open(&stage.host().base);
    browser.until_text("Nom d’utilisateur");
    type_in(&browser, &[ADA, PASSWORD]);
    type_in(&browser, &[&ada.totp.code(stage.now_ms())]);
    browser.open(&format!("{}/profile/language", stage.host().base));
    browser.tick("Deutsch");
    browser.fill("Fuseau horaire", "Asia/Kolkata");
    browser.press("Enregistrer");
    browser.until_text("Gespeichert.");
    assert_eq!(browser.script("return document.documentElement.lang"), "de");
    browser.open(&format!("{}/profile/sessions", stage.host().base));
    browser.until_text("2035-01-01 05:30 IST");
    stage.clock.advance_s(30);

    browser.press("Abmelden");
    browser.until_text("Nom d’utilisateur");
    assert_eq!(browser.script("return document.documentElement.lang"), "fr", "it is not known yet who comes");
    type_in(&browser, &[ADA, PASSWORD]);
    browser.until_text("Bestätigen Sie, dass Sie es sind");
    assert_eq!(browser.script("return document.documentElement.lang"), "de");
    browser.assert_accessible();
}
