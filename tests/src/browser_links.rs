//! The page behind a link of a mail, in a real browser: what a person does there with a mouse, with the keyboard alone,
//! without scripts.

use serde_json::json;

use crate::{
    browser::{Browser, Key},
    harness::{ADA, Directory, Stage, another_number, assert_abort, assert_form, number_of, result_of},
};

const ADDRESS: &str = "ada@example.org";
const CONFIRM: &str = "Yes, it was me";
const NOT_ME: &str = "This was not me";

/// A login that waits for a link.
struct Waiting {
    stage: Stage,
    flow_id: String,
    /// Where the link leads.
    url: String,
    number: String,
}

impl Waiting {
    fn new() -> Self {
        let stage = Stage::with(Directory::with_links);
        stage.set_up_email(&stage.login(ADA), ADDRESS);
        let flow_id = stage.begin();
        let step = stage.submit_password(&flow_id, ADA);
        assert_form(&step, "mfa");
        let url = format!("{}{}", stage.host().base, stage.sent_link());
        Self { flow_id, url, number: number_of(&step), stage }
    }

    #[track_caller]
    fn assert_passes(&self) {
        result_of(&self.stage.submit(&self.flow_id, json!({})).expect(200));
    }
}

#[test]
fn a_person_types_the_number_and_the_login_goes_on() {
    let waiting = Waiting::new();
    let browser = Browser::new();
    browser.open(&waiting.url);
    for words in ["Are you signing in?", "127.0.0.1", "2035-01-01 00:00 UTC"] {
        browser.until_text(words);
    }
    browser.fill("Number", &another_number(&waiting.number));
    browser.press(CONFIRM);
    browser.until_text("This is not the number");
    browser.assert_accessible();
    browser.fill("Number", &waiting.number);
    browser.press(CONFIRM);
    browser.until_text("You can go back to where you signed in");
    browser.assert_accessible();
    assert!(browser.cookies().is_empty(), "who clicks gets nothing: {:?}", browser.cookies());
    waiting.assert_passes();
}

#[test]
fn without_script_the_page_does_the_same() {
    let waiting = Waiting::new();
    let browser = Browser::without_script();
    browser.open(&waiting.url);
    browser.fill("Number", &waiting.number);
    browser.press(CONFIRM);
    browser.until_text("You can go back to where you signed in");
    waiting.assert_passes();
}

#[test]
fn the_keyboard_alone_is_enough() {
    let waiting = Waiting::new();
    let browser = Browser::new();
    browser.open(&waiting.url);
    let stops: Vec<String> = (0..3)
        .map(|_| {
            browser.key(Key::Tab);
            browser.focused()
        })
        .collect();
    assert_eq!(stops, ["textbox Number", "button Yes, it was me", "button This was not me"]);
    browser.key(Key::BackTab);
    assert_eq!(browser.focused(), "button Yes, it was me");
    browser.tab_to("Number");
    browser.write(&waiting.number);
    browser.key_to_page(Key::Enter);
    browser.until_text("You can go back to where you signed in");
    waiting.assert_passes();
}

#[test]
fn a_second_click_of_a_double_click_changes_nothing() {
    let waiting = Waiting::new();
    let browser = Browser::new();
    browser.open(&waiting.url);
    browser.fill("Number", &waiting.number);
    browser.double_press(CONFIRM);
    let shown = browser.until_text("go back to where you signed in");
    assert!(shown.contains("Confirmed") || shown.contains("leads nowhere"), "{shown}");
    waiting.assert_passes();
}

#[test]
fn not_me_needs_no_number_and_ends_the_login_in_the_other_window() {
    let waiting = Waiting::new();
    let browser = Browser::new();
    browser.open(&waiting.url);
    let first = browser.window();
    browser.open_window();
    browser.open(&waiting.url);
    browser.press(NOT_ME);
    browser.until_text("The sign-in was ended");
    browser.assert_accessible();
    browser.look_at(&first);
    browser.fill("Number", &waiting.number);
    browser.press(CONFIRM);
    browser.until_text("This link leads nowhere");
    browser.assert_accessible();
    browser.back();
    browser.until_text("This link leads nowhere");
    assert_abort(&waiting.stage.submit(&waiting.flow_id, json!({})).expect(200), "refused_by_user");
}
