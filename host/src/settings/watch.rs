//! Looks at `host.toml` while the host runs: a bad edit keeps what runs and says so.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use notify::{EventKind, RecursiveMode, Watcher};

use super::load::{self, FILE_NAME};

/// Editors write a file in several steps; only when it has been quiet for this long is it read.
const QUIET: Duration = Duration::from_millis(250);

/// Watches until it is dropped.
pub struct SettingsWatch {
    outcome: Arc<Mutex<Outcome>>,
    _watcher: notify::RecommendedWatcher,
}

/// What the last look at the file came to.
struct Outcome {
    path: PathBuf,
    running_text: String,
    seen_text: Option<String>,
    problem: Option<String>,
    pending_restart: bool,
}

impl SettingsWatch {
    /// Watches the directory; `running_text` is what the running settings were read from.
    ///
    /// # Errors
    /// The system refuses the watch.
    pub fn start(config_directory: &Path, running_text: String) -> Result<Self, notify::Error> {
        let outcome = Arc::new(Mutex::new(Outcome::new(config_directory.join(FILE_NAME), running_text)));
        let (sender, events) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the file is an event too; reacting to it would never end.
            let is_access = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
            if !is_access {
                // Without a receiver the watch is over.
                let _ = sender.send(());
            }
        })?;
        watcher.watch(config_directory, RecursiveMode::NonRecursive)?;
        let looked = outcome.clone();
        std::thread::Builder::new()
            .name("settings".into())
            .spawn(move || {
                while events.recv().is_ok() {
                    while events.recv_timeout(QUIET).is_ok() {}
                    lock(&looked).look();
                }
            })
            .map_err(notify::Error::io)?;
        Ok(Self { outcome, _watcher: watcher })
    }

    /// Why the file as it stands cannot be used; the former settings are in force.
    pub fn last_problem(&self) -> Option<String> {
        lock(&self.outcome).problem.clone()
    }

    /// Whether the file is valid and says something else than what runs.
    pub fn pending_restart(&self) -> bool {
        lock(&self.outcome).pending_restart
    }
}

impl Outcome {
    fn new(path: PathBuf, running_text: String) -> Self {
        Self { path, seen_text: Some(running_text.clone()), running_text, problem: None, pending_restart: false }
    }

    fn look(&mut self) {
        let text = load::read(&self.path);
        let seen = text.as_ref().ok().cloned();
        if seen.is_some() && seen == self.seen_text {
            return;
        }
        self.seen_text = seen;
        match text.and_then(|text| Ok((load::parse(&self.path, &text)?, text))) {
            Ok((_, text)) => {
                self.problem = None;
                self.pending_restart = text != self.running_text;
                if self.pending_restart {
                    tracing::info!("host.toml was changed and is valid; it takes effect at the next start");
                } else {
                    tracing::info!("host.toml is again what runs");
                }
            }
            Err(error) => {
                tracing::warn!("{error}; the former settings stay in force");
                self.problem = Some(error.to_string());
                self.pending_restart = false;
            }
        }
    }
}

fn lock(outcome: &Mutex<Outcome>) -> MutexGuard<'_, Outcome> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[provider]]\ntype = \"local\"\n";

    #[test]
    fn a_bad_edit_is_told_with_its_line_and_a_good_one_waits_for_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        std::fs::write(&path, GOOD).unwrap();
        let mut outcome = Outcome::new(path.clone(), GOOD.to_owned());
        outcome.look();
        assert!(outcome.problem.is_none() && !outcome.pending_restart);

        std::fs::write(&path, format!("{GOOD}\nbad = 1\n")).unwrap();
        outcome.look();
        assert!(outcome.problem.as_deref().unwrap().contains("host.toml:4: "), "{:?}", outcome.problem);

        std::fs::write(&path, format!("name = \"other\"\n{GOOD}")).unwrap();
        outcome.look();
        assert!(outcome.problem.is_none() && outcome.pending_restart);

        std::fs::write(&path, GOOD).unwrap();
        outcome.look();
        assert!(outcome.problem.is_none() && !outcome.pending_restart);

        std::fs::remove_file(&path).unwrap();
        outcome.look();
        assert!(outcome.problem.is_some());
    }
}
