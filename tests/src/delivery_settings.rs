//! Channels, templates and translations as an admin meets them: checked before they are used, taken over by the running
//! host, and an outbox for development.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{Directory, Stage, run_host};

/// Longer than any change takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const NTFY: &str = "[[channel]]\nname = \"ntfy\"\ntype = \"http\"\npreset = \"ntfy\"\nurl = \"http://127.0.0.1:9\"\n";

fn write(directory: &Directory, name: &str, text: &str) {
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
    fs::write(path, text).expect("is written");
}

/// Findings of `config check` that are not well, `level subject message`, and the exit code.
fn wrong(directory: &Directory) -> (Vec<String>, Option<i32>) {
    let outcome = run_host(&directory.path(), &["config", "check", "--json"]);
    let findings = outcome.json()["findings"].as_array().expect("findings").clone();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let wrong = findings
        .iter()
        .filter(|finding| {
            ["channels", "templates"].contains(&text(finding, "subject").as_str()) && finding["level"] != "ok"
        })
        .map(|finding| {
            assert!(text(finding, "remedy").len() > 3, "{finding}");
            format!("{} {} {}", text(finding, "level"), text(finding, "subject"), text(finding, "message"))
        });
    (wrong.collect(), outcome.code)
}

/// The line of the settings that holds this text.
fn line_of(directory: &Directory, text: &str) -> usize {
    directory.settings().lines().position(|line| line.contains(text)).expect("the line") + 1
}

#[test]
fn config_check_finds_what_keeps_a_channel_from_sending_with_its_line() {
    let directory = Directory::new();
    assert_eq!(wrong(&directory), (Vec::new(), Some(0)));
    directory.append_settings(&format!("{NTFY}secret_file = \"token\"\nca_file = \"authority.pem\""));
    let found = |word: &str, key: &str| {
        let (found, code) = wrong(&directory);
        let place = format!("host.toml:{}: ", line_of(&directory, key));
        assert_eq!((found.len(), code), (1, Some(1)), "{found:?}");
        assert!(
            found[0].starts_with("fail channels") && found[0].contains(&place) && found[0].contains(word),
            "{found:?}"
        );
    };
    found("No such file", "secret_file");
    write(&directory, "token", "a-secret-token\n");
    fs::set_permissions(directory.path().join("token"), fs::Permissions::from_mode(0o644)).expect("0644");
    found("read or written by others", "secret_file");
    fs::set_permissions(directory.path().join("token"), fs::Permissions::from_mode(0o600)).expect("0600");
    found("authority.pem", "ca_file");
    write(&directory, "authority.pem", "nothing\n");
    found("no certificate", "ca_file");
    directory.replace_setting("ca_file = \"authority.pem\"", "");
    assert_eq!(wrong(&directory), (Vec::new(), Some(0)));
    directory.replace_setting("secret_file = \"token\"", "secret_env = \"NO_SUCH_VARIABLE\"");
    let (found, code) = wrong(&directory);
    assert!(
        code == Some(0) && found[0].starts_with("warn channels") && found[0].contains("NO_SUCH_VARIABLE"),
        "{found:?}"
    );
    // What the file itself says wrongly stops at the settings.
    directory.replace_setting("preset = \"ntfy\"", "preset = \"ntfy\"\ntarget = \"phone\"");
    let outcome = run_host(&directory.path(), &["config", "check"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stdout.contains("prefixes"), "{outcome:?}");
}

#[test]
fn config_check_finds_templates_and_translations_that_cannot_be_used_with_their_line() {
    let directory = Directory::new();
    write(&directory, "templates/mail_code.txt", "Hello\n\n{{ code\n");
    write(&directory, "templates/mail_notice.html", "a\n{{ coed }}\n");
    write(&directory, "translations/de.json", "{\n  \"message.code.subject\": \"{kot}\"\n}\n");
    write(&directory, "translations/fr.json", "{\n  \"a\": 1,\n}\n");
    let (found, code) = wrong(&directory);
    assert_eq!((found.len(), code), (4, Some(1)), "{found:#?}");
    for place in ["mail_code.txt:3: ", "mail_notice.html:2: ", "de.json:2: ", "fr.json:2: "] {
        let matching = found.iter().filter(|finding| finding.starts_with("fail templates") && finding.contains(place));
        assert_eq!(matching.count(), 1, "{place} in {found:#?}");
    }
    let outcome = run_host(&directory.path(), &["doctor"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("mail_code.txt:3: "), "{outcome:?}");
}

#[test]
fn an_outbox_is_for_development_only() {
    let directory = Directory::new();
    directory.append_settings("[[channel]]\nname = \"mail\"\ntype = \"outbox\"\ntarget = \"email\"");
    assert_eq!(wrong(&directory), (Vec::new(), Some(0)));
    directory.replace_setting("[development]\nclock_file = \"clock.json\"\n", "");
    let outcome = run_host(&directory.path(), &["config", "check"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stdout.contains("development only"), "{outcome:?}");
    // Without [development] there is nothing to see either.
    directory.replace_setting("type = \"outbox\"", "type = \"email\"\nhost = \"localhost\"\nfrom = \"a@example.org\"");
    let host = crate::harness::Host::start(&directory.path());
    host.wire.get("/dev/outbox").expect(404);
}

#[test]
fn the_outbox_shows_what_was_sent_over_http_and_at_the_terminal() {
    let stage = Stage::with(|directory| {
        directory.append_settings("[[channel]]\nname = \"mail\"\ntype = \"outbox\"\ntarget = \"email\"");
    });
    assert_eq!(stage.wire().get("/dev/outbox").expect(200), serde_json::json!([]));
    run_host(&stage.directory.path(), &["channel", "test", "mail", "ada@example.org"]).success();
    let messages = stage.wire().get("/dev/outbox").expect(200);
    let message = &messages[0];
    assert_eq!((&message["channel"], &message["to"]), (&"mail".into(), &"ada@example.org".into()));
    assert_eq!(message["at"], "2035-01-01T00:00:10.000Z");
    assert_eq!(message["subject"], "Test message from Test host");
    for (part, word) in [("text", "This is a test."), ("html", "<!doctype html>"), ("short", "This is a test.")] {
        assert!(message[part].as_str().is_some_and(|text| text.contains(word)), "{message:#}");
    }
    assert!(stage.host().log().contains("outbox: mail to ada@example.org: Test message from Test host"));
    // A stopped host's command has no memory, but a terminal.
    let directory = Directory::new();
    directory.append_settings("[[channel]]\nname = \"mail\"\ntype = \"outbox\"\ntarget = \"email\"");
    let outcome = run_host(&directory.path(), &["channel", "test", "mail", "ada@example.org"]).success();
    assert!(outcome.stdout.contains("  | This is a test."), "{outcome:?}");
}

/// Waits until the outbox's latest message is as wanted; each look sends another.
#[track_caller]
fn until_sent(stage: &Stage, wanted: impl Fn(&Value) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        run_host(&stage.directory.path(), &["channel", "test", "mail", "ada@example.org"]).success();
        let messages = stage.wire().get("/dev/outbox").expect(200);
        let latest = messages.as_array().and_then(|messages| messages.last()).expect("a message").clone();
        if wanted(&latest) {
            return;
        }
        assert!(Instant::now() < end, "{latest:#}\n{}", stage.host().log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_running_host_takes_over_channels_templates_and_sentences_and_keeps_the_built_in_ones() {
    let stage = Stage::with(|directory| {
        directory.append_settings("[[channel]]\nname = \"mail\"\ntype = \"outbox\"\ntarget = \"email\"");
    });
    let text_has =
        |word: &'static str| move |message: &Value| message["text"].as_str().is_some_and(|text| text.contains(word));
    until_sent(&stage, text_has("This is a test."));
    write(&stage.directory, "templates/mail_test.txt", "Ours: {{ words[\"test.subject\"] }}");
    until_sent(&stage, text_has("Ours: Test message"));
    write(&stage.directory, "translations/en.json", "{\"message.test.subject\": \"Probe of {host_name}\"}");
    until_sent(&stage, text_has("Ours: Probe of Test host"));
    write(&stage.directory, "templates/mail_test.txt", "Broken {{ nothing }}");
    until_sent(&stage, text_has("This is a test."));
    let log = stage.host().log();
    assert!(log.contains("mail_test.txt:1: the template cannot be used"), "{log}");

    stage.directory.append_settings(NTFY);
    let end = Instant::now() + PATIENCE;
    while run_host(&stage.directory.path(), &["channel", "list", "--json"]).json().as_array().map(Vec::len) != Some(2) {
        assert!(Instant::now() < end, "{}", stage.host().log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let table = run_host(&stage.directory.path(), &["channel", "list"]).success().stdout;
    assert!(table.lines().any(|line| line.starts_with("ntfy  http") && line.ends_with("ready")), "{table}");
    assert!(!Path::new(&stage.directory.path().join("outbox")).exists(), "nothing is kept on disk");
}
