//! Files and directories a command makes, whole or not at all.

use std::{
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::failure::Failure;

/// What was made so far; dropped before the end, it is removed again.
#[derive(Default)]
pub struct Made {
    /// In the order they were made.
    pub paths: Vec<PathBuf>,
    pub is_complete: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_complete {
            return;
        }
        for path in self.paths.iter().rev() {
            // What cannot be removed is shown by the next command, which refuses to write over it.
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }
}

/// Makes it with those above it, which are everybody's to see.
pub fn make_directory(path: &Path, bits: u32, made: &mut Made) -> Result<(), Failure> {
    let failure = |error: std::io::Error| {
        Failure::failed(
            format!("make the directory {}: {error}", path.display()),
            "choose a place you may write to with --config DIR",
        )
    };
    if !path.is_dir() {
        if let Some(missing) = path.ancestors().take_while(|ancestor| !ancestor.exists()).last() {
            made.paths.push(missing.to_owned());
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failure)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).map_err(failure)
}
