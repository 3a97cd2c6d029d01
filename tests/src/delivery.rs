//! Mails, received by a server that is not ours and read by Python's own e-mail package; and each thing that can keep
//! one from going out, told in one clear line without a secret.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::harness::{Certificates, Directory, Outcome, Server, Stage, closed_port, run_host};

const USER: &str = "login@example.org";
/// Odd, so that finding it in a message means something.
const SECRET: &str = "mail-Pw7+secret/%";

/// A channel `email` to this port with these further keys, and its secret in place.
fn with_channel(directory: &Directory, port: u16, keys: &str) {
    secret_file(directory, SECRET);
    directory.append_settings(&format!(
        "[[channel]]\nname = \"email\"\ntype = \"email\"\nhost = \"localhost\"\nport = {port}\n\
         from = \"Müller & Söhne <login@example.org>\"\n{keys}\n"
    ));
}

fn secret_file(directory: &Directory, secret: &str) {
    let path = directory.path().join("mail_password");
    fs::write(&path, format!("{secret}\n")).expect("is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("0600");
}

/// Keys of a channel that signs in and trusts the test's authority.
fn signing_in(certificates: &Certificates) -> String {
    let authority = certificates.authority();
    format!("user = \"{USER}\"\nsecret_file = \"mail_password\"\nca_file = \"{authority}\"")
}

/// Options of a mail server that wants a password.
fn guarded<'a>(certificate: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut options: Vec<&str> = certificate.iter().map(String::as_str).collect();
    options.extend(["--user", USER, "--password", SECRET]);
    options.extend(more);
    options
}

fn send(directory: &Directory, to: &str) -> Outcome {
    run_host(&directory.path(), &["channel", "test", "email", to])
}

/// The command failed with one line of problem and one of remedy, which hold these words and no secret.
#[track_caller]
fn assert_told(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.lines().count()), ("", 2), "{outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} in {outcome:?}");
    }
    assert!(!outcome.stderr.contains("mail-Pw7"), "{outcome:?}");
}

fn header<'a>(mail: &'a Value, name: &str) -> &'a str {
    let headers = mail["headers"].as_array().expect("headers");
    let mut named = headers.iter().filter(|header| header[0] == name);
    let value = named.next().unwrap_or_else(|| panic!("no {name} in {mail:#}"))[1].as_str().expect("text");
    assert!(named.next().is_none(), "{name} stands once in {mail:#}");
    value
}

#[test]
fn a_mail_arrives_in_both_parts_however_the_server_is_spoken_to() {
    let certificates = Certificates::new();
    let certificate = certificates.options();
    for (options, keys) in [
        (guarded(&certificate, &[]), signing_in(&certificates)),
        (guarded(&certificate, &["--mechanism", "LOGIN"]), signing_in(&certificates)),
        (guarded(&certificate, &["--tls", "tls"]), format!("{}\nencryption = \"tls\"", signing_in(&certificates))),
        (vec!["--tls", "none"], "encryption = \"none\"".to_owned()),
    ] {
        let server = Server::mail(&options);
        let directory = Directory::new();
        with_channel(&directory, server.port, &keys);
        let outcome = send(&directory, "ada@example.org").success();
        assert!(outcome.stdout.contains("ada@example.org"), "{outcome:?}");
        let mail = server.next();
        assert_eq!((&mail["envelope_from"], &mail["envelope_to"][0]), (&USER.into(), &"ada@example.org".into()));
        assert_eq!(mail["encrypted"], !options.contains(&"none"));
        assert_eq!(mail["user"], if options.contains(&"none") { Value::Null } else { USER.into() });
        assert_eq!(mail["type"], "multipart/alternative");
        assert_eq!(mail["defects"].as_array().expect("a list").len(), 0, "{mail:#}");
        for (part, word) in [("text/plain", "This is a test."), ("text/html", "<!doctype html>")] {
            let content = mail["parts"][part].as_str().expect("the part is there");
            assert!(content.contains(word) && content.contains("Messages from Test host reach you here."), "{content}");
        }
        assert_eq!(header(&mail, "From"), "Müller & Söhne <login@example.org>");
        assert_eq!(header(&mail, "To"), "ada@example.org");
        assert_eq!(header(&mail, "Subject"), "Test message from Test host");
        assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
        assert!(header(&mail, "Message-ID").ends_with("@example.org>"), "{mail:#}");
        // The test's clock, not the machine's.
        assert!(header(&mail, "Date").starts_with("Mon, 01 Jan 2035 00:00:10"), "{mail:#}");
        assert!(server.is_quiet());
    }
}

#[test]
fn what_keeps_a_mail_from_going_out_is_told_without_a_secret() {
    let (certificates, foreign) = (Certificates::new(), Certificates::new());
    let certificate = certificates.options();
    let keys = signing_in(&certificates);
    let not_localhost = format!("{keys}\n");
    for (options, keys, words) in [
        (guarded(&certificate, &["--password", "another"]), &keys, vec!["refuses the user or password", "535"]),
        (
            guarded(&certificate, &["--refuse-recipient", "ada@example.org"]),
            &keys,
            vec!["refuses the recipient", "550", "no such user"],
        ),
        (guarded(&certificate, &["--refuse-sender", USER]), &keys, vec!["refuses the sender", "553"]),
        (
            guarded(&certificate, &["--refuse-message", "554 5.7.1 spam"]),
            &keys,
            vec!["refuses the message", "554", "spam"],
        ),
        (guarded(&certificate, &["--refuse-message", "451 later"]), &keys, vec!["451", "later", "try again"]),
        (guarded(&foreign.options(), &[]), &keys, vec!["certificate", "not trusted"]),
        (vec!["--tls", "none"], &not_localhost, vec!["offers no STARTTLS"]),
    ]
    .iter()
    .map(|(options, keys, words)| (options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>(), keys, words))
    {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let server = Server::mail(&options);
        let directory = Directory::new();
        with_channel(&directory, server.port, keys);
        assert_told(&send(&directory, "ada@example.org"), words);
        assert!(server.is_quiet(), "nothing was taken");
    }
}

#[test]
fn a_server_that_is_gone_mute_slow_or_another_is_told() {
    let certificates = Certificates::new();
    let certificate = certificates.options();
    let keys = format!("{}\ntimeout_s = 1", signing_in(&certificates));
    let directory = Directory::new();
    with_channel(&directory, closed_port(), &keys);
    assert_told(&send(&directory, "ada@example.org"), &["localhost", "cannot be reached", "refused"]);

    for option in [["--mute"].as_slice(), &["--slow-s", "20"]] {
        let server = Server::mail(&guarded(&certificate, option));
        let directory = Directory::new();
        with_channel(&directory, server.port, &keys);
        assert_told(&send(&directory, "ada@example.org"), &["did not answer in time"]);
    }

    let server = Server::mail(&guarded(&certificate, &[]));
    let directory = Directory::new();
    with_channel(&directory, server.port, &keys);
    directory.replace_setting("host = \"localhost\"", "host = \"127.0.0.1\"");
    assert_told(&send(&directory, "ada@example.org"), &["certificate", "not trusted"]);
    // What speaks TLS from the start does not greet, and what greets does not speak TLS.
    directory.replace_setting("host = \"127.0.0.1\"", "host = \"localhost\"\nencryption = \"tls\"");
    assert_told(&send(&directory, "ada@example.org"), &["localhost"]);
    assert!(server.is_quiet());
}

#[test]
fn a_machine_that_trusts_nobody_sends_nothing() {
    let certificates = Certificates::new();
    let server = Server::mail(&guarded(&certificates.options(), &[]));
    let directory = Directory::new();
    // Without ca_file the machine's own authorities count, and the test's is none of them.
    with_channel(&directory, server.port, &format!("user = \"{USER}\"\nsecret_file = \"mail_password\""));
    assert_told(&send(&directory, "ada@example.org"), &["certificate", "not trusted"]);
}

#[test]
fn a_late_answer_is_never_taken_for_the_answer_to_the_next_mail() {
    let certificates = Certificates::new();
    let options = certificates.options();
    let server = Server::mail(&guarded(&options, &["--slow-s", "3", "--refuse-recipient", "bob@example.org"]));
    let keys = format!("{}\ntimeout_s = 1", signing_in(&certificates));
    let stage = Stage::with(|directory| with_channel(directory, server.port, &keys));
    assert_told(&send(&stage.directory, "ada@example.org"), &["did not answer in time"]);
    assert_told(&send(&stage.directory, "bob@example.org"), &["refuses the recipient"]);
    send(&stage.directory, "eve@example.org").success();
    assert_eq!(server.next()["envelope_to"][0], "eve@example.org");
}

#[test]
fn a_running_host_uses_its_connection_again() {
    let certificates = Certificates::new();
    let server = Server::mail(&guarded(&certificates.options(), &[]));
    let mut stage = Stage::with(|directory| with_channel(directory, server.port, &signing_in(&certificates)));
    let connections: Vec<u64> = (0..4)
        .map(|_| {
            send(&stage.directory, "ada@example.org").success();
            server.next()["connections"].as_u64().expect("a number")
        })
        .collect();
    // The host looks at its files once more after its start, and begins anew then.
    assert!(connections[3] <= 2, "{connections:?}");
    let log = stage.host().log();
    assert!(!log.contains("mail-Pw7") && !log.contains("ada@example.org"), "{log}");
    assert!(log.contains("channel_tested"), "{log}");
    stage.stop();
}

#[test]
fn names_and_addresses_cannot_break_out_of_their_header() {
    let server = Server::mail(&["--tls", "none"]);
    let directory = Directory::new();
    with_channel(&directory, server.port, "encryption = \"none\"\nsubject_prefix = \"[ümläut] \"");
    directory.replace_setting("name = \"Test host\"", "name = \"🔐 <b>\\\"Löwe\\\"</b> =?utf-8?q?x?= & Co\"");
    send(&directory, "ada@bücher.example").success();
    let mail = server.next();
    assert_eq!(mail["envelope_to"][0], "ada@xn--bcher-kva.example");
    assert_eq!(header(&mail, "Subject"), "[ümläut] Test message from 🔐 <b>\"Löwe\"</b> = ?utf-8?q?x?= & Co");
    let html = mail["parts"]["text/html"].as_str().expect("HTML");
    assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"), "{html}");
    for to in [
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\nRCPT TO:<eve@example.org>",
        "ada@example.org, eve@example.org",
        "\"ada\r\n\"@example.org",
        "Ada <ada@example.org>",
        "ada",
        "",
    ] {
        assert_told(&send(&directory, to), &["not an e-mail address"]);
    }
    // aiosmtpd of this test does not speak SMTPUTF8.
    assert_told(&send(&directory, "ädä@example.org"), &["ASCII letters only"]);
    assert!(server.is_quiet());
}
