//! What host and module say to each other, as JSON: one request, one reply. The same text crosses the `.so`
//! boundary and the worker's socket. An unknown operation answers `unsupported`, an unknown field is ignored,
//! an unknown value of an enumeration is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    form::{Fields, Form},
    message::Message,
    text::{Text, Texts},
};

/// What a module says of itself; asked once, before it is configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Module type, the file name without `.so`: 1–64 of `a-z`, `0-9`, `_`.
    pub module_type: String,
    /// Name a user sees unless the admin set one.
    pub name: String,
    /// What the factor rests on.
    pub kind: Kind,
    /// RFC 8176 values this factor earns, for example `otp`.
    #[serde(default)]
    pub amr: Vec<String>,
    /// Whether a login step sends a message, and so can be sent again.
    #[serde(default)]
    pub sends: bool,
    /// Whether this is a way back in (backup codes) and not a factor of its own.
    #[serde(default)]
    pub recovery: bool,
    /// Wrong answers one flow takes; 0 = no limit in the flow, the account's own limit stays.
    #[serde(default = "retries_max")]
    pub retries_max: u32,
    /// Version of the enrolment data this build writes.
    #[serde(default = "enrolment_version")]
    pub enrolment_version: u32,
    /// Version of the module's package.
    #[serde(default)]
    pub version: String,
    /// SPDX expression.
    #[serde(default)]
    pub license: String,
    /// Shown before set-up begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_message: Option<Text>,
    /// All translations; English is required.
    #[serde(default)]
    pub texts: Texts,
}

fn retries_max() -> u32 {
    3
}

fn enrolment_version() -> u32 {
    1
}

impl Description {
    /// A factor with the defaults of the protocol: 3 wrong answers a flow, sends nothing, no recovery.
    pub fn new(module_type: impl Into<String>, name: impl Into<String>, kind: Kind) -> Self {
        Self {
            module_type: module_type.into(),
            name: name.into(),
            kind,
            amr: Vec::new(),
            sends: false,
            recovery: false,
            retries_max: retries_max(),
            enrolment_version: enrolment_version(),
            version: String::new(),
            license: String::new(),
            setup_message: None,
            texts: Texts::new(),
        }
    }

    /// RFC 8176 values this factor earns; the host refuses others.
    #[must_use]
    pub fn amr<V: Into<String>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.amr = values.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a login step sends a message, and so can be sent again.
    #[must_use]
    pub fn sends(mut self, sends: bool) -> Self {
        self.sends = sends;
        self
    }

    /// Whether this is a way back in and not a factor of its own.
    #[must_use]
    pub fn recovery(mut self, recovery: bool) -> Self {
        self.recovery = recovery;
        self
    }

    /// Wrong answers one flow takes; 0 = no limit in the flow, the account's own limit stays.
    #[must_use]
    pub fn retries_max(mut self, retries_max: u32) -> Self {
        self.retries_max = retries_max;
        self
    }

    /// Shown before set-up begins.
    #[must_use]
    pub fn setup_message(mut self, text: impl Into<Text>) -> Self {
        self.setup_message = Some(text.into());
        self
    }
}

/// The three kinds of factor of NIST SP 800-63B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something one knows: a PIN, an answer.
    Knowledge,
    /// Something one has: an app with a secret, a mailbox, a key.
    Possession,
    /// Something one is: a fingerprint.
    Inherence,
}

/// A request: what every call may know, and the operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What every call may know.
    pub context: Context,
    /// What is asked.
    #[serde(flatten)]
    pub operation: Operation,
}

/// What every call may know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Wall clock of the host, milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: i64,
    /// 64 hexadecimal digits: the seed of this call's random stream. A repeated call has the same.
    pub seed: String,
    /// Whom the call is about.
    pub user: User,
    /// Language tag of the reader, `en` if unknown.
    pub language: String,
    /// Where users reach the host, for links.
    pub public_url: String,
    /// The host's name as users know it, for example as an issuer. Empty if the host is older than this field.
    #[serde(default)]
    pub host_name: String,
    /// When the host's records were last put back to what they had been before, milliseconds since 1970-01-01T00:00:00Z.
    /// What was used between, up to this moment, no enrolment knows any more. Absent if that never happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at_ms: Option<i64>,
}

/// Whom a call is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Never changes, never reused.
    pub id: String,
    /// As the user signs in.
    pub name: String,
    /// Proved addresses by channel.
    #[serde(default)]
    pub addresses: BTreeMap<String, Vec<String>>,
}

/// The tags of [`Operation`]. Another one is answered `unsupported`, whatever else the request holds.
pub const OPERATIONS: &[&str] =
    &["input_schema", "setup_flow", "initialize_login_mfa_step", "validate", "issue", "depose", "migrate"];

/// What is asked, tagged by `operation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// The form a login step shows when nothing about user or challenge matters. Replies [`Reply::Form`].
    InputSchema {},
    /// A step of a set-up: the first has neither state nor input. Replies [`Reply::Setup`].
    SetupFlow {
        /// What the step before kept.
        #[serde(default)]
        state: Option<Value>,
        /// What was filled in; it has passed [`Form::normalise`].
        #[serde(default)]
        input: Option<Fields>,
        /// The enrolment this set-up would replace.
        #[serde(default)]
        replaces: Option<Enrolment>,
    },
    /// A login step is about to be shown for the first time, again after a resend, or after a switch. Replies [`Reply::Login`].
    InitializeLoginMfaStep {
        /// What the user set up.
        enrolment: Enrolment,
        /// Why the step is initialised.
        cause: Cause,
    },
    /// An answer to a login step. Replies [`Reply::Verdict`].
    Validate {
        /// What the user set up.
        enrolment: Enrolment,
        /// What this login remembers.
        #[serde(default)]
        challenge: Option<Value>,
        /// What came back.
        answer: Answer,
    },
    /// Recovery modules: make a batch for a set-up that was just confirmed. Replies [`Reply::Issued`].
    Issue {},
    /// An enrolment is going away. Replies [`Reply::Deposed`].
    Depose {
        /// What goes away.
        enrolment: Enrolment,
    },
    /// Older enrolment data, to be brought to this build's version. Replies [`Reply::Migrated`].
    Migrate {
        /// As it was kept.
        enrolment: Enrolment,
    },
}

/// What a user set up, as the module wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Version of the data.
    pub version: u32,
    /// The module's own.
    pub data: Value,
}

/// Why a login step is initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is shown for the first time in this login.
    First,
    /// The user asked for another message.
    Resend,
    /// The user came from another method.
    Switched,
}

/// What came back from the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The form was filled in.
    Form {
        /// The fields; they have passed [`Form::normalise`].
        fields: Fields,
    },
    /// The link of a message was followed and confirmed.
    Link,
    /// Nothing came; the waiting step asks whether it may go on.
    Poll,
}

/// A reply, tagged by `reply`. Which kinds an operation allows stands at [`Operation`]; another kind is no answer. A
/// reply may say whom it is about, `"user": ID` beside the tag; where that is not [`User::id`] of the request, it is no
/// answer either.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `input_schema`.
    Form {
        /// What to show.
        form: Form,
    },
    /// To `setup_flow`.
    Setup(SetupReply),
    /// To `initialize_login_mfa_step`.
    Login(LoginReply),
    /// To `validate`.
    Verdict(VerdictReply),
    /// To `issue`.
    Issued {
        /// What to keep.
        enrolment: Value,
        /// The codes, shown in exactly one response.
        codes: Vec<String>,
    },
    /// To `depose`.
    Deposed {},
    /// To `migrate`.
    Migrated {
        /// As this build writes it.
        enrolment: Enrolment,
    },
    /// The operation is not one this module has.
    Unsupported {},
    /// The module could not answer. Never a "yes".
    Failed {
        /// One sentence for the admin's log.
        message: String,
    },
}

/// The next step of a set-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one a call, and almost always the large one")]
pub enum SetupReply {
    /// Show this and come back with the answer.
    Form {
        /// What to show.
        form: Form,
        /// Kept by the host, sealed, until the next call.
        state: Value,
        /// What to send now, in order.
        #[serde(default)]
        messages: Vec<Message>,
        /// The last input was wrong; a machine word, and the key of its sentence unless `error_text` has another.
        #[serde(default)]
        error: Option<String>,
        /// What the error says to a person, where the word alone does not say it all. Its values stand among the
        /// step's placeholders too, for a client with sentences of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_text: Option<Text>,
    },
    /// The factor is proved.
    Done {
        /// What to keep.
        enrolment: Value,
    },
    /// It cannot be set up.
    Abort {
        /// A text key.
        reason: String,
    },
}

/// What a login step shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoginReply {
    /// What to show.
    pub form: Form,
    /// Kept by the host, sealed, for this validation session only.
    #[serde(default)]
    pub challenge: Option<Value>,
    /// What to send now, in order.
    #[serde(default)]
    pub messages: Vec<Message>,
}

/// The module's word on an answer. Anything else is "no".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum VerdictReply {
    /// Right.
    Accepted {
        /// A changed enrolment, kept in the same commit that lets the user in; none leaves it as it was.
        #[serde(default)]
        enrolment: Option<Value>,
    },
    /// Wrong.
    Rejected {
        /// A text key, `invalid_code` by custom.
        error: String,
        /// The challenge from now on; none leaves it as it was.
        #[serde(default)]
        challenge: Option<Value>,
    },
    /// Not yet.
    Pending {
        /// The challenge from now on; none leaves it as it was.
        #[serde(default)]
        challenge: Option<Value>,
        /// Milliseconds until the host should ask again.
        retry_after_ms: u64,
    },
}
