//! Runs the host's command line the way an admin's script does: arguments, a pipe for input, everything captured.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::host_binary;

/// What a command said.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The outcome, which must be a success.
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }

    /// Both outputs, for looking for words.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// `mfa-host --config DIR …` without input.
pub fn run_host(config_directory: &Path, arguments: &[&str]) -> Outcome {
    run_host_with_input(config_directory, arguments, "")
}

/// `mfa-host --config DIR …` with this text on standard input.
pub fn run_host_with_input(config_directory: &Path, arguments: &[&str], input: &str) -> Outcome {
    let mut child = Command::new(host_binary())
        .arg("--config")
        .arg(config_directory)
        .args(arguments)
        .env_remove("MFA_HOST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the host's binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that reads nothing closes the pipe early; that is no failure of the test.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().expect("the command ends");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
    }
}
