//! "Sign-in and security": what a person sees of their own.

use super::Scene;
use crate::{
    browser::Browser,
    harness::{ADA, Directory, Stage},
};

pub const SCENES: [Scene; 17] = [
    Scene { name: "profile-empty", go: come_without_factors },
    Scene {
        name: "set-up-begin",
        go: |browser| at(browser, come_without_factors, "method/totp/setup", "step by step"),
    },
    Scene { name: "set-up", go: begin_set_up },
    Scene { name: "set-up-wrong", go: mistype_in_set_up },
    Scene { name: "codes", go: see_codes },
    Scene { name: "profile", go: come_with_factors },
    Scene { name: "method", go: |browser| at(browser, come_with_factors, "method/totp", "What you can do") },
    Scene {
        name: "rename",
        go: |browser| at(browser, come_with_factors, "method/totp/rename", "Only you see this name"),
    },
    Scene { name: "remove", go: |browser| at(browser, come_with_factors, "method/totp/remove", "cannot be used") },
    Scene { name: "remove-all", go: |browser| at(browser, come_with_factors, "remove-all", "All second factors") },
    Scene { name: "remove-by-link", go: wait_for_link },
    Scene { name: "removed", go: remove_a_factor },
    Scene { name: "proof", go: come_back_later },
    Scene { name: "sessions", go: |browser| at(browser, come_with_factors, "sessions", "This browser") },
    Scene { name: "password", go: |browser| at(browser, come_with_factors, "password", "Present password") },
    Scene { name: "addresses", go: |browser| at(browser, come_with_factors, "addresses", "New e-mail address") },
    Scene { name: "language", go: |browser| at(browser, come_with_factors, "language", "Time zone") },
];

fn come_without_factors(browser: &Browser) -> Stage {
    let stage = Stage::with_backup_codes();
    browser.sign_in_to_own_pages(&stage);
    browser.until_text("You have none yet.");
    stage
}

fn come_with_factors(browser: &Browser) -> Stage {
    let (mut stage, ada, _) = Stage::ada_with_codes();
    stage.set_up_pin(&ada.tokens);
    stage.add_totp(&ada.tokens, "Old telephone, in the drawer");
    browser.sign_in_to_own_pages(&stage);
    browser.fill("Code from the app", &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("Second factors");
    stage
}

/// A page of a person's own, where these words stand.
fn at(browser: &Browser, come: fn(&Browser) -> Stage, path: &str, words: &str) -> Stage {
    let stage = come(browser);
    browser.open(&format!("{}/profile/{path}", stage.host().base));
    browser.until_text(words);
    stage
}

fn begin_set_up(browser: &Browser) -> Stage {
    let stage = at(browser, come_without_factors, "method/totp/setup", "step by step");
    browser.press("Begin");
    browser.until_text("Code from the app");
    stage
}

fn mistype_in_set_up(browser: &Browser) -> Stage {
    let stage = begin_set_up(browser);
    let secret = browser.scanned_secret();
    browser.fill("Code from the app", &secret.wrong_code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("This is not the code");
    stage
}

fn see_codes(browser: &Browser) -> Stage {
    let stage = begin_set_up(browser);
    let secret = browser.scanned_secret();
    browser.fill("Code from the app", &secret.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("Save these codes now");
    stage
}

fn remove_a_factor(browser: &Browser) -> Stage {
    let stage = at(browser, come_with_factors, "method/insecure_example/remove", "cannot be used");
    browser.press("Remove");
    browser.until_text("You are signed in elsewhere as well.");
    stage
}

fn wait_for_link(browser: &Browser) -> Stage {
    let stage = Stage::with(|directory: &Directory| {
        directory.with_links();
        directory.append_settings("[methods]\ndelete_needs_code = true");
    });
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    browser.sign_in_to_own_pages(&stage);
    browser.until_text("a•••@example.org");
    let number = browser.script("return document.querySelector('.number strong').innerText");
    stage.wire().confirm(&stage.sent_link(), number.as_str());
    browser.until_text("Second factors");
    browser.open(&format!("{}/profile/method/email/remove", stage.host().base));
    browser.press("Send the code");
    browser.until_text("a•••@example.org");
    stage
}

fn come_back_later(browser: &Browser) -> Stage {
    let mut stage = come_with_factors(browser);
    stage.clock.advance_s(3600);
    browser.open(&format!("{}/profile/method/totp/remove", stage.host().base));
    browser.until_text("show once more that it is you");
    stage
}
