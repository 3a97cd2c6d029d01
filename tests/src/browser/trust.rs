//! A browser that trusts an authority, because its owner had it do so, and knows where a name leads.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use tempfile::TempDir;

use super::session::Browser;
use crate::harness::{interpreter, temporary_directory};

/// What a browser of one person keeps, and how it is started with that.
pub struct Owner {
    home: TempDir,
    arguments: Vec<String>,
}

impl Owner {
    /// Trusts this authority; this name is that of this machine.
    pub fn trusting(authority: &Path, name: &str) -> Self {
        let home = temporary_directory();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/browser/trust.py");
        let done = Command::new(interpreter()).arg(script).arg(home.path()).arg(authority).output();
        let done = done.expect("python starts; cargo xtask test installs what it needs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        // The driver has no word for the home of a browser.
        let program = home.path().join("browser");
        fs::write(&program, "#!/bin/sh\nHOME=\"$(dirname \"$0\")\" exec chromium \"$@\"\n").expect("is written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode is set");
        Self { home, arguments: vec![format!("--host-resolver-rules=MAP {name} 127.0.0.1")] }
    }

    pub(super) fn program(&self) -> PathBuf {
        self.home.path().join("browser")
    }

    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

impl Browser {
    /// The certificate this origin showed (DER).
    pub fn certificate(&self, origin: &str) -> Vec<u8> {
        let shown = self.devtools("Network.getCertificate", json!({"origin": origin})).expect("certificates");
        STANDARD.decode(shown["tableNames"][0].as_str().expect("a certificate")).expect("base64")
    }
}
