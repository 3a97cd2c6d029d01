//! A change that takes a confirmation of a method that sends links, with a browser that has no script.

use crate::{
    harness::{ADA, Directory, PASSWORD, Page, PlainBrowser, Stage, another_number},
    pages_profile::sign_in,
};

const REMOVE: &str = "/profile/method/email/remove";

/// Ada with links by mail, where to remove a method takes its confirmation; and her browser on the page of the removal.
fn about_to_remove() -> (Stage, PlainBrowser, Page) {
    let stage = Stage::with(|directory: &Directory| {
        directory.with_links();
        directory.append_settings("[methods]\ndelete_needs_code = true");
    });
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    let mut browser = PlainBrowser::new(stage.wire());
    let page = sign_in(&mut browser, REMOVE, ADA, PASSWORD);
    confirm(&stage, &page);
    let page = browser.press(&page, "Go on", &[]);
    assert_eq!(page.address, REMOVE, "{}", page.text());
    (stage, browser, page)
}

/// The two digits a page shows large.
#[track_caller]
fn number_of(page: &Page) -> String {
    let number = page
        .html
        .split("class=\"number\"")
        .nth(1)
        .and_then(|rest| rest.split("<strong>").nth(1))
        .and_then(|rest| rest.split('<').next());
    number.filter(|number| number.len() == 2).unwrap_or_else(|| panic!("a number in {}", page.text())).to_owned()
}

/// Elsewhere, with the number this page shows.
#[track_caller]
fn confirm(stage: &Stage, page: &Page) {
    assert_eq!(stage.wire().confirm(&stage.sent_link(), Some(&number_of(page))).status, 200);
}

#[test]
fn a_change_waits_for_its_link_and_is_done_once_it_was_confirmed() {
    let (mut stage, mut browser, page) = about_to_remove();
    let sent = browser.press(&page, "Send the code", &[]);
    sent.says("We sent a link to a•••@example.org");
    assert_eq!(browser.open(&sent.address).html, sent.html, "to load it again sends nothing");
    let early = browser.press(&sent, "Go on", &[]);
    early.says("It was not answered yet.");
    assert_eq!(number_of(&early), number_of(&sent));
    stage.clock.advance_s(30);
    let again = browser.press(&early, "Send it again", &[]);
    again.says("Another message is on its way.");
    assert_ne!(again.address, sent.address);
    let wrong = stage.wire().confirm(&stage.sent_link(), Some(&another_number(&number_of(&again))));
    assert_eq!(wrong.status, 403);
    confirm(&stage, &again);
    let done = browser.press(&again, "Go on", &[]);
    assert_eq!(done.address, "/profile");
    done.says("It is removed.");
}

#[test]
fn a_link_that_is_refused_leaves_everything_as_it_is_and_another_can_be_sent() {
    let (stage, mut browser, page) = about_to_remove();
    let sent = browser.press(&page, "Send the code", &[]);
    assert_eq!(stage.wire().not_me(&stage.sent_link()).status, 200);
    let refused = browser.press(&sent, "Go on", &[]);
    refused.says("was refused on the page behind the link").says("First let it be sent to you.");
    browser.open("/profile/method/email").says("Asked first");
    browser.press(&refused, "Send the code", &[]).says("We sent a link");
}

#[test]
fn a_script_that_asks_hears_that_there_is_no_news_and_then_where_to_go() {
    let (stage, mut browser, page) = about_to_remove();
    let sent = browser.press(&page, "Send the code", &[]);
    let (address, fields) = sent.sent_by("Go on", &[]);
    browser.headers = vec![("accept".to_owned(), "application/json".to_owned())];
    let no_news = browser.post(&address, &fields).expect(200);
    assert_eq!(no_news, serde_json::json!({"wait_s": 2}));
    confirm(&stage, &sent);
    let news = browser.post(&address, &fields).expect(200);
    assert_eq!(news["next"], "/profile");
    browser.headers.clear();
    browser.open("/profile").says("It is removed.");
}
