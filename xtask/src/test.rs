//! `cargo xtask test`: everything that must hold before a change is kept.

use std::{path::PathBuf, process::Command};

use crate::{
    Failure, coverage, node, packages, python,
    results::{Ending, Results},
    root, skew,
    stage::{Stages, cargo, check, check_and_keep},
    target_directory, tidy,
};

/// Runs all stages, or with `only` just the tests whose names contain it.
pub fn run(only: Option<&str>) -> Result<(), Failure> {
    let mut stages = Stages::default();
    let mut results = Results::default();
    stages.run("tools", install_tools);
    stages.run("python packages", python::install_what_is_lacking);
    stages.run("node packages", node::install_what_is_lacking);
    if only.is_none() {
        stages.run("format", format);
        stages.run("lints", lints);
        stages.run("tidy", tidy::run);
    }
    let built = stages.run("build", || check(&mut cargo(&["build", "--workspace"])))
        && stages.run("build outside the workspace", build_outside);
    if built {
        run_tests(&mut stages, &mut results, only);
    }
    if built && only.is_none() {
        stages.run("tests of a module outside the workspace", test_outside);
        stages.run("documentation", documentation);
        stages.run("coverage", || coverage::check(&results));
    }
    close(&stages, &results)
}

/// Tools and fonts from Debian.
pub fn install_tools() -> Result<(), Failure> {
    packages::install_what_is_lacking(&packages::all())?;
    packages::install_lacking_fonts()
}

fn format() -> Result<(), Failure> {
    check(&mut cargo(&["fmt", "--all", "--check"]))?;
    for manifest in outside_manifests()? {
        check(with_manifest(&mut cargo(&["fmt"]), manifest).arg("--check"))?;
    }
    Ok(())
}

fn lints() -> Result<(), Failure> {
    check(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    for manifest in outside_manifests()? {
        check(with_manifest(&mut cargo(&["clippy", "--all-targets"]), manifest).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Builds the modules that stand outside the workspace, against the SDK alone.
pub fn build_outside() -> Result<(), Failure> {
    for manifest in outside_manifests()? {
        check(with_manifest(&mut cargo(&["build"]), manifest))?;
    }
    skew::build(&outside_target())
}

fn run_tests(stages: &mut Stages, results: &mut Results, only: Option<&str>) {
    let runs: [(&str, &[&str]); 3] = [
        ("unit tests", &["test", "--workspace", "--lib", "--bins", "--no-fail-fast"]),
        ("documentation tests", &["test", "--workspace", "--doc", "--no-fail-fast"]),
        ("tests from outside", &["test", "--workspace", "--test", "outside"]),
    ];
    for (name, arguments) in runs {
        stages.run(name, || {
            let mut command = cargo(arguments);
            tell_where_things_are(&mut command);
            if let Some(filter) = only {
                command.args(["--", filter]);
            }
            let (output, outcome) = check_and_keep(&mut command);
            results.read(&output);
            outcome
        });
    }
}

/// Tests from outside build nothing; these say where everything lies.
pub fn tell_where_things_are(command: &mut Command) {
    command
        .env("MFA_TEST_BIN_DIR", target_directory().join("debug"))
        .env("MFA_TEST_OUTSIDE_DIR", outside_target().join("debug"))
        .env("MFA_TEST_PYTHON", python::interpreter())
        .env("MFA_TEST_AXE", node::axe());
}

/// The tests another author has beside their module, the contract among them.
fn test_outside() -> Result<(), Failure> {
    let module = root().join("tests/outside/favourite_colour/Cargo.toml");
    check(with_manifest(&mut cargo(&["test", "--quiet"]), module))
}

fn documentation() -> Result<(), Failure> {
    check(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The last words: a table of stages and one line that says it all.
fn close(stages: &Stages, results: &Results) -> Result<(), Failure> {
    println!("\n{}\n", stages.summary());
    let failed_tests = results.tests.iter().filter(|(_, ending)| **ending == Ending::Failed);
    for (test, _) in failed_tests {
        println!("failed: {test}");
    }
    println!("{} passed, {} failed", results.count(Ending::Passed), results.count(Ending::Failed));
    let failed = stages.failed();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

/// Crates that stand outside the workspace, as any author's would.
fn outside_manifests() -> Result<Vec<PathBuf>, Failure> {
    let directory = root().join("tests/outside");
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))? {
        let manifest = entry?.path().join("Cargo.toml");
        if manifest.exists() {
            manifests.push(manifest);
        }
    }
    manifests.sort();
    if manifests.is_empty() { Err("tests/outside has no crate".into()) } else { Ok(manifests) }
}

/// Where they are put.
pub fn outside_target() -> PathBuf {
    target_directory().join("outside")
}

fn with_manifest(command: &mut Command, manifest: PathBuf) -> &mut Command {
    // `fmt` knows no target directory and needs none; the variable reaches the others.
    command.env("CARGO_TARGET_DIR", outside_target()).arg("--manifest-path").arg(manifest)
}
