//! A look at a module's file before anybody relies on it: `module install FILE` asks what it is.

use std::{path::Path, sync::Arc};

use mfa_sdk::protocol::Description;

use super::{
    ModuleState,
    check::{self, Refusal},
    spawner::Spawner,
    start::{self, Plan, StartError},
};
use crate::settings::{Limits, ModuleSettings};

/// A file that is a module.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub description: Arc<Description>,
    /// Hexadecimal SHA-256 of `bytes`.
    pub sha256: String,
    /// The very bytes that were inspected; install these and not the file again, which may have changed.
    pub bytes: Vec<u8>,
}

/// Loads any file as a module in a worker of its own, unconfigured, and lets it describe itself.
///
/// # Errors
/// [`ModuleState::Failed`] with a reason and a remedy.
pub async fn inspect(file: &Path, limits: &Limits) -> Result<Inspection, ModuleState> {
    let path = file.to_owned();
    let checked = tokio::task::spawn_blocking(move || {
        let bytes = check::candidate(&path)?;
        let image = check::seal(&bytes)?;
        Ok::<_, Refusal>((bytes, image))
    });
    let failed = |reason: String| Refusal::new(reason, "give the path of a module's .so file");
    let (bytes, image) = checked.await.map_err(|error| failed(error.to_string()))??;
    let spawner = Spawner::start().map_err(|error| failed(format!("no worker could be started: {error}")))?;
    let id = file.display().to_string();
    let plan = Plan { id, expected_type: None, config: None, may_be_way_back: true, limits: limits.clone() };
    let worker = start::start(&spawner, &image, &plan).await.map_err(|error| match error {
        StartError::Refused(refusal) => refusal,
        StartError::Unable(words) | StartError::Died(words) | StartError::Late(words) => failed(words),
    })?;
    let description = worker.description.clone();
    let mut child = worker.child;
    let _ = start::kill(&mut child).await;
    Ok(Inspection { description, sha256: image.sha256, bytes })
}

/// Why a module's installed file would be refused, and what mends it; nothing of it runs.
pub fn file_refusal(config_directory: &Path, module: &ModuleSettings) -> Option<(String, String)> {
    let checked = check::installed(config_directory, &module.module_type, module.sha256.as_deref());
    checked.err().map(|Refusal { reason, remedy, .. }| (reason, remedy))
}
