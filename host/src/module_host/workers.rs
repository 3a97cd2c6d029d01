//! The workers of all states of the settings: those of now, and those that only end the requests of before.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::{sync::watch, task::JoinHandle};

use super::{ModuleState, api::Configured, check::Image, spawner::Spawner};

/// Shared by all states of the modules; when the last is gone, so are the workers.
pub(super) struct Workers {
    /// Or why none can be started.
    spawner: Result<Spawner, String>,
    running: Mutex<Vec<Running>>,
}

struct Running {
    stop: Weak<watch::Sender<bool>>,
    supervisor: JoinHandle<()>,
}

impl Workers {
    /// Must be called within a runtime.
    pub(super) fn ready() -> Self {
        Self { spawner: Spawner::start().map_err(|error| error.to_string()), running: Mutex::default() }
    }

    /// For commands that start no module.
    pub(super) fn none() -> Self {
        Self { spawner: Err("the host is not running".to_owned()), running: Mutex::default() }
    }

    /// Gives a module its worker and keeps it alive until nobody has the module any more.
    pub(super) fn supervise(&self, configured: &Configured, image: Image) {
        let spawner = match &self.spawner {
            Ok(spawner) => spawner.clone(),
            Err(error) => {
                return configured.supervised.finish(ModuleState::Failed {
                    reason: format!("no worker could be started: {error}"),
                    remedy: "see that memory and processes are left, then restart the host".to_owned(),
                });
            }
        };
        let (supervised, plan) = (configured.supervised.clone(), configured.recipe.plan.clone());
        let stopped = configured.stop.subscribe();
        let supervisor = tokio::spawn(async move { supervised.supervise(spawner, image, &plan, stopped).await });
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|one| !one.supervisor.is_finished());
        running.push(Running { stop: Arc::downgrade(&configured.stop), supervisor });
    }

    pub(super) async fn stop(&self) {
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        for one in &running {
            if let Some(stop) = one.stop.upgrade() {
                stop.send_replace(true);
            }
        }
        for one in running {
            // A supervisor that panicked has no worker left.
            let _ = one.supervisor.await;
        }
    }
}
