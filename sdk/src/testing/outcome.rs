//! What a test compares: where a set-up stands, what became of an answer, why a call had none.

use crate::{
    form::{FieldErrors, Form},
    message::Message,
    text::Text,
};

/// Where a set-up stands.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one a call, and almost always the large one")]
pub enum SetupOutcome {
    /// This is shown; `error` says what was wrong with the last input.
    Form {
        /// What is shown.
        form: Form,
        /// What is sent now, in order.
        messages: Vec<Message>,
        /// Machine word of what was wrong.
        error: Option<String>,
        /// Its sentence, where it is not the one under the word itself.
        error_text: Option<Text>,
    },
    /// The factor is set up; the bench keeps the enrolment.
    Done,
    /// The module gave up.
    Abort {
        /// A text key.
        reason: String,
    },
    /// The input does not fit the form; the module was not asked.
    BadInput(FieldErrors),
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Right; the bench keeps a changed enrolment.
    Accepted,
    /// Wrong.
    Rejected {
        /// A text key.
        error: String,
    },
    /// Not yet.
    Pending {
        /// Milliseconds until the host should ask again.
        retry_after_ms: u64,
    },
    /// The input does not fit the form; the module was not asked.
    BadInput(FieldErrors),
}

/// A call without an answer. In the host each of them is "no".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The module failed or panicked.
    #[error("{0}")]
    Failed(String),
    /// The module does not have the operation.
    #[error("the module does not have this operation")]
    Unsupported,
    /// The reply is of a kind the operation does not allow, or no reply at all.
    #[error("not a reply to this operation")]
    WrongReply,
    /// A form shows a text key that English does not have. (A module without any texts may show what it likes.)
    #[error("English does not have the text `{0}`")]
    MissingText(String),
    /// The test asks for a step that nothing leads to: filling a form that was not shown, a login before the set-up.
    #[error("{0}")]
    OutOfOrder(&'static str),
}

impl SetupOutcome {
    /// The form shown, if one is.
    pub fn form(&self) -> Option<&Form> {
        match self {
            Self::Form { form, .. } => Some(form),
            _ => None,
        }
    }

    /// The messages to send now.
    pub fn messages(&self) -> &[Message] {
        match self {
            Self::Form { messages, .. } => messages,
            _ => &[],
        }
    }

    /// What was wrong with the last input, if the form is shown again.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Form { error, .. } => error.as_deref(),
            _ => None,
        }
    }

    /// The sentence the module gave its error, if it gave one.
    pub fn error_text(&self) -> Option<&Text> {
        match self {
            Self::Form { error_text, .. } => error_text.as_ref(),
            _ => None,
        }
    }
}

impl Outcome {
    /// [`Outcome::Rejected`] with this text key.
    pub fn rejected(error: impl Into<String>) -> Self {
        Self::Rejected { error: error.into() }
    }
}
