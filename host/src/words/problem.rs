//! What keeps something of the admin's (a channel, a template, a translation) from being used, and where it stands.

use std::path::PathBuf;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A place in `host.toml`, such as `channel.2.secret_file`.
    Setting(String),
    /// A line of a file, counted from 1.
    Line { path: PathBuf, line: usize },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
    pub remedy: String,
}
