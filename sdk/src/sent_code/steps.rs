//! The steps of a module that sends a code: the one that proves a target in a set-up, and the one of each login.

use super::{CODE_DIGITS, CODE_LIFETIME_S_MAX, CODE_LIFETIME_S_MIN, Checked, SentCode, mask};
use crate::{
    call::{Call, LoginCall, SetupCall, ValidateCall},
    form::Form,
    input::FormInput,
    message::Message,
    module::{ConfigError, MfaModule, ModuleError},
    protocol::Answer,
    step::{Login, SetupStep, Verdict},
    text::Text,
};

/// Where a code goes and how long it is good for; from that come the steps that send it and take it back.
///
/// The module keeps what was chosen, and these words in its `texts/`:
///
/// | key | when | places |
/// |---|---|---|
/// | `sent` | above the field, after a code went out | `{target}`, masked |
/// | `sent_again` | the same, after another one had expired in the set-up | `{target}` |
/// | `code`, `code_help` | label of the field, and below it | `{minutes}` in the help |
/// | `invalid_code`, `code_expired` | errors | |
///
/// A code is bound to the channel, the target, and whether it is a set-up or a login: it is right nowhere else.
///
/// The [crate page](crate) has a whole module of it.
#[derive(Clone, Copy)]
pub struct SentCodeSteps<'a> {
    channel: &'a str,
    target: &'a str,
    lifetime_s: u32,
    words: Option<&'a str>,
}

/// What a code was sent for: one for a set-up is none for a login.
#[derive(Clone, Copy)]
enum Purpose {
    Setup,
    Login,
}

struct CodeInput {
    code: String,
}

impl<'a> SentCodeSteps<'a> {
    /// The place of the code in the words of [`Self::in_words`].
    pub const PLACE: &'static str = "{code}";

    /// Codes by this channel to this target, good for `lifetime_s` seconds, [`CODE_LIFETIME_S_MAX`] at most.
    #[must_use]
    pub fn new(channel: &'a str, target: &'a str, lifetime_s: u32) -> Self {
        Self { channel, target, lifetime_s: lifetime_s.min(CODE_LIFETIME_S_MAX), words: None }
    }

    /// Sends these words, with [`Self::PLACE`] where the code goes, in place of the host's own.
    #[must_use]
    pub fn in_words(mut self, words: &'a str) -> Self {
        self.words = Some(words);
        self
    }

    /// The form a code is typed into, for [`MfaModule::input_schema`]: the field `code`.
    #[must_use]
    pub fn form(lifetime_s: u32) -> Form {
        let help = Text::new("code_help").with("minutes", lifetime_s.min(CODE_LIFETIME_S_MAX) / 60);
        CodeInput::form().label("code").help(help)
    }

    /// The set-up's step that proves the target: a code goes there, and the form asks for it. `state` is what the answer
    /// has to know, with the target; it comes back to [`Self::prove`].
    ///
    /// # Errors
    /// [`ModuleError::Failed`] if the host gave no key.
    pub fn ask_for_proof<M: MfaModule>(
        &self,
        ask: &SetupCall<'_, M>,
        state: impl FnOnce(SentCode) -> M::SetupState,
    ) -> Result<SetupStep<M>, ModuleError> {
        let (sent, message) = self.send(ask, Purpose::Setup)?;
        Ok(SetupStep::form(self.shown("sent"), state(sent)).with_message(message))
    }

    /// The answer to [`Self::ask_for_proof`]. A wrong code leaves the one that was sent; one that came too late is
    /// followed by another, because nothing else in a set-up sends again.
    ///
    /// # Errors
    /// [`ModuleError`] if there is no input, or the host gave no key.
    pub fn prove<M: MfaModule>(
        &self,
        ask: &SetupCall<'_, M>,
        sent: &SentCode,
        state: impl FnOnce(SentCode) -> M::SetupState,
        enrolment: impl FnOnce() -> M::Enrolment,
    ) -> Result<SetupStep<M>, ModuleError> {
        let CodeInput { code } = ask.input()?;
        Ok(match sent.check(ask, &self.bound_to(Purpose::Setup), &code)? {
            Checked::Right => SetupStep::done(enrolment()),
            Checked::Wrong => SetupStep::again(self.shown("sent"), "invalid_code"),
            Checked::Expired => {
                let (sent, message) = self.send(ask, Purpose::Setup)?;
                let step = SetupStep::form(self.shown("sent_again"), state(sent));
                step.with_message(message).with_error("code_expired")
            }
        })
    }

    /// The step of a login: a code goes out, and the form asks for it. `challenge` is what this login remembers.
    ///
    /// # Errors
    /// [`ModuleError::Failed`] if the host gave no key.
    pub fn login<M: MfaModule>(
        &self,
        ask: &LoginCall<'_, M>,
        challenge: impl FnOnce(SentCode) -> M::Challenge,
    ) -> Result<Login<M>, ModuleError> {
        let (sent, message) = self.send(ask, Purpose::Login)?;
        Ok(Login::form(self.shown("sent")).with_challenge(challenge(sent)).with_message(message))
    }

    /// The verdict on an answer to [`Self::login`]. Without a code that waits, and to a link or a poll, it is "no".
    ///
    /// # Errors
    /// [`ModuleError`] if the input is of another form, or the host gave no key.
    pub fn verdict<M: MfaModule>(
        &self,
        ask: &ValidateCall<'_, M>,
        sent: Option<&SentCode>,
    ) -> Result<Verdict<M>, ModuleError> {
        let (Some(sent), Answer::Form { .. }) = (sent, ask.answer()) else {
            return Ok(Verdict::rejected("invalid_code"));
        };
        let CodeInput { code } = ask.input()?;
        Ok(match sent.check(ask, &self.bound_to(Purpose::Login), &code)? {
            Checked::Right => Verdict::accepted(),
            Checked::Wrong => Verdict::rejected("invalid_code"),
            Checked::Expired => Verdict::rejected("code_expired"),
        })
    }

    fn send<Q>(&self, ask: &Call<'_, Q>, purpose: Purpose) -> Result<(SentCode, Message), ModuleError> {
        let Self { channel, target, lifetime_s, words } = *self;
        let (sent, code) = SentCode::new(ask, &self.bound_to(purpose), lifetime_s)?;
        let message = match words {
            // The code stands beside the words as well, for templates of the admin's own.
            Some(words) => Message::plain(channel, target, words.replace(Self::PLACE, &code))
                .with("code", code)
                .lives_s(lifetime_s),
            None => Message::code(channel, target, code, lifetime_s),
        };
        Ok((sent, message))
    }

    fn bound_to(&self, purpose: Purpose) -> [&str; 3] {
        let purpose = match purpose {
            Purpose::Setup => "setup",
            Purpose::Login => "login",
        };
        [purpose, self.channel, self.target]
    }

    fn shown(&self, sentence: &str) -> Form {
        Self::form(self.lifetime_s).sentence(Text::new(sentence).with("target", mask(self.target)))
    }
}

impl FormInput for CodeInput {
    fn form() -> Form {
        Form::new().digits("code", CODE_DIGITS)
    }

    fn from_fields(fields: &crate::form::Fields) -> Result<Self, crate::InputError> {
        Ok(Self { code: crate::input::FromField::from_field(fields, "code")? })
    }
}

/// Whether a setting names a channel; its path is `path`.
///
/// # Errors
/// [`ConfigError`] if it is empty.
pub fn check_channel(path: &str, channel: &str) -> Result<(), ConfigError> {
    if channel.is_empty() { Err(ConfigError::new(path, "must name a channel of host.toml")) } else { Ok(()) }
}

/// Whether a setting is a lifetime of codes, [`CODE_LIFETIME_S_MIN`] to [`CODE_LIFETIME_S_MAX`] seconds; its path is
/// `path`.
///
/// # Errors
/// [`ConfigError`] if it is out of bounds.
pub fn check_lifetime(path: &str, lifetime_s: u32) -> Result<(), ConfigError> {
    match lifetime_s {
        CODE_LIFETIME_S_MIN..=CODE_LIFETIME_S_MAX => Ok(()),
        _ => Err(ConfigError::new(path, format!("must be {CODE_LIFETIME_S_MIN} to {CODE_LIFETIME_S_MAX}"))),
    }
}
