//! "Sign-in and security" with a browser that has no script: what a signed-in person sees and changes of their own.

use crate::{
    command_line::{WORD, knows, with_program},
    harness::{ADA, Account, PASSWORD, Page, PlainBrowser, Stage, TotpSecret},
    pages_setup::set_up_totp,
    trusted_networks::at_home,
};

pub const NEW_PASSWORD: &str = "another-horse-8Kp-staple";

/// A browser that is signed in at the host's own pages, and the page it came to.
#[track_caller]
pub fn signed_in(stage: &Stage, name: &str) -> (PlainBrowser, Page) {
    let mut browser = PlainBrowser::new(stage.wire());
    let page = sign_in(&mut browser, "/profile", name, PASSWORD);
    page.says("Second factors");
    assert_eq!(page.address, "/profile");
    (browser, page)
}

#[track_caller]
pub fn sign_in(browser: &mut PlainBrowser, address: &str, name: &str, password: &str) -> Page {
    let page = browser.open(address);
    assert!(page.address.starts_with("/auth/authorize?"), "{} {}", page.address, page.text());
    browser.press(&page, "Sign in", &[("f.username", name), ("s.password", password)])
}

/// Password and code once more, where a change asks for them.
#[track_caller]
fn prove(stage: &mut Stage, browser: &mut PlainBrowser, page: &Page, totp: Option<&TotpSecret>) -> Page {
    assert!(page.address.starts_with("/profile/proof?"), "{} {}", page.address, page.text());
    let page = browser.press(page, "Confirm", &[("s.password", PASSWORD)]);
    let Some(totp) = totp else { return page };
    let page = browser.press(&page, "Confirm", &[("s.code", &totp.code(stage.now_ms()))]);
    stage.clock.advance_s(30);
    page
}

#[test]
fn a_change_asks_for_a_fresh_proof_before_its_form_and_leads_on_to_it() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let (mut browser, page) = signed_in_with_totp(&mut stage, &ada);
    page.says("Set up");
    stage.clock.advance_s(3600);
    let page = browser.open("/profile/method/totp/remove");
    page.says("show once more that it is you");
    let wrong = browser.press(&page, "Confirm", &[("s.password", "wrong")]);
    wrong.says("wrong");
    let page = prove(&mut stage, &mut browser, &wrong, Some(&ada.totp));
    assert_eq!(page.address, "/profile/method/totp/remove");
    page.says("It is your only second factor.");
    stage.clock.advance_s(3600);
    let late = browser.press(&page, "Remove", &[]);
    let page = prove(&mut stage, &mut browser, &late, Some(&ada.totp));
    let done = browser.press(&page, "Remove", &[]);
    assert_eq!(done.address, "/profile");
    done.says("It is removed.").says("You have none yet.");
    for next in ["//evil.example", "https://evil.example/profile/password", "/auth/authorize", "/profile/sign-out"] {
        let page = browser.open(&format!("/profile/proof?next={next}"));
        assert_eq!(page.status, 404, "{next}");
    }
}

#[track_caller]
fn signed_in_with_totp(stage: &mut Stage, account: &Account) -> (PlainBrowser, Page) {
    let mut browser = PlainBrowser::new(stage.wire());
    let page = sign_in(&mut browser, "/profile", account.name, PASSWORD);
    let page = browser.press(&page, "Confirm", &[("s.code", &account.totp.code(stage.now_ms()))]);
    stage.clock.advance_s(30);
    assert_eq!(page.address, "/profile", "{}", page.text());
    (browser, page)
}

#[test]
fn a_method_is_named_tried_switched_off_and_on_and_asked_first() {
    let mut stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    let (totp, _) = set_up_totp(&mut stage, &mut browser);
    let page = browser.open("/profile/method/insecure_example/setup");
    let page = browser.press(&page, "Begin", &[]);
    browser.press(&page, "Confirm", &[("s.pin", "4711")]).says("It is set up");
    let named = "<b>Küche</b> 🔑 \u{5d0}\u{5d1}";
    let page = browser.open("/profile/method/totp/rename");
    let page = browser.press(&page, "Save", &[("f.label", named)]);
    page.says("The name is saved.").says(named);
    assert!(!page.html.contains("<b>") && page.html.contains("<bdi>&lt;b&gt;Küche"), "{}", page.html);
    let page = browser.open("/profile/method/totp/rename");
    let refused = browser.press(&page, "Save", &[("f.label", &"x".repeat(10_000))]);
    refused.says("This is too long.");
    let page = browser.open("/profile/method/totp/rename");
    let refused = browser.press(&page, "Save", &[("f.label", "a\u{202e}b")]);
    refused.says("There are characters in it that do not fit.");
    let page = browser.open("/profile/method/totp/test");
    let page = browser.press(&page, "Begin", &[]);
    let wrong = browser.press(&page, "Confirm", &[("s.code", &totp.wrong_code(stage.now_ms()))]);
    assert!(wrong.html.contains("role=\"alert\""), "{}", wrong.html);
    let done = browser.press(&wrong, "Confirm", &[("s.code", &totp.code(stage.now_ms()))]);
    done.says("It works.");
    assert_eq!(done.address, "/profile/method/totp");
    stage.clock.advance_s(30);
    let kept = browser.open("/profile/method/totp/off");
    assert_eq!(kept.status, 409, "{}", kept.text());
    kept.says("You are asked for this first.");
    let page = browser.open("/profile/method/insecure_example/primary");
    browser.press(&page, "Ask for this first", &[]).says("You are asked for this first from now on.");
    let page = browser.open("/profile/method/totp/off");
    browser.press(&page, "Switch off", &[]).says("It is switched off.").says("Switched off");
    let page = browser.open("/profile/method/totp/on");
    browser.press(&page, "Switch on", &[]).says("It is switched on.");
    let page = browser.open("/profile/remove-all");
    browser.press(&page, "Remove all", &[]).says("You have none yet.");
    assert_eq!(browser.open("/profile/method/nothing").status, 404);
    assert_eq!(browser.open("/profile/method/totp/nothing").status, 404);
}

#[test]
fn a_change_that_takes_a_code_asks_for_it_and_uses_it_up() {
    let mut stage = Stage::with(|directory| directory.append_settings("[methods]\ndelete_needs_code = true"));
    let (mut browser, _) = signed_in(&stage, ADA);
    let (totp, _) = set_up_totp(&mut stage, &mut browser);
    let page = browser.open("/profile/method/totp/remove");
    page.says("Confirm it with a code");
    let wrong = browser.press(&page, "Remove", &[("s.code", &totp.wrong_code(stage.now_ms()))]);
    wrong.says("This code is not right.");
    let without = browser.press(&wrong, "Remove", &[]);
    without.says("This is needed.");
    browser.press(&without, "Remove", &[("s.code", &totp.code(stage.now_ms()))]).says("It is removed.");
}

#[test]
fn a_code_that_is_sent_is_sent_by_a_button_before_it_is_asked_for() {
    let stage = Stage::with(|directory| {
        directory.with_outbox();
        directory.append_settings("[methods]\ndelete_needs_code = true");
    });
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    let mut browser = PlainBrowser::new(stage.wire());
    let page = sign_in(&mut browser, "/profile/method/email/remove", ADA, PASSWORD);
    let before = stage.outbox().len();
    let page = browser.press(&page, "Confirm", &[("s.code", &stage.sent_code())]);
    assert_eq!(page.address, "/profile/method/email/remove", "{}", page.text());
    page.says("First let it be sent to you.");
    let sent = browser.press(&page, "Send the code", &[]);
    sent.says("Type the code that");
    assert_eq!(browser.open(&sent.address).html, sent.html, "to load it again sends nothing");
    let wrong = browser.press(&sent, "Remove", &[("s.code", "000000")]);
    wrong.says("This code is not right.");
    browser.press(&wrong, "Remove", &[("s.code", &stage.sent_code())]).says("It is removed.");
    assert!(stage.outbox().len() > before);
}

#[test]
fn devices_are_renamed_and_removed() {
    let mut stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    set_up_totp(&mut stage, &mut browser);
    let page = browser.open("/profile/method/totp");
    let rename = page.links().into_iter().find(|(to, _)| to.ends_with("/rename") && to.contains("/device/"));
    let (rename, _) = rename.expect("a device");
    let page = browser.open(&rename);
    let named = browser.press(&page, "Save", &[("f.name", "Old <i>telephone</i>")]);
    named.says("The name is saved.").says("Old <i>telephone</i>");
    let page = browser.open(&rename.replace("/rename", "/remove"));
    browser.press(&page, "Remove", &[]).says("The device is removed.").says("Not set up");
    assert_eq!(browser.open(&rename).status, 404);
}

#[test]
fn a_form_of_another_site_changes_nothing() {
    let stage = Stage::new();
    let (mut browser, _) = signed_in(&stage, ADA);
    let page = browser.open("/profile/password");
    let (address, fields) =
        page.sent_by("Change the password", &[("s.old_password", PASSWORD), ("s.new_password", NEW_PASSWORD)]);
    let refused = |browser: &mut PlainBrowser, fields: &[(String, String)], why: &str| {
        assert_eq!(browser.post(&address, fields).status, 403, "{why}");
    };
    let mut without = fields.clone();
    without.retain(|(name, _)| name != "form_tag");
    refused(&mut browser, &without, "no tag");
    without.push(("form_tag".to_owned(), "A".repeat(43)));
    refused(&mut browser, &without, "a wrong tag");
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        browser.headers = vec![(name.to_owned(), value.to_owned())];
        refused(&mut browser, &fields, value);
    }
    browser.headers.clear();
    let own = browser.cookies.clone();
    browser.forget_marks();
    refused(&mut browser, &fields, "no cookie");
    browser.cookies = own;
    browser.cookies.remove("__Host-mfa_session");
    let answer = browser.post(&address, &fields);
    assert!(answer.status == 303 && answer.header("location").is_some_and(|to| to.contains("/auth/authorize?")));
    stage.login(ADA);
}

#[test]
fn to_look_at_pages_changes_nothing() {
    let mut stage = Stage::with_backup_codes();
    let (mut browser, _) = signed_in(&stage, ADA);
    let (_, page) = set_up_totp(&mut stage, &mut browser);
    browser.press(&page, "Go on", &[("b.saved", "true")]);
    let records = |stage: &Stage| -> Vec<u8> {
        stage.directory.store_files().iter().flat_map(|file| std::fs::read(file).expect("a file")).collect()
    };
    let before = records(&stage);
    for address in [
        "/profile",
        "/profile/method/totp",
        "/profile/method/totp/setup",
        "/profile/method/totp/remove",
        "/profile/method/totp/test",
        "/profile/method/totp/rename",
        "/profile/method/backup_codes",
        "/profile/method/backup_codes/codes",
        "/profile/remove-all",
        "/profile/sessions",
        "/profile/password",
        "/profile/addresses",
        "/profile/language",
        "/profile/proof?next=/profile/password",
    ] {
        let page = browser.open(address);
        assert_eq!((page.status, page.address.as_str()), (200, address), "{}", page.text());
        let answer = &page.answer;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{address}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{address}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{address}");
        assert!(!page.html.contains("style=\"") && !page.html.contains("onclick"), "{address}");
        assert!(page.html.len() < 30_000, "{address} has {} bytes", page.html.len());
        assert!(!page.text().contains("page.profile."), "{address} says {}", page.text());
    }
    assert_eq!(records(&stage), before);
    assert_eq!(browser.request("GET", "/profile/sign-out", None).status, 405);
}

#[test]
fn who_has_no_password_here_proves_by_signing_in_again() {
    let mut stage = Stage::with(|directory| {
        with_program(directory, &knows("cleo"), "create_users = true");
        at_home(directory);
    });
    let mut browser = PlainBrowser::new(stage.wire());
    let page = by_program(&mut browser, "/profile");
    page.says("Second factors").says_not("Change the password");
    assert_eq!(browser.open("/profile/password").status, 409);
    stage.clock.advance_s(3600);
    let page = by_program(&mut browser, "/profile/method/totp/setup");
    assert_eq!(page.address, "/profile/method/totp/setup", "{}", page.text());

    let mut browser = PlainBrowser::new(stage.wire());
    let page = browser.open("/profile");
    let page = browser.open(&address_of_provider(&page, "trusted_networks"));
    let button = page.forms().last().and_then(|form| form.buttons.last().cloned()).expect("a button").0;
    let page = browser.press(&page, &button, &[]);
    let cleo = page.html.split("cleo").next().and_then(|before| before.rsplit(" value=\"").next()).expect("cleo");
    let id = cleo.split('"').next().expect("an id").to_owned();
    let page = browser.press(&page, "Confirm", &[("f.user", &id)]);
    assert_eq!(page.address, "/profile", "{}", page.text());
    let refused = browser.open("/profile/method/totp/setup");
    assert_eq!(refused.status, 409, "to sign in by place once more would prove nothing either: {}", refused.text());
    refused.says("proves nobody");
}

#[track_caller]
fn by_program(browser: &mut PlainBrowser, address: &str) -> Page {
    let page = browser.open(address);
    let page = browser.open(&address_of_provider(&page, "command_line"));
    browser.press(&page, "Sign in", &[("f.username", "cleo"), ("s.password", WORD)])
}

#[track_caller]
fn address_of_provider(page: &Page, kind: &str) -> String {
    let links = page.links();
    let found = links.iter().find(|(to, _)| to.contains(&format!("provider={kind}")));
    found.unwrap_or_else(|| panic!("{kind} in {links:?}")).0.clone()
}
