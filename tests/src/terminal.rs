//! The terminal client, driven through a pipe as a script or a person with a screen reader would.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use crate::harness::{ADA, Certificates, PASSWORD, Server, Stage, host_binary, run_host, run_host_with_input, totp};

/// A running terminal client: what it prints is read as it comes.
struct Terminal {
    child: Child,
    output: Receiver<String>,
    seen: String,
}

impl Terminal {
    fn start(stage: &Stage, arguments: &[&str]) -> Self {
        Self::start_trusting(stage, arguments, None)
    }

    /// With these authorities in the place of the machine's.
    fn start_trusting(stage: &Stage, arguments: &[&str], authorities: Option<&str>) -> Self {
        let mut child = Command::new(host_binary())
            .envs(authorities.map(|file| ("SSL_CERT_FILE", file)))
            .arg("--config")
            .arg(stage.directory.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let (sender, output) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("a pipe")), Box::new(child.stderr.take().expect("a pipe"))];
        for mut stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(length) = stream.read(&mut piece) {
                    if length == 0 || sender.send(String::from_utf8_lossy(&piece[..length]).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, output, seen: String::new() }
    }

    fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").expect("the client reads");
        stdin.flush().expect("the client reads");
    }

    /// Reads until the text so far satisfies a condition.
    fn read_until<T>(&mut self, what: &str, found: impl Fn(&str) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.seen) {
                return found;
            }
            match self.output.recv_timeout(Duration::from_secs(30)) {
                Ok(piece) => self.seen.push_str(&piece),
                Err(_) => panic!("{what} did not come; so far:\n{}", self.seen),
            }
        }
    }

    fn finish(mut self) -> (bool, String) {
        drop(self.child.stdin.take());
        while let Ok(piece) = self.output.recv_timeout(Duration::from_secs(30)) {
            self.seen.push_str(&piece);
        }
        let status = self.child.wait().expect("the client ends");
        (status.success(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The 32 base32 characters of a 160-bit secret, with or without spaces between groups.
fn secret_in(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("secret=") {
        let secret: String = rest.chars().take_while(|character| character.is_ascii_alphanumeric()).collect();
        return (secret.len() == 32 && rest.len() > 32).then_some(secret);
    }
    None
}

#[test]
fn setup_and_login_work_at_the_terminal() {
    let mut stage = Stage::new();
    let address = stage.host().base.clone();
    let mut setup = Terminal::start(&stage, &["setup", "totp", "--url", &address]);
    setup.type_line(ADA);
    setup.type_line(PASSWORD);
    let secret = setup.read_until("the otpauth address", secret_in);
    setup.type_line(&totp(&secret, stage.now_ms()));
    let (success, seen) = setup.finish();
    assert!(success, "{seen}");
    assert!(seen.contains('█') || seen.contains('▄') || seen.contains('▀'), "a QR code is drawn:\n{seen}");
    assert!(!seen.contains(PASSWORD), "the password is not repeated");

    stage.clock.advance_s(30);
    let mut login = Terminal::start(&stage, &["login", "--url", &address]);
    login.type_line(ADA);
    login.type_line(PASSWORD);
    login.type_line(&totp(&secret, stage.now_ms()));
    let (success, seen) = login.finish();
    assert!(success, "{seen}");
    assert!(seen.contains(ADA), "it says who is signed in:\n{seen}");
}

/// Ten codes of ten characters, each on a line of its own.
fn codes_in(text: &str) -> Option<Vec<String>> {
    let is_code = |line: &&str| line.len() == 10 && line.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let codes: Vec<String> = text.lines().map(str::trim).filter(is_code).map(str::to_owned).collect();
    (codes.len() == 10).then_some(codes)
}

#[test]
fn the_terminal_shows_backup_codes_and_asks_whether_they_are_saved() {
    let mut stage = Stage::with_backup_codes();
    let address = stage.host().base.clone();
    let mut setup = Terminal::start(&stage, &["setup", "totp", "--url", &address]);
    setup.type_line(ADA);
    setup.type_line(PASSWORD);
    let secret = setup.read_until("the otpauth address", secret_in);
    setup.type_line(&totp(&secret, stage.now_ms()));
    let codes = setup.read_until("the codes", codes_in);
    setup.type_line("n");
    setup.read_until("why not", |text| text.contains("Save the codes first").then_some(()));
    setup.type_line("y");
    let (success, seen) = setup.finish();
    assert!(success && seen.matches(&codes[0]).count() == 1, "{seen}");
    stage.clock.advance_s(30);
    for code in &codes[..8] {
        let mut login = Terminal::start(&stage, &["login", "--url", &address]);
        login.type_line(ADA);
        login.type_line(PASSWORD);
        login.type_line(code);
        let (success, seen) = login.finish();
        assert!(success && seen.contains("mfa_method_used: backup_code"), "{seen}");
        assert_eq!(seen.contains("codes are left"), *code == codes[6] || *code == codes[7], "{seen}");
    }
}

#[test]
fn the_terminal_says_how_far_off_the_phones_clock_is() {
    let stage = Stage::new();
    let address = stage.host().base.clone();
    let mut setup = Terminal::start(&stage, &["setup", "totp", "--url", &address]);
    setup.type_line(ADA);
    setup.type_line(PASSWORD);
    let secret = setup.read_until("the otpauth address", secret_in);
    setup.type_line(&totp(&secret, stage.now_ms() - 63 * 60_000));
    let behind = |text: &str| text.contains("your phone's clock is about 63 minutes behind").then_some(());
    setup.read_until("how far off the clock is", behind);
    setup.type_line(&totp(&secret, stage.now_ms()));
    let (success, seen) = setup.finish();
    assert!(success, "{seen}");
}

#[test]
fn a_one_time_code_leads_to_a_new_password_at_the_terminal() {
    let stage = Stage::new();
    let told = run_host(&stage.directory.path(), &["user", "reset", ADA, "--json"]).success().json();
    let address = stage.host().base.clone();
    let mut login = Terminal::start(&stage, &["login", "--url", &address]);
    login.type_line(ADA);
    login.type_line(told["code"].as_str().expect("a code"));
    login.type_line("password1");
    login.type_line("a-quite-new-word-88");
    let (success, seen) = login.finish();
    assert!(success && seen.contains(ADA), "{seen}");
    assert!(seen.contains("everybody tries first"), "it says why the first was refused:\n{seen}");
    assert!(!seen.contains("a-quite-new-word-88"), "{seen}");
}

#[test]
fn a_wrong_password_at_the_terminal_is_a_failure() {
    let stage = Stage::new();
    let address = stage.host().base.clone();
    let mut login = Terminal::start(&stage, &["login", "--url", &address]);
    login.type_line(ADA);
    login.type_line("wrong-password");
    let (success, seen) = login.finish();
    assert!(!success, "{seen}");
}

#[test]
fn behind_a_proxy_with_tls_the_terminal_speaks_https_to_whom_the_machine_trusts() {
    let stage = Stage::new();
    let certificates = Certificates::new();
    let port = stage.host().base.rsplit(':').next().expect("a port").to_owned();
    let proxy = Server::tls_proxy(&certificates.options(), &port);
    let log_in = |authorities: Option<&str>| {
        let url = format!("https://localhost:{}", proxy.port);
        let mut login = Terminal::start_trusting(&stage, &["login", "--url", &url], authorities);
        // A client that trusts nobody may be gone before it is told anything.
        let _ = writeln!(login.child.stdin.as_mut().expect("a pipe"), "{ADA}\n{PASSWORD}");
        login.finish()
    };
    let (success, seen) = log_in(Some(&certificates.authority()));
    assert!(success && seen.contains(ADA), "{seen}");
    assert!(!seen.contains("not encrypted"), "{seen}");
    let (success, seen) = log_in(None);
    assert!(!success && seen.contains("UnknownIssuer"), "{seen}");
}

#[test]
fn a_client_on_the_hosts_directory_finds_it_wherever_it_listens() {
    let mut stage = Stage::new();
    let input = format!("{PASSWORD}\n");
    let signed_in = run_host_with_input(&stage.directory.path(), &["login", "--user", ADA], &input).success();
    assert!(signed_in.stdout.contains("Signed in as ada"), "{signed_in:?}");
    stage.stop();
    let alone = run_host(&stage.directory.path(), &["login", "--user", ADA]);
    assert!(alone.code == Some(1) && alone.stderr.contains("\n  start it: mfa-host"), "{alone:?}");
}
