//! A process that listens: the host as users start it, or the bare server beside it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{Failure, Place, baseline, directory::Directory};

/// A listening process, ended with this value.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// The host on this directory. Its log goes to a file, as it does for most who run it.
    pub fn host(place: &Place, directory: &Directory) -> Result<Self, Failure> {
        // Outside the configuration directory, which the host watches for changes.
        let log = File::create(place.scratch.path().join("host.log"))?;
        let mut command = Command::new(place.host());
        command.arg("--config").arg(&directory.path).args(["serve", "--listen", "127.0.0.1:0"]).stderr(log);
        Self::start(command)
    }

    /// The bare server, which answers with these answers.
    pub fn bare(answers: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(baseline::HTTP_ARGUMENT).arg(answers);
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { child, address }),
            None => Err(format!("the server said {line:?} and ended with {}", child.wait()?).into()),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its children, whichever of its threads started them.
    pub fn workers(&self) -> Result<Vec<u32>, Failure> {
        let mut workers = Vec::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let children = fs::read_to_string(thread?.path().join("children"))?;
            for child in children.split_whitespace() {
                workers.push(child.parse()?);
            }
        }
        Ok(workers)
    }

    /// What it and its workers have had of the processors since they started.
    pub fn processor_time(&self) -> Result<Duration, Failure> {
        let mut ticks = 0;
        for process in self.workers()?.into_iter().chain([self.id()]) {
            let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
            // Behind the name in parentheses: user and system time are the 12th and the 13th field, proc(5).
            let fields = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
            for field in fields.split_whitespace().skip(11).take(2) {
                ticks += field.parse::<u64>()?;
            }
        }
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The directory is thrown away, so nothing has to end in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
