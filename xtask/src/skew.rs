//! Modules built against an older and a newer SDK than the host's. Both SDKs are copies of the present one with another
//! version and a few words changed, so that they stay real SDKs; what differs is written down here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Failure, root,
    stage::{cargo, check},
    target_directory,
};

/// How an SDK differs from the present one.
struct Skew {
    name: &'static str,
    version: &'static str,
    /// In a file of `sdk/`: what stands there, and what stands in its place.
    edits: &'static [(&'static str, &'static str, &'static str)],
}

const SKEWS: [Skew; 2] = [
    Skew {
        name: "older",
        version: "0.0.9",
        edits: &[
            // It has not heard of leave being taken, nor of the host's name.
            ("src/protocol.rs", "    \"depose\",\n", ""),
            ("src/protocol.rs", "    Depose {", "    #[serde(rename = \"not yet\")]\n    Depose {"),
            ("src/protocol.rs", "    pub host_name: ", "    #[serde(rename = \"not_yet\")]\n    pub host_name: "),
        ],
    },
    Skew {
        name: "newer",
        version: "0.9.0",
        edits: &[
            // Everything it says holds a field nobody here has heard of.
            (
                "src/adapter.rs",
                "    serde_json::to_string(value)\n",
                concat!(
                    "    let later = |text: String| text.replacen('{', r#\"{\"later\":{\"a\":[1,null]},\"#, 1);\n",
                    "    serde_json::to_string(value).map(later)\n",
                ),
            ),
            // A question no host asks yet.
            ("src/protocol.rs", "    \"depose\",\n", "    \"depose\",\n    \"foresee\",\n"),
            (
                "src/protocol.rs",
                "    pub host_name: String,",
                "    pub host_name: String,\n    #[serde(default)]\n    /// Not known before.\n    pub mood: Option<String>,",
            ),
            (
                "src/testing.rs",
                "host_name: \"Example host\".to_owned(),",
                "host_name: \"Example host\".to_owned(), mood: None,",
            ),
        ],
    },
];

/// Builds them into the folder of the other modules from outside, as `libmfa_module_skewed_<name>.so`.
pub fn build(outside_target: &Path) -> Result<(), Failure> {
    for skew in &SKEWS {
        let workspace = written(skew)?;
        let mut build = cargo(&["build", "--manifest-path"]);
        check(build.arg(workspace.join("module/Cargo.toml")).env("CARGO_TARGET_DIR", outside_target))?;
    }
    Ok(())
}

/// A workspace of its own, in which the copy's folder has a name of its own as well: cargo tells two packages in one
/// target folder apart by their folders, and would otherwise take one SDK for the other.
fn written(skew: &Skew) -> Result<PathBuf, Failure> {
    let workspace = target_directory().join("skew").join(skew.name);
    let sdk = format!("sdk_{}", skew.name);
    copy(&root().join("sdk"), &workspace.join(&sdk), &|path, text| edited(skew, path, text))?;
    copy(&root().join("tests/outside/skewed"), &workspace.join("module"), &|_, text| Ok(text))?;
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    write(&workspace.join("Cargo.toml"), &workspace_manifest(&manifest, skew, &sdk)?)?;
    write(&workspace.join("module/Cargo.toml"), &module_manifest(skew))?;
    let lock = workspace.join("Cargo.lock");
    if !lock.exists() {
        fs::copy(root().join("Cargo.lock"), lock)?;
    }
    Ok(workspace)
}

fn edited(skew: &Skew, path: &Path, mut text: String) -> Result<String, Failure> {
    for (_, from, to) in skew.edits.iter().filter(|(file, ..)| Path::new(file) == path) {
        if text.matches(from).count() != 1 {
            return Err(format!(
                "xtask/src/skew.rs changes {from:?} in sdk/{}, which is not there once",
                path.display()
            )
            .into());
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

fn workspace_manifest(manifest: &str, skew: &Skew, sdk: &str) -> Result<String, Failure> {
    let present = manifest
        .split_once("[workspace.package]\nversion = \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .ok_or("Cargo.toml has no version")?;
    let mut lines = Vec::new();
    for line in manifest.lines().filter(|line| !line.starts_with("exclude")) {
        lines.push(match line.split_once(" = ") {
            Some(("members", _)) => format!("members = [\"{sdk}\", \"{sdk}/abi\", \"{sdk}/derive\", \"module\"]"),
            _ => line
                .replace(&format!("version = \"{present}\""), &format!("version = \"{}\"", skew.version))
                .replace("path = \"sdk", &format!("path = \"{sdk}")),
        });
    }
    Ok(lines.join("\n") + "\n")
}

fn module_manifest(skew: &Skew) -> String {
    let default = if skew.name == "newer" { "\"newer\"" } else { "" };
    format!(
        "[package]\nname = \"mfa-module-skewed-{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"0BSD\"\n\n\
         [lib]\nname = \"mfa_module_skewed_{}\"\ncrate-type = [\"cdylib\"]\n\n\
         [features]\ndefault = [{default}]\nnewer = []\n\n\
         [dependencies]\nmfa-sdk.workspace = true\nserde.workspace = true\n",
        skew.name, skew.name
    )
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&Path, String) -> Result<String, Failure>) -> Result<(), Failure> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(from.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            match entry.file_type()? {
                kind if kind.is_dir() => waiting.push(path),
                _ => write(&to.join(&path), &change(&path, fs::read_to_string(entry.path())?)?)?,
            }
        }
    }
    Ok(())
}

/// Only what changed is written, or everything would be built anew each time.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if fs::read_to_string(path).is_ok_and(|former| former == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, text)?)
}
