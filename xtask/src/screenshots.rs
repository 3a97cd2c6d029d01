//! `cargo xtask screenshots`: pictures of every page at three widths, light and dark, to be looked at. The test that goes
//! through all pages takes them.

use crate::{Failure, node, python, stage, target_directory, test};

/// Takes all pictures anew.
pub fn run() -> Result<(), Failure> {
    test::install_tools()?;
    python::install_what_is_lacking()?;
    node::install_what_is_lacking()?;
    stage::check(&mut stage::cargo(&["build", "--workspace"]))?;
    let directory = target_directory().join("screenshots");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let mut command = stage::cargo(&["test", "--package", "mfa-tests", "--test", "outside", "--", "every_page::"]);
    test::tell_where_things_are(&mut command);
    stage::check(command.env("MFA_TEST_SCREENSHOTS", &directory))?;
    let count = std::fs::read_dir(&directory)?.count();
    println!("{count} pictures are in {}", directory.display());
    Ok(())
}
