//! Who may read and write the configuration directory and everything in it.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::super::findings::Finding;
use crate::module_host::quoted;

/// More than any host keeps; beyond it the directory is somebody's home, and one word is enough.
const ENTRIES_MAX: usize = 10_000;

/// A file or directory as far as permissions go.
struct Entry {
    /// From the configuration directory; empty for itself.
    place: PathBuf,
    is_directory: bool,
    mode: u32,
    owner: u32,
}

/// The configuration directory itself, as a start looks at it.
pub fn of_directory(config_directory: &Path) -> Option<Finding> {
    let entry = look(config_directory, Path::new("")).ok()?;
    judge(config_directory, &entry, entry.owner)
}

/// One finding for each thing that is open to others or belongs to somebody else, or one that all is well.
pub fn of_everything(config_directory: &Path) -> Vec<Finding> {
    let host = rustix::process::geteuid().as_raw();
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    let mut seen = 0;
    while let Some(place) = waiting.pop() {
        seen += 1;
        if seen > ENTRIES_MAX {
            let message = format!("{} holds more than {ENTRIES_MAX} files", config_directory.display());
            found.push(Finding::warn("permissions", message, "keep in it what belongs to the host, and nothing else"));
            break;
        }
        let inside = look(config_directory, &place).and_then(|entry| {
            found.extend(judge(config_directory, &entry, host));
            if entry.is_directory { names_in(config_directory, &place) } else { Ok(Vec::new()) }
        });
        match inside {
            Ok(mut places) => waiting.append(&mut places),
            // A temporary file of the running host, gone since its name was read.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => found.push(Finding::fail(
                "permissions",
                format!("{}: {error}", config_directory.join(&place).display()),
                format!("chown -R {host} {}", quoted(config_directory)),
            )),
        }
    }
    if found.is_empty() {
        let message = format!("{} and all {} things in it are the host's own", config_directory.display(), seen - 1);
        found.push(Finding::ok("permissions", message));
    }
    found
}

fn look(config_directory: &Path, place: &Path) -> std::io::Result<Entry> {
    let path = config_directory.join(place);
    let metadata = std::fs::metadata(&path)?;
    // What a link leads to is judged, but not everything behind it.
    let is_link = !place.as_os_str().is_empty() && path.symlink_metadata()?.is_symlink();
    Ok(Entry {
        place: place.to_owned(),
        is_directory: metadata.is_dir() && !is_link,
        mode: metadata.mode(),
        owner: metadata.uid(),
    })
}

fn names_in(config_directory: &Path, place: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(config_directory.join(place))?;
    entries.map(|entry| Ok(place.join(entry?.file_name()))).collect()
}

/// Modules may be read by everybody and belong to root; the store is closed to all but the host; the rest may only be
/// written by the host, and is hidden by the directory itself.
fn judge(config_directory: &Path, entry: &Entry, host: u32) -> Option<Finding> {
    let path = config_directory.join(&entry.place);
    let (shown, argument) = (path.display(), quoted(&path));
    let first = entry.place.components().next().map(|part| part.as_os_str().to_owned()).unwrap_or_default();
    let fail = |message: String, remedy: String| Some(Finding::fail("permissions", message, remedy));
    let may_be_roots = !entry.place.as_os_str().is_empty() && first != ".storage";
    if entry.owner != host && !(may_be_roots && entry.owner == 0) {
        return fail(format!("{shown} belongs to user id {}", entry.owner), format!("chown {host} {argument}"));
    }
    if first == ".storage" && entry.mode & 0o077 != 0 {
        let mode = if entry.is_directory { "700" } else { "600" };
        return fail(format!("{shown} is open to others"), format!("chmod {mode} {argument}"));
    }
    if entry.mode & 0o022 != 0 {
        return fail(format!("{shown} may be written by others"), format!("chmod go-w {argument}"));
    }
    if entry.place.as_os_str().is_empty() && entry.mode & 0o077 != 0 {
        let message = format!("{shown} can be entered by other users");
        return Some(Finding::warn("permissions", message, format!("chmod 700 {argument}")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::super::findings::Level, *};

    fn level(place: &str, is_directory: bool, mode: u32, owner: u32) -> Option<Level> {
        let entry = Entry { place: place.into(), is_directory, mode, owner };
        judge(Path::new("/d"), &entry, 1000).map(|finding| finding.level)
    }

    #[test]
    fn each_place_has_its_own_rule() {
        for (place, is_directory, mode, owner, expected) in [
            ("", true, 0o700, 1000, None),
            ("", true, 0o750, 1000, Some(Level::Warn)),
            ("", true, 0o770, 1000, Some(Level::Fail)),
            ("", true, 0o700, 0, Some(Level::Fail)),
            ("host.toml", false, 0o644, 1000, None),
            ("host.toml", false, 0o644, 0, None),
            ("host.toml", false, 0o664, 1000, Some(Level::Fail)),
            ("host.toml", false, 0o600, 1001, Some(Level::Fail)),
            ("modules", true, 0o755, 0, None),
            ("modules/totp.so", false, 0o644, 1000, None),
            ("modules/totp.so", false, 0o666, 1000, Some(Level::Fail)),
            (".storage", true, 0o700, 1000, None),
            (".storage", true, 0o755, 1000, Some(Level::Fail)),
            (".storage/lock", false, 0o600, 1000, None),
            (".storage/lock", false, 0o640, 1000, Some(Level::Fail)),
            (".storage/lock", false, 0o600, 0, Some(Level::Fail)),
        ] {
            assert_eq!(level(place, is_directory, mode, owner), expected, "{place} {mode:o} {owner}");
        }
    }

    #[test]
    fn a_link_to_nowhere_and_a_link_upward_end() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", directory.path().join("a")).unwrap();
        std::os::unix::fs::symlink(".", directory.path().join("b")).unwrap();
        assert!(of_everything(directory.path()).len() < 3);
    }
}
