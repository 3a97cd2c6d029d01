//! Which configuration directory a command is about.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::failure::Failure;
use crate::settings::FILE_NAME;

const VARIABLE: &str = "MFA_HOST_CONFIG";
const SYSTEM_DIRECTORY: &str = "/etc/mfa-host";

/// The directory of an existing configuration, absolute.
pub fn find(option: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let directory = choose(option, std::env::var_os(VARIABLE).map(PathBuf::from), Path::new("config"));
    if !directory.is_dir() {
        return Err(Failure::unusable(
            format!("there is no configuration directory {}", directory.display()),
            "name one with --config DIR, or make it: mfa-host --config DIR init --user NAME",
        ));
    }
    directory.canonicalize().map_err(|error| {
        Failure::unusable(format!("{}: {error}", directory.display()), "run the command as the user it belongs to")
    })
}

/// The directory `init` makes, absolute; it need not exist.
pub fn for_init(option: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let directory = choose(option, std::env::var_os(VARIABLE).map(PathBuf::from), Path::new("config"));
    std::path::absolute(&directory).map_err(|error| {
        Failure::unusable(format!("{}: {error}", directory.display()), "name another with --config DIR")
    })
}

fn choose(option: Option<PathBuf>, variable: Option<PathBuf>, local: &Path) -> PathBuf {
    option
        .or(variable.filter(|path| !path.as_os_str().is_empty()))
        .unwrap_or_else(|| if local.join(FILE_NAME).is_file() { local.to_owned() } else { SYSTEM_DIRECTORY.into() })
}

/// Files written by another user than the directory's would lock the host out of its own store.
pub fn refuse_foreign(directory: &Path) -> Result<(), Failure> {
    let owner = std::fs::metadata(directory).map(|metadata| metadata.uid()).map_err(|error| {
        Failure::unusable(format!("{}: {error}", directory.display()), "name another directory with --config DIR")
    })?;
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Failure::unusable(
        format!("{} belongs to user id {owner}", directory.display()),
        format!("run the command as that user: sudo -u '#{owner}' mfa-host …"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_then_variable_then_local_then_system() {
        let directory = tempfile::tempdir().unwrap();
        let local = directory.path();
        assert_eq!(choose(Some("a".into()), Some("b".into()), local), Path::new("a"));
        assert_eq!(choose(None, Some("b".into()), local), Path::new("b"));
        assert_eq!(choose(None, Some("".into()), local), Path::new(SYSTEM_DIRECTORY));
        std::fs::write(local.join(FILE_NAME), "").unwrap();
        assert_eq!(choose(None, None, local), local);
    }
}
