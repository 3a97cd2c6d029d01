//! A PIN that is known by heart, kept as an argon2id hash.
#![forbid(unsafe_code)]

mod config;
mod hash;
mod simple;
#[cfg(test)]
mod tests;

use config::{Config, LENGTH_MAX, LENGTH_MIN};
use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

struct Pin {
    config: Config,
}

/// A PHC string: parameters, salt and hash. It has no `Debug`.
#[derive(Serialize, Deserialize)]
struct Enrolment {
    hash: String,
}

#[derive(Form)]
struct Input {
    #[form(digits(4, 32))]
    pin: String,
}

impl MfaModule for Pin {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = Nothing;
    type SetupState = Nothing;

    fn describe() -> Description {
        Description::new("pin", "PIN", Kind::Knowledge)
            .amr(["pin"])
            .fixed_step(true)
            .retries_max(5)
            .setup_message("setup_message")
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    /// Takes any length there may ever have been: a changed configuration strands nobody.
    fn input_schema(&self) -> Form {
        Form::new().digits_between("pin", LENGTH_MIN, LENGTH_MAX).masked().label("pin")
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        if !ask.has_input() {
            return Ok(SetupStep::form(self.setup_form(), Nothing {}));
        }
        let Input { pin } = ask.input()?;
        if simple::is_too_simple(&pin) || self.config.blocks(&pin) {
            return Ok(SetupStep::again(self.setup_form(), "too_simple"));
        }
        Ok(SetupStep::done(Enrolment { hash: hash::of(&pin, &ask.random().bytes())? }))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let Answer::Form { .. } = ask.answer() else { return Ok(Verdict::rejected("invalid_code")) };
        let Input { pin } = ask.input()?;
        let right = hash::is_of(&pin, &ask.enrolment().hash)?;
        Ok(if right { Verdict::accepted() } else { Verdict::rejected("invalid_code") })
    }
}

impl Pin {
    fn setup_form(&self) -> Form {
        let Config { length_min, length_max, .. } = self.config;
        let help = match length_min == length_max {
            true => Text::new("pin_help_exact").with("digits", length_min),
            false => Text::new("pin_help").with("least", length_min).with("most", length_max),
        };
        Form::new().digits_between("pin", length_min, length_max).masked().label("new_pin").help(help)
    }
}

mfa_sdk::export_module!(Pin, texts = "texts/");
