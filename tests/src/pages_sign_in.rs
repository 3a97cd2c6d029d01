//! Signing in with a browser that has no script: what the pages show, where they lead, and what they refuse.

use crate::harness::{ADA, Account, CLIENT_ID, Directory, PASSWORD, Page, PlainBrowser, REDIRECT_URI, Stage, run_host};

fn sign_in_address(more: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("state", "x&y")
        .finish();
    format!("/auth/authorize?{query}{more}")
}

fn typed_name(name: &str) -> [(&str, &str); 2] {
    [("f.username", name), ("s.password", PASSWORD)]
}

fn public_url(directory: &Directory, url: &str) {
    let settings = directory.settings();
    std::fs::write(directory.path().join("host.toml"), format!("public_url = \"{url}\"\n{settings}"))
        .expect("settings");
}

/// A browser that gave the right name and password, and the page it came to.
fn at_second_step(stage: &Stage, name: &str) -> (PlainBrowser, Page) {
    let mut browser = PlainBrowser::new(stage.wire());
    let page = browser.open(&sign_in_address(""));
    let page = browser.press(&page, "Sign in", &typed_name(name));
    (browser, page)
}

/// The result code in the address a login leads back to.
#[track_caller]
fn code_in(page: &Page) -> String {
    assert!(page.address.starts_with(REDIRECT_URI), "{} {}", page.address, page.text());
    let url = url::Url::parse(&page.address).expect("an address");
    let value = |name: &str| url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    assert_eq!(value("state").as_deref(), Some("x&y"));
    value("code").expect("a code")
}

#[test]
fn a_password_alone_leads_back_to_the_application_with_a_code() {
    let stage = Stage::new();
    let (browser, page) = at_second_step(&stage, ADA);
    stage.exchange(&code_in(&page)).expect(200);
    assert!(
        browser.cookies.keys().all(|name| !name.contains("flow") && !name.contains("session")),
        "{:?}",
        browser.cookies
    );
}

#[test]
fn a_second_factor_is_asked_on_a_page_that_can_be_loaded_again_and_a_wrong_code_is_told() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.clock.advance_s(60);
    let (mut browser, page) = at_second_step(&stage, ADA);
    page.says("Confirm that it is you").says("to go on to");
    assert!(page.html.contains("autocomplete=\"one-time-code\"") && page.html.contains("inputmode=\"numeric\""));
    let again = browser.open(&page.address);
    assert_eq!(again.html, page.html, "to load it again changes nothing");
    let wrong = browser.press(&again, "Confirm", &[("s.code", &ada.totp.wrong_code(stage.clock.wall_ms))]);
    wrong.says("This is not the code the app shows now.");
    assert!(wrong.html.contains("role=\"alert\""));
    browser.open(&wrong.address).says_not("This is not the code");
    let code = ada.totp.code(stage.clock.wall_ms);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    let done = browser.press(&wrong, "Confirm", &[("s.code", &spaced)]);
    stage.exchange(&code_in(&done)).expect(200);
    let gone = browser.open(&wrong.address);
    assert_eq!(gone.status, 404);
    gone.says("This sign-in is over");
    assert!(gone.link("Start again").starts_with("/auth/authorize?"));
}

#[test]
fn a_wrong_password_keeps_the_name_and_nothing_else() {
    let stage = Stage::new();
    let mut browser = PlainBrowser::new(stage.wire());
    let page = browser.open(&sign_in_address(""));
    let secret = "wrong-but-secret-9";
    let page = browser.press(&page, "Sign in", &[("f.username", "ada<b>"), ("s.password", secret)]);
    page.says("The user name or password is wrong.");
    assert!(page.html.contains("value=\"ada&lt;b&gt;\"") && !page.html.contains(secret), "{}", page.html);
    assert!(!browser.cookies.values().any(|value| value.contains(secret)));
    browser.open(&page.address).says_not("wrong");
}

#[test]
fn a_form_of_another_site_or_of_no_page_does_nothing() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.clock.advance_s(60);
    let (mut browser, page) = at_second_step(&stage, ADA);
    let code = ada.totp.code(stage.clock.wall_ms);
    let (address, fields) = page.sent_by("Confirm", &[("s.code", &code)]);
    let without = |name: &str| fields.iter().filter(|(own, _)| own != name).cloned().collect::<Vec<_>>();
    let refused = |browser: &mut PlainBrowser, fields: &[(String, String)], why: &str| {
        let answer = browser.post(&address, fields);
        assert_eq!(answer.status, 403, "{why}");
        assert!(answer.header("location").is_none(), "{why}");
    };
    refused(&mut browser, &without("form_tag"), "no tag");
    let mut wrong = without("form_tag");
    wrong.push(("form_tag".to_owned(), "A".repeat(43)));
    refused(&mut browser, &wrong, "a wrong tag");
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")]
    {
        browser.headers = vec![(name.to_owned(), value.to_owned())];
        refused(&mut browser, &fields, value);
    }
    browser.headers.clear();
    let own = browser.cookies.clone();
    browser.forget_marks();
    refused(&mut browser, &fields, "no cookie");
    browser.cookies = own;
    let mut other = PlainBrowser::new(stage.wire());
    let (_, foreign) = (other.open(&sign_in_address("")), &fields);
    refused(&mut other, foreign, "the tag of another browser");
    browser.headers = vec![("sec-fetch-site".to_owned(), "same-origin".to_owned())];
    refused(&mut browser, &with_tag_of(&mut other, &fields), "the tag of an attacker's own page");
    browser.headers.clear();
    refused(&mut browser, &with_tag_of(&mut other, &fields), "nor where a browser says nothing of itself");
    let done = browser.press(&page, "Confirm", &[("s.code", &code)]);
    code_in(&done);
}

/// A form as an attacker would have it sent: with the tag of a page they asked for themselves.
fn with_tag_of(attacker: &mut PlainBrowser, fields: &[(String, String)]) -> Vec<(String, String)> {
    let (_, own) = attacker.open(&sign_in_address("")).sent_by("Sign in", &[]);
    let is_tag = |field: &&(String, String)| field.0 == "form_tag";
    fields.iter().filter(|field| !is_tag(field)).chain(own.iter().filter(is_tag)).cloned().collect()
}

#[test]
fn tabs_that_are_opened_at_once_are_all_of_the_same_browser() {
    let stage = Stage::new();
    let (mut first, mut second) = (PlainBrowser::new(stage.wire()), PlainBrowser::new(stage.wire()));
    let (in_first, in_second) = (first.open(&sign_in_address("")), second.open(&sign_in_address("")));
    // Neither had a cookie when it asked, and the browser has what both answers set.
    let mut browser = PlainBrowser::new(stage.wire());
    browser.cookies.extend(first.cookies.into_iter().chain(second.cookies));
    for page in [&in_first, &in_second] {
        code_in(&browser.press(page, "Sign in", &typed_name(ADA)));
    }
    let before = browser.cookies.clone();
    browser.open(&sign_in_address(""));
    assert_eq!(browser.cookies, before, "no further mark comes once there is one");
    let (address, fields) = in_first.sent_by("Sign in", &typed_name(ADA));
    browser.headers = vec![("origin".to_owned(), "https://evil.example".to_owned())];
    assert_eq!(browser.post(&address, &fields).status, 403, "and another site can send none of them");
}

#[test]
fn an_address_that_was_changed_is_no_login_and_never_a_redirect() {
    let (stage, _) = Stage::ada_with_totp();
    let (mut browser, page) = at_second_step(&stage, ADA);
    let changed = page.address.replace("state=x%26y", "state=z");
    assert_eq!(browser.open(&changed).status, 404, "the login is bound to all that was asked for");
    let flow = page.address.rsplit("flow=").next().expect("a handle");
    let mut other = PlainBrowser::new(stage.wire());
    assert_eq!(other.open(&sign_in_address(&format!("&flow={flow}"))).status, 404, "another browser has no such login");
    for (client, redirect) in [
        ("https://app.example/", "https://evil.example/"),
        ("no url", "https://app.example/"),
        ("https://app.example/", "javascript:alert(1)"),
        ("https://app.example/", "https://app.example/\t/evil.example"),
        ("https://app.example/", "https://app.example/\n/evil.example"),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", client)
            .append_pair("redirect_uri", redirect)
            .finish();
        let page = browser.open(&format!("/auth/authorize?{query}"));
        assert_eq!(page.status, 400, "{client} {redirect}");
        page.says("This application is not known");
    }
    for query in
        ["", "client_id=a", "client_id=a&client_id=a&redirect_uri=b", "response_type=token&client_id=a&redirect_uri=b"]
    {
        let page = browser.open(&format!("/auth/authorize?{query}"));
        assert_eq!(page.status, 400, "{query}");
    }
}

#[test]
fn pages_are_kept_by_nobody_framed_by_nobody_and_run_no_script_of_their_own() {
    let stage = Stage::new();
    let page = PlainBrowser::new(stage.wire()).open(&sign_in_address(""));
    let header = |name: &str| page.answer.header(name).unwrap_or_else(|| panic!("{name}")).to_owned();
    assert_eq!((header("cache-control"), header("x-frame-options")), ("no-store".to_owned(), "DENY".to_owned()));
    let policy = header("content-security-policy");
    for part in
        ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(policy.contains("form-action 'self';"), "{policy}");
    assert!(!page.html.contains(" style=") && !page.html.contains(" onclick=") && !page.html.contains("<style"));
    let mut bytes = page.answer.body.len();
    for piece in page.html.split("/static/").skip(1).chain(page.html.split("&#x2f;static&#x2f;").skip(1)) {
        let file = stage.wire().get(&format!("/static/{}", piece.split('"').next().expect("an end")));
        assert_eq!(file.status, 200);
        assert!(file.header("cache-control").is_some_and(|value| value.contains("immutable")));
        bytes += file.body.len();
    }
    assert!(bytes < 30_000, "{bytes}");
    for odd in ["nothing.css", "..%2f..%2fhost.toml", "style.css%00", ""] {
        assert_eq!(stage.wire().get(&format!("/static/{odd}")).status, 404, "{odd}");
    }
}

#[test]
fn another_address_than_public_url_is_told_what_to_set_instead_of_a_form() {
    let stage = Stage::with(|directory: &Directory| public_url(directory, "https://login.example.org"));
    let page = PlainBrowser::new(stage.wire()).open(&sign_in_address(""));
    assert_eq!(page.status, 421);
    page.says("https://login.example.org").says("public_url");
    assert!(page.forms().is_empty());
    assert!(page.link("Go to https://login.example.org").starts_with("https://login.example.org/auth/authorize?"));
    let mut by_name = PlainBrowser::new(stage.wire());
    by_name.headers = vec![("host".to_owned(), "login.example.org".to_owned())];
    assert_eq!(by_name.open(&sign_in_address("")).status, 200);
    let stage = Stage::new();
    let mut open = PlainBrowser::new(stage.wire());
    open.headers = vec![("host".to_owned(), "192.168.7.7:8126".to_owned())];
    let page = open.open(&sign_in_address(""));
    assert_eq!(page.status, 403);
    page.says("plain HTTP").says("public_url");
    assert!(page.forms().is_empty());
}

#[test]
fn a_lost_phone_is_a_backup_code_away_and_its_advice_is_shown() {
    let (mut stage, _, codes) = Stage::ada_with_codes();
    stage.clock.advance_s(60);
    let (mut browser, page) = at_second_step(&stage, ADA);
    page.says("Try another way");
    let wrong = browser.press(&page, "Use this code", &[("s.recovery_code", "nonsense-123")]);
    assert!(wrong.html.contains("role=\"alert\""), "{}", wrong.html);
    let done = browser.press(&wrong, "Use this code", &[("s.recovery_code", &codes.codes[0])]);
    code_in(&done);
}

#[test]
fn another_method_is_chosen_and_the_former_page_is_over() {
    let (mut stage, ada): (Stage, Account) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    stage.set_up_pin(&tokens);
    let (mut browser, page) = at_second_step(&stage, ADA);
    page.says("Try another way");
    let other = browser.press(&page, "Insecure example (PIN)", &[]);
    assert_ne!(other.address, page.address);
    assert!(other.html.contains("name=\"s.pin\""), "{}", other.html);
    assert_eq!(browser.open(&page.address).status, 404);
    let done = browser.press(&other, "Confirm", &[("s.pin", crate::harness::PIN)]);
    code_in(&done);
}

#[test]
fn too_many_wrong_codes_and_a_life_that_ends_are_told_with_what_to_do() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.clock.advance_s(60);
    let (mut browser, mut page) = at_second_step(&stage, ADA);
    for _ in 0..5 {
        page = browser.press(&page, "Confirm", &[("s.code", &ada.totp.wrong_code(stage.clock.wall_ms))]);
    }
    page.says("Too many wrong codes. Start again.");
    assert!(page.link("Start again").starts_with("/auth/authorize?"));
    let start = browser.open(&page.link("Start again"));
    let locked = browser.press(&start, "Sign in", &typed_name(ADA));
    let locked = browser.press(&locked, "Confirm", &[("s.code", &ada.totp.code(stage.clock.wall_ms))]);
    locked.says("There were too many tries. Wait");
    stage.clock.advance_s(301);
    let late = browser.open(&locked.address);
    late.says("This sign-in took too long. Start again.");
}

#[test]
fn two_tabs_have_a_login_each_and_a_double_click_is_one_answer() {
    let (mut stage, ada) = Stage::ada_with_totp();
    stage.clock.advance_s(60);
    let (mut browser, first) = at_second_step(&stage, ADA);
    let page = browser.open(&sign_in_address(""));
    let second = browser.press(&page, "Sign in", &typed_name(ADA));
    assert_ne!(first.address, second.address);
    browser.open(&first.address).says("Confirm that it is you");
    let code = ada.totp.code(stage.clock.wall_ms);
    let done = browser.press(&first, "Confirm", &[("s.code", &code)]);
    code_in(&done);
    let (address, fields) = first.sent_by("Confirm", &[("s.code", &code)]);
    assert_eq!(browser.post(&address, &fields).status, 404, "the same answer once more");
    let used = browser.press(&second, "Confirm", &[("s.code", &code)]);
    used.says("used");
}

#[test]
fn pages_are_replaced_by_files_of_the_same_name_and_a_broken_one_is_told_and_passed_over() {
    let write = |directory: &Directory, name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    let own = "{% extends \"page_layout.html\" %}{% block main %}<h1>Our own door</h1>{% endblock %}";
    let stage = Stage::with(|directory: &Directory| {
        write(directory, "templates/page_sign_in.html", own);
        write(directory, "templates/page_step.html", "{% if %}");
        write(directory, "static/logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
        write(directory, "translations/de.json", "{\"page.forgotten.title\": \"Vergessen?\"}");
        directory.append_settings("[pages]\nlogo = \"logo.svg\"\naccent = \"#0b57d0\"");
    });
    let mut browser = PlainBrowser::new(stage.wire());
    let page = browser.open(&sign_in_address(""));
    page.says("Our own door");
    let logo = page.html.split("<img src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a logo");
    let logo = stage.wire().get(&logo.replace("&#x2f;", "/"));
    assert_eq!((logo.status, logo.header("content-type")), (200, Some("image/svg+xml")));
    let told = run_host(&stage.directory.path(), &["config", "check"]);
    let told = format!("{}{}", told.stdout, told.stderr);
    assert!(told.contains("page_step.html:1") && told.contains("built-in"), "{told}");
    assert!(stage.host().log().contains("page_step.html:1"), "{}", stage.host().log());
}
