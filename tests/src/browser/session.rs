//! Browsers: one for each test that runs at a time, taken over by the next one when nothing of the former is left in it.

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    driver::{Refusal, command},
    page::Window,
    trust::Owner,
};
use crate::harness::PATIENCE;

/// No window, no graphics card, scroll bars that take no room as on a telephone, and nothing of its own accord over the
/// network. The tests may run as root, for whom the browser has no sandbox.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--lang=en-US",
];
/// Between two looks at something that is awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Browsers no test uses.
static IDLE: Mutex<Vec<Session>> = Mutex::new(Vec::new());

/// A browser without cookies, storage or history. Its complaints fail the test that ends with it.
pub struct Browser {
    session: Session,
    runs_script: bool,
    /// What it keeps is its owner's, so that no other test takes it over.
    is_owned: bool,
}

/// What the driver knows a browser by.
pub(super) struct Session {
    path: String,
}

impl Browser {
    pub fn new() -> Self {
        Self::with(true)
    }

    /// The browser of somebody who made something of it.
    pub fn of(owner: &Owner) -> Self {
        let session = Session::start(owner.arguments(), Some(&owner.program()));
        let browser = Self { session, runs_script: true, is_owned: true };
        browser.prepare_window().expect("a window");
        browser
    }

    /// A browser in which pages run no script.
    pub fn without_script() -> Self {
        Self::with(false)
    }

    fn with(runs_script: bool) -> Self {
        let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // One that cannot be cleaned has died since, and nobody takes it any more.
        let cleaned = std::iter::from_fn(idle).find(|session| session.clean().is_ok());
        let session = cleaned.unwrap_or_else(|| Session::start(&[], None));
        let browser = Self { session, runs_script, is_owned: false };
        browser.prepare_window().expect("a window");
        browser
    }

    /// What is set for each window by itself.
    fn prepare_window(&self) -> Result<(), Refusal> {
        let disabled = json!({"value": !self.runs_script});
        self.devtools("Emulation.setScriptExecutionDisabled", disabled).map(drop)
    }

    /// A further window of the same browser, which is looked at from now on.
    pub fn open_window(&self) -> Window {
        let window = self.post("/window/new", json!({"type": "tab"})).expect("a window");
        let window = Window(window["handle"].as_str().expect("a handle").to_owned());
        self.look_at(&window);
        self.prepare_window().expect("the window is prepared");
        window
    }

    /// Waits until this gives something, but not forever.
    #[track_caller]
    pub fn until<T>(&self, wanted: &str, look: impl Fn(&Self) -> Result<Option<T>, Refusal>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = look(self);
            if let Ok(Some(seen)) = seen {
                return seen;
            }
            // A page that is just leaving refuses this and that; one that stays must do as wanted in the end.
            if Instant::now() > end {
                let refusal = seen.err().map(|refusal| refusal.to_string()).unwrap_or_default();
                panic!("never {wanted} {refusal}; {} shows:\n{}", self.url(), self.text());
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// What the browser complained of since this was last asked.
    pub fn complaints(&self) -> Vec<String> {
        self.session.complaints()
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.session.send("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Result<Value, Refusal> {
        self.session.post(path, body)
    }

    pub(super) fn devtools(&self, name: &str, parameters: Value) -> Result<Value, Refusal> {
        self.session.devtools(name, parameters)
    }

    /// For whoever wants to know why a test failed. Whatever goes wrong here is not told: a second panic would end all.
    fn keep_picture(&self) {
        let test = thread::current().name().unwrap_or("unnamed").replace("::", "-");
        let Some(directory) = std::env::var_os("MFA_TEST_BIN_DIR").map(|path| Path::new(&path).join("../browser"))
        else {
            return;
        };
        let (Ok(picture), Ok(url)) = (self.get("/screenshot"), self.get("/url")) else { return };
        let Ok(bytes) = STANDARD.decode(picture.as_str().unwrap_or_default()) else { return };
        let file = directory.join(format!("{test}.png"));
        if fs::create_dir_all(&directory).and_then(|()| fs::write(&file, bytes)).is_ok() {
            eprintln!("{url} looked like {}", file.display());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if thread::panicking() {
            self.keep_picture();
        } else {
            let complaints = self.complaints();
            assert!(complaints.is_empty(), "the browser complains:\n{}", complaints.join("\n"));
        }
        let session = Session { path: std::mem::take(&mut self.session.path) };
        if self.is_owned {
            let _ = session.send("DELETE", "", None);
        } else {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }
}

impl Session {
    /// The browser of this machine, or another program that starts it.
    fn start(further: &[String], program: Option<&Path>) -> Self {
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain(further.iter().map(String::as_str)).collect();
        let mut options = json!({"args": arguments});
        if let Some(program) = program {
            options["binary"] = program.to_str().expect("UTF-8").into();
        }
        let logs = json!({"browser": "ALL", "performance": "ALL"});
        let wanted = json!({"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logs}});
        let session = command("POST", "/session", Some(&json!({"capabilities": wanted}))).expect("a browser starts");
        Self { path: format!("/session/{}", session["sessionId"].as_str().expect("a session")) }
    }

    /// Leaves one new window and nothing that was kept.
    fn clean(&self) -> Result<(), Refusal> {
        let former = self.send("GET", "/window/handles", None)?;
        let fresh = self.post("/window/new", json!({"type": "tab"}))?["handle"].clone();
        for window in former.as_array().expect("a list") {
            self.post("/window", json!({"handle": window}))?;
            self.send("DELETE", "/window", None)?;
        }
        self.post("/window", json!({"handle": fresh}))?;
        self.devtools("Network.clearBrowserCookies", json!({}))?;
        self.devtools("Network.clearBrowserCache", json!({}))?;
        self.devtools("Storage.clearDataForOrigin", json!({"origin": "*", "storageTypes": "all"}))?;
        drop(self.complaints());
        Ok(())
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Result<Value, Refusal> {
        self.send("POST", path, Some(&body))
    }

    /// A command of the browser's own protocol (<https://chromedevtools.github.io/devtools-protocol/>).
    fn devtools(&self, name: &str, parameters: Value) -> Result<Value, Refusal> {
        self.post("/goog/cdp/execute", json!({"cmd": name, "params": parameters}))
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        command(method, &format!("{}{path}", self.path), body)
    }
}
