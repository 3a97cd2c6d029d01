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

#[derive(Form)]
struct CodeInput {
    #[form(digits = 6)]
    code: String,
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
        self.code_form(Form::new())
    }

    fn code_times(&self) -> Option<CodeTimes> {
        Some(CodeTimes { period_s: self.config.lifetime_s, window: 0 })
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        match ask.state() {
            None => Ok(SetupStep::form(self.phone_form(&ask), Setup::Phone)),
            Some(Setup::Phone) => {
                let PhoneInput { phone } = ask.input()?;
                self.ask_for_code(&ask, phone, "sent")
            }
            Some(Setup::Code { phone, sent }) => {
                let CodeInput { code } = ask.input()?;
                match sent.check(&ask, &["setup", phone], &code)? {
                    Checked::Right => Ok(SetupStep::done(Enrolment { phone: phone.clone() })),
                    Checked::Wrong => Ok(SetupStep::again(self.sent_form("sent", phone), "invalid_code")),
                    // Nothing else in a set-up sends again, so the next code goes out by itself.
                    Checked::Expired => {
                        let step = self.ask_for_code(&ask, phone.clone(), "sent_again")?;
                        Ok(step.with_error("code_expired"))
                    }
                }
            }
        }
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let Enrolment { phone } = ask.enrolment();
        let (sent, message) = self.send(&ask, "login", phone)?;
        Ok(Login::form(self.sent_form("sent", phone)).with_challenge(sent).with_message(message))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let (Some(sent), Answer::Form { .. }) = (ask.challenge(), ask.answer()) else {
            return Ok(Verdict::rejected("invalid_code"));
        };
        let CodeInput { code } = ask.input()?;
        Ok(match sent.check(&ask, &["login", &ask.enrolment().phone], &code)? {
            Checked::Right => Verdict::accepted(),
            Checked::Wrong => Verdict::rejected("invalid_code"),
            Checked::Expired => Verdict::rejected("code_expired"),
        })
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        Ok(Overview::new(Text::new("goes_to").with("target", mask(&ask.enrolment().phone))))
    }
}

impl Sms {
    fn ask_for_code(
        &self,
        ask: &SetupCall<'_, Self>,
        phone: String,
        sentence: &str,
    ) -> Result<SetupStep<Self>, ModuleError> {
        let (sent, message) = self.send(ask, "setup", &phone)?;
        let form = self.sent_form(sentence, &phone);
        Ok(SetupStep::form(form, Setup::Code { phone, sent }).with_message(message))
    }

    fn send<Q>(&self, ask: &Call<'_, Q>, purpose: &str, phone: &str) -> Result<(SentCode, Message), ModuleError> {
        let Config { channel, lifetime_s } = &self.config;
        let (sent, code) = SentCode::new(ask, &[purpose, phone], *lifetime_s)?;
        Ok((sent, Message::code(channel, phone, code, *lifetime_s)))
    }

    fn phone_form(&self, ask: &SetupCall<'_, Self>) -> Form {
        let form = Form::new().phone("phone").label("phone").help("phone_help");
        let addresses = &ask.user().addresses;
        let proved = addresses.get(&self.config.channel).or_else(|| addresses.get("phone"));
        let former = ask.replaces().map(|enrolment| &enrolment.phone);
        match former.or_else(|| proved?.first()) {
            Some(phone) => form.default_value(phone.as_str()),
            None => form,
        }
    }

    fn sent_form(&self, sentence: &str, phone: &str) -> Form {
        self.code_form(Form::new().sentence(Text::new(sentence).with("target", mask(phone))))
    }

    fn code_form(&self, form: Form) -> Form {
        form.digits("code", mfa_sdk::sent_code::CODE_DIGITS)
            .label("code")
            .help(Text::new("code_help").with("minutes", self.config.lifetime_s / 60))
    }
}

mfa_sdk::export_module!(Sms, texts = "texts/");
