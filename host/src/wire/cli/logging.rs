//! Logs go to standard error; `MFA_HOST_LOG` says what is logged.

use std::io::IsTerminal;

use tracing_subscriber::{
    filter::{ParseError, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

const VARIABLE: &str = "MFA_HOST_LOG";

/// Starts logging. A filter that is not understood falls back to `default`, with a word about it.
pub fn start(default: &str) {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    let parsed: Result<Targets, ParseError> = if asked.is_empty() { default.parse() } else { asked.parse() };
    let problem = parsed.as_ref().err().map(ToString::to_string);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = tracing_subscriber::registry()
        .with(lines)
        .with(parsed.unwrap_or_else(|_| default.parse().unwrap_or_default()))
        .try_init();
    if let (Ok(()), Some(problem)) = (started, problem) {
        tracing::warn!("{VARIABLE} is not understood ({problem}); logging at {default}");
    }
}
