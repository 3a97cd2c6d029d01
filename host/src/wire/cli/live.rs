//! Changes of `host.toml` and of module files, taken over by the running host: all of an edit or nothing of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use crate::{
    delivery::{Delivery, Place, Problem},
    flow::Flows,
    module_host::{Change, ModuleInstance, ModuleState},
    settings::{self, AtStart, Settings, SettingsError, SettingsWatch},
    wire::{
        current::{Current, SettingsNews},
        http::Site,
        pages::Look,
    },
    words::Words,
};

/// Takes edits over. Requests that run end under the settings they began with.
pub struct Live {
    config_directory: PathBuf,
    at_start: AtStart,
    current: watch::Sender<Current>,
    site: watch::Sender<Arc<Site>>,
}

impl Live {
    /// `at_start` is what the host started with, and `flows` stand on it.
    pub fn new(config_directory: &Path, at_start: AtStart, flows: Flows) -> Self {
        let look = Look::load(config_directory, flows.settings(), flows.words());
        tell_problems(config_directory, flows.delivery().problems(), &[]);
        tell_problems(config_directory, &look.problems, &[]);
        let current = Current { flows, settings: SettingsNews::default(), look: Arc::new(look) };
        let site = watch::Sender::new(Arc::new(Site::new(&current)));
        Self { config_directory: config_directory.to_owned(), at_start, current: watch::Sender::new(current), site }
    }

    /// What is in force at any time.
    pub fn current(&self) -> watch::Receiver<Current> {
        self.current.subscribe()
    }

    /// How HTTP is answered at any time.
    pub fn site(&self) -> watch::Receiver<Arc<Site>> {
        self.site.subscribe()
    }

    /// Takes over every change from now on.
    pub async fn follow(self) {
        let mut watch = match SettingsWatch::start(&self.config_directory) {
            Ok(watch) => watch,
            Err(error) => {
                let shown = self.config_directory.display();
                let problem = format!("{shown} cannot be watched ({error}): changes take effect at the next start");
                tracing::warn!("{problem}");
                return self.tell(SettingsNews { problem: Some(problem), at_next_start: Vec::new() });
            }
        };
        loop {
            // First a look without waiting: the file may have changed between the start and the watch.
            self.look().await;
            watch.changed().await;
        }
    }

    async fn look(&self) {
        let directory = self.config_directory.clone();
        let loaded = tokio::task::spawn_blocking(move || settings::load(&directory)).await;
        match loaded {
            Ok(Ok(edited)) => self.take_over(edited).await,
            Ok(Err(error)) => self.refuse(&error),
            Err(error) => tracing::error!("the settings could not be read: {error}"),
        }
    }

    async fn take_over(&self, edited: Settings) {
        let (settings, at_next_start) = self.at_start.keep_fixed(edited);
        let former = self.current.borrow().clone();
        let (modules, changes) = former.flows.modules().apply(&self.config_directory, &settings).await;
        let news = SettingsNews { problem: None, at_next_start };
        if news.at_next_start != former.settings.at_next_start && !news.at_next_start.is_empty() {
            tracing::info!("changed in host.toml, in effect at the next start: {}", news.at_next_start.join(", "));
        }
        if former.settings.problem.is_some() {
            tracing::info!("host.toml can be used again");
        }
        changes.iter().for_each(tell_change);
        let is_edited = *former.flows.settings() != settings;
        // Templates, translations and secrets may have changed without an edit of host.toml; reading them is cheap.
        let delivery = self.read_delivery(former.flows.delivery(), &settings).await;
        let look = self.read_look(&former.look, &settings, delivery.words()).await;
        tell_problems(&self.config_directory, delivery.problems(), former.flows.delivery().problems());
        tell_problems(&self.config_directory, &look.problems, &former.look.problems);
        if !is_edited && changes.is_empty() && news == former.settings {
            let (settings, modules) = (former.flows.settings_shared(), former.flows.modules().clone());
            return self.put(Current { flows: former.flows.with(settings, modules, delivery), look, ..former });
        }
        if is_edited {
            settings::warnings(&settings).iter().for_each(|warning| tracing::warn!("{warning}"));
            tracing::info!(target: "audit", event = "settings_changed", "the settings in host.toml are in force");
        }
        self.put(Current { flows: former.flows.with(Arc::new(settings), modules, delivery), settings: news, look });
    }

    async fn read_delivery(&self, former: &Delivery, settings: &Settings) -> Delivery {
        let (kept, settings, directory) = (former.clone(), settings.clone(), self.config_directory.clone());
        let reading = tokio::task::spawn_blocking(move || kept.with(&settings, &directory)).await;
        reading.unwrap_or_else(|error| {
            tracing::error!("channels and templates could not be read: {error}");
            former.clone()
        })
    }

    async fn read_look(&self, former: &Arc<Look>, settings: &Settings, words: &Words) -> Arc<Look> {
        let (settings, directory, words) = (settings.clone(), self.config_directory.clone(), words.clone());
        let reading = move || Arc::new(Look::load(&directory, &settings, &words));
        tokio::task::spawn_blocking(reading).await.unwrap_or_else(|error| {
            tracing::error!("templates of pages could not be read: {error}");
            former.clone()
        })
    }

    fn refuse(&self, error: &SettingsError) {
        let problem = error.to_string();
        let former = self.current.borrow().settings.clone();
        if former.problem.as_ref() != Some(&problem) {
            tracing::warn!("{problem}; the former settings stay in force");
            self.tell(SettingsNews { problem: Some(problem), ..former });
        }
    }

    fn tell(&self, settings: SettingsNews) {
        let former = self.current.borrow().clone();
        self.put(Current { settings, ..former });
    }

    fn put(&self, current: Current) {
        // Whoever is told of it by a command must find HTTP answering by it.
        drop(self.site.send_replace(Arc::new(Site::new(&current))));
        drop(self.current.send_replace(current));
    }
}

/// What was told before is not told again.
fn tell_problems(config_directory: &Path, problems: &[Problem], told: &[Problem]) {
    for problem in problems.iter().filter(|problem| !told.contains(problem)) {
        let place = match &problem.place {
            Place::Setting(place) => format!("{}: {place}", config_directory.join(settings::FILE_NAME).display()),
            Place::Line { path, line } => format!("{}:{line}", path.display()),
        };
        tracing::error!("{place}: {}; {}", problem.message, problem.remedy);
    }
}

fn tell_change(change: &Change) {
    match change {
        Change::Removed(id) => tracing::info!("module {id}: not in host.toml any more"),
        Change::Refused(ModuleInstance { id, refused, .. }) => {
            if let Some(refused) = refused {
                tracing::warn!("module {id}: {}; {}", refused.reason, refused.remedy);
            }
        }
        Change::Changed(ModuleInstance { id, state, .. }) => match state {
            ModuleState::Ready => tracing::info!("module {id}: serves as it is now"),
            ModuleState::Disabled => tracing::info!("module {id}: switched off"),
            ModuleState::Failed { reason, remedy } => tracing::error!("module {id}: {reason}; {remedy}"),
            ModuleState::Restarting { reason } | ModuleState::Quarantined { reason } => {
                tracing::error!("module {id}: {reason}");
            }
        },
    }
}
