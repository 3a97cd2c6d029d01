//! Logs go to standard error; `MFA_HOST_LOG` says what is logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "MFA_HOST_LOG";

/// Starts logging. A filter that is not understood falls back to `default`, with a word about it.
pub fn start(default: &str) {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    let parsed = if asked.is_empty() { Ok(EnvFilter::new(default)) } else { EnvFilter::try_new(&asked) };
    let problem = parsed.as_ref().err().map(ToString::to_string);
    let started = tracing_subscriber::fmt()
        .with_env_filter(parsed.unwrap_or_else(|_| EnvFilter::new(default)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    if let (Ok(()), Some(problem)) = (started, problem) {
        tracing::warn!("{VARIABLE} is not understood ({problem}); logging at {default}");
    }
}
