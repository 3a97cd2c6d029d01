//! A code or a link by mail, to an address that was proved when it was set up.
#![forbid(unsafe_code)]

mod config;
#[cfg(test)]
mod tests;

use config::{Config, Mode};
use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// How soon a waiting page may ask again.
const POLL_AGAIN_MS: u64 = 2000;

struct Email {
    config: Config,
}

#[derive(Serialize, Deserialize)]
struct Enrolment {
    address: String,
}

/// What a login waits for. It stays what it was when the setting changes in between.
#[derive(Serialize, Deserialize)]
#[serde(tag = "waits_for", rename_all = "snake_case")]
enum Challenge {
    Code(SentCode),
    Link { expires_at_ms: i64 },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "asked_for", rename_all = "snake_case")]
enum Setup {
    Address,
    Code { address: String, sent: SentCode },
}

#[derive(Form)]
struct AddressInput {
    #[form(email)]
    email: String,
}

impl MfaModule for Email {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = Challenge;
    type SetupState = Setup;

    fn describe() -> Description {
        Description::new("email", "E-mail", Kind::Possession)
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
        match self.config.mode {
            Mode::Code => SentCodeSteps::form(self.config.lifetime_s),
            Mode::Link => Form::new(),
        }
    }

    fn code_times(&self) -> Option<CodeTimes> {
        Some(CodeTimes { period_s: self.config.lifetime_s, window: 0 })
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        let waiting = |address: &str, sent| Setup::Code { address: address.to_owned(), sent };
        match ask.state() {
            None => Ok(SetupStep::form(self.address_form(&ask), Setup::Address)),
            Some(Setup::Address) => {
                let AddressInput { email } = ask.input()?;
                self.codes(&email).ask_for_proof(&ask, |sent| waiting(&email, sent))
            }
            Some(Setup::Code { address, sent }) => {
                let done = || Enrolment { address: address.clone() };
                self.codes(address).prove(&ask, sent, |sent| waiting(address, sent), done)
            }
        }
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let Enrolment { address } = ask.enrolment();
        let Config { channel, lifetime_s, mode } = &self.config;
        match mode {
            Mode::Code => self.codes(address).login(&ask, Challenge::Code),
            Mode::Link => {
                let form = Form::new().sentence(Text::new("link_sent").with("target", mask(address)));
                let expires_at_ms = ask.now().saturating_add(i64::from(*lifetime_s) * 1000);
                let login = Login::form(form).with_challenge(Challenge::Link { expires_at_ms });
                Ok(login.with_message(Message::link(channel, address, *lifetime_s)))
            }
        }
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        match (ask.challenge(), ask.answer()) {
            (Some(Challenge::Code(sent)), _) => self.codes(&ask.enrolment().address).verdict(&ask, Some(sent)),
            (Some(Challenge::Link { expires_at_ms }), _) if ask.now() > *expires_at_ms => {
                Ok(Verdict::rejected("link_expired"))
            }
            (Some(Challenge::Link { .. }), Answer::Link) => Ok(Verdict::accepted()),
            (Some(Challenge::Link { .. }), Answer::Form { .. } | Answer::Poll) => Ok(Verdict::pending(POLL_AGAIN_MS)),
            (None, _) => Ok(Verdict::rejected("invalid_code")),
        }
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        Ok(Overview::new(Text::new("goes_to").with("target", mask(&ask.enrolment().address))))
    }
}

impl Email {
    fn codes<'a>(&'a self, address: &'a str) -> SentCodeSteps<'a> {
        SentCodeSteps::new(&self.config.channel, address, self.config.lifetime_s)
    }

    fn address_form(&self, ask: &SetupCall<'_, Self>) -> Form {
        let form = Form::new().email("email").label("address").help("address_help");
        let former = ask.replaces().map(|enrolment| enrolment.address.as_str());
        match former.or_else(|| ask.user().address_for(&self.config.channel, TargetKind::Email)) {
            Some(address) => form.default_value(address),
            None => form,
        }
    }
}

mfa_sdk::export_module!(Email, texts = "texts/");
