//! What host and module say to each other, as JSON: one request, one reply. The same text crosses the `.so`
//! boundary and the worker's socket. An unknown operation answers `unsupported`, an unknown field is ignored,
//! an unknown value of an enumeration is refused.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::{
    description::{CodeTimes, Description, Kind},
    devices::{Device, DeviceChange, Overview},
};
use crate::{
    form::{Fields, Form},
    message::{Channel, Message, TargetKind},
    text::Text,
};

/// A request: what every call may know, and the operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What every call may know.
    pub context: Context,
    /// What is asked.
    #[serde(flatten)]
    pub operation: Operation,
}

/// What every call may know. The seed and the key are secrets: waiting codes come from the one and are known by the
/// other. So `Debug` shows neither.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Wall clock of the host, milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: i64,
    /// 64 hexadecimal digits: the seed of this call's random stream. A repeated call has the same.
    pub seed: String,
    /// Whom the call is about.
    pub user: User,
    /// Where messages can go, in the admin's order. Empty if the host sends none, or is older than this field.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// 64 hexadecimal digits: the key of [`Call::mac`](crate::Call::mac), another one for each module and user. Empty
    /// if the host is older than this field.
    #[serde(default)]
    pub mac_key: String,
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

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now_ms, user, language, .. } = self;
        formatter
            .debug_struct("Context")
            .field("now_ms", now_ms)
            .field("user", user)
            .field("language", language)
            .finish_non_exhaustive()
    }
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

impl User {
    /// The proved address for this channel, or else one of the same sort; what a form may begin with.
    pub fn address_for(&self, channel: &str, target: TargetKind) -> Option<&str> {
        let of_sort = match target {
            TargetKind::Email => self.addresses.get("email"),
            TargetKind::Phone => self.addresses.get("phone"),
            TargetKind::Text => None,
            TargetKind::Listed => return None,
        };
        self.addresses.get(channel).or(of_sort)?.first().map(String::as_str)
    }
}

/// The tags of [`Operation`]. Another one is answered `unsupported`, whatever else the request holds.
pub const OPERATIONS: &[&str] = &[
    "input_schema",
    "setup_flow",
    "initialize_login_mfa_step",
    "validate",
    "issue",
    "depose",
    "migrate",
    "overview",
    "change_device",
];

/// What is asked, tagged by `operation`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
    /// What to tell a user of what is set up. Replies [`Reply::Overview`].
    Overview {
        /// What the user set up.
        enrolment: Enrolment,
    },
    /// One device of several is removed or gets another name. Replies [`Reply::Changed`].
    ChangeDevice {
        /// What the user set up.
        enrolment: Enrolment,
        /// [`Device::id`] of an overview.
        device: String,
        /// What becomes of it.
        change: DeviceChange,
    },
}

/// What a user set up, as the module wrote it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `input_schema`.
    Form {
        /// What to show.
        form: Form,
        /// How long codes are good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<CodeTimes>,
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
    /// To `overview`.
    Overview(Overview),
    /// To `change_device`.
    Changed {
        /// What to keep from now on; none if no device is left, so that the whole enrolment goes.
        #[serde(default)]
        enrolment: Option<Value>,
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum VerdictReply {
    /// Right.
    Accepted {
        /// A changed enrolment, kept in the same commit that lets the user in; none leaves it as it was.
        #[serde(default)]
        enrolment: Option<Value>,
        /// Something to know, shown after the login and told out of band.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        advice: Option<Text>,
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
