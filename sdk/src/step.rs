//! What a module answers: the next step of a set-up, what a login step shows, a verdict.

use crate::{form::Form, message::Message, module::MfaModule, text::Text};

/// The next step of a set-up.
#[allow(clippy::large_enum_variant, reason = "one a call, and almost always the large one")]
pub enum SetupStep<M: MfaModule> {
    /// Show this form and come back with the answer.
    Form {
        /// What to show.
        form: Form,
        /// What the next call has to know; none keeps the state as it was.
        state: Kept<M::SetupState>,
        /// What to send now, in order.
        messages: Vec<Message>,
        /// What was wrong with the last input: a machine word, which is the key of its sentence as well.
        error: Option<String>,
        /// Another sentence for the error, with values.
        error_text: Option<Text>,
    },
    /// The factor is proved.
    Done {
        /// What to keep.
        enrolment: M::Enrolment,
    },
    /// It cannot be set up.
    Abort {
        /// Text key of the reason.
        reason: String,
    },
}

/// A state to keep from now on, or the one there was.
pub enum Kept<S> {
    /// This one.
    New(S),
    /// The one this call was given.
    Former,
}

impl<M: MfaModule> SetupStep<M> {
    /// Shows `form` and keeps `state` for the answer.
    pub fn form(form: Form, state: M::SetupState) -> Self {
        Self::Form { form, state: Kept::New(state), messages: Vec::new(), error: None, error_text: None }
    }

    /// The input was wrong: shows `form` once more, with the text key `error` and the state as it was. A secret that
    /// was already scanned stays the same.
    pub fn again(form: Form, error: impl Into<String>) -> Self {
        Self::Form { form, state: Kept::Former, messages: Vec::new(), error: Some(error.into()), error_text: None }
    }

    /// The factor is proved; `enrolment` is what to keep.
    pub fn done(enrolment: M::Enrolment) -> Self {
        Self::Done { enrolment }
    }

    /// It cannot be set up; `reason` is a text key.
    pub fn abort(reason: impl Into<String>) -> Self {
        Self::Abort { reason: reason.into() }
    }

    /// Sends a message along with a form. Without effect on the other steps: the host sends nothing for them.
    #[must_use]
    pub fn with_message(mut self, message: Message) -> Self {
        if let Self::Form { messages, .. } = &mut self {
            messages.push(message);
        }
        self
    }

    /// Says with a text key what was wrong with the last input. Without effect on the other steps.
    #[must_use]
    pub fn with_error(mut self, key: impl Into<String>) -> Self {
        if let Self::Form { error, .. } = &mut self {
            *error = Some(key.into());
        }
        self
    }

    /// Gives the error a sentence other than the one under its own key, one with values for example. The values stand
    /// in the step's `description_placeholders` too. Without effect where there is no error.
    #[must_use]
    pub fn with_error_text(mut self, sentence: impl Into<Text>) -> Self {
        if let Self::Form { error: Some(_), error_text, .. } = &mut self {
            *error_text = Some(sentence.into());
        }
        self
    }
}

/// What a login step shows, remembers and sends.
pub struct Login<M: MfaModule> {
    /// What to show.
    pub form: Form,
    /// What [`MfaModule::validate`] has to know of this login.
    pub challenge: Option<M::Challenge>,
    /// What to send now, in order.
    pub messages: Vec<Message>,
}

impl<M: MfaModule> Login<M> {
    /// Shows `form`, remembers and sends nothing.
    pub fn form(form: Form) -> Self {
        Self { form, challenge: None, messages: Vec::new() }
    }

    /// Remembers `challenge` for this login.
    #[must_use]
    pub fn with_challenge(mut self, challenge: M::Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Sends a message.
    #[must_use]
    pub fn with_message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }
}

/// The module's word on an answer. Only [`Verdict::Accepted`] is "yes".
pub enum Verdict<M: MfaModule> {
    /// Right. A changed enrolment is kept in the same commit that lets the user in, or neither happens.
    Accepted {
        /// The enrolment from now on; none leaves it as it was.
        enrolment: Option<M::Enrolment>,
        /// Something to know, shown after the login and told out of band.
        advice: Option<Text>,
    },
    /// Wrong.
    Rejected {
        /// Text key; `invalid_code` by custom.
        error: String,
        /// The challenge from now on; none leaves it as it was.
        challenge: Option<M::Challenge>,
    },
    /// Not yet. To a call with input this counts as rejected.
    Pending {
        /// The challenge from now on; none leaves it as it was.
        challenge: Option<M::Challenge>,
        /// Milliseconds until the host should ask again.
        retry_after_ms: u64,
    },
}

impl<M: MfaModule> Verdict<M> {
    /// Right; the enrolment stays as it was.
    pub fn accepted() -> Self {
        Self::Accepted { enrolment: None, advice: None }
    }

    /// Right; `enrolment` is kept from now on (a used code struck out, a counter moved on).
    pub fn accepted_with(enrolment: M::Enrolment) -> Self {
        Self::Accepted { enrolment: Some(enrolment), advice: None }
    }

    /// Wrong; `error` is a text key, `invalid_code` by custom.
    pub fn rejected(error: impl Into<String>) -> Self {
        Self::Rejected { error: error.into(), challenge: None }
    }

    /// Not yet; ask again after this many milliseconds.
    pub fn pending(retry_after_ms: u64) -> Self {
        Self::Pending { challenge: None, retry_after_ms }
    }

    /// Tells the user something after the login, and out of band: "3 backup codes are left". Without effect on the
    /// other verdicts.
    #[must_use]
    pub fn with_advice(mut self, text: impl Into<Text>) -> Self {
        if let Self::Accepted { advice, .. } = &mut self {
            *advice = Some(text.into());
        }
        self
    }

    /// Replaces the challenge of this login. Without effect on "accepted", which ends it.
    #[must_use]
    pub fn with_challenge(mut self, changed: M::Challenge) -> Self {
        if let Self::Rejected { challenge, .. } | Self::Pending { challenge, .. } = &mut self {
            *challenge = Some(changed);
        }
        self
    }
}

/// A fresh batch of recovery codes.
pub struct Issued<M: MfaModule> {
    /// What to keep: hashes, never the codes.
    pub enrolment: M::Enrolment,
    /// The codes, shown in exactly one response.
    pub codes: Vec<String>,
}

/// What is left after one device was changed.
pub enum DevicesLeft<M: MfaModule> {
    /// This is kept from now on.
    These(M::Enrolment),
    /// That was the last one: the whole enrolment goes.
    NoneLeft,
}
