//! Directory, clock and host of one test, so that a crash in the middle is one line.

use super::{Directory, Host, ManualClock, Wire};

/// What one test plays on.
pub struct Stage {
    pub directory: Directory,
    pub clock: ManualClock,
    host: Option<Host>,
}

impl Stage {
    /// A fresh copy of the template, host running.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A fresh copy whose settings or files are changed before the host starts.
    pub fn with(prepare: impl FnOnce(&Directory)) -> Self {
        let mut stage = Self::stopped();
        prepare(&stage.directory);
        stage.start();
        stage
    }

    /// A fresh copy, host not started.
    pub fn stopped() -> Self {
        let directory = Directory::new();
        let clock = ManualClock::new(&directory.path());
        Self { directory, clock, host: None }
    }

    /// This directory and clock, host running.
    pub fn on(directory: Directory, clock: ManualClock) -> Self {
        let mut stage = Self { directory, clock, host: None };
        stage.start();
        stage
    }

    pub fn start(&mut self) {
        assert!(self.host.is_none(), "the host of this stage is already running");
        self.host = Some(Host::start(&self.directory.path()));
    }

    /// The power fails; nothing is started again yet.
    pub fn kill9(&mut self) {
        self.host.take().expect("a running host").kill9();
    }

    /// The power fails and comes back.
    pub fn crash(&mut self) {
        self.kill9();
        self.start();
    }

    /// SIGTERM, which must end well.
    pub fn stop(&mut self) {
        let status = self.host.take().expect("a running host").stop();
        assert!(status.success(), "SIGTERM ends the host cleanly: {status}");
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub fn host(&self) -> &Host {
        self.host.as_ref().expect("a running host")
    }

    pub fn wire(&self) -> &Wire {
        &self.host().wire
    }

    /// Milliseconds since 1970 on the stage's wall clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.wall_ms
    }
}
