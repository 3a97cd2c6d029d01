//! A code by text message, to a number that was proved when it was set up.
#![forbid(unsafe_code)]

mod config;
#[cfg(test)]
mod tests;

use config::Config;
use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

struct Sms {
    config: Config,
}

#[derive(Serialize, Deserialize)]
struct Enrolment {
    /// E.164: `+` and 7 to 15 digits.
    phone: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "asked_for", rename_all = "snake_case")]
enum Setup {
    Phone,
    Code { phone: String, sent: SentCode },
}

#[derive(Form)]
struct PhoneInput {
    #[form(phone)]
    phone: String,
}

impl MfaModule for Sms {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = SentCode;
    type SetupState = Setup;

    fn describe() -> Description {
        Description::new("sms", "Text message", Kind::Possession)
            .amr(["sms"])
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
        let waiting = |phone: &str, sent| Setup::Code { phone: phone.to_owned(), sent };
        match ask.state() {
            None => Ok(SetupStep::form(self.phone_form(&ask), Setup::Phone)),
            Some(Setup::Phone) => {
                let PhoneInput { phone } = ask.input()?;
                self.codes(&phone).ask_for_proof(&ask, |sent| waiting(&phone, sent))
            }
            Some(Setup::Code { phone, sent }) => {
                let done = || Enrolment { phone: phone.clone() };
                self.codes(phone).prove(&ask, sent, |sent| waiting(phone, sent), done)
            }
        }
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        self.codes(&ask.enrolment().phone).login(&ask, |sent| sent)
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        self.codes(&ask.enrolment().phone).verdict(&ask, ask.challenge())
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        Ok(Overview::new(Text::new("goes_to").with("target", mask(&ask.enrolment().phone))))
    }
}

impl Sms {
    fn codes<'a>(&'a self, phone: &'a str) -> SentCodeSteps<'a> {
        SentCodeSteps::new(&self.config.channel, phone, self.config.lifetime_s)
    }

    fn phone_form(&self, ask: &SetupCall<'_, Self>) -> Form {
        let form = Form::new().phone("phone").label("phone").help("phone_help");
        let former = ask.replaces().map(|enrolment| enrolment.phone.as_str());
        match former.or_else(|| ask.user().address_for(&self.config.channel, TargetKind::Phone)) {
            Some(phone) => form.default_value(phone),
            None => form,
        }
    }
}

mfa_sdk::export_module!(Sms, texts = "texts/");
