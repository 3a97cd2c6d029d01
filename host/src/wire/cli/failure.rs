//! What a command says when it did not do its work: the problem, and what to do.

use std::{fmt, process::ExitCode};

use crate::{keys::KeyFileError, settings::SettingsError, store::OpenError};

#[derive(Debug)]
pub struct Failure {
    problem: String,
    remedy: String,
    code: u8,
}

impl Failure {
    /// Exit code 1.
    pub fn failed(problem: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self { problem: problem.to_string(), remedy: remedy.into(), code: 1 }
    }

    /// Exit code 2: the command or the settings cannot be used.
    pub fn unusable(problem: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self { problem: problem.to_string(), remedy: remedy.into(), code: 2 }
    }

    /// The problem, and the remedy if it is not in the problem's own words.
    pub fn words(&self) -> (&str, &str) {
        (&self.problem, &self.remedy)
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problem)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(formatter, "\n  {}", self.remedy) }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error {
            // These two carry their remedy.
            SettingsError::Mistake(_) | SettingsError::Missing(_) => Self::unusable(error, ""),
            SettingsError::TooLarge { .. } => Self::unusable(error, "put a settings file in its place"),
            SettingsError::Unreadable { .. } => {
                Self::unusable(error, "run the command as the user the directory belongs to")
            }
        }
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::failed(error, "")
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let remedy = match &error {
            OpenError::Missing(_) => {
                "if there was one: run an interrupted `storage check --repair` or `storage restore` again, or restore a backup"
            }
            OpenError::AlreadyThere(_) => "use it, or choose another directory with --config",
            OpenError::Locked(_) => "stop the host that runs on this directory, or use another directory",
            OpenError::Io { .. } => "run the command as the user the directory belongs to, with room on the disk",
        };
        Self::failed(error, remedy)
    }
}
