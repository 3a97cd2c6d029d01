//! Attacks on a module's file.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
};

use super::*;

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("modules")).unwrap();
    fs::set_permissions(directory.path().join("modules"), Permissions::from_mode(0o755)).unwrap();
    directory
}

fn put(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join("modules").join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    path
}

fn refusal(directory: &Path, module_type: &str) -> Refusal {
    installed(directory, module_type, None).err().expect("a refusal")
}

#[test]
fn a_sound_file_is_sealed() {
    let directory = directory();
    let bytes = elf::sample_of_this_machine();
    put(directory.path(), "good.so", &bytes);
    let Ok(image) = installed(directory.path(), "good", None) else { panic!("no image") };
    assert_eq!(image.sha256, data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
    let mut memory = File::from(image.memory);
    assert!(memory.write_all(b"x").is_err(), "a sealed image must not take a byte");
    assert!(memory.set_len(1).is_err());
}

#[test]
fn names_that_lead_elsewhere_are_no_types() {
    let directory = directory();
    for module_type in ["", "../etc", "A", "a.b", "a/b", "a\0b", &"a".repeat(65)] {
        assert!(refusal(directory.path(), module_type).reason.contains("not a module type"), "{module_type:?}");
    }
    assert!(refusal(directory.path(), "absent").reason.contains("there is no"));
    assert_eq!(refusal(directory.path(), "absent").remedy, "mfa-host module install FILE");
}

#[test]
fn who_else_may_write_is_refused_with_the_command_that_mends_it() {
    let directory = directory();
    let path = put(directory.path(), "open.so", &elf::sample_of_this_machine());
    for mode in [0o664, 0o646] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(refusal(directory.path(), "open").remedy, format!("chmod go-w {}", path.display()));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let modules = directory.path().join("modules");
    fs::set_permissions(&modules, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(refusal(directory.path(), "open").remedy, format!("chmod go-w {}", modules.display()));
}

#[test]
fn a_foreign_owner_is_refused() {
    let directory = directory();
    let path = put(directory.path(), "foreign.so", &elf::sample_of_this_machine());
    // Only root may give a file away; without that right there is nothing to test here.
    if std::os::unix::fs::chown(&path, Some(12345), None).is_ok() {
        assert!(refusal(directory.path(), "foreign").reason.contains("belongs to user 12345"));
        assert!(refusal(directory.path(), "foreign").remedy.starts_with("chown "));
    }
}

#[test]
fn links_stay_within() {
    let directory = directory();
    put(directory.path(), "good.so", &elf::sample_of_this_machine());
    let modules = directory.path().join("modules");
    let outside = directory.path().join("outside.so");
    fs::write(&outside, elf::sample_of_this_machine()).unwrap();
    symlink("good.so", modules.join("near.so")).unwrap();
    symlink(&outside, modules.join("far.so")).unwrap();
    symlink("../outside.so", modules.join("up.so")).unwrap();
    symlink("near.so", modules.join("twice.so")).unwrap();
    symlink("..", modules.join("parent.so")).unwrap();
    assert!(installed(directory.path(), "near", None).is_ok());
    assert!(refusal(directory.path(), "far").reason.contains("leads out of"));
    assert!(refusal(directory.path(), "up").reason.contains("leads out of"));
    assert!(refusal(directory.path(), "twice").reason.contains("a link to a link"));
    assert!(refusal(directory.path(), "parent").reason.contains("not a regular file"));
}

#[test]
fn neither_pipes_nor_directories_nor_texts() {
    let directory = directory();
    let modules = directory.path().join("modules");
    rustix::fs::mknodat(rustix::fs::CWD, modules.join("pipe.so"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
    fs::create_dir(modules.join("folder.so")).unwrap();
    fs::set_permissions(modules.join("folder.so"), Permissions::from_mode(0o755)).unwrap();
    put(directory.path(), "text.so", b"hello");
    put(directory.path(), "empty.so", b"");
    assert!(refusal(directory.path(), "pipe").reason.contains("not a regular file"));
    assert!(refusal(directory.path(), "folder").reason.contains("not a regular file"));
    assert!(refusal(directory.path(), "text").reason.contains("not a shared library"));
    assert!(refusal(directory.path(), "empty").reason.contains("not a shared library"));
}

#[test]
fn another_file_than_the_pinned_one_is_refused() {
    let directory = directory();
    put(directory.path(), "good.so", &elf::sample_of_this_machine());
    let sha256 = installed(directory.path(), "good", None).ok().unwrap().sha256;
    assert!(installed(directory.path(), "good", Some(&sha256.to_uppercase())).is_ok());
    let error = installed(directory.path(), "good", Some(&"0".repeat(64))).err().unwrap();
    assert!(error.reason.contains("pins") && error.remedy.contains(&sha256));
    assert!(installed(directory.path(), "good", Some("")).is_err());
}

#[test]
fn remedies_can_be_pasted() {
    assert_eq!(quoted(Path::new("/a/b.so")), "/a/b.so");
    assert_eq!(quoted(Path::new("/a b/it's.so")), r"'/a b/it'\''s.so'");
}
