//! A login step that waits: nothing has to be typed, and some time after it was shown it goes on by itself. The word
//! typed at set-up says how: `accept` lets in ten seconds later, `refuse` says no to every question, anything else waits
//! for ever. Who does not want to wait may type `now`.

use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

const ACCEPTED_AFTER_MS: i64 = 10_000;
const RETRY_AFTER_MS: u64 = 3000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {}

#[derive(Serialize, Deserialize)]
struct Enrolment {
    word: String,
}

#[derive(Serialize, Deserialize)]
struct Challenge {
    shown_at_ms: i64,
}

#[derive(Form)]
struct WordForm {
    #[form(text = 64)]
    word: String,
}

#[derive(Form)]
struct WaitForm {
    #[form(text = 64)]
    word: Option<String>,
}

impl MfaModule for Waiting {
    type Config = Self;
    type Enrolment = Enrolment;
    type Challenge = Challenge;
    type SetupState = Nothing;

    fn describe() -> Description {
        Description::new("waiting", "Waiting", Kind::Possession).retries_max(0)
    }

    fn new(config: Self) -> Result<Self, ConfigError> {
        Ok(config)
    }

    fn input_schema(&self) -> Form {
        WaitForm::form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        if !ask.has_input() {
            return Ok(SetupStep::form(WordForm::form(), Nothing {}));
        }
        let WordForm { word } = ask.input()?;
        Ok(SetupStep::done(Enrolment { word }))
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        Ok(Login::form(WaitForm::form()).with_challenge(Challenge { shown_at_ms: ask.now() }))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        if let Answer::Form { .. } = ask.answer() {
            let WaitForm { word } = ask.input()?;
            let right = word.as_deref() == Some("now");
            return Ok(if right { Verdict::accepted() } else { Verdict::rejected("invalid_code") });
        }
        // A test counts these lines: each is one question that reached the module.
        eprintln!("asked whether it may go on");
        let shown_at_ms = ask.challenge().map_or(i64::MAX, |challenge| challenge.shown_at_ms);
        Ok(match ask.enrolment().word.as_str() {
            "accept" if ask.now() >= shown_at_ms.saturating_add(ACCEPTED_AFTER_MS) => Verdict::accepted(),
            "refuse" => Verdict::rejected("refused"),
            _ => Verdict::pending(RETRY_AFTER_MS),
        })
    }
}

mfa_sdk::export_module!(Waiting, texts = "texts/");
