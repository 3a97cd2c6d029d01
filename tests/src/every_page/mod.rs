//! Every page in every state: nobody is kept out of it, nobody scrolls sideways, light and dark, at each width. With
//! `MFA_TEST_SCREENSHOTS` it leaves a picture of each in that directory; `cargo xtask screenshots` sets it.

mod link;
mod own_pages;
mod sign_in;

use std::path::PathBuf;

use crate::{
    browser::{Application, Browser, Key, Scheme},
    harness::{ADA, PASSWORD, Stage},
};

/// A telephone, a tablet, a desk; the height is what one sees at once.
const WIDTHS: [(u32, u32); 3] = [(320, 640), (768, 1024), (1280, 800)];
/// A page of double size on a desk, which is what twice as large letters leave of it.
const ZOOMED: (u32, u32) = (640, 400);

/// A state of a page, and how a person comes there; the host goes on until the page was looked at.
struct Scene {
    name: &'static str,
    go: fn(&Browser) -> Stage,
}

#[test]
fn signing_in_keeps_nobody_out_and_fits_in_light_and_dark() {
    go_through(&sign_in::SCENES);
}

#[test]
fn ones_own_pages_keep_nobody_out_and_fit_in_light_and_dark() {
    go_through(&own_pages::SCENES);
}

#[test]
fn the_page_behind_a_link_keeps_nobody_out_and_fits_in_light_and_dark() {
    go_through(&link::SCENES);
}

/// Words are longer in some languages, and written with other letters in others.
#[test]
fn every_language_fits_and_says_which_it_is() {
    let (mut stage, ada, _) = Stage::ada_with_codes();
    stage.set_up_pin(&ada.tokens);
    for language in ["en", "de", "fr", "es", "zh"] {
        let browser = Browser::new();
        browser.speak(language);
        browser.open(&Application::new().sign_in(&stage));
        let said = browser.script("return document.documentElement.lang");
        assert!(said.as_str().is_some_and(|said| said.starts_with(language)), "{said} for {language}");
        look_at(&browser, &format!("sign-in-{language}"));
        browser.write(ADA);
        browser.key(Key::Tab);
        browser.write(PASSWORD);
        browser.key_to_page(Key::Enter);
        look_at(&browser, &format!("code-{language}"));
        stage.clock.advance_s(30);
    }
}

fn go_through(scenes: &[Scene]) {
    for scene in scenes {
        let browser = Browser::new();
        let stage = (scene.go)(&browser);
        look_at(&browser, scene.name);
        drop((browser, stage));
    }
}

fn look_at(browser: &Browser, name: &str) {
    let pictures = std::env::var_os("MFA_TEST_SCREENSHOTS").map(PathBuf::from);
    for scheme in [Scheme::Light, Scheme::Dark] {
        browser.prefer(scheme);
        for (width, height) in WIDTHS {
            browser.resize(width, height);
            browser.assert_fits();
            if let Some(directory) = &pictures {
                let file = directory.join(format!("{name}-{width}-{}.png", scheme.word()));
                std::fs::write(&file, browser.whole_page()).expect("the picture is written");
            }
        }
        browser.assert_accessible();
    }
    let (width, height) = ZOOMED;
    browser.resize(width, height);
    browser.assert_fits();
}
