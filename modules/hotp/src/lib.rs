//! Codes from a counter: HOTP (RFC 4226), for tokens with a button and apps that count.
#![forbid(unsafe_code)]

mod config;
#[cfg(test)]
mod tests;
mod token;

use config::Config;
use mfa_sdk::{key_uri::SharedSecret, prelude::*};
use serde::{Deserialize, Serialize};
use token::Token;

struct Hotp {
    config: Config,
}

/// What one user set up.
#[derive(Serialize, Deserialize)]
struct Enrolment {
    #[serde(flatten)]
    token: Token,
    /// The first counter whose code is right. It only grows.
    counter: u64,
}

/// A code of the wider window came; the next one proves that it was no guess.
#[derive(Serialize, Deserialize)]
struct RanAhead {
    /// The counters whose code it was.
    at: Vec<u64>,
}

#[derive(Form)]
struct Input {
    #[form(digits(6, 8))]
    code: String,
}

impl MfaModule for Hotp {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = RanAhead;
    type SetupState = Token;

    fn describe() -> Description {
        Description::new("hotp", "Token with a button", Kind::Possession).amr(["otp"]).retries_max(5)
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    fn input_schema(&self) -> Form {
        code_form(Form::new(), self.config.digits)
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        let Some(token) = ask.state() else {
            let secret = SharedSecret::new(&ask.random());
            let token = Token { secret, digits: self.config.digits };
            return Ok(SetupStep::form(self.setup_form(&token, &ask), token));
        };
        let Input { code } = ask.input()?;
        let matching = token.matching(&code, 0..=u64::from(self.config.look_ahead));
        Ok(match matching.first() {
            // The code that proves the set-up is used up by it.
            Some(counter) => SetupStep::done(Enrolment { token: token.clone(), counter: counter + 1 }),
            None => SetupStep::again(self.setup_form(token, &ask), "invalid_code"),
        })
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        Ok(Login::form(code_form(Form::new(), ask.enrolment().token.digits)))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let Answer::Form { .. } = ask.answer() else { return Ok(Verdict::rejected("invalid_code")) };
        let Input { code } = ask.input()?;
        let Enrolment { token, counter } = ask.enrolment();
        let expected = self.config.expected(*counter);
        let accepted = |used: u64| {
            let counter = used.checked_add(1).ok_or_else(|| ModuleError::failed("the counter is at its end"))?;
            Ok(Verdict::accepted_with(Enrolment { token: token.clone(), counter }))
        };
        // The first that matches, so that a token is never taken to have run further than it has.
        if let Some(used) = token.matching(&code, expected).first() {
            return accepted(*used);
        }
        let former = ask.challenge().map_or(&[][..], |ran_ahead| &ran_ahead.at);
        let next = former.iter().filter(|at| *at >= counter).filter_map(|at| at.checked_add(1));
        if let Some(used) = next.filter(|next| !token.matching(&code, *next..=*next).is_empty()).min() {
            return accepted(used);
        }
        let at = token.matching(&code, self.config.beyond(*counter));
        let error = if at.is_empty() { "invalid_code" } else { "ran_ahead" };
        Ok(Verdict::rejected(error).with_challenge(RanAhead { at }))
    }
}

impl Hotp {
    fn setup_form(&self, token: &Token, ask: &SetupCall<'_, Self>) -> Form {
        let issuer = self.config.issuer.as_deref().unwrap_or(ask.host_name());
        let uri = token.key_uri(issuer, &ask.user().name);
        let form = uri.shown(Form::new().title("setup_title").sentence("scan"), "key");
        code_form(form, token.digits)
    }
}

fn code_form(form: Form, digits: u8) -> Form {
    form.digits("code", usize::from(digits)).label("code").help(Text::new("code_help").with("digits", digits))
}

mfa_sdk::export_module!(Hotp, texts = "texts/");
