//! Every page in every state: nobody is kept out of it, nobody scrolls sideways, light and dark, at each width. With
//! `MFA_TEST_SCREENSHOTS` it leaves a picture of each in that directory; `cargo xtask screenshots` sets it.

use std::path::{Path, PathBuf};

use crate::{
    browser::{Application, Browser, Scheme},
    harness::{ADA, Directory, Stage, number_of, run_host},
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

const SIGN_IN: [Scene; 13] = [
    Scene { name: "sign-in", go: sign_in },
    Scene { name: "sign-in-refused", go: give_wrong_password },
    Scene { name: "wrong-client", go: come_from_nowhere },
    Scene { name: "code", go: give_password },
    Scene { name: "code-wrong", go: give_wrong_code },
    Scene { name: "code-another-way", go: look_for_another_way },
    Scene { name: "over", go: wait_too_long },
    Scene { name: "mailed-code", go: wait_for_code },
    Scene { name: "waiting-for-link", go: wait_for_link },
    Scene { name: "locked", go: guess_too_often },
    Scene { name: "forgotten", go: forget_password },
    Scene { name: "elsewhere", go: come_by_another_name },
    Scene { name: "new-password", go: come_with_one_time_code },
];

const LINK: [Scene; 3] = [
    Scene { name: "link", go: open_link },
    Scene { name: "link-wrong-number", go: give_wrong_number },
    Scene { name: "link-confirmed", go: confirm_link },
];

#[test]
fn signing_in_keeps_nobody_out_and_fits_in_light_and_dark() {
    go_through(&SIGN_IN);
}

#[test]
fn the_page_behind_a_link_keeps_nobody_out_and_fits_in_light_and_dark() {
    go_through(&LINK);
}

fn go_through(scenes: &[Scene]) {
    let pictures = std::env::var_os("MFA_TEST_SCREENSHOTS").map(PathBuf::from);
    for scene in scenes {
        let browser = Browser::new();
        let stage = (scene.go)(&browser);
        look_at(&browser, scene.name, pictures.as_deref());
        drop((browser, stage));
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

fn sign_in(browser: &Browser) -> Stage {
    let stage = Stage::new();
    browser.open(&Application::new().sign_in(&stage));
    browser.until_text("Sign in");
    stage
}

fn give_wrong_password(browser: &Browser) -> Stage {
    let stage = sign_in(browser);
    browser.fill("User name", ADA);
    browser.fill("Password", "not this one");
    browser.press("Sign in");
    browser.until_text("The user name or password is wrong");
    stage
}

fn come_from_nowhere(browser: &Browser) -> Stage {
    let stage = Stage::new();
    let nowhere = "client_id=http%3A%2F%2Fa.example%2F&redirect_uri=http%3A%2F%2Fb.example%2F";
    browser.open(&format!("{}/auth/authorize?response_type=code&{nowhere}", stage.host().base));
    browser.until_text("This application is not known");
    stage
}

fn give_password(browser: &Browser) -> Stage {
    let (stage, _, _) = Stage::ada_with_codes();
    browser.give_password(&stage, &Application::new());
    browser.until_text("Code from the app");
    stage
}

fn give_wrong_code(browser: &Browser) -> Stage {
    let (stage, ada, _) = Stage::ada_with_codes();
    browser.give_password(&stage, &Application::new());
    browser.fill("Code from the app", &ada.totp.wrong_code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("This is not the code");
    stage
}

fn look_for_another_way(browser: &Browser) -> Stage {
    let stage = give_password(browser);
    browser.press_here("Try another way");
    stage
}

fn wait_too_long(browser: &Browser) -> Stage {
    let mut stage = give_password(browser);
    stage.clock.advance_s(3600);
    browser.reload();
    browser.until_text("This sign-in is over");
    stage
}

fn wait_for_code(browser: &Browser) -> Stage {
    let stage = Stage::with(Directory::with_outbox);
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    browser.give_password(&stage, &Application::new());
    browser.until_text("Code from the e-mail");
    stage
}

fn wait_for_link(browser: &Browser) -> Stage {
    let stage = Stage::with(Directory::with_links);
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    browser.give_password(&stage, &Application::new());
    browser.until_text("a•••@example.org");
    stage
}

fn guess_too_often(browser: &Browser) -> Stage {
    let (stage, ada) = Stage::ada_with_totp();
    let application = Application::new();
    let flow_id = stage.begin_to_mfa(ADA);
    for _ in 0..5 {
        stage.submit_code(&flow_id, &ada.totp.wrong_code(stage.now_ms()));
    }
    browser.give_password(&stage, &application);
    browser.fill("Code from the app", &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("There were too many tries");
    stage
}

fn forget_password(browser: &Browser) -> Stage {
    let stage = Stage::with(|directory| {
        directory.with_outbox();
        directory.append_settings("[passwords]\nforgotten = \"mail\"");
    });
    browser.open(&Application::new().sign_in(&stage));
    browser.press("Forgot your password?");
    browser.until_text("Send a code");
    stage
}

fn come_by_another_name(browser: &Browser) -> Stage {
    let stage = Stage::with(|directory| {
        let settings = directory.settings();
        let named = format!("public_url = \"https://login.example.org\"\n{settings}");
        std::fs::write(directory.path().join("host.toml"), named).expect("host.toml is written");
    });
    browser.open(&Application::new().sign_in(&stage));
    browser.until_text("This address does not work for signing in");
    stage
}

fn come_with_one_time_code(browser: &Browser) -> Stage {
    let stage = Stage::new();
    let reset = run_host(&stage.directory.path(), &["--json", "user", "reset", ADA]).success().json();
    let code = reset["code"].as_str().expect("a code");
    browser.open(&Application::new().sign_in(&stage));
    browser.fill("User name", ADA);
    browser.fill("Password", code);
    browser.press("Sign in");
    browser.until_text("Choose a new password");
    stage
}

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
