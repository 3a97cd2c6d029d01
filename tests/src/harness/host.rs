//! A running host: the real binary on a free port, killed when the test is over.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Wire, host_binary, status::PATIENCE};

/// How long a start may take on a busy machine before a test gives up.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A process of the host.
pub struct Host {
    child: Child,
    log: Arc<Mutex<String>>,
    pub base: String,
    pub wire: Wire,
}

impl Host {
    /// Starts the host on a free port and waits until it answers.
    pub fn start(config_directory: &Path) -> Self {
        Self::try_start(config_directory).unwrap_or_else(|log| panic!("the host did not start:\n{log}"))
    }

    /// Starts the host; if it ends instead of answering, its output is the error.
    pub fn try_start(config_directory: &Path) -> Result<Self, String> {
        let mut child = Command::new(host_binary())
            .arg("--config")
            .arg(config_directory)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("MFA_HOST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the host's binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, address) = mpsc::channel();
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().expect("a pipe");
        collect(stdout, log.clone(), Some(sender));
        let errors = collect(stderr, log.clone(), None);
        match address.recv_timeout(START_PATIENCE) {
            Ok(base) => Ok(Self { wire: Wire::new(&base), child, log, base }),
            Err(_) => {
                // Either the output ended, and with it the process, or patience did.
                let _ = child.kill();
                let status = child.wait().expect("the process ends");
                drop(errors.join());
                let log = log.lock().expect("the log").clone();
                Err(format!("{log}exit code {:?}", status.code()))
            }
        }
    }

    /// Everything the host wrote so far, at the most talkative level.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// The first line with this word that comes after the first `from` bytes of the log; a line may come later than the
    /// answer it is about.
    #[track_caller]
    pub fn until_logged(&self, from: usize, word: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let whole = log[from..].split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.map(str::to_owned).find(|line| line.contains(word)) {
                return line;
            }
            assert!(Instant::now() < end, "never {word}:\n{}", &log[from..]);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Power failure of one process.
    pub fn kill9(mut self) {
        self.child.kill().expect("the process is killed");
        self.child.wait().expect("the process ends");
    }

    /// SIGTERM, and what the host made of it.
    pub fn stop(mut self) -> ExitStatus {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM).expect("the signal is sent");
        self.child.wait().expect("the process ends")
    }

    /// The process's number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
    address: Option<mpsc::Sender<String>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            if let (Some(sender), Some(base)) = (&address, line.trim().strip_prefix("listening on ")) {
                let _ = sender.send(base.to_owned());
            }
            let mut log = log.lock().expect("the log");
            log.push_str(&line);
            log.push('\n');
        }
    })
}
