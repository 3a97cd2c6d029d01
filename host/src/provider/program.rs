//! Whether a program is one only the admin can have put there.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Others may write into a directory with this bit, but not take away or replace what is not theirs.
const STICKY: u32 = 0o1000;

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("look at {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} leads through a symbolic link; write {real}")]
    Link { path: PathBuf, real: PathBuf },
    #[error("{0} is not a program; run: chmod u+x {0}")]
    NotAProgram(PathBuf),
    #[error("{0} can be written by others; run: chmod go-w {0}")]
    Exposed(PathBuf),
    #[error("{path} belongs to user id {owner}; it has to belong to root or to the host's own user")]
    ForeignOwner { path: PathBuf, owner: u32 },
}

/// Refuses a program, or a directory it lies in, that somebody besides root and the host's user could exchange.
pub fn checked(path: &Path) -> Result<(), ProgramError> {
    let io = |source| ProgramError::Io { path: path.to_owned(), source };
    let real = fs::canonicalize(path).map_err(io)?;
    // A link could be bent to another program that also ends with 0.
    if real != path {
        return Err(ProgramError::Link { path: path.to_owned(), real });
    }
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
        return Err(ProgramError::NotAProgram(path.to_owned()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(ProgramError::Exposed(path.to_owned()));
    }
    check_owner(path, &metadata)?;
    for directory in path.ancestors().skip(1) {
        let metadata = fs::metadata(directory).map_err(io)?;
        if metadata.mode() & 0o022 != 0 && metadata.mode() & STICKY == 0 {
            return Err(ProgramError::Exposed(directory.to_owned()));
        }
        check_owner(directory, &metadata)?;
    }
    Ok(())
}

fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), ProgramError> {
    let owner = metadata.uid();
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(ProgramError::ForeignOwner { path: path.to_owned(), owner })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn only_what_the_admin_alone_can_exchange_is_a_program() {
        let directory = tempfile::tempdir().unwrap();
        let directory = fs::canonicalize(directory.path()).unwrap();
        let (path, link) = (directory.join("check"), directory.join("link"));
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        for refused in [0o600, 0o775, 0o757, 0o722] {
            mode(&path, refused);
            assert!(checked(&path).is_err(), "{refused:o}");
        }
        mode(&path, 0o755);
        assert!(checked(&path).is_ok());
        symlink(&path, &link).unwrap();
        assert!(matches!(checked(&link), Err(ProgramError::Link { .. })));
        mode(&directory, 0o777);
        assert!(matches!(checked(&path), Err(ProgramError::Exposed(exposed)) if exposed == directory));
        mode(&directory, 0o1777);
        assert!(checked(&path).is_ok());
        assert!(matches!(checked(&directory), Err(ProgramError::NotAProgram(_))));
        assert!(checked(&directory.join("none")).is_err() && checked(Path::new("")).is_err());
    }
}
