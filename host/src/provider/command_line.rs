//! A program of the admin's checks name and password: exit status 0 is yes, everything else is no. It gets both in its
//! environment and nothing else of the host's: no shell, no descriptors, no environment, and only so much time.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    sync::Semaphore,
};

use super::{Busy, program};
use crate::settings::{Limits, ProviderSettings};

/// A program that prints more than this about one user is broken.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;
/// Programs such as `/usr/bin/env` look for others; the settings may say otherwise.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the program says of a user it accepted. Counts only when the user is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// For people.
    pub name: Option<String>,
    pub group: Option<String>,
    /// Whether the user signs in from local networks only.
    pub local_only: bool,
}

/// Runs programs, only so many at once. Cheap to clone.
#[derive(Clone)]
pub struct CommandRunner {
    running: Arc<Semaphore>,
}

/// Why a program gave no answer. Never holds what it was given or what it said.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Program(#[from] program::ProgramError),
    #[error("run {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} took longer than {limit_s} s and was killed")]
    Late { path: PathBuf, limit_s: u64 },
    #[error("{0} printed more than {OUTPUT_BYTES_MAX} bytes and was killed")]
    TooMuch(PathBuf),
}

impl CommandRunner {
    pub fn new(limits: &Limits) -> Self {
        Self { running: Arc::new(Semaphore::new(limits.commands_at_once.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// What the program says of a user it accepts; none when it does not, or gave no answer.
    ///
    /// # Errors
    /// Too many programs run already.
    pub async fn check(
        &self,
        provider: &ProviderSettings,
        username: &str,
        password: &SecretString,
    ) -> Result<Option<Metadata>, Busy> {
        let _permit = self.running.try_acquire().map_err(|_| Busy)?;
        match run(provider, username, password).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                tracing::error!("command_line refuses this sign-in: {error}");
                Ok(None)
            }
        }
    }
}

/// Why the provider refuses every sign-in; none when its program is as it should be.
pub fn problem(provider: &ProviderSettings) -> Option<String> {
    program::checked(program_of(provider)).err().map(|error| error.to_string())
}

fn program_of(provider: &ProviderSettings) -> &Path {
    provider.command.as_deref().unwrap_or(Path::new(""))
}

async fn run(
    provider: &ProviderSettings,
    username: &str,
    password: &SecretString,
) -> Result<Option<Metadata>, RunError> {
    let path = program_of(provider);
    program::checked(path)?;
    let io = |source| RunError::Io { path: path.to_owned(), source };
    let mut child = Command::new(path)
        .args(&provider.args)
        .env_clear()
        .env("PATH", PATH)
        .envs(&provider.environment)
        .env("username", username)
        .env("password", password.expose_secret())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(if provider.meta { Stdio::piped() } else { Stdio::null() })
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(io)?;
    let mut group = Group::of(&child);
    let output = child.stdout.take();
    let answer = async {
        let output = match output {
            Some(output) => bounded(output).await.map_err(io)?.ok_or_else(|| RunError::TooMuch(path.to_owned()))?,
            None => Vec::new(),
        };
        let status = child.wait().await.map_err(io)?;
        Ok::<_, RunError>((status, output))
    };
    let limit = Duration::from_secs(provider.time_limit_s);
    let late = || RunError::Late { path: path.to_owned(), limit_s: provider.time_limit_s };
    let (status, output) = tokio::time::timeout(limit, answer).await.map_err(|_| late())??;
    group.has_ended();
    Ok(status.success().then(|| metadata(&output)))
}

/// The program and everything it started, killed together unless the program has ended by itself.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: id.and_then(Pid::from_raw) }
    }

    /// Its id may be another's from now on.
    fn has_ended(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // It may end between the look and the signal; then there is nobody to kill.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Everything to the end; none if it is too much.
async fn bounded(output: impl AsyncRead + Unpin) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    output.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut bytes).await?;
    Ok((bytes.len() as u64 <= OUTPUT_BYTES_MAX).then_some(bytes))
}

/// Lines `key = value`; blank ones, comments, and keys this host does not know are passed over.
fn metadata(output: &[u8]) -> Metadata {
    let mut found = Metadata::default();
    for line in String::from_utf8_lossy(output).lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        match key.trim() {
            "name" if !value.is_empty() => found.name = Some(value.to_owned()),
            "group" if !value.is_empty() => found.group = Some(value.to_owned()),
            "local_only" => found.local_only = value.eq_ignore_ascii_case("true"),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_lines_of_a_key_and_a_value() {
        let text = b"# name = no\n\nname = Ann = B\r\ngroup=family\nlocal_only = TRUE\nodd\nelse = 1\n = x\n\xff = y\n";
        let expected = Metadata { name: Some("Ann = B".into()), group: Some("family".into()), local_only: true };
        assert_eq!(metadata(text), expected);
        assert_eq!(metadata(b"name =\ngroup = \nlocal_only = yes\n"), Metadata::default());
    }

    #[tokio::test]
    async fn output_is_bounded() {
        let exactly = vec![b'a'; usize::try_from(OUTPUT_BYTES_MAX).unwrap()];
        assert_eq!(bounded(&exactly[..]).await.unwrap().unwrap().len(), exactly.len());
        let more = [exactly, vec![b'a']].concat();
        assert!(bounded(&more[..]).await.unwrap().is_none());
    }
}
