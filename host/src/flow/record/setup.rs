//! `setup/<hash of the flow id>`: a set-up under way.

use mfa_sdk::{
    form::{Fields, Form},
    protocol,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Document, Sent, SentTo};
use crate::{clock::Timestamp, flow::lifetime::Life};

pub type Setup = Document<SetupOpen, SetupSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct SetupOpen {
    pub user: String,
    pub user_epoch: u64,
    pub module: String,
    pub module_type: String,
    /// The access session that began it; what it proves makes that session fresh.
    pub access: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub created_boot_ms: i64,
    pub boot_id: String,
    pub attempts_used: u32,
    /// Of issued codes: the factor they stand in for; none: any of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    #[serde(flatten)]
    pub stage: SetupStage,
}

impl SetupOpen {
    /// When it began and when it ends.
    pub fn life(&self) -> Life<'_> {
        let Self { created_at, expires_at, created_boot_ms, boot_id, .. } = self;
        Life { created_at: *created_at, expires_at: *expires_at, created_boot_ms: *created_boot_ms, boot_id }
    }
}

/// A step of a set-up as its module was asked for it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Asked {
    pub state: Option<Value>,
    pub input: Option<Fields>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum SetupStage {
    /// The module is about to be asked for its first step.
    Beginning,
    /// A step is shown.
    Waiting,
    /// Codes of a way back in were shown. They are no enrolment before the user says that they are saved.
    Issued,
    /// Over; the flow id is dead.
    Ended { reason: String },
}

#[derive(Clone, Serialize, Deserialize)]
pub struct SetupSecret {
    /// Seed of the module's next call; a repeated call has the same.
    pub seed: String,
    pub form: Option<Form>,
    pub state: Option<Value>,
    /// What becomes the enrolment once the codes are saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<protocol::Enrolment>,
    /// What was sent for the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// What the module was asked when it sent them: asked again, it sends others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Texts the user typed: addresses a message of this set-up may go to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub typed: Vec<String>,
    /// Where messages of this set-up went: where those of its enrolment may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_to: Vec<SentTo>,
}
