//! `session/<hash of the flow id>`: a validation session, the state between "first factor right" and "second factor right".

use mfa_sdk::{form::Form, protocol::Cause};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Document, EnrolmentOpen, SentTo};
use crate::clock::Timestamp;

pub type Session = Document<SessionOpen, SessionSecret>;

#[derive(Clone, Serialize, Deserialize)]
pub struct SessionOpen {
    pub user: String,
    pub user_epoch: u64,
    pub provider: ProviderId,
    pub client_id: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub created_boot_ms: i64,
    pub boot_id: String,
    /// The record stays as a tombstone until then, so that its flow id never starts anew.
    pub retain_until: Timestamp,
    /// Wrong or unanswered guesses in this flow, over all modules.
    pub attempts_used: u32,
    /// When the user's own password was right, if that was the first factor.
    #[serde(default)]
    pub password_at: Option<Timestamp>,
    /// Whether a one-time code was the first factor, which leads to a new password before anything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_set_password: bool,
    /// The user's own language when the first factor was right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(flatten)]
    pub stage: SessionStage,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderId {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: Option<String>,
}

/// Where a validation session stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum SessionStage {
    /// The user chooses among several modules.
    Selecting,
    /// A module is about to be asked for its step.
    Initialising { module: String, cause: Cause },
    /// The step is shown; the module waits for an answer.
    Waiting { module: String },
    /// The user chooses a new password, after the module that let them in, if one did.
    SettingPassword { module: Option<String>, factor_at: Option<Timestamp> },
    /// Over because it was refused elsewhere; whoever waits for it has not been told yet.
    Denied { reason: String },
    /// Over, with or without success; the flow id is dead.
    Ended { reason: String },
}

#[derive(Clone, Serialize, Deserialize)]
pub struct SessionSecret {
    pub grant: Grant,
    /// Seed of the module's next call; a repeated call has the same.
    pub seed: String,
    /// The module's own memory of this session.
    pub challenge: Option<Value>,
    /// The step as it was shown.
    pub form: Option<Form>,
    /// A poll before this moment is answered without asking the module.
    #[serde(default)]
    pub poll_not_before: Option<Timestamp>,
    /// What was sent for the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
}

/// Messages of the step a flow stands at. One that is not among them is of a former step and goes nowhere.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Sent {
    pub messages: Vec<String>,
    /// Where they went.
    #[serde(default)]
    pub to: Vec<SentTo>,
    /// Another may be asked for from this moment on.
    pub again_from: Timestamp,
    /// None of them will ever arrive, so no answer can be right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// What the enrolment they were sent for was set up by. They are no answer to one that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_up: Option<String>,
    /// The link in them that confirms the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<SentLink>,
}

impl SessionSecret {
    /// Whether this is the enrolment the step was sent for, and not one that was set up since, with other addresses.
    pub fn is_for(&self, enrolment: &EnrolmentOpen) -> bool {
        self.sent.as_ref().is_none_or(|sent| sent.messages.is_empty() || sent.set_up == enrolment.set_up)
    }
}

/// A link of the step a flow stands at.
#[derive(Clone, Serialize, Deserialize)]
pub struct SentLink {
    /// Of its token.
    pub hash: String,
    /// When it was confirmed; the flow passes when its own client asks next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
}

/// What a finished flow gives.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "grant", rename_all = "snake_case")]
pub enum Grant {
    /// A single-use result code for the client.
    Code { redirect_hash: String, code_challenge: Option<String>, state: Option<String> },
    /// Tokens in the answer.
    Tokens,
    /// A fresh proof for this access session, nothing else.
    Proof { access: String },
    /// Nothing: a user tries a method.
    Trial,
}
