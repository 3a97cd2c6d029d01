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
        SentCodeSteps::form(self.config.lifetime_s)
    }

    fn code_times(&self) -> Option<CodeTimes> {
        Some(CodeTimes { period_s: self.config.lifetime_s, window: 0 })
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        self.set_up(&ask)
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        self.codes(ask.enrolment()).login(&ask, |sent| sent)
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        self.codes(ask.enrolment()).verdict(&ask, ask.challenge())
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        let Enrolment { channel, target } = ask.enrolment();
        let known = ask.channels().iter().find(|known| known.name == *channel);
        let shown = known.map_or(channel.as_str(), Channel::shown);
        Ok(Overview::new(Text::new("goes_to").with("channel", shown).with("target", mask(target))))
    }
}

impl Notify {
    fn codes<'a>(&'a self, to: &'a Enrolment) -> SentCodeSteps<'a> {
        SentCodeSteps::new(&to.channel, &to.target, self.config.lifetime_s).in_words(&self.config.message)
    }
}

mfa_sdk::export_module!(Notify, texts = "texts/");
