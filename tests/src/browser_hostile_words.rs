//! Words of strangers in a real browser: names with markup, in other directions, without an end and with emoji are shown
//! as text, run nothing, and leave the page its width.

use serde_json::json;

use crate::{
    browser::{Application, Browser},
    harness::{AT_HOME, Directory, PASSWORD, Stage, run_host_with_input},
};

const CLIENT: &str = "<i>door</i>";
const CODE: &str = "Code from the app";

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

    // Ten kilobytes come where the page's own limit was taken away.
    let field =
        "const field = document.querySelector('input[autocomplete=username]'); field.removeAttribute('maxlength');";
    browser.script(&format!("{field} field.value = 'x'.repeat(10_000)"));
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    browser.until_text("This is too long");
    browser.assert_fits();
    browser.assert_accessible();
}

/// As long as a name may be: markup, a script, letters that go the other way, emoji, and no place to break.
fn long(chars: usize) -> String {
    let begin = "<b>x</b><script>document.title='ran'</script>\u{5d0}\u{5d1}\u{5d2}👩🏽";
    format!("{begin}{}", "x".repeat(chars - begin.chars().count()))
}

/// Where a telephone shows it nobody scrolls sideways, and nothing of it was taken for markup.
#[track_caller]
fn assert_fits_a_telephone(browser: &Browser, place: &str) {
    let said = browser.until_text("<script>document.title='ran'</script>");
    assert_eq!(browser.script("return document.querySelectorAll('b, main script').length"), 0, "{place}: {said}");
    assert!(!browser.title().starts_with("ran"), "{place}");
    browser.assert_fits();
    browser.assert_accessible();
}

/// Every name that an admin, a user, an application or a program can give.
fn named(directory: &Directory) {
    let name = long(128);
    directory.replace_setting("name = \"Test host\"", &format!("name = \"{name}\""));
    directory.replace_setting(
        "[[provider]]\ntype = \"local\"\n",
        &format!("[[provider]]\ntype = \"local\"\nname = \"{name}\"\n"),
    );
    for module in ["totp", "insecure_example"] {
        let line = format!("type = \"{module}\"\n");
        directory.replace_setting(&line, &format!("{line}name = \"{name}\"\n"));
    }
    directory.with_trusted_network();
    directory.replace_setting(AT_HOME, &name);
    let client = format!("[[client]]\nid = \"{CLIENT}\"\nname = \"{name}\"\nredirect_uris = [\"door://back\"]");
    directory.append_settings(&client);
    run_host_with_input(&directory.path(), &["user", "add", &name], &format!("{PASSWORD}\n")).success();
}

#[test]
fn names_as_long_as_can_be_leave_every_page_its_width_on_a_telephone() {
    let (mut stage, browser) = (Stage::with(named), Browser::new());
    browser.resize(320, 640);
    let application = Application::with_a_long_name();
    let user = long(128);
    // A program with a name of its own as well, for an application with a long address.
    let tokens = stage.login(&user);
    let totp = stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    stage.add_totp(&tokens, &long(64));
    stage.describe_method(&tokens, "totp", &json!({"label": long(255)})).expect(200);

    let asked = "client_id=%3Ci%3Edoor%3C%2Fi%3E&redirect_uri=door%3A%2F%2Fback";
    browser.open(&format!("{}/auth/authorize?response_type=code&{asked}", stage.host().base));
    browser.until_text(&format!("to go on to {user}"));
    assert_fits_a_telephone(&browser, "sign-in for an application with a name");
    browser.open(&application.sign_in(&stage));
    assert_fits_a_telephone(&browser, "sign-in");
    browser.press(&long(128));
    assert_fits_a_telephone(&browser, "by place");
    browser.press("Go on with");
    assert_fits_a_telephone(&browser, "by place, who");
    browser.open(&application.sign_in(&stage));
    browser.fill("User name", &user);
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    browser.press_here("Try another way");
    assert_fits_a_telephone(&browser, "choice");
    browser.fill(CODE, &totp.code(stage.now_ms()));
    browser.press("Confirm");
    application.tokens(&stage, &browser);
    stage.clock.advance_s(30);

    browser.open(&stage.host().base);
    browser.fill("User name", &user);
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    browser.fill(CODE, &totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("Second factors");
    assert_fits_a_telephone(&browser, "profile");
    let device = &stage.devices(&tokens, "totp")[1]["id"];
    let device = format!("device/totp/{}", device.as_str().expect("an id"));
    for path in [
        "method/totp",
        "method/totp/rename",
        "method/totp/remove",
        "method/insecure_example/remove",
        "remove-all",
        &format!("{device}/rename"),
        &format!("{device}/remove"),
        "sessions",
    ] {
        browser.open(&format!("{}/profile/{path}", stage.host().base));
        assert_fits_a_telephone(&browser, path);
    }
}
