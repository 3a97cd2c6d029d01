//! A store put back to what it was before, as somebody does who copies files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Stage, copy_directory};

/// A copy of the store of a stopped host, beside its directory.
pub fn copy_of_store(stage: &Stage) -> PathBuf {
    let copy = stage.directory.beside("copy");
    copy_directory(&stage.directory.path().join(".storage"), &copy);
    copy
}

/// The anchor stays where it is: only `.storage` goes back.
pub fn put_back(stage: &Stage, copy: &Path) {
    fs::remove_dir_all(stage.directory.path().join(".storage")).expect("the store is taken away");
    copy_directory(copy, &stage.directory.path().join(".storage"));
}

/// What happens `meanwhile` is undone by a copy of the store from before. The host is then stopped.
pub fn put_back_what_was_before(stage: &mut Stage, meanwhile: impl FnOnce(&mut Stage)) {
    stage.stop();
    let copy = copy_of_store(stage);
    stage.start();
    meanwhile(stage);
    stage.stop();
    put_back(stage, &copy);
}
