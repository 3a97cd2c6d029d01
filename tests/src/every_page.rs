//! Every page in every state: nobody is kept out of it, nobody scrolls sideways, light and dark, at each width. With
//! `MFA_TEST_SCREENSHOTS` it leaves a picture of each in that directory; `cargo xtask screenshots` sets it.

use std::path::{Path, PathBuf};

use crate::{
    browser::{Browser, Scheme},
    harness::{ADA, Directory, Stage, number_of},
};

/// A telephone, a tablet, a desk; the height is what one sees at once.
const WIDTHS: [(u32, u32); 3] = [(320, 640), (768, 1024), (1280, 800)];
/// A page of double size on a desk, which is what twice as large letters leave of it.
const ZOOMED: (u32, u32) = (640, 400);

/// A state of a page, and how a person comes there.
struct Scene {
    name: &'static str,
    go: fn(&Stage, &Browser),
}

const SCENES: [Scene; 3] = [
    Scene { name: "link", go: open_link },
    Scene { name: "link-wrong-number", go: give_wrong_number },
    Scene { name: "link-confirmed", go: confirm_link },
];

#[test]
fn every_page_keeps_nobody_out_and_fits_in_light_and_dark() {
    let pictures = std::env::var_os("MFA_TEST_SCREENSHOTS").map(PathBuf::from);
    for scene in &SCENES {
        let (stage, browser) = (Stage::with(Directory::with_links), Browser::new());
        (scene.go)(&stage, &browser);
        look_at(&browser, scene.name, pictures.as_deref());
    }
}

fn look_at(browser: &Browser, name: &str, pictures: Option<&Path>) {
    for scheme in [Scheme::Light, Scheme::Dark] {
        browser.prefer(scheme);
        for (width, height) in WIDTHS {
            browser.resize(width, height);
            browser.assert_fits();
            if let Some(directory) = pictures {
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

fn open_link(stage: &Stage, browser: &Browser) {
    wait_for_link(stage, browser);
}

fn give_wrong_number(stage: &Stage, browser: &Browser) {
    wait_for_link(stage, browser);
    browser.fill("Number", "00");
    browser.press("Yes, it was me");
    browser.until_text("This is not the number");
}

fn confirm_link(stage: &Stage, browser: &Browser) {
    let number = wait_for_link(stage, browser);
    browser.fill("Number", &number);
    browser.press("Yes, it was me");
    browser.until_text("Confirmed");
}

/// A login of ada waits for its link, which is opened here; the number it shows.
fn wait_for_link(stage: &Stage, browser: &Browser) -> String {
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    let step = stage.submit_password(&stage.begin(), ADA);
    browser.open(&format!("{}{}", stage.host().base, stage.sent_link()));
    browser.until_text("Are you signing in?");
    number_of(&step)
}
