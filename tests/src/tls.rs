//! The host's own HTTPS, as curl and openssl see it: versions, renewal under open connections, pairs that cannot be used,
//! handshakes that never end, and plain HTTP where it does not belong.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{
    ADA, Certificates, Host, PASSWORD, PATIENCE, Stage, openssl, run_host, run_host_with_input, until,
};

/// A host with `[tls]` and a certificate for `localhost`, and the authority of that.
fn stage(settings: &str) -> (Stage, Certificates) {
    let certificates = Certificates::new();
    let stage = Stage::with(|directory| prepare(&directory.path(), &certificates, settings));
    (stage, certificates)
}

/// `settings` are keys of the top level.
fn prepare(directory: &Path, certificates: &Certificates, settings: &str) {
    certificates.put(&directory.join("tls/cert.pem"), &directory.join("tls/key.pem"));
    let path = directory.join("host.toml");
    let text = fs::read_to_string(&path).expect("host.toml");
    fs::write(&path, format!("{settings}\n{text}\n[tls]\n")).expect("host.toml is written");
}

fn port(stage: &Stage) -> &str {
    let base = &stage.host().base;
    assert!(base.starts_with("https://127.0.0.1:"), "{base}");
    base.rsplit(':').next().expect("a port")
}

/// What curl says with these options: whether all went well, and the answer with its head.
fn curl(authority: &str, options: &[&str]) -> (bool, String) {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--include",
        "--noproxy",
        "*",
        "--max-time",
        "60",
        "--cacert",
        authority,
    ]);
    let output = command.args(options).output().expect("curl runs; cargo xtask test installs it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[track_caller]
fn is_well(stage: &Stage, certificates: &Certificates) {
    let (success, seen) = curl(&certificates.authority(), &[&format!("https://localhost:{}/healthz", port(stage))]);
    assert!(success && seen.starts_with("HTTP/1.1 200") && seen.ends_with("ok"), "{seen}");
}

/// What `openssl s_client` says of a connection it ends at once.
fn s_client(stage: &Stage, options: &[&str]) -> String {
    let address = format!("127.0.0.1:{}", port(stage));
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address]).args(options).stdin(Stdio::null());
    let output = command.output().expect("openssl runs; cargo xtask test installs it");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The serial number of the certificate new connections get.
fn serial(stage: &Stage, certificates: &Certificates) -> String {
    fs::write(certificates.path("seen"), s_client(stage, &[])).expect("is written");
    openssl(&certificates.path(""), &["x509", "-in", "seen", "-noout", "-serial"])
}

#[track_caller]
fn until_serial(stage: &Stage, certificates: &Certificates) {
    let end = Instant::now() + PATIENCE;
    while serial(stage, certificates) != certificates.serial() {
        assert!(Instant::now() < end, "the new certificate is never shown: {}", stage.host().log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One connection by openssl that stays open.
struct Open {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Open {
    fn new(stage: &Stage) -> Self {
        let address = format!("127.0.0.1:{}", port(stage));
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, input, output }
    }

    /// Asks on this very connection.
    fn ask(&mut self) -> String {
        self.input.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the connection is open");
        self.input.flush().expect("the connection is open");
        let (mut seen, mut piece) = (String::new(), [0; 1024]);
        while !seen.ends_with("ok") {
            let length = self.output.read(&mut piece).expect("the connection is open");
            assert!(length > 0, "the connection was cut after {seen:?}");
            seen.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
        seen
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_http_1_1_in_them() {
    let (stage, certificates) = stage("");
    let url = format!("https://localhost:{}/healthz", port(&stage));
    for version in ["1.2", "1.3"] {
        let (least, most) = (format!("--tlsv{version}"), format!("--tls-max={version}"));
        let most: Vec<&str> = most.split('=').collect();
        let (success, seen) = curl(&certificates.authority(), &[&least, most[0], most[1], &url]);
        assert!(success && seen.starts_with("HTTP/1.1 200"), "{version}: {seen}");
    }
    let older = s_client(&stage, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(older.contains(" alert ") && older.contains("no peer certificate available"), "{older}");
    let seen = s_client(&stage, &["-alpn", "h2,http/1.1"]);
    assert!(seen.contains("ALPN protocol: http/1.1") && seen.contains("TLSv1.3"), "{seen}");
    // Without an authority that is believed there is no answer.
    let (success, seen) = curl("/dev/null", &[&url]);
    assert!(!success && !seen.contains("200"), "{seen}");
}

#[test]
fn one_signs_in_through_it_with_curl_and_at_the_terminal() {
    let (stage, certificates) = stage("");
    let body = format!("{{\"client_id\":\"mfa-host-cli\",\"username\":\"{ADA}\",\"password\":\"{PASSWORD}\"}}");
    let url = format!("https://localhost:{}", port(&stage));
    let options = ["--header", "content-type: application/json", "--data", &body, &format!("{url}/api/login")];
    let (success, seen) = curl(&certificates.authority(), &options);
    assert!(success && seen.contains("access_token"), "{seen}");

    let (path, input, ca) = (stage.directory.path(), format!("{PASSWORD}\n"), certificates.authority());
    let told = run_host_with_input(&path, &["login", "--user", ADA, "--url", &url, "--ca", &ca], &input).success();
    assert!(told.stdout.contains("Signed in as ada"), "{told:?}");
    let stranger = run_host_with_input(&path, &["login", "--user", ADA, "--url", &url], &input);
    assert!(stranger.code == Some(1) && stranger.stderr.contains("--ca FILE"), "{stranger:?}");
    // The authority that lies in DIR/tls is believed without a word.
    fs::copy(&ca, path.join("tls/ca.pem")).expect("is copied");
    run_host_with_input(&path, &["login", "--user", ADA, "--url", &url], &input).success();
}

#[test]
fn plain_http_on_the_port_is_told_where_to_go() {
    let (stage, certificates) = stage("");
    let address = format!("127.0.0.1:{}", port(&stage));
    let (_, seen) = curl("/dev/null", &[&format!("http://{address}/auth/providers")]);
    assert!(seen.starts_with("HTTP/1.1 400") && seen.contains(&format!("https://{address} instead")), "{seen}");
    assert!(!seen.to_ascii_lowercase().contains("strict-transport-security"), "{seen}");
    // With a body too, and under the name users know.
    stage
        .directory
        .replace_setting("name = \"Test host\"", "name = \"Test host\"\npublic_url = \"https://door.example\"");
    let end = Instant::now() + PATIENCE;
    loop {
        let (_, seen) = curl("/dev/null", &["--data", PASSWORD, &format!("http://{address}/auth/login_flow")]);
        assert!(seen.starts_with("HTTP/1.1 400"), "{seen}");
        if seen.contains("Use https://door.example instead.") {
            break;
        }
        assert!(Instant::now() < end, "{seen}");
    }
    is_well(&stage, &certificates);
}

#[test]
fn a_renewed_certificate_is_shown_at_once_and_no_connection_is_cut() {
    let (stage, certificates) = stage("");
    let mut open = Open::new(&stage);
    open.ask();
    let path = stage.directory.path();
    for _ in 0..2 {
        certificates.issue("DNS:localhost", 3650);
        certificates.put(&path.join("tls/cert.pem"), &path.join("tls/key.pem"));
        until_serial(&stage, &certificates);
        is_well(&stage, &certificates);
        open.ask();
    }
    assert!(stage.host().log().contains("certificate_changed"), "{}", stage.host().log());
}

#[test]
fn links_as_an_acme_client_keeps_them_are_followed() {
    let certificates = Certificates::new();
    let mut stage = Stage::stopped();
    let (live, archive) = (stage.directory.beside("live"), stage.directory.beside("archive"));
    fs::create_dir(&live).expect("the folder is made");
    let renew = |number: u32| {
        let files = ["cert", "key"].map(|name| archive.join(format!("{name}{number}.pem")));
        certificates.put(&files[0], &files[1]);
        for (name, file) in ["cert.pem", "key.pem"].iter().zip(&files) {
            let new = live.join("new");
            symlink(file, &new).expect("the link is made");
            fs::rename(&new, live.join(name)).expect("the link is put in place");
        }
    };
    renew(1);
    let named = format!("[tls]\ncertificate = {:?}\nkey = {:?}", live.join("cert.pem"), live.join("key.pem"));
    stage.directory.append_settings(&named);
    stage.start();
    is_well(&stage, &certificates);
    certificates.issue("DNS:localhost", 3650);
    renew(2);
    until_serial(&stage, &certificates);
    // Other files in the settings: these are watched from then on.
    let path = stage.directory.path();
    certificates.issue("DNS:localhost", 3650);
    certificates.put(&path.join("tls/cert.pem"), &path.join("tls/key.pem"));
    stage.directory.replace_setting(&named, "[tls]");
    until_serial(&stage, &certificates);
    certificates.issue("DNS:localhost", 3650);
    certificates.put(&path.join("tls/cert.pem"), &path.join("tls/key.pem"));
    until_serial(&stage, &certificates);
}

/// Makes the pair in a directory unusable, and the words that tell of it.
type Spoiling = (&'static str, fn(&Path, &Certificates));

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("its mode is set");
}

const SPOILED: [Spoiling; 7] = [
    ("is not that of the certificate", |tls, certificates| {
        certificates.issue("DNS:localhost", 3650);
        certificates.put(&tls.join("cert.pem"), &tls.join("unused.pem"));
    }),
    ("key.pem can be read or written by others", |tls, _| mode(&tls.join("key.pem"), 0o640)),
    ("cert.pem can be written by others", |tls, _| mode(&tls.join("cert.pem"), 0o664)),
    ("cert.pem holds no certificate", |tls, _| fs::write(tls.join("cert.pem"), "no certificate").expect("is written")),
    ("key.pem holds no key", |tls, _| fs::write(tls.join("key.pem"), "no key").expect("is written")),
    ("cert.pem: No such file", |tls, _| fs::remove_file(tls.join("cert.pem")).expect("is removed")),
    ("has expired on", |tls, certificates| {
        // The clock of the stage is years ahead.
        certificates.issue("DNS:localhost", 1);
        certificates.put(&tls.join("cert.pem"), &tls.join("key.pem"));
    }),
];

#[test]
fn a_pair_that_cannot_be_used_is_told_and_the_former_stays() {
    let (stage, certificates) = stage("");
    let path = stage.directory.path();
    let tls = path.join("tls");
    let problem = |status: &Value| status["certificate"]["problem"].as_str().unwrap_or_default().to_owned();
    for (words, spoil) in SPOILED {
        let before = serial(&stage, &certificates);
        spoil(&tls, &certificates);
        let status = until(&stage, words, |status| problem(status).contains(words));
        assert!(status["certificate"]["remedy"].as_str().is_some_and(|remedy| remedy.len() > 3), "{status}");
        assert_eq!(serial(&stage, &certificates), before, "the former stays: {words}");
        is_well(&stage, &certificates);
        assert!(stage.host().log().contains("the former certificate stays in service"), "{words}");
        let shown = run_host(&path, &["status"]).success().stdout;
        assert!(shown.contains("the former certificate is in service"), "{shown}");
        for (command, code) in [("doctor", 1), ("config", 1)] {
            let arguments = if command == "config" { vec!["config", "check"] } else { vec![command] };
            let found = run_host(&path, &arguments);
            let line = found.stdout.lines().find(|line| line.starts_with("fail  tls"));
            assert!(found.code == Some(code) && line.is_some_and(|line| line.contains(words)), "{words}: {found:?}");
        }
        certificates.issue("DNS:localhost", 3650);
        certificates.put(&tls.join("cert.pem"), &tls.join("key.pem"));
        until(&stage, "mended", |status| status["certificate"]["problem"].is_null());
        until_serial(&stage, &certificates);
    }
}

#[test]
fn no_host_starts_with_a_pair_that_cannot_be_used() {
    for (words, spoil) in SPOILED {
        let (stage, certificates) = (Stage::stopped(), Certificates::new());
        let path = stage.directory.path();
        prepare(&path, &certificates, "");
        spoil(&path.join("tls"), &certificates);
        let log = Host::try_start(&path).err().unwrap_or_else(|| panic!("it starts though {words}"));
        assert!(log.contains(words) && log.contains("exit code Some(1)"), "{words}: {log}");
    }
}

#[test]
fn the_end_of_a_certificate_is_told_in_time_and_afterwards() {
    let (mut stage, certificates) = stage("public_url = \"https://door.example\"");
    let path = stage.directory.path();
    let doctor = |code: i32| {
        let found = run_host(&path, &["doctor"]);
        assert_eq!(found.code, Some(code), "{found:?}");
        found.stdout.lines().filter(|line| line.contains("  tls  ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let found = doctor(0);
    assert!(found[0].starts_with("ok") && found[0].contains("is for localhost, and for "), "{found:?}");
    assert!(found[1].starts_with("warn") && found[1].contains("public_url names door.example"), "{found:?}");
    let days = |stage: &Stage| {
        let status = run_host(&stage.directory.path(), &["status", "--json"]).success().json();
        status["certificate"]["days_left"].as_i64().expect("a number")
    };
    stage.clock.advance_s((days(&stage) - 5) * 24 * 3600);
    assert_eq!(days(&stage), 5);
    let found = doctor(0);
    assert!(found[0].starts_with("warn") && found[0].contains("for 5 more days"), "{found:?}");
    stage.clock.advance_s(6 * 24 * 3600);
    assert_eq!(days(&stage), -1);
    let shown = run_host(&path, &["status"]).success().stdout;
    assert!(shown.contains("THE CERTIFICATE HAS EXPIRED"), "{shown}");
    assert!(doctor(1)[0].contains("has expired on"));
    is_well(&stage, &certificates);
}

#[test]
fn handshakes_that_never_end_are_cut_and_hold_up_nobody() {
    let (stage, certificates) = stage("");
    let address = format!("127.0.0.1:{}", port(&stage));
    // Nothing at all, the first byte, half a record, and what is neither TLS nor HTTP.
    let starts: [&[u8]; 4] = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00", b"\xff\xfe nonsense\r\n\r\n"];
    let slow: Vec<TcpStream> = (0..40)
        .map(|number| {
            let mut stream = TcpStream::connect(&address).expect("a connection");
            stream.write_all(starts[number % starts.len()]).expect("is sent");
            stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
            stream
        })
        .collect();
    is_well(&stage, &certificates);
    for mut stream in slow {
        // An alert may come first; then the end, in one form or the other.
        let ended = stream.read_to_end(&mut Vec::new());
        let is_timeout = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.as_ref().is_err_and(is_timeout), "the host holds on to it: {ended:?}");
    }
    is_well(&stage, &certificates);
}

#[test]
fn browsers_are_bound_to_https_under_the_public_name_alone() {
    let strict = |seen: &str| {
        let line = seen.lines().find(|line| line.to_ascii_lowercase().starts_with("strict-transport-security"));
        line.map(|line| line.split_once(": ").expect("a value").1.trim().to_owned())
    };
    let (own, certificates) = stage("public_url = \"https://door.example\"");
    let at = |name: &str, path: &str| {
        let resolve = format!("{name}:{}:127.0.0.1", port(&own));
        let url = format!("https://{name}:{}{path}", port(&own));
        curl(&certificates.authority(), &["--insecure", "--resolve", &resolve, &url]).1
    };
    for path in ["/healthz", "/auth/providers", "/nothing"] {
        assert_eq!(strict(&at("door.example", path)).as_deref(), Some("max-age=31536000"), "{path}");
    }
    assert_eq!(strict(&at("localhost", "/healthz")), None);
    // Other programs of this machine are at other ports of the same name.
    let (local, certificates) = stage("public_url = \"https://localhost\"");
    let seen = curl(&certificates.authority(), &[&format!("https://localhost:{}/healthz", port(&local))]).1;
    assert!(seen.contains("200") && strict(&seen).is_none(), "{seen}");
    // Behind a proxy it is the proxy's to say.
    let plain = Stage::with(|directory| {
        directory.replace_setting("name = \"Test host\"", "public_url = \"https://door.example\"");
    });
    let answer = plain.wire().send("GET", "/healthz", &[("host", "door.example")], None).expect("an answer");
    assert_eq!((answer.status, answer.header("strict-transport-security")), (200, None));
}
