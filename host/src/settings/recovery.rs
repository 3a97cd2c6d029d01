//! When ways back in are handed out, and what one of them stands in for.

use serde::Deserialize;

/// Ways back in (backup codes): when they are handed out and what they stand in for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecoverySettings {
    /// `confirm`: codes are shown when the user's first factor is proved. `create`: already with the first step of its
    /// set-up; they cannot be saved, and are worth nothing, before it is proved.
    pub issue_at: IssueAt,
    /// `user`: one batch stands in for every factor of its user. `enrolment`: each factor has a batch of its own, which
    /// is right only where that factor is asked, and goes with it.
    pub scope: RecoveryScope,
}

impl Default for RecoverySettings {
    fn default() -> Self {
        Self { issue_at: IssueAt::Confirm, scope: RecoveryScope::User }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueAt {
    Confirm,
    Create,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryScope {
    User,
    Enrolment,
}
