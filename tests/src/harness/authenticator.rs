//! The user's authenticator app: `oathtool`, which shares no code with the module under test.

use std::process::Command;

/// The code of a base32 secret at this moment, with the defaults of every authenticator app.
pub fn totp(secret: &str, wall_ms: i64) -> String {
    totp_with(secret, wall_ms, "SHA1", 6, 30)
}

/// All codes of a base32 secret from this moment on, one a step.
pub fn totp_from(secret: &str, wall_ms: i64, steps: usize) -> Vec<String> {
    let now = format!("@{}", wall_ms.div_euclid(1000));
    let further = (steps - 1).to_string();
    let codes = oathtool(&["--totp", "--base32", "--window", &further, "--now", &now, secret]);
    codes.lines().map(str::to_owned).collect()
}

/// The code of a base32 secret at this moment with an algorithm (`SHA1`, `SHA256`, `SHA512`), length and period.
pub fn totp_with(secret: &str, wall_ms: i64, algorithm: &str, digits: u32, period_s: u32) -> String {
    let seconds = wall_ms.div_euclid(1000);
    let mode = format!("--totp={algorithm}");
    let (digits, period) = (digits.to_string(), format!("{period_s}s"));
    let now = format!("@{seconds}");
    oathtool(&[&mode, "--base32", "--digits", &digits, "--time-step-size", &period, "--now", &now, secret])
}

/// RFC 4226: the code of a hexadecimal secret at a counter.
pub fn hotp(secret_hex: &str, counter: u64) -> String {
    oathtool(&["--hotp", "--counter", &counter.to_string(), secret_hex])
}

/// The same of a base32 secret, as it is shown.
pub fn hotp_of_base32(secret: &str, counter: u64) -> String {
    oathtool(&["--hotp", "--base32", "--counter", &counter.to_string(), secret])
}

fn oathtool(arguments: &[&str]) -> String {
    let output =
        Command::new("oathtool").args(arguments).output().expect("oathtool runs; cargo xtask test installs it");
    assert!(output.status.success(), "oathtool: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("oathtool prints text").trim().to_owned()
}
