//! `cargo xtask bench`: builds the host and the benchmark as users get them, and lets it measure.

use crate::{
    Failure,
    stage::{cargo, check},
};

/// Runs the benchmark, or with `only` the rows whose name contains it.
pub fn run(checks: bool, only: Option<&str>) -> Result<(), Failure> {
    let host = crate::host::build_release()?;
    let mut bench = cargo(&["bench", "--quiet", "--package", "xtask", "--bench", "bench", "--"]);
    if checks {
        bench.arg("--check");
    }
    if let Some(only) = only {
        bench.args(["--only", only]);
    }
    check(bench.env("MFA_BENCH_BIN_DIR", host.parent().ok_or("a program in no folder")?))
}
