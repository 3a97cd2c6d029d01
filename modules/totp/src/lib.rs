//! Codes from an authenticator app: TOTP (RFC 6238) with a bar against replay.
#![forbid(unsafe_code)]

mod authenticator;
mod config;
#[cfg(test)]
mod tests;

use authenticator::Authenticator;
use config::Config;
use mfa_sdk::{key_uri::SharedSecret, prelude::*};
use serde::{Deserialize, Serialize};

struct Totp {
    config: Config,
}

/// What one user set up. The parameters are those of the day of the set-up: the app goes on with them, so a changed
/// configuration must not strand anybody.
#[derive(Clone, Serialize, Deserialize)]
struct Enrolment {
    #[serde(flatten)]
    authenticator: Authenticator,
    /// The newest time step whose code was accepted. It and all before it are refused from then on.
    last_step: u64,
}

#[derive(Form)]
struct Input {
    #[form(digits(6, 8))]
    code: String,
}

impl MfaModule for Totp {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = Nothing;
    type SetupState = Authenticator;

    fn describe() -> Description {
        Description::new("totp", "Authenticator app", Kind::Possession).amr(["otp"]).retries_max(5)
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    fn input_schema(&self) -> Form {
        code_form(Form::new(), self.config.digits, self.config.period_s)
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        let Some(authenticator) = ask.state() else {
            let authenticator = Authenticator {
                secret: SharedSecret::new(&ask.random()),
                algorithm: self.config.algorithm,
                digits: self.config.digits,
                period_s: self.config.period_s,
            };
            return Ok(SetupStep::form(self.setup_form(&authenticator, &ask), authenticator));
        };
        let form = self.setup_form(authenticator, &ask);
        if !ask.has_input() {
            return Ok(SetupStep::form(form, authenticator.clone()));
        }
        let Input { code } = ask.input()?;
        Ok(match authenticator.matching_step(&code, ask.now(), self.config.window) {
            // The code that proves the set-up is used up by it: `last_step` refuses it at the first login.
            Some(step) => SetupStep::done(Enrolment { authenticator: authenticator.clone(), last_step: step }),
            None => match authenticator.clock_ahead_ms(&code, ask.now()) {
                Some(ahead_ms) => SetupStep::again(form, "clock_differs").with_error_text(clock_differs(ahead_ms)),
                None => SetupStep::again(form, "invalid_code"),
            },
        })
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let Authenticator { digits, period_s, .. } = ask.enrolment().authenticator;
        Ok(Login::form(code_form(Form::new(), digits, period_s)))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let Enrolment { authenticator, last_step } = ask.enrolment();
        let Input { code } = ask.input()?;
        let window = self.config.window;
        // What was accepted before the host's records were put back, `last_step` does not know.
        let forgotten = ask.restored_at().map_or(0, |moment| authenticator.newest_step_at(moment, window));
        let used = forgotten.max(*last_step);
        Ok(match authenticator.matching_step(&code, ask.now(), window) {
            Some(step) if step > used => {
                Verdict::accepted_with(Enrolment { authenticator: authenticator.clone(), last_step: step })
            }
            Some(_) => Verdict::rejected("code_used"),
            // Never `clock_differs` here: it would try each guess against two days of codes instead of three, and say
            // of a hit when it will be right. In a set-up the answer goes to somebody who was just shown the secret.
            None => Verdict::rejected("invalid_code"),
        })
    }
}

impl Totp {
    fn setup_form(&self, authenticator: &Authenticator, ask: &SetupCall<'_, Self>) -> Form {
        let issuer = self.config.issuer.as_deref().unwrap_or(ask.host_name());
        let uri = authenticator.key_uri(issuer, &ask.user().name);
        let form = uri.shown(Form::new().title("setup_title").sentence("scan"), "key");
        code_form(form, authenticator.digits, authenticator.period_s)
    }
}

/// By how much, and in which direction: `ahead` or `behind`.
fn clock_differs(ahead_ms: i64) -> Text {
    let minutes = (ahead_ms.unsigned_abs() + 30_000) / 60_000;
    let direction = if ahead_ms > 0 { "ahead" } else { "behind" };
    let sentence = match (minutes, ahead_ms > 0) {
        (0 | 1, true) => "clock_ahead_one",
        (0 | 1, false) => "clock_behind_one",
        (_, true) => "clock_ahead",
        (_, false) => "clock_behind",
    };
    Text::new(sentence).with("minutes", minutes.max(1)).with("direction", direction)
}

fn code_form(form: Form, digits: u8, period_s: u64) -> Form {
    let help = Text::new("code_help").with("digits", digits).with("period", period_s);
    form.digits("code", usize::from(digits)).label("code").help(help)
}

mfa_sdk::export_module!(Totp, texts = "texts/");
