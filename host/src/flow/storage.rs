//! The store as an admin looks after it: a check of its files, a backup, and what a restored backup ends.

use std::path::Path;

use super::Flows;
use crate::store::{BackupError, BackupReport, CheckReport, StoreError};

impl Flows {
    /// Reads the store's files again and compares them with what was acknowledged. Commits wait meanwhile.
    ///
    /// # Errors
    /// When the store stopped after a failed write.
    pub async fn check_storage(&self) -> Result<CheckReport, StoreError> {
        self.engine.store.check().await
    }

    /// Writes a backup into a new file.
    ///
    /// # Errors
    /// [`BackupError`]; there is no such file then.
    pub async fn back_up_storage(&self, actor: &str, file: &Path) -> Result<BackupReport, BackupError> {
        let report = self.engine.store.backup(file).await?;
        tracing::info!(target: "audit", event = "storage_backed_up", by = actor, file = %file.display());
        Ok(report)
    }
}
