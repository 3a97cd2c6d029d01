//! Small text files of a folder, with which an admin replaces what is built in.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Files of a folder whose names are wanted, in order; none if there is no folder.
pub fn files_in(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(&is_wanted)).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// A small text file.
///
/// # Errors
/// It cannot be read, is no text, or is longer than that; in words.
pub fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    match file.take(bytes_max + 1).read_to_string(&mut text) {
        Ok(bytes) if bytes as u64 > bytes_max => Err(format!("it has more than {bytes_max} bytes")),
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}
