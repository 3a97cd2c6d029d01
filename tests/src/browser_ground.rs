//! What the browser tests stand on: that they see what is wrong with a page, and that no test finds what another left.

use serde_json::json;

use crate::{
    browser::{Browser, Key, Scheme},
    harness::{ADA, Site, Stage},
};

const BARRIERS: &str = "<!doctype html><title>Barriers</title>
    <p style='color: #999; background: #fff'>Who can read this?</p><img src='data:,' alt><input>
    <style>@media (prefers-color-scheme: dark) { .wide { width: 2000px } }</style><div class='wide'>wide</div>";
const COMPLAINTS: &str = "<!doctype html><html lang=en><title>Complaints</title><script src='/missing.js'></script>
    <script src='http://localhost:9/foreign.js'></script><script>console.error('something broke')</script>
    <script>throw new Error('thrown')</script>";
const FORM: &str = "<!doctype html><html lang=en><title>Form</title><script>document.title = 'Script ran'</script>
    <form action='/done'><label>Name <input name=name></label>
    <label>Colour <select name=colour><option>red<option>blue</select></label>
    <label><input type=checkbox name=sure> I am sure</label><button>Send it</button>
    <button type=button onclick='this.textContent = \"Pressed\"'>Stay here</button></form>
    <a href='/done' hidden>Send it</a><noscript>no script</noscript>";

#[test]
fn barriers_and_what_sticks_out_are_found() {
    let site = Site::new(&[("/", BARRIERS)]);
    let browser = Browser::new();
    browser.open(&site.origin);
    let barriers = browser.barriers().join("\n");
    for rule in ["color-contrast", "html-has-lang", "label"] {
        assert!(barriers.contains(&format!("\"{rule}\": ")), "{rule} in {barriers}");
    }
    assert!(barriers.contains("Who can read this?") && barriers.contains("Fix any"), "place and remedy: {barriers}");
    assert_eq!(browser.beyond_the_edge(), [""; 0]);
    browser.prefer(Scheme::Dark);
    assert!(browser.beyond_the_edge()[0].as_str().is_some_and(|place| place.contains("class=\"wide\"")));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn what_a_browser_complains_of_is_told() {
    let site = Site::new(&[("/", COMPLAINTS)]);
    let browser = Browser::new();
    browser.open(&site.origin);
    let complaints = browser.complaints().join("\n");
    for words in [
        "asks another host: http://localhost:9/foreign.js",
        "/missing.js answers 404",
        "foreign.js failed",
        "something broke",
        "Error: thrown",
    ] {
        assert!(complaints.contains(words), "{words} in {complaints}");
    }
    assert_eq!(browser.complaints(), [""; 0], "each is told once");
}

#[test]
fn things_are_found_by_their_names_and_pages_are_waited_for() {
    let site = Site::new(&[("/", FORM), ("/done", "<!doctype html><title>Done</title>Thank you")]);
    let browser = Browser::new();
    browser.open(&site.origin);
    assert_eq!((site.next().as_str(), browser.title().as_str()), ("/", "Script ran"));
    browser.fill("Name", "nobody");
    browser.fill("Name", "Ada Lovelace");
    assert_eq!(browser.value("Name"), "Ada Lovelace");
    browser.choose("Colour", "blue");
    browser.tick("I am sure");
    browser.press_here("Stay here");
    browser.until_text("Pressed");
    assert!(browser.has_button("Pressed") && !browser.has_button("Stay here") && !browser.has_field("Stay"));
    browser.press("Send it");
    browser.until_text("Thank you");
    assert_eq!(site.next(), "/done?name=Ada+Lovelace&colour=blue&sure=on");
    browser.until_url(&format!("{}/done", site.origin));
}

#[test]
fn a_page_is_gone_through_by_keyboard_and_loads_again() {
    let site = Site::new(&[("/", FORM)]);
    let browser = Browser::new();
    browser.open(&site.origin);
    assert_eq!(browser.focused(), "", "nothing has the focus at first");
    browser.key(Key::Tab);
    browser.write("Ada");
    browser.tab_to("Colour");
    browser.key(Key::Down);
    browser.tab_to("I am sure");
    assert_eq!(browser.focused(), "checkbox I am sure");
    browser.key(Key::Space);
    let filled = "const form = document.forms[0]; return [form.name.value, form.colour.value, form.sure.checked]";
    assert_eq!(browser.script(filled), json!(["Ada", "blue", true]));
    browser.reload();
    assert_eq!(browser.script("return document.forms[0].sure.checked"), false);
}

#[test]
fn a_qr_code_is_read_from_the_picture_of_a_page_that_is_longer_than_the_screen() {
    let stage = Stage::new();
    let step = stage.begin_setup(&stage.login(ADA), "totp").expect(200);
    let shown = &step["description_placeholders"];
    let page = format!(
        "<!doctype html><title>QR</title><body style='background: white'><div style='height: 2000px'></div>{}",
        shown["qr_code"].as_str().expect("a drawing")
    );
    let site = Site::new(&[("/", &page)]);
    let browser = Browser::new();
    browser.open(&site.origin);
    assert_eq!(browser.qr(), shown["url"].as_str().expect("an address"));
    assert!(browser.whole_page().len() > browser.screenshot().len());
}

#[test]
fn a_browser_without_script_runs_none_and_every_browser_begins_empty() {
    let site = Site::new(&[("/", FORM)]);
    let keep = "document.cookie = 'kept=1; path=/'; localStorage.kept = 1; return document.cookie";
    for _ in 0..2 {
        let browser = Browser::new();
        browser.open(&site.origin);
        assert_eq!((browser.script("return localStorage.kept ?? 'none'"), browser.cookies()), ("none".into(), vec![]));
        assert_eq!(browser.script(keep), "kept=1");
        drop(browser);
        let browser = Browser::without_script();
        browser.open(&site.origin);
        assert_eq!((browser.title().as_str(), browser.cookies()), ("Form", vec![]));
        browser.until_text("no script");
        let first = browser.window();
        assert_ne!(browser.open_window(), first);
        browser.open(&site.origin);
        browser.until_text("no script");
    }
}
