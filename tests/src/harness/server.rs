//! Servers of others that the host sends to: a mail server and a gateway, as small programs under `tests/servers/`.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use serde_json::Value;

/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that ends with the test.
pub struct Server {
    child: Child,
    pub port: u16,
    lines: Receiver<String>,
}

impl Server {
    /// A mail server, aiosmtpd, with these options.
    pub fn mail(options: &[&str]) -> Self {
        Self::start("mail.py", options)
    }

    /// A gateway with these options.
    pub fn gateway(options: &[&str]) -> Self {
        Self::start("gateway.py", options)
    }

    /// A reverse proxy with TLS in front of this port.
    pub fn tls_proxy(certificate: &[String], to_port: &str) -> Self {
        let options = certificate.iter().map(String::as_str).chain(["--to-port", to_port]);
        Self::start("tls_proxy.py", &options.collect::<Vec<_>>())
    }

    fn start(script: &str, options: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(script);
        let mut child = Command::new(interpreter())
            .arg(&script)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts; cargo xtask test installs what it needs");
        let output = child.stdout.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { return };
                let _ = sender.send(line);
            }
        });
        let first = lines.recv_timeout(PATIENCE).expect("the server listens");
        let port = first.strip_prefix("listening ").expect("the port first").parse().expect("a number");
        Self { child, port, lines }
    }

    /// The next thing that reached it.
    #[track_caller]
    pub fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("something reaches the server");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Whether nothing has reached it that was not looked at.
    pub fn is_quiet(&self) -> bool {
        self.lines.try_recv().is_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port where nobody listens.
pub fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The Python that has what the tests need.
pub fn interpreter() -> PathBuf {
    match std::env::var_os("MFA_TEST_PYTHON") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python"),
    }
}
