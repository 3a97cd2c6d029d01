//! `cargo xtask demo`: a host to try by hand, with everything one has to type.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{Failure, host, stage::check};

const USER: &str = "demo";

/// Builds, makes the directory if there is none, starts the host and runs until Ctrl-C.
pub fn run(fresh: bool, listen: &str) -> Result<(), Failure> {
    let binary = host::build_release()?;
    let directory = crate::root().join("demo");
    if fresh && directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    let password_note = directory.join("demo-password.txt");
    if !directory.exists() {
        let password = host::random_password()?;
        host::with_password(&binary, &directory, &["init", "--user", USER], &password)?;
        // The way back in for who loses the app.
        let mut enable = Command::new(&binary);
        check(enable.arg("--config").arg(&directory).args(["module", "enable", "backup_codes"]).stdout(Stdio::null()))?;
        // Only a demonstration may write a password down: nobody could log in tomorrow without it.
        write_private(&password_note, &password)?;
    }
    let password = fs::read_to_string(&password_note)
        .map_err(|_| "demo/ was not made by this command; cargo xtask demo --fresh makes a new one")?;
    let running = host::Host::start(&binary, &directory, listen)?;
    println!("\nmfa-host runs at {}", running.base);
    println!("  user      {USER}");
    println!("  password  {}", password.trim());
    println!(
        "\nOpen that address in a browser: sign in, set up an authenticator app, save the backup codes, sign out, and sign \
         in\nwith the app's code or, as if it were lost, with a backup code."
    );
    println!("Or, in a second terminal, in this directory:");
    // The terminal client looks into host.toml for the address; another one has to be said.
    let url = if listen == crate::DEFAULT_LISTEN { String::new() } else { format!(" --url {}", running.base) };
    println!("  target/release/mfa-host --config demo setup totp{url}     scan the QR code with any authenticator app");
    println!("  target/release/mfa-host --config demo login{url}          log in with password and code");
    println!("\nCtrl-C here ends the host; kill -9 in the middle of a login loses nothing.");
    running.wait()
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    Ok(())
}
