//! The papers match the code: what they name exists, and nothing lies about at the top.

use std::path::Path;

use crate::Failure;

use super::Source;

const ARCHITECTURE_LINES_MAX: usize = 150;

/// All that may stand at the top besides dot-files.
const TOP: [&str; 20] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "config",
    "demo",
    "deny.toml",
    "docs",
    "host",
    "modules",
    "rustfmt.toml",
    "sdk",
    "target",
    "tests",
    "xtask",
];

/// Papers whose paths and commands are checked.
const PAPERS: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/admin.md",
    "docs/module-author.md",
    "docs/modules.md",
    "docs/mutants.md",
    "docs/performance.md",
    "docs/settings.md",
];

pub fn mistakes(root: &Path, sources: &[Source]) -> Result<Vec<String>, Failure> {
    let mut mistakes = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !TOP.contains(&name.as_str()) {
            mistakes.push(format!("{name}: does not belong at the top"));
        }
    }
    let text_of = |path: &str| sources.iter().find(|source| source.path == path).map(|source| source.text.as_str());
    for path in PAPERS {
        let Some(text) = text_of(path) else {
            mistakes.push(format!("{path}: is missing"));
            continue;
        };
        for named in quoted(text).filter(|word| looks_like_a_path(word)) {
            if !root.join(named.trim_end_matches('/')).exists() {
                mistakes.push(format!("{path}: names {named}, which does not exist"));
            }
        }
        for command in quoted(text).filter_map(xtask_command) {
            if !COMMANDS.contains(&command) {
                mistakes.push(format!("{path}: names cargo xtask {command}, which does not exist"));
            }
        }
    }
    let lines = text_of("ARCHITECTURE.md").unwrap_or_default().lines().count();
    if lines > ARCHITECTURE_LINES_MAX {
        mistakes.push(format!("ARCHITECTURE.md: has {lines} lines; {ARCHITECTURE_LINES_MAX} are enough for a map"));
    }
    Ok(mistakes)
}

const COMMANDS: [&str; 8] = ["demo", "test", "bench", "tidy", "fixture", "mutants", "screenshots", "settings-doc"];

fn xtask_command(text: &str) -> Option<&str> {
    text.strip_prefix("cargo xtask ")?.split_whitespace().next()
}

/// What stands in backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    text.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            in_block ^= fence;
            !fence && !in_block
        })
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// A path of this repository: it begins with a folder of ours and holds nothing but path characters.
fn looks_like_a_path(word: &str) -> bool {
    const FOLDERS: [&str; 9] = ["host/", "sdk/", "modules/", "tests/", "xtask/", "config/", "docs/", ".ci/", ".cargo/"];
    FOLDERS.iter().any(|folder| word.starts_with(folder))
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_commands_are_read_from_backticks_outside_code_blocks() {
        let text =
            "See `host/src/flow/` and `modules/<id>`.\n```\n`host/none`\n```\nRun `cargo xtask test --only x`.\n";
        let paths: Vec<_> = quoted(text).filter(|word| looks_like_a_path(word)).collect();
        assert_eq!(paths, ["host/src/flow/"]);
        assert_eq!(quoted(text).filter_map(xtask_command).collect::<Vec<_>>(), ["test"]);
    }
}
