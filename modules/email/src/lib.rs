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

#[derive(Form)]
struct CodeInput {
    #[form(digits = 6)]
    code: String,
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
            Mode::Code => self.code_form(Form::new()),
            Mode::Link => Form::new(),
        }
    }

    fn code_times(&self) -> Option<CodeTimes> {
        Some(CodeTimes { period_s: self.config.lifetime_s, window: 0 })
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        match ask.state() {
            None => Ok(SetupStep::form(self.address_form(&ask), Setup::Address)),
            Some(Setup::Address) => {
                let AddressInput { email } = ask.input()?;
                self.ask_for_code(&ask, email, "sent")
            }
            Some(Setup::Code { address, sent }) => {
                let CodeInput { code } = ask.input()?;
                match sent.check(&ask, &["setup", address], &code)? {
                    Checked::Right => Ok(SetupStep::done(Enrolment { address: address.clone() })),
                    Checked::Wrong => Ok(SetupStep::again(self.sent_form("sent", address), "invalid_code")),
                    // Nothing else in a set-up sends again, so the next code goes out by itself.
                    Checked::Expired => {
                        let step = self.ask_for_code(&ask, address.clone(), "sent_again")?;
                        Ok(step.with_error("code_expired"))
                    }
                }
            }
        }
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let Enrolment { address } = ask.enrolment();
        let lifetime_s = self.config.lifetime_s;
        match self.config.mode {
            Mode::Code => {
                let (sent, code) = SentCode::new(&ask, &["login", address], lifetime_s)?;
                let message = Message::code(&self.config.channel, address, code, lifetime_s);
                let login = Login::form(self.sent_form("sent", address)).with_challenge(Challenge::Code(sent));
                Ok(login.with_message(message))
            }
            Mode::Link => {
                let form = Form::new().sentence(Text::new("link_sent").with("target", mask(address)));
                let expires_at_ms = ask.now().saturating_add(i64::from(lifetime_s) * 1000);
                let login = Login::form(form).with_challenge(Challenge::Link { expires_at_ms });
                Ok(login.with_message(Message::link(&self.config.channel, address, lifetime_s)))
            }
        }
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        match (ask.challenge(), ask.answer()) {
            (Some(Challenge::Code(sent)), Answer::Form { .. }) => {
                let CodeInput { code } = ask.input()?;
                Ok(match sent.check(&ask, &["login", &ask.enrolment().address], &code)? {
                    Checked::Right => Verdict::accepted(),
                    Checked::Wrong => Verdict::rejected("invalid_code"),
                    Checked::Expired => Verdict::rejected("code_expired"),
                })
            }
            (Some(Challenge::Link { expires_at_ms }), _) if ask.now() > *expires_at_ms => {
                Ok(Verdict::rejected("link_expired"))
            }
            (Some(Challenge::Link { .. }), Answer::Link) => Ok(Verdict::accepted()),
            (Some(Challenge::Link { .. }), Answer::Form { .. } | Answer::Poll) => Ok(Verdict::pending(POLL_AGAIN_MS)),
            (Some(Challenge::Code(_)), Answer::Link | Answer::Poll) | (None, _) => {
                Ok(Verdict::rejected("invalid_code"))
            }
        }
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        Ok(Overview::new(Text::new("goes_to").with("target", mask(&ask.enrolment().address))))
    }
}

impl Email {
    fn ask_for_code(
        &self,
        ask: &SetupCall<'_, Self>,
        address: String,
        sentence: &str,
    ) -> Result<SetupStep<Self>, ModuleError> {
        let Config { channel, lifetime_s, .. } = &self.config;
        let (sent, code) = SentCode::new(ask, &["setup", &address], *lifetime_s)?;
        let message = Message::code(channel, &address, code, *lifetime_s);
        let form = self.sent_form(sentence, &address);
        Ok(SetupStep::form(form, Setup::Code { address, sent }).with_message(message))
    }

    fn address_form(&self, ask: &SetupCall<'_, Self>) -> Form {
        let form = Form::new().email("email").label("address").help("address_help");
        let addresses = &ask.user().addresses;
        let proved = addresses.get(&self.config.channel).or_else(|| addresses.get("email"));
        let former = ask.replaces().map(|enrolment| &enrolment.address);
        match former.or_else(|| proved?.first()) {
            Some(address) => form.default_value(address.as_str()),
            None => form,
        }
    }

    fn sent_form(&self, sentence: &str, address: &str) -> Form {
        self.code_form(Form::new().sentence(Text::new(sentence).with("target", mask(address))))
    }

    fn code_form(&self, form: Form) -> Form {
        form.digits("code", mfa_sdk::sent_code::CODE_DIGITS)
            .label("code")
            .help(Text::new("code_help").with("minutes", self.config.lifetime_s / 60))
    }
}

mfa_sdk::export_module!(Email, texts = "texts/");
