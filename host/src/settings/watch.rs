//! Tells that `host.toml`, a module's file, a template, a translation or a certificate was changed, once it has been quiet for a moment.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::load::FILE_NAME;

/// Editors write a file in several steps; only when it has been quiet for this long is it looked at.
const QUIET: Duration = Duration::from_millis(250);
/// Somebody who never stops writing cannot put a look off any longer than this.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);

/// Folders of the configuration directory whose files are taken over as they change.
const FOLDERS: [&str; 3] = ["modules", "templates", "translations"];

/// Watches until it is dropped.
pub struct SettingsWatch {
    changes: tokio::sync::mpsc::Receiver<()>,
    _watcher: Arc<Mutex<RecommendedWatcher>>,
}

impl SettingsWatch {
    /// Watches `host.toml`, the folders, and these files wherever they are.
    ///
    /// # Errors
    /// The system refuses the watch.
    pub fn start(config_directory: &Path, files: &[PathBuf]) -> Result<Self, notify::Error> {
        let directory = std::path::absolute(config_directory).map_err(notify::Error::io)?;
        let watched = Watched::new(&directory, files);
        let folders = watched.folders.clone();
        let (sender, events) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if watched.concerns(&event) {
                // Without a receiver the watch is over.
                let _ = sender.send(());
            }
        })?;
        watcher.watch(&directory, RecursiveMode::NonRecursive)?;
        for folder in &folders {
            // It may not be there yet; when it comes, the directory above tells.
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
        let watcher = Arc::new(Mutex::new(watcher));
        let watching = Arc::downgrade(&watcher);
        let (changed, changes) = tokio::sync::mpsc::channel(1);
        std::thread::Builder::new()
            .name("settings".into())
            .spawn(move || {
                while events.recv().is_ok() {
                    let until = Instant::now() + QUIET_WAIT_MAX;
                    while Instant::now() < until && events.recv_timeout(QUIET).is_ok() {}
                    let Some(watcher) = watching.upgrade() else { return };
                    for folder in &folders {
                        // The folder may be another one now, and a watch is on the folder, not on its name.
                        let _ = watcher
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .watch(folder, RecursiveMode::NonRecursive);
                    }
                    drop(watcher);
                    // One that waits already will see this change too.
                    let _ = changed.try_send(());
                }
            })
            .map_err(notify::Error::io)?;
        Ok(Self { changes, _watcher: watcher })
    }

    /// Waits for the next change; never answers again once the watch has ended.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// The state of the store is written beside the settings with every commit, so not every event counts.
struct Watched {
    /// Those in the configuration directory itself.
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Watched {
    /// A file may be a link to one that is renewed elsewhere, so both folders count, and everything in them: a link in the
    /// middle of the way changes too.
    fn new(directory: &Path, files: &[PathBuf]) -> Self {
        let mut watched = Self {
            files: vec![directory.join(FILE_NAME)],
            folders: FOLDERS.iter().map(|name| directory.join(name)).collect(),
        };
        let files = files.iter().filter_map(|file| std::path::absolute(file).ok());
        for file in files.flat_map(|file| [std::fs::canonicalize(&file).ok(), Some(file)]).flatten() {
            match file.parent() {
                Some(folder) if folder == directory => watched.files.push(file),
                Some(folder) if !watched.folders.iter().any(|known| known == folder) => {
                    watched.folders.push(folder.to_owned());
                }
                _ => {}
            }
        }
        watched
    }

    fn concerns(&self, event: &notify::Result<notify::Event>) -> bool {
        match event {
            // What was missed may have been a change.
            Err(_) => true,
            // Reading the file is an event too; reacting to it would never end.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => {
                event.need_rescan()
                    || event.paths.iter().any(|path| {
                        self.files.contains(path) || self.folders.iter().any(|folder| path.starts_with(folder))
                    })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, Event, Flag, ModifyKind};

    use super::*;

    #[test]
    fn only_settings_and_modules_count() {
        let watched = Watched::new(Path::new("/d"), &["/d/own.pem".into(), "/etc/acme/live/key.pem".into()]);
        let changed = |path: &str| Ok(Event::new(EventKind::Modify(ModifyKind::Any)).add_path(path.into()));
        for path in [
            "/d/host.toml",
            "/d/modules",
            "/d/modules/totp.so",
            "/d/templates/mail_code.html",
            "/d/translations",
            "/d/own.pem",
            "/etc/acme/live/..data",
        ] {
            assert!(watched.concerns(&changed(path)), "{path}");
        }
        for path in
            ["/d/storage.anchor", "/d/clock.json", "/d/host.toml~", "/d/modules2", "/d/other.pem", "/etc/acme/x"]
        {
            assert!(!watched.concerns(&changed(path)), "{path}");
        }
        let read = Event::new(EventKind::Access(AccessKind::Any)).add_path("/d/host.toml".into());
        assert!(!watched.concerns(&Ok(read)));
        assert!(watched.concerns(&Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))));
        assert!(watched.concerns(&Err(notify::Error::generic("lost"))));
    }
}
