//! The page behind a link of a mail.

use super::Scene;
use crate::{
    browser::Browser,
    harness::{ADA, Directory, Stage, number_of},
};

pub const SCENES: [Scene; 3] = [
    Scene { name: "link", go: open_link },
    Scene { name: "link-wrong-number", go: give_wrong_number },
    Scene { name: "link-confirmed", go: confirm_link },
];

fn open_link(browser: &Browser) -> Stage {
    open_waiting_link(browser).0
}

fn give_wrong_number(browser: &Browser) -> Stage {
    let stage = open_link(browser);
    browser.fill("Number", "00");
    browser.press("Yes, it was me");
    browser.until_text("This is not the number");
    stage
}

fn confirm_link(browser: &Browser) -> Stage {
    let (stage, number) = open_waiting_link(browser);
    browser.fill("Number", &number);
    browser.press("Yes, it was me");
    browser.until_text("Confirmed");
    stage
}

/// A login of ada waits for its link elsewhere, and the link is opened here; the number it asks for.
fn open_waiting_link(browser: &Browser) -> (Stage, String) {
    let stage = Stage::with(Directory::with_links);
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    let step = stage.submit_password(&stage.begin(), ADA);
    browser.open(&format!("{}{}", stage.host().base, stage.sent_link()));
    browser.until_text("Are you signing in?");
    (stage, number_of(&step))
}
