//! A code through any channel the admin has set up: the user picks channel and target and proves a code sent there.
#![forbid(unsafe_code)]

mod config;
mod setup;
#[cfg(test)]
mod tests;

use config::Config;
use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use setup::Setup;

struct Notify {
    config: Config,
}

#[derive(Clone, Serialize, Deserialize)]
struct Enrolment {
    channel: String,
    target: String,
}

#[derive(Form)]
struct CodeInput {
    #[form(digits = 6)]
    code: String,
}

impl MfaModule for Notify {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = SentCode;
    type SetupState = Setup;

    fn describe() -> Description {
        Description::new("notify", "Notification", Kind::Possession)
            .amr(["mca"])
            .sends(true)
            .retries_max(5)
            .setup_message("setup_message")
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    fn input_schema(&self) -> Form {
        self.code_form(Form::new())
    }

    fn code_times(&self) -> Option<CodeTimes> {
        Some(CodeTimes { period_s: self.config.lifetime_s, window: 0 })
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        self.set_up(&ask)
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let (sent, message) = self.send(&ask, "login", ask.enrolment())?;
        Ok(Login::form(self.sent_form("sent", ask.enrolment())).with_challenge(sent).with_message(message))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let (Some(sent), Answer::Form { .. }) = (ask.challenge(), ask.answer()) else {
            return Ok(Verdict::rejected("invalid_code"));
        };
        let CodeInput { code } = ask.input()?;
        let Enrolment { channel, target } = ask.enrolment();
        Ok(match sent.check(&ask, &["login", channel, target], &code)? {
            Checked::Right => Verdict::accepted(),
            Checked::Wrong => Verdict::rejected("invalid_code"),
            Checked::Expired => Verdict::rejected("code_expired"),
        })
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        let Enrolment { channel, target } = ask.enrolment();
        let known = ask.channels().iter().find(|known| known.name == *channel);
        let shown = known.map_or(channel.as_str(), Channel::shown);
        Ok(Overview::new(Text::new("goes_to").with("channel", shown).with("target", mask(target))))
    }
}

impl Notify {
    /// A code on its way; it is right only for this purpose and this place.
    fn send<Q>(&self, ask: &Call<'_, Q>, purpose: &str, to: &Enrolment) -> Result<(SentCode, Message), ModuleError> {
        let (sent, code) = SentCode::new(ask, &[purpose, &to.channel, &to.target], self.config.lifetime_s)?;
        let text = self.config.message_with(&code);
        let message = Message::plain(&to.channel, &to.target, text).with("code", code);
        Ok((sent, message.lives_s(self.config.lifetime_s)))
    }

    fn sent_form(&self, sentence: &str, to: &Enrolment) -> Form {
        self.code_form(Form::new().sentence(Text::new(sentence).with("target", mask(&to.target))))
    }

    fn code_form(&self, form: Form) -> Form {
        form.digits("code", mfa_sdk::sent_code::CODE_DIGITS)
            .label("code")
            .help(Text::new("code_help").with("minutes", self.config.lifetime_s / 60))
    }
}

mfa_sdk::export_module!(Notify, texts = "texts/");
