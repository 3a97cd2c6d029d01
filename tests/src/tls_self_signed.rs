//! `init --tls self-signed`, `tls self-signed` and `tls renew`: an authority that can do no more than it has to, believed by openssl and curl.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::harness::{ADA, Directory, Host, PASSWORD, openssl, run_host, run_host_with_input};

const INIT: [&str; 6] = ["init", "--user", ADA, "--tls", "self-signed", "--tls-name"];

fn init(directory: &Directory, names: &[&str]) -> String {
    let mut arguments = INIT.to_vec();
    arguments.push(names[0]);
    names[1..].iter().for_each(|name| arguments.extend(["--tls-name", name]));
    run_host_with_input(&directory.path(), &arguments, &format!("{PASSWORD}\n")).success().stdout
}

fn fact(tls: &Path, file: &str, which: &str) -> String {
    openssl(tls, &["x509", "-in", file, "-noout", which])
}

fn get(tls: &Path, address: &str) -> bool {
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--noproxy", "*", "--max-time", "60", "--cacert"]);
    let output = command.arg(tls.join("ca.pem")).arg(format!("{address}/healthz")).output();
    output.expect("curl runs; cargo xtask test installs it").status.success()
}

#[test]
fn a_new_directory_with_a_certificate_of_its_own_answers_https_and_renews_it() {
    let directory = Directory::empty();
    let (path, told) = (directory.path(), init(&directory, &["door.example", "192.0.2.7"]));
    let tls = path.join("tls");
    for word in ["tls/ca.pem", "Firefox", "https://door.example:8126", "tls/ca-key.pem"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    let settings = directory.settings();
    assert!(settings.contains("\n[tls]\n") && settings.contains("\npublic_url = \"https://door.example:8126\"\n"));
    for (file, mode) in [("key.pem", 0o600), ("ca-key.pem", 0o600), ("ca.pem", 0o644), ("cert.pem", 0o644)] {
        let bits = fs::metadata(tls.join(file)).expect("the file").permissions().mode() & 0o777;
        assert_eq!(bits, mode, "{file}");
    }
    run_host(&path, &["config", "check"]).success();

    let host = Host::start(&path);
    assert!(host.base.starts_with("https://127.0.0.1:"), "{}", host.base);
    assert!(get(&tls, &host.base) && get(&tls, &host.base.replace("127.0.0.1", "localhost")));
    // Beside the host nothing has to be said: neither address nor authority.
    let log_in = || run_host_with_input(&path, &["login", "--user", ADA], &format!("{PASSWORD}\n")).success();
    assert!(log_in().stdout.contains("Signed in as ada"));
    let found = run_host(&path, &["doctor"]).stdout;
    assert!(found.lines().any(|line| line.starts_with("ok    host")), "{found}");

    let (before, authority) = (fact(&tls, "cert.pem", "-serial"), fs::read(tls.join("ca.pem")).expect("the authority"));
    let renewed = run_host(&path, &["tls", "renew", "--json"]).success().json();
    assert!(renewed["names"].as_array().is_some_and(|names| names.iter().any(|name| name == "door.example")));
    assert_ne!(fact(&tls, "cert.pem", "-serial"), before, "a certificate has a number of its own");
    assert_eq!(fs::read(tls.join("ca.pem")).expect("the authority"), authority, "nobody has to trust anew");
    host.until_logged(0, "certificate_changed");
    assert!(get(&tls, &host.base));
    openssl(&tls, &["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "cert.pem"]);
}

#[test]
fn the_authority_signs_for_its_names_alone_and_the_certificate_lasts_as_browsers_want_it() {
    let directory = Directory::empty();
    init(&directory, &["door.example"]);
    let tls = directory.path().join("tls");
    for name in ["door.example", "localhost"] {
        openssl(&tls, &["verify", "-x509_strict", "-CAfile", "ca.pem", "-verify_hostname", name, "cert.pem"]);
    }
    for address in ["127.0.0.1", "::1"] {
        openssl(&tls, &["verify", "-x509_strict", "-CAfile", "ca.pem", "-verify_ip", address, "cert.pem"]);
    }
    // 398 days are 34387200 seconds; it begins yesterday.
    openssl(&tls, &["x509", "-in", "cert.pem", "-noout", "-checkend", &(390 * 86_400).to_string()]);
    let late = (397 * 86_400).to_string();
    assert!(!checks(&tls, &["x509", "-in", "cert.pem", "-noout", "-checkend", &late]));
    openssl(&tls, &["x509", "-in", "ca.pem", "-noout", "-checkend", &(3640 * 86_400).to_string()]);

    // Whoever got hold of the authority's key can pass for nobody else.
    let request =
        ["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "evil.key", "-subj", "/CN=evil", "-out", "evil.csr"];
    openssl(&tls, &request);
    for (names, is_taken) in [("DNS:door.example", true), ("DNS:bank.example", false), ("IP:192.0.2.8", false)] {
        fs::write(tls.join("names"), format!("subjectAltName={names}\n")).expect("is written");
        let signed = ["x509", "-req", "-in", "evil.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"];
        openssl(&tls, &[&signed[..], &["-extfile", "names", "-out", "evil.pem"]].concat());
        assert_eq!(checks(&tls, &["verify", "-CAfile", "ca.pem", "evil.pem"]), is_taken, "{names}");
    }
}

fn checks(directory: &Path, arguments: &[&str]) -> bool {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output();
    output.expect("openssl runs; cargo xtask test installs it").status.success()
}

#[test]
fn what_is_no_name_makes_nothing_and_what_others_made_is_not_renewed() {
    let directory = Directory::empty();
    for name in ["door example", "https://door.example", "*.door.example", "", "-door"] {
        let mut arguments = INIT.to_vec();
        arguments.push(name);
        let refused = run_host_with_input(&directory.path(), &arguments, &format!("{PASSWORD}\n"));
        assert!(refused.code == Some(2) && !directory.path().exists(), "{name}: {refused:?}");
    }
    let alone = ["init", "--user", ADA, "--tls-name", "door.example"];
    assert_eq!(run_host_with_input(&directory.path(), &alone, PASSWORD).code, Some(2), "a name without --tls");

    init(&directory, &["door.example"]);
    let path = directory.path();
    let before = fs::read(path.join("tls/cert.pem")).expect("the certificate");
    fs::remove_file(path.join("tls/ca-key.pem")).expect("is removed");
    let refused = run_host(&path, &["tls", "renew"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("ca-key.pem"), "{refused:?}");
    directory.replace_setting("#certificate = \"tls/cert.pem\"", "certificate = \"other.pem\"");
    let refused = run_host(&path, &["tls", "renew"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("[tls]"), "{refused:?}");
    assert_eq!(fs::read(path.join("tls/cert.pem")).expect("the certificate"), before);
}

#[test]
fn a_directory_that_is_there_gets_a_certificate_of_its_own_and_keeps_its_settings() {
    let directory = Directory::empty();
    let path = directory.path();
    run_host_with_input(&path, &["init", "--user", ADA], &format!("{PASSWORD}\n")).success();
    directory.replace_setting("#name = \"mfa-host\"", "name = \"Our door\" # as it stands on the door");
    let before = directory.settings();
    let made = ["tls", "self-signed", "--tls-name", "door.example"];
    let told = run_host(&path, &made).success().stdout;
    for word in ["https://door.example:8126", "tls/ca.pem", "until it is started again"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    let after = directory.settings();
    let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
    assert_eq!(before.lines().count(), after.lines().count(), "{after}");
    let shown = ("#public_url = \"https://login.example.org\"", "public_url = \"https://door.example:8126\"");
    assert_eq!(changed, [shown, ("#[tls]", "[tls]")]);
    let tls = path.join("tls");
    let host = Host::start(&path);
    assert!(host.base.starts_with("https://127.0.0.1:") && get(&tls, &host.base), "{}", host.base);
    let renewed = run_host(&path, &["tls", "renew", "--json"]).success().json();
    assert_eq!(renewed["names"][0], "door.example");
}

#[test]
fn a_certificate_of_its_own_takes_nobody_elses_place_and_leaves_a_known_address() {
    let directory = Directory::empty();
    let path = directory.path();
    run_host_with_input(&path, &["init", "--user", ADA], &format!("{PASSWORD}\n")).success();
    let known = "public_url = \"https://login.example.org\"";
    directory.replace_setting(&format!("#{known}"), &format!("{known} # of the proxy"));
    fs::create_dir(path.join("tls")).expect("a folder");
    fs::write(path.join("tls/key.pem"), "an admin's own").expect("is written");
    let settings = directory.settings();
    let refused = run_host(&path, &["tls", "self-signed"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("tls/key.pem is there already"), "{refused:?}");
    let left: Vec<_> = fs::read_dir(path.join("tls")).expect("a folder").map(|one| one.expect("a file")).collect();
    assert!(left.len() == 1 && directory.settings() == settings, "{left:?}");
    assert_eq!(fs::read_to_string(path.join("tls/key.pem")).expect("the key"), "an admin's own");

    fs::remove_file(path.join("tls/key.pem")).expect("is removed");
    let made = run_host(&path, &["tls", "self-signed", "--json"]).success().json();
    assert_eq!(made["public_url"], "https://login.example.org");
    assert!(made["names"].as_array().is_some_and(|names| names[0] == "login.example.org"), "{made}");
    assert!(directory.settings().contains(&format!("\n{known} # of the proxy\n")));
    let again = run_host(&path, &["tls", "self-signed"]);
    assert!(again.code == Some(1) && again.stderr.contains("mfa-host tls renew"), "{again:?}");
    directory.replace_setting("#certificate = \"tls/cert.pem\"", "certificate = \"other.pem\"");
    let refused = run_host(&path, &["tls", "self-signed"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("[tls]"), "{refused:?}");
}

#[test]
fn an_address_that_was_called_without_tls_keeps_its_name() {
    let directory = Directory::empty();
    let path = directory.path();
    run_host_with_input(&path, &["init", "--user", ADA], &format!("{PASSWORD}\n")).success();
    let former = "public_url = \"http://door.example:8126\"";
    directory.replace_setting("#public_url = \"https://login.example.org\"", former);
    let made = run_host(&path, &["tls", "self-signed", "--json"]).success().json();
    assert_eq!((&made["names"][0], &made["public_url"]), (&"door.example".into(), &"https://door.example:8126".into()));
    assert!(
        directory.settings().contains("\npublic_url = \"https://door.example:8126\"\n"),
        "{}",
        directory.settings()
    );
}
