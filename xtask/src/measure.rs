//! `cargo xtask bench`: builds the host and the benchmark as users get them, and lets it measure.

use crate::{
    Failure,
    stage::{cargo, check},
    target_directory,
};

/// Runs the benchmark, or with `only` the rows whose name contains it.
pub fn run(checks: bool, only: Option<&str>) -> Result<(), Failure> {
    println!("building (the first time takes some minutes)");
    let packages = ["-p", "mfa-host", "-p", "mfa-module-insecure_example", "-p", "mfa-module-totp"];
    check(cargo(&["build", "--release", "--quiet"]).args(packages))?;
    let mut bench = cargo(&["bench", "--quiet", "--package", "xtask", "--bench", "bench", "--"]);
    if checks {
        bench.arg("--check");
    }
    if let Some(only) = only {
        bench.args(["--only", only]);
    }
    check(bench.env("MFA_BENCH_BIN_DIR", target_directory().join("release")))
}
