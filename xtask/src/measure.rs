//! `cargo xtask bench`: builds the host and the benchmark as users get them, and lets it measure.

use crate::{
    Failure,
    stage::{cargo, check},
    target_directory,
};

/// Runs the benchmark, or with `only` the rows whose name contains it.
pub fn run(checks: bool, only: Option<&str>) -> Result<(), Failure> {
    println!("building (the first time takes some minutes)");
    let modules = ["insecure_example", "totp", "sms", "backup_codes"].map(|module| format!("mfa-module-{module}"));
    let packages = modules.iter().flat_map(|module| ["-p", module.as_str()]);
    check(cargo(&["build", "--release", "--quiet", "-p", "mfa-host"]).args(packages))?;
    let mut bench = cargo(&["bench", "--quiet", "--package", "xtask", "--bench", "bench", "--"]);
    if checks {
        bench.arg("--check");
    }
    if let Some(only) = only {
        bench.args(["--only", only]);
    }
    check(bench.env("MFA_BENCH_BIN_DIR", target_directory().join("release")))
}
