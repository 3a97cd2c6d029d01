//! What must be true of a module's file before anything of it runs. All questions go to the opened descriptor, the
//! file is read once, and what was checked is what a worker loads: a sealed copy in memory.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{self, AtFlags, FileType, MemfdFlags, Mode, OFlags, SealFlags, Stat};
use sha2::{Digest, Sha256};

use super::{ModuleState, elf};

/// Largest module file.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A module's library as it was checked: sealed in memory, so nothing on disk can change under it.
pub(super) struct Image {
    pub memory: OwnedFd,
    /// Hexadecimal.
    pub sha256: String,
    /// When the file was last written, in seconds and nanoseconds since 1970: the same bytes put in place again are
    /// another try. Zero where nobody asks.
    pub written_at: (i64, u64),
}

/// A refusal: why, and the command or sentence that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: String,
    pub remedy: String,
    /// The admin took the module away or named another file, so that a former one must not go on either.
    pub revokes: bool,
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into(), revokes: false }
    }

    fn revoking(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { revokes: true, ..Self::new(reason, remedy) }
    }
}

impl From<Refusal> for ModuleState {
    fn from(Refusal { reason, remedy, .. }: Refusal) -> Self {
        Self::Failed { reason, remedy }
    }
}

/// Names of modules, fields, blocks and channels: 1–64 of `a-z`, `0-9`, `_`.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The file `DIR/modules/<type>.so`, checked and sealed.
pub(super) fn installed(
    config_directory: &Path,
    module_type: &str,
    pinned_sha256: Option<&str>,
) -> Result<Image, Refusal> {
    if !is_name(module_type) {
        let reason = format!("{module_type:?} is not a module type");
        return Err(Refusal::new(reason, "use 1–64 of a-z, 0-9 and _ for `type` in host.toml"));
    }
    let directory = config_directory.join("modules");
    let path = directory.join(format!("{module_type}.so"));
    let file = open_within(&directory, &path, &format!("{module_type}.so"))?;
    let opened = stat(&path, &file)?;
    let bytes = read_module(&path, file)?;
    let image = Image { written_at: (opened.st_mtime as i64, opened.st_mtime_nsec as u64), ..seal(&bytes)? };
    match pinned_sha256 {
        Some(pinned) if !pinned.eq_ignore_ascii_case(&image.sha256) => Err(Refusal::revoking(
            format!("{} has the SHA-256 {}, host.toml pins {pinned}", path.display(), image.sha256),
            format!("install the pinned file, or set sha256 = \"{}\" in host.toml if this one is right", image.sha256),
        )),
        _ => Ok(image),
    }
}

/// A file anywhere, which nobody relies on yet: its bytes if it could be a module. Whose it is does not matter.
pub(super) fn candidate(path: &Path) -> Result<Vec<u8>, Refusal> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let remedy = "give the path of a module's .so file";
    // Who asks names the file.
    let descriptor = fs::open(path, flags, Mode::empty()).map_err(|error| Refusal::new(error.to_string(), remedy))?;
    if !is_regular(&stat(path, &descriptor)?) {
        return Err(Refusal::new("it is not a regular file".to_owned(), remedy));
    }
    read_module(path, descriptor)
}

/// Opens `name` in `directory`. A link may name a neighbour and nothing else: whoever could write elsewhere could
/// otherwise decide what is loaded here.
fn open_within(directory: &Path, path: &Path, name: &str) -> Result<OwnedFd, Refusal> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let install = "mfa-host module install FILE";
    let parent = fs::open(directory, flags, Mode::empty()).map_err(|error| not_opened(directory, error))?;
    check_owner(directory, &stat(directory, &parent)?)?;
    let there = fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| not_opened(path, error))?;
    let mut target = name.as_bytes().to_vec();
    if FileType::from_raw_mode(there.st_mode) == FileType::Symlink {
        let link = fs::readlinkat(&parent, name, Vec::new())
            .map_err(|error| Refusal::new(format!("{}: {error}", path.display()), install))?;
        target = link.into_bytes();
        if target.contains(&b'/') {
            let reason = format!("{} is a link that leads out of {}", path.display(), directory.display());
            return Err(Refusal::new(reason, format!("rm {} && {install}", quoted(path))));
        }
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = fs::openat(&parent, target, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => {
            Refusal::new(format!("{} is a link to a link", path.display()), format!("rm {} && {install}", quoted(path)))
        }
        rustix::io::Errno::ACCESS => Refusal::new(
            format!("{} may not be read by the host", path.display()),
            format!("chmod u+r {0} && chown {1} {0}", quoted(path), rustix::process::geteuid().as_raw()),
        ),
        error => not_opened(path, error),
    })?;
    let opened = stat(path, &file)?;
    if !is_regular(&opened) {
        let reason = format!("{} is not a regular file", path.display());
        return Err(Refusal::new(reason, format!("rm -r {} && {install}", quoted(path))));
    }
    check_owner(path, &opened)?;
    Ok(file)
}

/// What is not there was taken away; what cannot be opened may be the machine's fault.
fn not_opened(path: &Path, error: rustix::io::Errno) -> Refusal {
    let install = "mfa-host module install FILE";
    match error {
        rustix::io::Errno::NOENT => Refusal::revoking(format!("there is no {}", path.display()), install),
        error => Refusal::new(format!("{}: {error}", path.display()), install),
    }
}

fn stat(path: &Path, descriptor: &OwnedFd) -> Result<Stat, Refusal> {
    fs::fstat(descriptor)
        .map_err(|error| Refusal::new(format!("{}: {error}", path.display()), "mfa-host module install FILE"))
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Who else may write a module may read every second factor it sees.
fn check_owner(path: &Path, stat: &Stat) -> Result<(), Refusal> {
    let host = rustix::process::geteuid().as_raw();
    if stat.st_uid != 0 && stat.st_uid != host {
        let reason = format!("{} belongs to user {}, neither to root nor to the host", path.display(), stat.st_uid);
        return Err(Refusal::new(reason, format!("chown {host} {}", quoted(path))));
    }
    if stat.st_mode & 0o022 != 0 {
        let reason = format!("{} may be written by others than its owner", path.display());
        return Err(Refusal::new(reason, format!("chmod go-w {}", quoted(path))));
    }
    Ok(())
}

fn read_module(path: &Path, descriptor: OwnedFd) -> Result<Vec<u8>, Refusal> {
    let install = "mfa-host module install FILE";
    let mut bytes = Vec::new();
    File::from(descriptor)
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Refusal::new(format!("{}: {error}", path.display()), install))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("{} is larger than {} MiB", path.display(), FILE_BYTES_MAX / (1024 * 1024));
        return Err(Refusal::new(reason, "build it with `cargo build --release` and strip it"));
    }
    elf::check(&bytes).map_err(|reason| {
        let rebuild = format!("build the module for {} and run {install}", std::env::consts::ARCH);
        Refusal::new(format!("{}: {reason}", path.display()), rebuild)
    })?;
    Ok(bytes)
}

/// The bytes in memory nobody can change, named by their hash.
pub(super) fn seal(bytes: &[u8]) -> Result<Image, Refusal> {
    let sealed = || -> std::io::Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 do not know the flag that also takes the right to be executed as a program.
        let memory = rustix::fs::memfd_create("module", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| rustix::fs::memfd_create("module", flags))?;
        let mut memory = File::from(memory);
        memory.write_all(bytes)?;
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&memory, seals)?;
        Ok(memory.into())
    };
    let memory = sealed().map_err(|error| {
        Refusal::new(format!("no sealed memory for the module: {error}"), "free memory and restart the host")
    })?;
    Ok(Image { memory, sha256: data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)), written_at: (0, 0) })
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = PathBuf::from(path).display().to_string();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
