//! What the compiler cannot see: which folder may know which, one file per danger, papers that match the code.

mod folders;
mod modules;
mod papers;
mod sources;

use std::path::{Path, PathBuf};

use crate::Failure;

/// A Rust or other text file, by its path from the root.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Lines with their numbers, without what stands in comments.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Lines before the file's own tests begin.
    pub fn code_lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(usize::MAX);
        self.code_lines().take_while(move |(number, _)| *number <= end)
    }
}

/// All checks; every mistake is told.
pub fn run() -> Result<(), Failure> {
    let root = crate::root();
    let sources = tracked(&root)?;
    let mut mistakes = sources::mistakes(&sources);
    mistakes.extend(folders::mistakes(&sources));
    mistakes.extend(modules::mistakes(&sources));
    mistakes.extend(papers::mistakes(&root, &sources)?);
    if mistakes.is_empty() {
        println!("   {} files are tidy", sources.len());
        Ok(())
    } else {
        mistakes.sort();
        Err(mistakes.join("\n").into())
    }
}

/// Every text file of the project that is no fixture; what is built or foreign is left out.
fn tracked(root: &Path) -> Result<Vec<Source>, Failure> {
    let mut paths = Vec::new();
    collect(root, &mut paths)?;
    let mut sources = Vec::new();
    for path in paths {
        let relative = path.strip_prefix(root)?.to_string_lossy().into_owned();
        // A file that is no text has no lines to look at.
        if let Ok(text) = std::fs::read_to_string(&path) {
            sources.push(Source { path: relative, text });
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    const LEFT_OUT: [&str; 5] = [".git", "target", "demo", "fixtures", "Cargo.lock"];
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}
