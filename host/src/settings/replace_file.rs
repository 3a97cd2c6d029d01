//! A file outside the store is written here and nowhere else: whole or not at all.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Permissions of the file afterwards.
#[derive(Clone, Copy, Debug)]
pub enum FileMode {
    /// These, whatever the file had. A symbolic link is replaced, not followed.
    Exactly(u32),
    /// Those the file has; these if it is new. A symbolic link stays one: what it points to is replaced.
    KeepOr(u32),
}

/// Puts `content` in the place of `path`. A reader sees the former file or the new one, also after a power failure;
/// on an error the former file is as it was.
///
/// # Errors
/// I/O; nothing of the new file is left then.
pub fn replace_file(path: &Path, content: &[u8], mode: FileMode) -> std::io::Result<()> {
    let target = match mode {
        FileMode::Exactly(_) => path.to_owned(),
        FileMode::KeepOr(_) => std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
    };
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let bits = match mode {
        FileMode::Exactly(bits) => bits,
        FileMode::KeepOr(bits) => std::fs::metadata(&target).map_or(bits, |found| found.permissions().mode() & 0o7777),
    };
    let random = getrandom::u64().map_err(std::io::Error::other)?;
    let temporary = directory.join(format!(".{random:016x}.new"));
    let written = write_new(&temporary, content, bits).and_then(|()| std::fs::rename(&temporary, &target));
    if written.is_err() {
        // The first error is the one worth telling; a leftover that cannot be removed has no reader.
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    File::open(directory)?.sync_all()
}

fn write_new(path: &Path, content: &[u8], bits: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.set_permissions(Permissions::from_mode(bits))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_mode_is_kept_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("host.toml");
        replace_file(&path, b"one", FileMode::KeepOr(0o600)).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        replace_file(&path, b"two", FileMode::KeepOr(0o600)).unwrap();
        assert_eq!((mode_of(&path), std::fs::read(&path).unwrap()), (0o640, b"two".to_vec()));
        replace_file(&path, b"three", FileMode::Exactly(0o644)).unwrap();
        assert_eq!(mode_of(&path), 0o644);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_open_reader_keeps_the_former_file() {
        use std::io::Read;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace_file(&path, b"former", FileMode::Exactly(0o600)).unwrap();
        let mut reader = File::open(&path).unwrap();
        replace_file(&path, b"new and longer", FileMode::Exactly(0o600)).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "former");
    }

    #[test]
    fn a_failure_leaves_the_directory_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("occupied");
        std::fs::create_dir(&path).unwrap();
        assert!(replace_file(&path, b"x", FileMode::Exactly(0o600)).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_followed_only_where_the_mode_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        std::fs::write(&real, "one").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace_file(&link, b"two", FileMode::KeepOr(0o600)).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"two");
        replace_file(&link, b"three", FileMode::Exactly(0o644)).unwrap();
        assert!(!std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"two");
    }
}
