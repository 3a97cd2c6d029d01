//! A signed-in person's sessions, password, addresses and language, with a browser that has no script.

use serde_json::json;

use crate::{
    harness::{ADA, BOB, PASSWORD, PlainBrowser, Stage},
    pages_profile::{NEW_PASSWORD, sign_in, signed_in},
    pages_setup::set_up_totp,
};

#[test]
fn sessions_are_listed_and_ended_by_their_own_user_alone() {
    let stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    browser.headers = vec![("user-agent".to_owned(), "Fire<b>fox".to_owned())];
    let (mut second, _) = signed_in(&stage, ADA);
    let third = stage.login(ADA);
    let bob = stage.login(BOB);
    let listed = stage.wire().get_as(&third.access, "/api/me/sessions").expect(200);
    let listed = listed.as_array().expect("a list").clone();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed.iter().filter(|session| session["is_current"] == true).count(), 1);
    assert!(listed.iter().all(|session| session["address"] == "127.0.0.1"), "{listed:?}");
    let own = |session: &&serde_json::Value| session["is_current"] == true;
    let id = listed.iter().find(own).expect("its own")["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/me/sessions/{id}");
    assert_eq!(stage.wire().delete_as(&bob.access, &path).status, 404, "nobody ends another's session");
    assert_eq!(stage.wire().delete_as(&bob.access, "/api/me/sessions/..").status, 404);
    stage.wire().get_as(&third.access, "/api/me").expect(200);
    let page = browser.open("/profile/sessions");
    page.says("This browser").says("127.0.0.1").says("127.0.0.1:9");
    let mut foreign = page.sent_by("End all others", &[]).1;
    foreign.retain(|(name, _)| name != "end");
    let bobs = stage.wire().get_as(&bob.access, "/api/me/sessions").expect(200)[0]["id"].clone();
    foreign.push(("end".to_owned(), bobs.as_str().expect("an id").to_owned()));
    assert_eq!(browser.post("/profile/sessions", &foreign).status, 404);
    foreign.pop();
    foreign.push(("end".to_owned(), id));
    assert_eq!(browser.post("/profile/sessions", &foreign).status, 303);
    stage.wire().get_as(&third.access, "/api/me").expect(401);
    browser.open("/profile/sessions").says("The session is over.");
    let page = browser.open("/profile/sessions");
    browser.press(&page, "End all others", &[]).says("All other sessions are over.").says_not("End all others");
    assert!(second.open("/profile").address.starts_with("/auth/authorize?"));
    stage.wire().get_as(&bob.access, "/api/me").expect(200);
    assert_eq!(browser.open("/profile").address, "/profile");
}

#[test]
fn after_a_change_of_factors_one_press_ends_all_other_sessions() {
    const OFFER: &str = "Sign out everywhere else";
    let mut stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    let (totp, page) = set_up_totp(&mut stage, &mut browser);
    page.says("It is set up").says_not(OFFER);
    let mut other = PlainBrowser::new(stage.wire());
    let page = sign_in(&mut other, "/profile", ADA, PASSWORD);
    other.press(&page, "Confirm", &[("s.code", &totp.code(stage.now_ms()))]).says("Second factors");
    let page = browser.open("/profile/method/totp/rename");
    browser.press(&page, "Save", &[("f.label", "Telephone")]).says("The name is saved.").says_not(OFFER);
    let page = browser.open("/profile/method/totp/remove");
    let removed = browser.press(&page, "Remove", &[]);
    removed.says("It is removed.").says("You are signed in elsewhere as well.");
    assert_eq!(other.open("/profile").address, "/profile", "it is an offer");
    browser.press(&removed, OFFER, &[]).says("All other sessions are over.").says_not(OFFER);
    assert!(other.open("/profile").address.starts_with("/auth/authorize?"));
    browser.open("/profile").says("You have none yet.").says_not(OFFER);
}

#[test]
fn sessions_end_over_http_and_the_next_login_is_seen_with_its_browser() {
    let stage = Stage::new();
    let (first, second) = (stage.login(ADA), stage.login(ADA));
    assert_eq!(stage.wire().delete_as(&second.access, "/api/me/sessions").status, 204);
    stage.wire().get_as(&first.access, "/api/me").expect(401);
    assert_eq!(
        stage
            .wire()
            .post_form("/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", &first.refresh)])
            .status,
        400
    );
    let listed = stage.wire().get_as(&second.access, "/api/me/sessions").expect(200);
    let id = listed[0]["id"].as_str().expect("an id");
    assert_eq!(stage.wire().delete_as(&second.access, &format!("/api/me/sessions/{id}")).status, 204);
    stage.wire().get_as(&second.access, "/api/me").expect(401);
    let mut browser = PlainBrowser::new(stage.wire());
    browser.headers = vec![("user-agent".to_owned(), "Fire<b>fox 1".to_owned())];
    sign_in(&mut browser, "/profile/sessions", ADA, PASSWORD).says("Fire<b>fox 1");
}

#[test]
fn signing_out_ends_the_session_and_signing_in_again_ends_the_former_one() {
    let stage = Stage::new();
    let (mut browser, page) = signed_in(&stage, ADA);
    let former = browser.cookies["__Host-mfa_session"].clone();
    let address = browser.open("/auth/authorize?response_type=code&client_id=x").address;
    drop(address);
    let session = browser.cookies.remove("__Host-mfa_session").expect("a session");
    let page_again = browser.open("/profile");
    browser.cookies.insert("__Host-mfa_session".to_owned(), session);
    browser.press(&page_again, "Sign in", &[("f.username", ADA), ("s.password", PASSWORD)]);
    let mut thief = PlainBrowser::new(stage.wire());
    thief.cookies.insert("__Host-mfa_session".to_owned(), former);
    assert!(thief.open("/profile").address.starts_with("/auth/authorize?"), "the former session is over");
    let kept = browser.cookies["__Host-mfa_session"].clone();
    let (address, fields) = page.sent_by("Sign out", &[]);
    assert_eq!(browser.post(&address, &fields).status, 403, "its pages are of another session");
    let page = browser.open("/profile");
    let out = browser.press(&page, "Sign out", &[]);
    assert!(out.address.starts_with("/auth/authorize?") && !browser.cookies.contains_key("__Host-mfa_session"));
    thief.cookies.insert("__Host-mfa_session".to_owned(), kept);
    assert!(thief.open("/profile").address.starts_with("/auth/authorize?"));
}

#[test]
fn a_browsers_session_ends_by_itself() {
    let mut stage = Stage::with(|directory| directory.append_settings("[pages]\nsession_lifetime_s = 600"));
    let (mut browser, _) = signed_in(&stage, ADA);
    stage.clock.advance_s(600);
    assert_eq!(browser.open("/profile").address, "/profile");
    stage.clock.advance_s(1);
    assert!(browser.open("/profile/method/totp").address.starts_with("/auth/authorize?"));
}

#[test]
fn a_new_password_takes_the_former_one_and_ends_other_sessions_if_it_is_wished() {
    let stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    let (mut other, _) = signed_in(&stage, ADA);
    let page = browser.open("/profile/password");
    let wrong =
        browser.press(&page, "Change the password", &[("s.old_password", "wrong"), ("s.new_password", NEW_PASSWORD)]);
    wrong.says("This is not your password.");
    assert!(!wrong.html.contains(NEW_PASSWORD));
    let weak = browser.press(&wrong, "Change the password", &[("s.old_password", PASSWORD), ("s.new_password", "x")]);
    assert_eq!(weak.address, "/profile/password");
    assert!(weak.html.contains("class=\"error\""), "{}", weak.html);
    let done =
        browser.press(&weak, "Change the password", &[("s.old_password", PASSWORD), ("s.new_password", NEW_PASSWORD)]);
    done.says("The new password counts from now on.");
    assert!(other.open("/profile").address.starts_with("/auth/authorize?"), "other sessions ended");
    let mut fresh = PlainBrowser::new(stage.wire());
    assert_eq!(sign_in(&mut fresh, "/profile", ADA, NEW_PASSWORD).address, "/profile");
}

#[test]
fn an_address_is_added_by_its_code_and_removed() {
    let stage = Stage::with(|directory| directory.with_outbox());
    let (mut browser, _) = signed_in(&stage, ADA);
    let page = browser.open("/profile/addresses");
    page.says("None yet.");
    let odd = browser.press(&page, "Add", &[("f.email", "no address")]);
    odd.says("This is no address of that kind.");
    assert!(odd.html.contains("value=\"no address\""), "what was typed is kept");
    let sent = browser.press(&odd, "Add", &[("f.email", "ada@example.org")]);
    sent.says("A code is on its way");
    let wrong = browser.press(&sent, "Confirm", &[("s.code", "000000")]);
    wrong.says("This code is not right.");
    let code = stage.code_sent_to("ada@example.org");
    let done = browser.press(&wrong, "Confirm", &[("s.code", &code)]);
    done.says("The address is added.").says("ada@example.org");
    let gone = browser.press(&done, "Remove ada@example.org", &[]);
    gone.says("The address is removed.").says_not("ada@example.org");
}

#[test]
fn the_pages_speak_the_language_their_person_chose() {
    let stage = Stage::with(|directory| {
        let folder = directory.path().join("translations");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("de.json"), r#"{"page.copy": "Abschreiben"}"#).expect("an admin's own word");
    });
    let (mut browser, _) = signed_in(&stage, ADA);
    let page = browser.open("/profile/language");
    for language in ["English", "Deutsch", "Français", "Español", "中文"] {
        page.says(language);
    }
    let odd = browser.press(&page, "Save", &[("f.language", "de"), ("f.zone", "../etc")]);
    odd.says("There is no such time zone.");
    let german = browser.press(&odd, "Save", &[("f.language", "de"), ("f.zone", "Europe/Berlin")]);
    assert!(german.html.contains("<html lang=\"de\">"), "{}", german.html);
    german.says("Zweite Faktoren");
    let me = stage.wire().get_as(&stage.login(ADA).access, "/api/me").expect(200);
    let profile = &me["user"]["profile"];
    assert_eq!((&profile["language"], &profile["zone"]), (&json!("de"), &json!("Europe/Berlin")));
    german.says("Nicht eingerichtet").says("Einrichten");
    let page = browser.open("/profile/method/totp/setup");
    let page = browser.press(&page, "Anfangen", &[]);
    page.says("Abschreiben").says("Einrichtung abbrechen");
}

#[test]
fn a_session_of_the_pages_ends_in_its_time_and_is_renewed_by_nobody() {
    let mut stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    let token = browser.cookies["__Host-mfa_session"].clone();
    let renewed = stage.wire().post_form("/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", &token)]);
    assert_eq!(renewed.expect(400)["error"], "invalid_grant", "who copies the cookie gets no tokens for it");
    stage.clock.advance_s(8 * 3600);
    assert_eq!(browser.open("/profile").address, "/profile");
    stage.clock.advance_s(1);
    assert!(browser.open("/profile").address.starts_with("/auth/authorize?"));
    // The tokens of an application are for it alone.
    let tokens = stage.login(ADA);
    browser.cookies.insert("__Host-mfa_session".to_owned(), tokens.refresh);
    assert!(browser.open("/profile").address.starts_with("/auth/authorize?"));
}

#[test]
fn a_page_that_one_person_left_open_does_nothing_for_the_next() {
    let stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    let left_open = browser.open("/profile/sessions");
    let home = browser.open("/profile");
    browser.press(&home, "Sign out", &[]);
    sign_in(&mut browser, "/profile", BOB, PASSWORD).says("Second factors");
    let (address, fields) = left_open.sent_by("Sign out", &[]);
    assert_eq!(browser.post(&address, &fields).status, 403);
    assert_eq!(browser.open("/profile").address, "/profile", "Bob is still signed in");
}

#[test]
fn a_cookie_that_another_program_set_costs_nobody_the_sign_in() {
    let stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    browser.cookies.insert("a_name".to_owned(), "Zo\u{eb}".to_owned());
    assert_eq!(browser.open("/profile").address, "/profile");
}
