//! Modules that are one form: what is typed at set-up makes the enrolment, what is typed at login is checked against it.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    call::{SetupCall, ValidateCall},
    form::Form,
    input::FormInput,
    module::{ConfigError, MfaModule, ModuleError, Nothing},
    protocol::Description,
    step::{SetupStep, Verdict},
};

/// A module of one form. The type that implements it **is** its configuration: it is read from `config` in
/// `host.toml`, so give it `#[serde(deny_unknown_fields)]`.
///
/// Every such type is an [`MfaModule`]. A module that changes its enrolment, sends something or has more than one
/// set-up step implements that trait itself.
///
/// ```
/// use mfa_sdk::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct PassPhrase {
///     length_min: usize,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Enrolment {
///     phrase: String, // a module for real users keeps a slow, salted hash
/// }
///
/// #[derive(Form)]
/// struct Input {
///     #[form(password)]
///     phrase: String,
/// }
///
/// impl OneForm for PassPhrase {
///     type Enrolment = Enrolment;
///     type Input = Input;
///
///     fn describe() -> Description {
///         Description::new("pass_phrase", "Pass phrase", Kind::Knowledge).amr(["pwd"])
///     }
///
///     fn enrol(&self, input: Input) -> Result<Enrolment, Refusal> {
///         if input.phrase.chars().count() < self.length_min {
///             return Err(Refusal::new("too_short"));
///         }
///         Ok(Enrolment { phrase: input.phrase })
///     }
///
///     fn verify(&self, enrolment: &Enrolment, input: Input) -> bool {
///         equal_in_constant_time(&enrolment.phrase, &input.phrase)
///     }
/// }
/// ```
pub trait OneForm: DeserializeOwned + Send + Sync + 'static {
    /// What one user set up; kept by the host, sealed.
    type Enrolment: Serialize + DeserializeOwned;
    /// What is typed, at set-up and at each login.
    type Input: FormInput;

    /// What the module says of itself; see [`MfaModule::describe`].
    fn describe() -> Description;

    /// The enrolment this input makes.
    ///
    /// # Errors
    /// [`Refusal`] with a text key: the form is shown again with it.
    fn enrol(&self, input: Self::Input) -> Result<Self::Enrolment, Refusal>;

    /// Whether this input is right. Compare with [`equal_in_constant_time`](crate::equal_in_constant_time).
    fn verify(&self, enrolment: &Self::Enrolment, input: Self::Input) -> bool;

    /// Whether the configuration makes sense; serde has already checked its types.
    ///
    /// # Errors
    /// [`ConfigError`] with the path of the wrong setting.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// Why an input makes no enrolment: a text key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// The refusal with this text key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }
}

impl<T: OneForm> MfaModule for T {
    type Config = T;
    type Enrolment = <T as OneForm>::Enrolment;
    type Challenge = Nothing;
    type SetupState = Nothing;

    fn describe() -> Description {
        <T as OneForm>::describe().fixed_step(true)
    }

    fn new(config: T) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(config)
    }

    fn input_schema(&self) -> Form {
        T::Input::form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        if !ask.has_input() {
            return Ok(SetupStep::form(T::Input::form(), Nothing {}));
        }
        Ok(match self.enrol(ask.input()?) {
            Ok(enrolment) => SetupStep::done(enrolment),
            Err(Refusal(key)) => SetupStep::form(T::Input::form(), Nothing {}).with_error(key),
        })
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let right = self.verify(ask.enrolment(), ask.input()?);
        Ok(if right { Verdict::accepted() } else { Verdict::rejected("invalid_code") })
    }
}
