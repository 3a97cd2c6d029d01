//! Signing in with a browser: an application sends a person here and gets them back, by whatever way they went.

use crate::{
    browser::{Application, Browser, Key},
    harness::{ADA, PASSWORD, PIN, Site, Stage},
};

const CODE: &str = "Code from the app";

#[test]
fn a_password_alone_leads_back_to_the_application() {
    let (stage, application, browser) = (Stage::new(), Application::new(), Browser::new());
    browser.open(&application.sign_in(&stage));
    browser.until_text("to go on to 127.0.0.1");
    assert_eq!(browser.focused(), "textbox User name", "one can type at once");
    browser.fill("User name", ADA);
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    assert_eq!(stage.signed_in_name(&application.tokens(&stage, &browser)), ADA);
}

#[test]
fn a_wrong_password_and_a_wrong_code_are_told_and_what_was_typed_is_kept() {
    let ((stage, ada), application, browser) = (Stage::ada_with_totp(), Application::new(), Browser::new());
    browser.open(&application.sign_in(&stage));
    browser.fill("User name", ADA);
    browser.fill("Password", "not this one");
    browser.press("Sign in");
    let said = browser.until_text("Sign in");
    assert!(said.contains("name or password"), "{said}");
    browser.assert_accessible();
    assert_eq!((browser.value("User name"), browser.value("Password")), (ADA.to_owned(), String::new()));
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    browser.until_text("Confirm that it is you");
    assert_eq!(browser.focused(), format!("textbox {CODE}"));
    browser.fill(CODE, &ada.totp.wrong_code(stage.now_ms()));
    browser.press("Confirm");
    let said = browser.until_text("Confirm that it is you");
    assert!(said.contains("This is not the code the app shows now"), "{said}");
    browser.assert_accessible();
    let code = ada.totp.code(stage.now_ms());
    browser.fill(CODE, &format!(" {} {}", &code[..3], &code[3..]));
    browser.press("Confirm");
    assert_eq!(stage.session(&application.tokens(&stage, &browser))["mfa_method_used"], "totp");
}

#[test]
fn without_script_and_by_keyboard_alone_one_signs_in_as_well() {
    let ((stage, ada), application) = (Stage::ada_with_totp(), Application::new());
    let mut stage = stage;
    for browser in [Browser::without_script(), Browser::new()] {
        browser.open(&application.sign_in(&stage));
        browser.tab_to("User name");
        browser.write(ADA);
        browser.key(Key::Tab);
        assert_eq!(browser.focused().split_once(' ').map(|(_, name)| name.to_owned()).as_deref(), Some("Password"));
        browser.write(PASSWORD);
        browser.key_to_page(Key::Enter);
        browser.until_text("Confirm that it is you");
        browser.tab_to(CODE);
        browser.write(&ada.totp.code(stage.now_ms()));
        browser.key_to_page(Key::Enter);
        application.tokens(&stage, &browser);
        stage.clock.advance_s(30);
    }
}

#[test]
fn another_way_is_chosen_from_those_that_are_set_up() {
    let ((stage, ada), application, browser) = (Stage::ada_with_totp(), Application::new(), Browser::new());
    stage.set_up_pin(&ada.tokens);
    browser.give_password(&stage, &application);
    browser.until_text(CODE);
    browser.press_here("Try another way");
    browser.assert_accessible();
    browser.press("Insecure example (PIN)");
    browser.fill("PIN", PIN);
    browser.press("Confirm");
    assert_eq!(stage.session(&application.tokens(&stage, &browser))["mfa_method_used"], "insecure_example");
}

#[test]
fn an_application_may_lead_on_to_another_origin_at_once() {
    let ((mut stage, ada), application) = (Stage::ada_with_totp(), Application::leading_on());
    for browser in [Browser::new(), Browser::without_script()] {
        browser.give_password(&stage, &application);
        browser.fill(CODE, &ada.totp.code(stage.now_ms()));
        browser.press("Confirm");
        application.tokens(&stage, &browser);
        browser.back();
        browser.until_text("This sign-in is over");
        stage.clock.advance_s(30);
    }
}

#[test]
fn where_no_program_opens_an_applications_own_scheme_the_page_stays_and_has_the_link() {
    const CLIENT: &str = "[[client]]\nid = \"door\"\nredirect_uris = [\"door://back\"]";
    let (stage, browser) = (Stage::with(|directory| directory.append_settings(CLIENT)), Browser::new());
    let asked = "response_type=code&client_id=door&redirect_uri=door%3A%2F%2Fback&state=x";
    browser.open(&format!("{}/auth/authorize?{asked}", stage.host().base));
    browser.until_text("to go on to door");
    browser.give_password_here();
    browser.until_text("You are signed in");
    let link = browser.script("return [...document.links].find(link => link.innerText === 'Go on').href");
    assert!(link.as_str().is_some_and(|link| link.starts_with("door://back?code=")), "{link}");
}

#[test]
fn a_form_of_another_site_is_refused_even_if_it_knows_the_tag_of_this_very_browser() {
    let (stage, application, browser) = (Stage::new(), Application::new(), Browser::new());
    browser.open(&application.sign_in(&stage));
    let tag = browser.script("return document.querySelector('[name=form_tag]').value");
    let tag = tag.as_str().expect("a tag");
    // Cookies know no ports, so they are sent along; what tells the sites apart is what the browser says of itself.
    let form = format!(
        "<!doctype html><html lang=en><title>Prize</title><form method=post action=\"{}\"><input type=hidden \
         name=form_tag value=\"{tag}\"><input type=hidden name=f.username value={ADA}><input type=hidden \
         name=s.password value={PASSWORD}><button>Take it</button></form>",
        application.sign_in(&stage).replace('&', "&amp;")
    );
    let evil = Site::new(&[("/", &form)]);
    browser.open(&evil.origin);
    browser.press("Take it");
    browser.until_text("This form is out of date");
}
