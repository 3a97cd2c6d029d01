//! Configuration directories: one is initialised once, every test works on a copy of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;

use super::{
    ADA, BOB, ManualClock, PASSWORD, run_host_with_input,
    scratch::{scratch, temporary_directory},
};

/// The settings of a test host. Two modules in this order, the clock in a file, argon2 as light as the bounds allow.
const SETTINGS: &str = r#"listen = "127.0.0.1:0"
name = "Test host"

[argon2]
memory_kib = 8192
iterations = 2
parallelism = 1

[[client]]
id = "mfa-host-cli"
redirect_uris = ["http://127.0.0.1/mfa-host-cli"]

[[provider]]
type = "local"

[[module]]
type = "totp"
kind = "possession"
amr = ["otp"]

[[module]]
type = "insecure_example"

[development]
clock_file = "clock.json"
"#;

/// What the trusted network is called.
pub const AT_HOME: &str = "At home";

/// A configuration directory that vanishes with the test.
pub struct Directory {
    temporary: TempDir,
}

impl Directory {
    /// A copy of the initialised template: users ada (owner) and bob, no factors, both modules installed.
    pub fn new() -> Self {
        let directory = Self::empty();
        copy_directory(template(), &directory.path());
        directory
    }

    /// A place where nothing is yet; the directory itself does not exist.
    pub fn empty() -> Self {
        Self { temporary: temporary_directory() }
    }

    /// DIR.
    pub fn path(&self) -> PathBuf {
        self.temporary.path().join("config")
    }

    /// A place beside DIR for files that are not its own.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// The text of `host.toml`.
    pub fn settings(&self) -> String {
        fs::read_to_string(self.path().join("host.toml")).expect("host.toml")
    }

    /// Replaces one piece of `host.toml`, which must be there.
    pub fn replace_setting(&self, from: &str, to: &str) {
        let settings = self.settings();
        assert!(settings.contains(from), "{from:?} stands in host.toml");
        fs::write(self.path().join("host.toml"), settings.replace(from, to)).expect("host.toml is written");
    }

    /// Gives the TOTP module a configuration, or (with none) takes the module out of the settings.
    pub fn configure_totp(&self, config: Option<&str>) {
        const BLOCK: &str = "[[module]]\ntype = \"totp\"\nkind = \"possession\"\namr = [\"otp\"]\n";
        let changed = config.map(|config| format!("{BLOCK}[module.config]\n{config}\n"));
        self.replace_setting(BLOCK, changed.as_deref().unwrap_or_default());
    }

    /// Adds tables at the end.
    pub fn append_settings(&self, text: &str) {
        let settings = self.settings();
        fs::write(self.path().join("host.toml"), format!("{settings}\n{text}\n")).expect("host.toml is written");
    }

    /// Beside the password a trusted network, which is this machine.
    pub fn with_trusted_network(&self) {
        let network = "[[provider.network]]\ncidr = [\"127.0.0.1/32\"]";
        self.append_settings(&format!("[[provider]]\ntype = \"trusted_networks\"\nname = \"{AT_HOME}\"\n{network}"));
    }

    /// Puts a library in place as `modules/<id>.so`, with modes the host accepts.
    pub fn install(&self, library: &Path, module_type: &str) -> PathBuf {
        let target = self.path().join("modules").join(format!("{module_type}.so"));
        let _ = fs::remove_file(&target);
        fs::copy(library, &target).expect("the module is copied");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).expect("its mode is set");
        target
    }

    /// All files of the store.
    pub fn store_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.path().join(".storage"))
            .expect(".storage")
            .map(|entry| entry.expect("a readable directory").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        files.sort();
        files
    }
}

fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let path = scratch().join("template");
        run_host_with_input(&path, &["init", "--user", ADA], &format!("{PASSWORD}\n")).success();
        fs::write(path.join("host.toml"), SETTINGS).expect("host.toml is written");
        let _ = ManualClock::new(&path);
        run_host_with_input(&path, &["user", "add", BOB], &format!("{PASSWORD}\n")).success();
        path
    })
}

/// Copies a tree with its modes; sockets are left out.
pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy's directory");
    let mode = fs::metadata(from).expect("the original").permissions();
    for entry in fs::read_dir(from).expect("a readable directory") {
        let entry = entry.expect("a readable entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            copy_directory(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).expect("the file is copied");
        }
    }
    fs::set_permissions(to, mode).expect("the mode is copied");
}

/// Gives a tree the modes a host wants, which version control does not keep.
pub fn set_modes(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).expect("0700");
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            set_modes(&path);
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("0600");
        }
    }
}
