//! Where the built files are. `cargo test` builds neither the host nor the modules, so xtask does and says where.

use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    match std::env::var_os("MFA_TEST_BIN_DIR") {
        Some(directory) => directory.into(),
        None => panic!("MFA_TEST_BIN_DIR is not set: run cargo xtask test, which builds host and modules first"),
    }
}

/// The host's binary.
pub fn host_binary() -> PathBuf {
    existing(directory().join("mfa-host"))
}

/// A module of this workspace as it was built.
pub fn built_module(id: &str) -> PathBuf {
    existing(directory().join(format!("libmfa_module_{id}.so")))
}

/// Every library that was built outside the workspace, against the SDK alone.
fn outside_libraries() -> Vec<PathBuf> {
    let directory = outside_directory();
    let entries = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}; run cargo xtask test", directory.display()));
    let mut libraries: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "so"))
        .collect();
    libraries.sort();
    libraries
}

/// The module from outside the workspace whose file name ends with this id.
pub fn outside_module(id: &str) -> PathBuf {
    let wanted = format!("{id}.so");
    outside_libraries()
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&wanted)))
        .unwrap_or_else(|| panic!("no library …{wanted} in {}", outside_directory().display()))
}

fn outside_directory() -> PathBuf {
    match std::env::var_os("MFA_TEST_OUTSIDE_DIR") {
        Some(directory) => directory.into(),
        None => directory().join("../outside/debug"),
    }
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(Path::new(&path).exists(), "{} is missing: run cargo xtask test", path.display());
    path
}
