//! One process of tests: watched line by line, ended with its first failure.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{ChildStdout, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::Failure;

pub struct Run {
    command: Command,
}

impl Run {
    pub fn of(command: Command) -> Self {
        Self { command }
    }

    /// The first test that fails, or why the process did; none if all pass. Ends with the first.
    pub fn failure(mut self, patience: Duration) -> Result<Option<String>, Failure> {
        // In a group of its own, so that the hosts it started end with it.
        self.command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.command.spawn()?;
        let lines = lines_of(child.stdout.take().ok_or("a pipe")?);
        let end = Instant::now() + patience;
        let failed = loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let failed = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"));
                    if let Some(failed) = failed {
                        break Some(failed.to_owned());
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break Some("the time limit".to_owned()),
                Err(mpsc::RecvTimeoutError::Disconnected) => break None,
            }
        };
        if failed.is_some() {
            kill_process_group(Pid::from_child(&child), Signal::KILL)?;
        }
        let status = child.wait()?;
        Ok(failed.or_else(|| (!status.success()).then(|| format!("the tests' end, {status}"))))
    }
}

fn lines_of(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
