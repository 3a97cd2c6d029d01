//! What the browser tests bring into a page from the npm registry: installed by name, in a place of its own.

use std::{path::PathBuf, process::Command};

use crate::{Failure, stage::check, target_directory};

/// The checker of accessibility, in the one version all figures and findings are of.
const AXE: &str = "axe-core";
const AXE_VERSION: &str = "4.14.1";

/// The one file of axe-core that is brought into pages.
pub fn axe() -> PathBuf {
    modules().join(AXE).join("axe.min.js")
}

/// Installs it where it is lacking, or of another version.
pub fn install_what_is_lacking() -> Result<(), Failure> {
    if installed_version().as_deref() == Some(AXE_VERSION) && axe().exists() {
        println!("   everything needed is in {}", modules().display());
        return Ok(());
    }
    let package = format!("{AXE}@{AXE_VERSION}");
    println!("   will install from the npm registry: {package}");
    std::fs::create_dir_all(modules())?;
    let install = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    let mut command = Command::new("npm");
    check(command.args(install).arg("--prefix").arg(target_directory().join("node")).arg(&package))
        .map_err(|error| format!("{error}; npm comes with Node.js").into())
}

fn installed_version() -> Option<String> {
    let text = std::fs::read_to_string(modules().join(AXE).join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(package["version"].as_str()?.to_owned())
}

fn modules() -> PathBuf {
    target_directory().join("node/node_modules")
}
