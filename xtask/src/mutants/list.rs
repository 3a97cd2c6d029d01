//! Which mutations there are: cargo-mutants knows, and is installed by name where it is lacking.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Failure, stage};

/// What kind of code a mutation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Genre {
    /// A function's whole body.
    Function,
    Binary,
    Unary,
    Arm,
    Guard,
    /// A field of a struct expression, left to what stands behind `..`.
    Field,
}

/// One mutation.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub file: String,
    /// What it is, without file, line and code: `replace < with <= in permitted`.
    pub what: String,
    pub genre: Genre,
    pub replacement: String,
    /// Where it begins, both from 1.
    pub line: usize,
    pub column: usize,
}

/// All mutations of these files.
pub fn of(pattern: &str) -> Result<Vec<Mutant>, Failure> {
    install_if_lacking()?;
    let output = stage::cargo(&["mutants", "--list", "--json", "--file", pattern]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("cargo mutants --list ended with {}", output.status).into());
    }
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    listed.iter().map(|mutant| read(mutant).ok_or_else(|| format!("cargo mutants listed {mutant}").into())).collect()
}

fn install_if_lacking() -> Result<(), Failure> {
    let is_there = stage::cargo(&["mutants", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if is_there.success() {
        return Ok(());
    }
    println!("   will install with cargo: cargo-mutants");
    let mut install: Command = stage::cargo(&["install", "--locked", "cargo-mutants"]);
    stage::check(&mut install).map_err(|error| format!("{error}; run: cargo install --locked cargo-mutants").into())
}

fn read(listed: &Value) -> Option<Mutant> {
    let genre = match listed["genre"].as_str()? {
        "FnValue" => Genre::Function,
        "BinaryOperator" => Genre::Binary,
        "UnaryOperator" => Genre::Unary,
        "MatchArm" => Genre::Arm,
        "MatchArmGuard" => Genre::Guard,
        "StructField" => Genre::Field,
        _ => return None,
    };
    let start = &listed["span"]["start"];
    let number = |name: &str| usize::try_from(start[name].as_u64()?).ok();
    let (line, column) = (number("line")?, number("column")?);
    let file = listed["file"].as_str()?.to_owned();
    let what = listed["name"].as_str()?.strip_prefix(&format!("{file}:{line}:{column}: "))?.to_owned();
    Some(Mutant { file, what, genre, replacement: listed["replacement"].as_str()?.to_owned(), line, column })
}
