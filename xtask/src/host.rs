//! A host started for a demonstration, and the few requests the walks make.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::Failure;

pub const CLIENT_ID: &str = "http://127.0.0.1:9/";
pub const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

/// A running host, ended with this value.
pub struct Host {
    child: Child,
    pub base: String,
    agent: ureq::Agent,
}

impl Host {
    /// Starts `serve` and waits for its address. What else it says goes where our own output goes.
    pub fn start(binary: &Path, config_directory: &Path, listen: &str) -> Result<Self, Failure> {
        let mut child = Command::new(binary)
            .arg("--config")
            .arg(config_directory)
            .args(["serve", "--listen", listen])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let stdout = child.stdout.take().ok_or("the host has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let base = loop {
            match lines.next() {
                Some(line) => {
                    if let Some(base) = line?.trim().strip_prefix("listening on ") {
                        break base.to_owned();
                    }
                }
                None => return Err(format!("the host ended instead of listening: {}", child.wait()?).into()),
            }
        };
        // The pipe must be drained as long as the host runs.
        std::thread::spawn(move || lines.for_each(drop));
        let settings = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Ok(Self { child, base, agent: settings.new_agent() })
    }

    /// As `kill -9` does.
    pub fn kill9(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until the host ends by itself.
    pub fn wait(mut self) -> Result<(), Failure> {
        self.child.wait()?;
        Ok(())
    }

    pub fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Value, Failure> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.send_json(body)?.body_mut().read_json()?;
        Ok(answer)
    }

    pub fn get(&self, path: &str, token: &str) -> Result<Value, Failure> {
        let request = self.agent.get(format!("{}{path}", self.base)).header("authorization", format!("Bearer {token}"));
        let answer = request.call()?.body_mut().read_json()?;
        Ok(answer)
    }

    /// Starts a login flow; its id.
    pub fn begin_login(&self) -> Result<String, Failure> {
        let body = json!({"client_id": CLIENT_ID, "handler": ["local", null], "redirect_uri": REDIRECT_URI});
        let step = self.post("/auth/login_flow", None, &body)?;
        text(&step, "/flow_id")
    }

    /// Answers a step of a login flow.
    pub fn submit_login(&self, flow_id: &str, mut fields: Value) -> Result<Value, Failure> {
        fields["client_id"] = CLIENT_ID.into();
        self.post(&format!("/auth/login_flow/{flow_id}"), None, &fields)
    }

    /// Turns a finished login into an access token.
    pub fn exchange(&self, step: &Value) -> Result<String, Failure> {
        let code = text(step, "/result")?;
        let form = [("grant_type", "authorization_code"), ("client_id", CLIENT_ID), ("code", &code)];
        let answer: Value =
            self.agent.post(format!("{}/auth/token", self.base)).send_form(form)?.body_mut().read_json()?;
        text(&answer, "/access_token")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text in an answer, by JSON pointer.
pub fn text(answer: &Value, pointer: &str) -> Result<String, Failure> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    Ok(found.ok_or_else(|| format!("there is no {pointer} in {answer}"))?.to_owned())
}

/// Runs a command of the host with a password on standard input.
pub fn with_password(
    binary: &Path,
    config_directory: &Path,
    arguments: &[&str],
    password: &str,
) -> Result<(), Failure> {
    let mut child = Command::new(binary)
        .arg("--config")
        .arg(config_directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{password}")?;
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("mfa-host {} ended with {status}", arguments.join(" ")).into()) }
}

/// 80 random bits, written so that they can be typed.
pub fn random_password() -> Result<String, Failure> {
    use std::io::Read;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let letters = b"abcdefghijkmnpqrstuvwxyz23456789";
    let password: Vec<u8> = bytes.iter().map(|byte| letters[usize::from(*byte) % letters.len()]).collect();
    let groups: Vec<&str> = password.chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    Ok(groups.join("-"))
}

/// Builds everything as users get it, and says where the host's binary is.
pub fn build_release() -> Result<PathBuf, Failure> {
    println!("building (the first time takes some minutes)");
    crate::stage::check(&mut crate::stage::cargo(&["build", "--release", "--workspace", "--quiet"]))?;
    Ok(crate::target_directory().join("release/mfa-host"))
}

/// The code an authenticator app would show.
pub fn code(secret: &str, wall_ms: i64) -> Result<String, Failure> {
    let now = format!("@{}", wall_ms.div_euclid(1000));
    oathtool(&["--totp", "--base32", "--now", &now, secret])
}

/// The code a token with a button would show.
pub fn counted_code(secret: &str, counter: u64) -> Result<String, Failure> {
    oathtool(&["--hotp", "--base32", "--counter", &counter.to_string(), secret])
}

fn oathtool(arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("oathtool").args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("oathtool: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
