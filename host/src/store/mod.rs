//! Records in, records out: one atomic, durable commit with expectations. Knows no domain word.

mod anchor;
mod contract;
mod disk;
mod json;
mod sealing;

pub use contract::{
    BackupError, BackupReport, Behind, COMMIT_BYTES_MAX, COMMIT_CHANGES_MAX, Change, CheckReport, CommitError, Content,
    Expectation, Key, KeyError, Loss, OpenError, OpenReport, RECORD_BYTES_MAX, Reach, RepairDeed, RepairError,
    Repaired, Revision, StoreError, Versioned,
};
pub use json::Store;
