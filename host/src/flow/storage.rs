//! The store as an admin looks after it: a check of its files, a backup, and what an older state that was put back means.

use std::path::Path;

use super::{
    Flows,
    record::{Document, Restored, RestoredOpen, Stored, Unknown, key},
};
use crate::{
    clock::Timestamp,
    store::{BackupError, BackupReport, Change, CheckReport, OpenReport, StoreError},
};

/// A clock that stood wrong by more than this is no measure: nobody could use a code until that day comes.
const CLOCK_ERROR_MAX_MS: i64 = 24 * 60 * 60 * 1000;

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

/// What has to be written when an older state is taken for the present one: everything that is open in it ends, and codes
/// that may have been used since are not good again.
pub fn changes_of_restore(report: &OpenReport, now: Timestamp) -> Vec<Change> {
    key::restored().map(|key| Change::Put(key, restored_now(report, now).to_content())).into_iter().collect()
}

/// A restore of this moment, or of the last commit that is known of, if the clock was put back since.
pub fn restored_now(report: &OpenReport, now: Timestamp) -> Restored {
    let last = report.last_commit_ms.map_or(now, Timestamp);
    let open = RestoredOpen {
        at: now,
        uses_unknown_until: credible(now.max(last), now),
        is_taken_up: false,
        unknown: Unknown::default(),
    };
    Document { open, secret: () }
}

/// The moment, unless it lies so far ahead that the clock which gave it was wrong.
pub fn credible(moment: Timestamp, now: Timestamp) -> Timestamp {
    if moment.since_ms(now) <= CLOCK_ERROR_MAX_MS { moment } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_stage::{TestStage, user};

    #[tokio::test]
    async fn a_check_counts_the_records_it_found_in_the_files() {
        let stage = TestStage::new();
        let before = stage.flows.check_storage().await.unwrap().records;
        stage.put("user/ada", &user("ada")).await;
        let report = stage.flows.check_storage().await.unwrap();
        assert_eq!((report.records, report.damage), (before + 1, None));
    }

    #[test]
    fn a_restore_leaves_word_of_itself() {
        let changes = changes_of_restore(&OpenReport::default(), Timestamp(7));
        assert!(matches!(&changes[..], [Change::Put(place, _)] if *place == key::restored().unwrap()));
    }

    #[test]
    fn a_clock_put_back_makes_no_code_good_again_and_one_gone_astray_locks_nobody_out() {
        let now = Timestamp(1_000_000_000_000);
        let until = |last_commit_ms| {
            let report = OpenReport { last_commit_ms, ..OpenReport::default() };
            restored_now(&report, now).open.uses_unknown_until
        };
        assert_eq!(until(None), now);
        assert_eq!(until(Some(now.0 - 5)), now);
        assert_eq!(until(Some(now.0 + 60_000)), now.plus_s(60));
        let a_day_ms = 86_400_000;
        assert_eq!(until(Some(now.0 + a_day_ms)), now.plus_s(86_400));
        assert_eq!(until(Some(now.0 + a_day_ms + 1)), now);
    }
}
