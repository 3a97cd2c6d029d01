//! From one state of the settings to the next: what did not change keeps its worker, what changed gets a new one, and
//! where the new one is refused the former goes on.

use std::{path::Path, sync::Arc};

use super::{
    ModuleHost, ModuleInstance, ModuleState,
    api::{Configured, Recipe, RefusedChange},
    check::{self, Image, Refusal},
    supervisor::Supervised,
};
use crate::settings::{Limits, ModuleSettings, Settings};

/// What a change of files or settings did to one module.
#[derive(Clone, Debug)]
pub enum Change {
    /// It has another worker, or none, than before; its state says how it is.
    Changed(ModuleInstance),
    /// The change was refused; the former worker goes on.
    Refused(ModuleInstance),
    /// The settings do not name it any more.
    Removed(String),
}

/// What one entry of the new settings comes to.
enum Next {
    Same(Configured),
    New(Configured),
}

impl ModuleHost {
    /// The modules of these settings, in their order, once each new worker serves or is refused. The former state stays
    /// as it is: a worker that only it has ends with the last request that began under it.
    pub async fn apply(&self, config_directory: &Path, settings: &Settings) -> (Self, Vec<Change>) {
        let images = checked(config_directory, settings).await;
        let entries = settings.modules.iter().zip(images);
        let nexts: Vec<Next> = entries.map(|(entry, image)| self.next(entry, &settings.limits, image)).collect();
        let mut changes = Vec::new();
        let mut modules = Vec::new();
        for next in nexts {
            modules.push(match next {
                Next::Same(configured) => {
                    // What was refused was taken back.
                    let former = self.configured(&configured.recipe.plan.id);
                    if configured.refused.is_none() && former.is_some_and(|former| former.refused.is_some()) {
                        changes.push(Change::Changed(configured.instance()));
                    }
                    configured
                }
                Next::New(configured) => {
                    configured.supervised.started().await;
                    let (configured, change) = self.settled(configured);
                    changes.push(change);
                    configured
                }
            });
        }
        let is_named = |former: &&Configured| settings.modules.iter().any(|entry| entry.id() == former.recipe.plan.id);
        let removed = self.modules.iter().filter(|former| !is_named(former));
        changes.extend(removed.map(|former| Change::Removed(former.recipe.plan.id.clone())));
        (Self { modules: modules.into(), workers: self.workers.clone() }, changes)
    }

    fn next(&self, entry: &ModuleSettings, limits: &Limits, image: Option<Result<Image, Refusal>>) -> Next {
        let written = |image: &Image| (image.sha256.clone(), image.written_at);
        let file = image.as_ref().map(|image| image.as_ref().map(written).map_err(Clone::clone));
        let recipe = Recipe::new(entry, limits, file);
        if let Some(former) = self.configured(entry.id()).and_then(|former| former.unchanged(&recipe)) {
            return Next::Same(Configured { name: entry.name.clone(), line: entry.line, ..former });
        }
        Next::New(match image {
            None => Configured::new(entry, recipe, Supervised::ended(ModuleState::Disabled)),
            Some(Err(refusal)) => Configured::new(entry, recipe, Supervised::ended(refusal.into())),
            Some(Ok(image)) => {
                let configured = Configured::new(entry, recipe, Supervised::new());
                self.workers.supervise(&configured, image);
                configured
            }
        })
    }

    /// The new one, unless it does not serve and the former does. A former of another type is no stand-in: what users
    /// set up is not for it, and what the settings say of the new one does not hold for it. Neither is one whose file
    /// was taken away, or is not the pinned one any more: a start would refuse it, and so does the running host.
    fn settled(&self, new: Configured) -> (Configured, Change) {
        let serves = |former: &&Configured| {
            let state = former.supervised.state();
            former.recipe.module_type == new.recipe.module_type
                && matches!(state, ModuleState::Ready | ModuleState::Restarting { .. })
        };
        let is_revoked = matches!(&new.recipe.file, Some(Err(refusal)) if refusal.revokes);
        let former = self.configured(&new.recipe.plan.id).filter(serves).filter(|_| !is_revoked);
        match (former, why_not(new.supervised.state())) {
            (Some(former), Some(refused)) => {
                let refused = Some(Arc::new(refused));
                let kept = Configured { name: new.name, line: new.line, refused, ..former.clone() };
                let change = Change::Refused(kept.instance());
                (kept, change)
            }
            _ => {
                let change = Change::Changed(new.instance());
                (new, change)
            }
        }
    }
}

/// Why a module that was just started does not take the place of one that serves.
fn why_not(state: ModuleState) -> Option<RefusedChange> {
    let (reason, remedy) = match state {
        ModuleState::Ready | ModuleState::Disabled => return None,
        ModuleState::Failed { reason, remedy } => (reason, remedy),
        ModuleState::Restarting { reason } | ModuleState::Quarantined { reason } => {
            (reason, "mend its file or its settings, then write it once more".to_owned())
        }
    };
    Some(RefusedChange { reason: format!("the change is refused and the former one serves: {reason}"), remedy })
}

impl Configured {
    /// Itself, if this recipe asks for nothing else. A change that was refused is tried at every look: the reason may
    /// have been the machine's.
    fn unchanged(&self, recipe: &Recipe) -> Option<Self> {
        (*self.recipe == *recipe).then(|| Self { refused: None, ..self.clone() })
    }
}

/// Every enabled module's file, checked, all at once.
async fn checked(config_directory: &Path, settings: &Settings) -> Vec<Option<Result<Image, Refusal>>> {
    let checks: Vec<_> = settings
        .modules
        .iter()
        .map(|entry| {
            let (directory, entry) = (config_directory.to_owned(), entry.clone());
            entry.enabled.then(|| {
                tokio::task::spawn_blocking(move || {
                    check::installed(&directory, &entry.module_type, entry.sha256.as_deref())
                })
            })
        })
        .collect();
    let mut images = Vec::new();
    for check in checks {
        images.push(match check {
            None => None,
            Some(check) => Some(check.await.unwrap_or_else(|error| {
                Err(Refusal::new(format!("its file could not be checked: {error}"), "restart the host"))
            })),
        });
    }
    images
}
