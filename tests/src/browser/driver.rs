//! The one chromedriver of this process of tests, and commands of the WebDriver protocol
//! (<https://www.w3.org/TR/webdriver2/>).

use std::{
    fmt,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::harness::{Wire, scratch};

/// What chromedriver prints when it answers, before the port.
const STARTED: &str = "ChromeDriver was started successfully on port ";

/// A command the browser refused: the protocol's word for it, and what the driver says.
#[derive(Debug)]
pub struct Refusal {
    error: String,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({}: {})", self.error, self.message)
    }
}

/// Sends a command; `path` begins with `/session`.
pub fn command(method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    let wire = &DRIVER.get_or_init(Driver::start).wire;
    let headers = [("content-type", "application/json")];
    let body = body.map(|body| body.to_string().into_bytes());
    let answer = wire.send(method, path, &headers, body).expect("chromedriver answers").json();
    let value = answer["value"].clone();
    match value["error"].as_str() {
        Some(error) => {
            let message = value["message"].as_str().unwrap_or_default();
            Err(Refusal { error: error.to_owned(), message: message.lines().next().unwrap_or_default().to_owned() })
        }
        None => Ok(value),
    }
}

struct Driver {
    wire: Wire,
    /// Ends driver and browsers when the pipe to it does, which is when this process does. No value of this process could
    /// see to that: what is static is never dropped, and browsers outlive a driver that is killed.
    _guard: Child,
}

impl Driver {
    fn start() -> Self {
        let files = scratch().join("browsers");
        std::fs::create_dir(&files).expect("a directory for the browsers' files");
        // In a group of its own, so that one signal reaches the driver and all it has started.
        let mut guard = Command::new("sh")
            .args(["-c", "chromedriver --port=0 & read -r _; rm -rf -- \"$TMPDIR\"; kill -KILL 0"])
            .env("TMPDIR", &files)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let mut lines = BufReader::new(guard.stdout.take().expect("a pipe")).lines();
        let port = lines.find_map(|line| Some(line.ok()?.strip_prefix(STARTED)?.trim_end_matches('.').to_owned()));
        let port = port.expect("chromedriver starts; cargo xtask test installs it");
        // Nobody reads on, and a full pipe would stop the driver.
        std::thread::spawn(move || lines.count());
        Self { wire: Wire::new(&format!("http://127.0.0.1:{port}")), _guard: guard }
    }
}
