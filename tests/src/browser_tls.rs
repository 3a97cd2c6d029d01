//! HTTPS by the host's own authority in a browser whose owner trusts it: sign-in to the end, cookies, what the browser
//! keeps of the name, and a certificate that is renewed meanwhile.

use std::{fs, path::Path, process::Command};

use crate::{
    browser::{Application, Browser, Owner},
    harness::{ADA, Directory, Host, PASSWORD, openssl, run_host, run_host_with_input},
};

const NAME: &str = "door.example";

/// A host under `https://door.example:PORT`, and that address.
fn host(directory: &Directory) -> (Host, String) {
    let init = ["init", "--user", ADA, "--tls", "self-signed", "--tls-name", NAME];
    run_host_with_input(&directory.path(), &init, &format!("{PASSWORD}\n")).success();
    let host = Host::start(&directory.path());
    let port = host.base.rsplit(':').next().expect("a port").to_owned();
    directory.replace_setting(&format!("{NAME}:8126"), &format!("{NAME}:{port}"));
    host.until_logged(0, "settings_changed");
    (host, format!("https://{NAME}:{port}"))
}

/// Whether the result code of a sign-in is worth tokens.
fn is_worth_tokens(directory: &Path, base: &str, application: &Application, code: &str) -> bool {
    let port = base.rsplit(':').next().expect("a port");
    let mut command = Command::new("curl");
    command.args(["--silent", "--noproxy", "*", "--max-time", "60", "--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
    command.arg("--cacert").arg(directory.join("tls/ca.pem"));
    for field in ["grant_type=authorization_code", &format!("client_id={}", application.id()), &format!("code={code}")]
    {
        command.args(["--data-urlencode", field]);
    }
    let answer = command.arg(format!("{base}/auth/token")).output().expect("curl runs; cargo xtask test installs it");
    String::from_utf8_lossy(&answer.stdout).contains("access_token")
}

#[test]
fn who_trusts_the_hosts_authority_signs_in_by_https_and_goes_on_after_a_renewal() {
    let (directory, application) = (Directory::empty(), Application::new());
    let (host, base) = host(&directory);
    let tls = directory.path().join("tls");
    let stranger = Browser::new();
    stranger.open(&host.base);
    stranger.until_text("ERR_CERT_AUTHORITY_INVALID");

    let owner = Owner::trusting(&tls.join("ca.pem"), NAME);
    let browser = Browser::of(&owner);
    browser.open(&base.replace("https:", "http:"));
    browser.until_text(&format!("Use {base} instead"));
    browser.open(&application.sign_in_at(&base));
    browser.give_password_here();
    assert!(is_worth_tokens(&directory.path(), &base, &application, &application.result(&browser)));

    browser.open(&base);
    browser.give_password_here();
    browser.until_text("Second factors");
    let cookies = browser.cookies();
    let has_session = cookies.iter().any(|cookie| cookie["name"] == "__Host-mfa_session");
    assert!(has_session && cookies.iter().all(|cookie| cookie["secure"] == true && cookie["httpOnly"] == true));
    // It was told once by HTTPS to come by nothing else any more, under this name alone.
    browser.open(&format!("{}/profile/sessions", base.replace("https:", "http:")));
    browser.until_text("This browser");
    assert_eq!(browser.url(), format!("{base}/profile/sessions"));
    let local = host.base.replace("127.0.0.1", "localhost");
    browser.open(&local);
    browser.until_text(&base);
    browser.open(&local.replace("https:", "http:"));
    browser.until_text(&format!("Use {base} instead"));

    // What plain HTTP is told is no page, and names no icon.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|one| one.ends_with("/favicon.ico answers 400")), "{complaints:?}");

    run_host(&directory.path(), &["tls", "renew"]).success();
    host.until_logged(0, "certificate_changed");
    browser.open(&format!("{base}/profile"));
    browser.until_text("Second factors");
    let another = Browser::of(&owner);
    another.open(&base);
    another.give_password_here();
    another.until_text("Second factors");
    openssl(&tls, &["x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.der"]);
    assert_eq!(another.certificate(&base), fs::read(tls.join("cert.der")).expect("the new certificate"));
}
