//! `cargo xtask demo --once`: set-up, login, a `kill -9` in the middle and the same login going on, told as it happens.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    Failure,
    host::{self, Host, text},
    packages,
};

const USER: &str = "demo";
/// 2035-01-01T00:00:10Z. Time is the demonstration's own, so that nobody waits for the next code.
const START_MS: i64 = 2_051_222_410_000;

/// What the walk needs at every step.
pub struct Walk {
    pub binary: std::path::PathBuf,
    pub directory: std::path::PathBuf,
    pub password: String,
    pub wall_ms: i64,
}

impl Walk {
    /// A fresh directory with a clock of its own.
    pub fn begin(binary: std::path::PathBuf, directory: std::path::PathBuf) -> Result<Self, Failure> {
        let password = host::random_password()?;
        host::with_password(&binary, &directory, &["init", "--user", USER], &password)?;
        let settings = directory.join("host.toml");
        let with_clock = format!("{}\n[development]\nclock_file = \"clock.json\"\n", fs::read_to_string(&settings)?);
        fs::write(&settings, with_clock)?;
        let mut walk = Self { binary, directory, password, wall_ms: START_MS };
        walk.advance_s(0)?;
        Ok(walk)
    }

    pub fn user(&self) -> &'static str {
        USER
    }

    /// The clock file's content.
    pub fn clock(&self) -> Value {
        let boot_ms = self.wall_ms - START_MS + 1_000_000;
        json!({"wall_ms": self.wall_ms, "boot_ms": boot_ms, "boot_id": "00000000-0000-4000-8000-000000000001"})
    }

    pub fn advance_s(&mut self, seconds: i64) -> Result<(), Failure> {
        self.wall_ms += seconds * 1000;
        let path = self.directory.join("clock.json");
        let temporary = path.with_extension("json.new");
        fs::write(&temporary, self.clock().to_string())?;
        Ok(fs::rename(&temporary, &path)?)
    }

    pub fn start(&self) -> Result<Host, Failure> {
        Host::start(&self.binary, &self.directory, "127.0.0.1:0")
    }

    /// A login that has passed the password: its id and step.
    pub fn log_in_with_password(&self, running: &Host) -> Result<(String, Value), Failure> {
        let flow_id = running.begin_login()?;
        let step = running.submit_login(&flow_id, json!({"username": USER, "password": self.password}))?;
        Ok((flow_id, step))
    }

    /// Sets TOTP up for this access token; the secret.
    pub fn set_up_totp(&self, running: &Host, token: &str) -> Result<String, Failure> {
        let step = running.post("/api/mfa/totp/setup", Some(token), &json!({}))?;
        let secret = text(&step, "/description_placeholders/code")?;
        let path = format!("/api/mfa/setup/{}", text(&step, "/flow_id")?);
        let code = host::code(&secret, self.wall_ms)?;
        let done = running.post(&path, Some(token), &json!({"code": code}))?;
        expect(&done, "create_entry")?;
        Ok(secret)
    }
}

/// The whole walk in a directory that is thrown away.
pub fn run() -> Result<(), Failure> {
    packages::install_what_is_lacking(&["oathtool"])?;
    let binary = host::build_release()?;
    let throw_away = tempfile::tempdir()?;
    let mut walk = Walk::begin(binary, throw_away.path().join("demo"))?;
    println!("1. a new configuration directory, user {USER}, on a development clock that this walk moves");

    let running = walk.start()?;
    println!("2. the host runs at {}", running.base);

    let (_, done) = walk.log_in_with_password(&running)?;
    let token = running.exchange(&done)?;
    println!("3. signed in by password alone: no second factor is set up yet");

    let secret = walk.set_up_totp(&running, &token)?;
    println!("4. TOTP is set up: oathtool took the secret, and its code was right");

    walk.advance_s(30)?;
    println!("5. the clock moves on by 30 s, because a code that was used once is refused");

    let (flow_id, step) = walk.log_in_with_password(&running)?;
    expect(&step, "form")?;
    println!("6. a second login: the password was right, the host asks for a code (step {})", text(&step, "/step_id")?);

    running.kill9()?;
    println!("7. kill -9, between password and code");

    let running = walk.start()?;
    println!("8. the host is started again, at {}", running.base);

    let code = host::code(&secret, walk.wall_ms)?;
    let done = running.submit_login(&flow_id, json!({"code": code}))?;
    expect(&done, "create_entry")?;
    let token = running.exchange(&done)?;
    println!("9. the same flow id took the code: {}", stamp(&running, &token)?);

    let (again, _) = walk.log_in_with_password(&running)?;
    let refused = running.submit_login(&again, json!({"code": code}))?;
    println!("10. the same code in another login is refused: {}", text(&refused, "/errors/base")?);
    end(running, throw_away.path())
}

fn stamp(running: &Host, token: &str) -> Result<String, Failure> {
    let me = running.get("/api/me", token)?;
    let method = text(&me, "/session/mfa_method_used")?;
    Ok(format!("{} signed in with {method} at {}", text(&me, "/user/name")?, text(&me, "/session/mfa_verified_at")?))
}

fn end(running: Host, directory: &Path) -> Result<(), Failure> {
    running.kill9()?;
    println!("done; the host is ended and {} goes away", directory.display());
    Ok(())
}

/// A step of this type, or the step as an error.
pub fn expect(step: &Value, kind: &str) -> Result<(), Failure> {
    if step["type"] == kind { Ok(()) } else { Err(format!("not a {kind}: {step}").into()) }
}
