//! What a call may know. Everything is borrowed from the request; nothing outlives the call.

use std::cell::RefCell;

use rand_chacha::ChaCha20Rng;

use crate::{
    devices::DeviceChange,
    form::Fields,
    input::{FormInput, InputError},
    mac,
    message::Channel,
    module::{MfaModule, ModuleError},
    protocol::{Answer, Cause, Context, User},
    random::Random,
};

/// One call. `Q` is what is asked: [`Setup`], [`LoginStep`], [`Validate`], [`Issue`], [`Depose`], [`Look`] or
/// [`Change`].
pub struct Call<'a, Q> {
    context: &'a Context,
    random: RefCell<ChaCha20Rng>,
    question: Q,
}

/// The call of [`MfaModule::setup_flow`].
pub type SetupCall<'a, M> = Call<'a, Setup<'a, M>>;
/// The call of [`MfaModule::initialize_login_mfa_step`].
pub type LoginCall<'a, M> = Call<'a, LoginStep<'a, M>>;
/// The call of [`MfaModule::validate`].
pub type ValidateCall<'a, M> = Call<'a, Validate<'a, M>>;
/// The call of [`MfaModule::issue`].
pub type IssueCall<'a> = Call<'a, Issue>;
/// The call of [`MfaModule::depose`].
pub type DeposeCall<'a, M> = Call<'a, Depose<'a, M>>;
/// The call of [`MfaModule::overview`].
pub type OverviewCall<'a, M> = Call<'a, Look<'a, M>>;
/// The call of [`MfaModule::change_device`].
pub type ChangeDeviceCall<'a, M> = Call<'a, Change<'a, M>>;

/// A step of a set-up.
pub struct Setup<'a, M: MfaModule> {
    pub(crate) state: Option<&'a M::SetupState>,
    pub(crate) input: Option<&'a Fields>,
    pub(crate) replaces: Option<&'a M::Enrolment>,
}

/// A login step about to be shown.
pub struct LoginStep<'a, M: MfaModule> {
    pub(crate) enrolment: &'a M::Enrolment,
    pub(crate) cause: Cause,
}

/// An answer to a login step.
pub struct Validate<'a, M: MfaModule> {
    pub(crate) enrolment: &'a M::Enrolment,
    pub(crate) challenge: Option<&'a M::Challenge>,
    pub(crate) answer: &'a Answer,
}

/// A batch of recovery codes is due.
pub struct Issue;

/// An enrolment is going away.
pub struct Depose<'a, M: MfaModule> {
    pub(crate) enrolment: Option<&'a M::Enrolment>,
}

/// The user looks at what is set up.
pub struct Look<'a, M: MfaModule> {
    pub(crate) enrolment: &'a M::Enrolment,
}

/// One device of several is changed.
pub struct Change<'a, M: MfaModule> {
    pub(crate) enrolment: &'a M::Enrolment,
    pub(crate) device: &'a str,
    pub(crate) change: &'a DeviceChange,
}

impl<'a, Q> Call<'a, Q> {
    pub(crate) fn new(context: &'a Context, random: RefCell<ChaCha20Rng>, question: Q) -> Self {
        Self { context, random, question }
    }

    /// Wall clock of the host in milliseconds since 1970-01-01T00:00:00Z. The only clock there is.
    pub fn now(&self) -> i64 {
        self.context.now_ms
    }

    /// When the host's records were last put back to an older state (a backup was restored, for example), in milliseconds
    /// since 1970-01-01T00:00:00Z; none if that never happened. Up to this moment codes may have been accepted of which the
    /// enrolment says nothing. A code that follows from the clock and could have been accepted before it counts as used.
    /// Codes that follow from a counter, or stand in a list, cannot be told so: what was struck out since is good again.
    pub fn restored_at(&self) -> Option<i64> {
        self.context.restored_at_ms
    }

    /// The random stream of this call. A repeated call has the same one, so a code made twice is the same code.
    pub fn random(&self) -> Random<'_> {
        Random(&self.random)
    }

    /// Whom the call is about: id, name, proved addresses by channel.
    pub fn user(&self) -> &'a User {
        &self.context.user
    }

    /// Where messages can go, in the admin's order.
    pub fn channels(&self) -> &'a [Channel] {
        &self.context.channels
    }

    /// The code of these parts under a key that only the host can make, another one for each module and user
    /// (HMAC-SHA-256, RFC 2104; base64url). What a module keeps in place of a code that waits; see
    /// [`SentCode`](crate::SentCode), which does it all. Parts are framed by their lengths: `["a", "bc"]` is not
    /// `["ab", "c"]`.
    ///
    /// # Errors
    /// [`ModuleError::Failed`] if the host gave no key.
    pub fn mac(&self, parts: &[&[u8]]) -> Result<String, ModuleError> {
        mac::of(&self.context.mac_key, parts).ok_or_else(|| ModuleError::failed("the host gave no key for codes"))
    }

    /// Language tag of the reader (`en`, `de`), `en` if unknown. Texts of forms are translated by the host.
    pub fn language(&self) -> &'a str {
        &self.context.language
    }

    /// Where users reach the host, without a slash at its end.
    pub fn public_url(&self) -> &'a str {
        &self.context.public_url
    }

    /// The host's name as users know it, `name` in `host.toml`; `mfa-host` if the host does not say.
    pub fn host_name(&self) -> &'a str {
        if self.context.host_name.is_empty() { "mfa-host" } else { &self.context.host_name }
    }
}

impl<'a, M: MfaModule> SetupCall<'a, M> {
    /// The state of the step before; none when the set-up begins.
    pub fn state(&self) -> Option<&'a M::SetupState> {
        self.question.state
    }

    /// Whether something was filled in.
    pub fn has_input(&self) -> bool {
        self.question.input.is_some()
    }

    /// What was filled in, checked and normalised by the host against the form shown.
    ///
    /// # Errors
    /// [`ModuleError::Input`] if there is no input, or if `I` is not the form that was shown.
    pub fn input<I: FormInput>(&self) -> Result<I, ModuleError> {
        let fields = self.question.input.ok_or(InputError::NoInput)?;
        Ok(I::from_fields(fields)?)
    }

    /// The enrolment this set-up would replace, if it can be read.
    pub fn replaces(&self) -> Option<&'a M::Enrolment> {
        self.question.replaces
    }
}

impl<'a, M: MfaModule> LoginCall<'a, M> {
    /// What the user set up.
    pub fn enrolment(&self) -> &'a M::Enrolment {
        self.question.enrolment
    }

    /// Why the step is initialised. Whatever the cause, a former challenge of this login is dead.
    pub fn cause(&self) -> Cause {
        self.question.cause
    }
}

impl<'a, M: MfaModule> ValidateCall<'a, M> {
    /// What the user set up.
    pub fn enrolment(&self) -> &'a M::Enrolment {
        self.question.enrolment
    }

    /// What [`MfaModule::initialize_login_mfa_step`] remembered for this login.
    pub fn challenge(&self) -> Option<&'a M::Challenge> {
        self.question.challenge
    }

    /// What came back: a filled form, a followed link, or a poll.
    pub fn answer(&self) -> &'a Answer {
        self.question.answer
    }

    /// What was filled in, checked and normalised by the host against the form shown.
    ///
    /// # Errors
    /// [`ModuleError::Input`] if the answer was a link or a poll, or if `I` is not the form that was shown.
    pub fn input<I: FormInput>(&self) -> Result<I, ModuleError> {
        match self.question.answer {
            Answer::Form { fields } => Ok(I::from_fields(fields)?),
            Answer::Link | Answer::Poll => Err(InputError::NoInput.into()),
        }
    }
}

impl<'a, M: MfaModule> DeposeCall<'a, M> {
    /// What goes away; none if it cannot be read, which must not keep it from going.
    pub fn enrolment(&self) -> Option<&'a M::Enrolment> {
        self.question.enrolment
    }
}

impl<'a, M: MfaModule> OverviewCall<'a, M> {
    /// What the user set up.
    pub fn enrolment(&self) -> &'a M::Enrolment {
        self.question.enrolment
    }
}

impl<'a, M: MfaModule> ChangeDeviceCall<'a, M> {
    /// What the user set up.
    pub fn enrolment(&self) -> &'a M::Enrolment {
        self.question.enrolment
    }

    /// [`Device::id`](crate::Device::id) of an overview. It may be gone by now: then answer [`ModuleError`].
    pub fn device(&self) -> &'a str {
        self.question.device
    }

    /// What becomes of it.
    pub fn change(&self) -> &'a DeviceChange {
        self.question.change
    }
}
