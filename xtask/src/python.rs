//! Servers the tests talk to that come from the Python package index: installed by name, in a place of their own.

use std::{path::PathBuf, process::Command};

use crate::{Failure, stage::check, target_directory};

/// What is imported, and the package that has it.
const PACKAGES: [(&str, &str); 1] = [("aiosmtpd", "aiosmtpd==1.4.6")];

/// Where the interpreter with these packages is.
pub fn interpreter() -> PathBuf {
    target_directory().join("python/bin/python")
}

/// Makes the place and installs what is lacking.
pub fn install_what_is_lacking() -> Result<(), Failure> {
    let lacking: Vec<&str> =
        PACKAGES.iter().filter(|(module, _)| !can_import(module)).map(|(_, package)| *package).collect();
    if lacking.is_empty() {
        println!("   everything needed is in {}", target_directory().join("python").display());
        return Ok(());
    }
    println!("   will install from the Python package index: {}", lacking.join(", "));
    if !interpreter().exists() {
        check(Command::new("python3").args(["-m", "venv"]).arg(target_directory().join("python")))?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    check(Command::new(interpreter()).args(install).args(&lacking))
}

fn can_import(module: &str) -> bool {
    let output = Command::new(interpreter()).args(["-c", &format!("import {module}")]).output();
    output.is_ok_and(|output| output.status.success())
}
