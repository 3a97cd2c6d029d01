//! The contract of a module: one trait, and the two errors it may answer with.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    call::{ChangeDeviceCall, DeposeCall, IssueCall, LoginCall, OverviewCall, SetupCall, ValidateCall},
    devices::Overview,
    form::Form,
    protocol::{CodeTimes, Description},
    step::{DevicesLeft, Issued, Login, SetupStep, Verdict},
};

/// One kind of second factor.
///
/// All four associated types are kept by the host as JSON, sealed, and handed back as they were written. Secrets in
/// them should not implement `Debug`. [`Nothing`] stands where a module has nothing to keep; a value whose JSON is `null`
/// (`()`, `None`) is refused, because `null` means "not there".
///
/// Several calls may run at once, on different threads, and any call may be repeated; so a module keeps nothing
/// between calls but its configuration. An implementation may panic: that call is then "no".
pub trait MfaModule: Sized + Send + Sync + 'static {
    /// What the admin writes below `config` in `host.toml`. Give it `#[serde(deny_unknown_fields)]`, so that a
    /// mistyped key is refused with its path.
    type Config: DeserializeOwned;
    /// What one user set up. Kept until it is replaced or removed.
    type Enrolment: Serialize + DeserializeOwned;
    /// What one login remembers from the step being shown to its answer. Kept for that validation session only.
    type Challenge: Serialize + DeserializeOwned;
    /// What a set-up remembers between its steps; a new secret stays here until a code proved it.
    type SetupState: Serialize + DeserializeOwned;

    /// Version of [`Self::Enrolment`] as this build writes it. Raise it when older data no longer decodes, and write
    /// [`Self::migrate`].
    const ENROLMENT_VERSION: u32 = 1;

    /// What the module says of itself. Version, licence, texts and the enrolment's version are filled in by
    /// [`export_module!`](crate::export_module).
    fn describe() -> Description;

    /// The module with this configuration. It only checks and keeps: no file, no network.
    ///
    /// # Errors
    /// [`ConfigError`] with the path of the wrong setting; the host adds where in `host.toml` it stands.
    fn new(config: Self::Config) -> Result<Self, ConfigError>;

    /// The form a login step shows when neither user nor challenge matter.
    fn input_schema(&self) -> Form;

    /// How long the codes of this module are good, if they are codes of a time. The host only tells it.
    fn code_times(&self) -> Option<CodeTimes> {
        None
    }

    /// The next step of a set-up. The first call has neither state nor input; each later one has the state of the
    /// step before and what was filled in. A wrong code is [`SetupStep::again`], with the same secret.
    ///
    /// # Errors
    /// [`ModuleError`] if no answer is possible; the set-up ends with a reason and nothing is stored.
    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError>;

    /// Called once before a login step is first shown, again for a resend and after a switch of method; never on a
    /// wrong answer. By default the step shows [`Self::input_schema`] and remembers nothing.
    ///
    /// # Errors
    /// [`ModuleError`] if the step cannot be shown; the login ends with a reason.
    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let _ = ask;
        Ok(Login::form(self.input_schema()))
    }

    /// The verdict on an answer. The host has already checked the input against the form shown, spent the attempt
    /// and seen that the session lives.
    ///
    /// # Errors
    /// [`ModuleError`] if no verdict is possible. It is never "yes".
    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError>;

    /// Recovery modules: a fresh batch of codes, for another module's set-up or at its user's wish. The host shows them in
    /// one answer, and the enrolment counts once the user has said that they are saved. A module that issues is never asked
    /// for a [`Self::setup_flow`].
    ///
    /// # Errors
    /// [`ModuleError::Unsupported`] unless the module is a recovery module.
    fn issue(&self, ask: IssueCall<'_>) -> Result<Issued<Self>, ModuleError> {
        let _ = ask;
        Err(ModuleError::Unsupported)
    }

    /// An enrolment is going away. The host removes the record whatever the answer; this is for a module that has to
    /// tell a service of its own.
    ///
    /// # Errors
    /// [`ModuleError`] is logged and changes nothing.
    fn depose(&self, ask: DeposeCall<'_, Self>) -> Result<(), ModuleError> {
        let _ = ask;
        Ok(())
    }

    /// What to tell the user of what is set up. By default there is nothing to say.
    ///
    /// # Errors
    /// [`ModuleError`] if it cannot be said; the user sees the factor without words.
    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        let _ = ask;
        Ok(Overview::default())
    }

    /// Modules that keep several devices in one enrolment: one of them is removed or gets another name. A set-up of
    /// such a module adds a device to [`SetupCall::replaces`](crate::Call::replaces).
    ///
    /// # Errors
    /// [`ModuleError::Unsupported`] unless the module keeps several devices; [`ModuleError::Failed`] if there is no
    /// such device. Nothing changes then.
    fn change_device(&self, ask: ChangeDeviceCall<'_, Self>) -> Result<DevicesLeft<Self>, ModuleError> {
        let _ = ask;
        Err(ModuleError::Unsupported)
    }

    /// Enrolment data of an older version (`from` is below [`Self::ENROLMENT_VERSION`]) brought to this one. The
    /// result is kept with the next accepted login.
    ///
    /// # Errors
    /// [`ModuleError`] if it cannot be read: that user's answer is then "no" with this reason.
    fn migrate(from: u32, data: Value) -> Result<Self::Enrolment, ModuleError> {
        let _ = data;
        Err(ModuleError::Failed(format!("an enrolment of version {from} cannot be read by this build")))
    }
}

/// Nothing to configure or to keep: the empty object. As a configuration it refuses every key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ConfigError {
    /// Path of the setting below `config`, with dots and `[n]`: `channels[2].name`. Empty for the whole.
    pub path: String,
    /// One sentence for the admin, without the value if that may be a secret.
    pub message: String,
}

impl ConfigError {
    /// The setting at `path` is wrong because of `message`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// Why a call has no answer. It is never "yes". The text reaches the admin's log and must hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// The module does not have this operation.
    #[error("the module does not have this operation")]
    Unsupported,
    /// The input is not what the form asked for, or there is none (the answer was a link or a poll).
    #[error("the input cannot be used: {0}")]
    Input(#[from] crate::input::InputError),
    /// Anything else, in one sentence.
    #[error("{0}")]
    Failed(String),
}

impl ModuleError {
    /// [`ModuleError::Failed`] from anything that can be shown.
    ///
    /// ```
    /// # use mfa_sdk::ModuleError;
    /// let port = "x".parse::<u16>().map_err(ModuleError::failed);
    /// assert!(port.is_err());
    /// ```
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }
}
