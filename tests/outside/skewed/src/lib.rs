//! One module, built twice: against an older SDK than the host's and against a newer one. `xtask` makes both SDKs out
//! of the present one, in a copy, and the manifests with them.
//!
//! What the newer build reads of the older one's enrolments it takes over; the word `panic` in one is its undoing.

use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skewed {}

#[cfg(not(feature = "newer"))]
#[derive(Serialize, Deserialize)]
struct Enrolment {
    word: String,
}

#[cfg(feature = "newer")]
#[derive(Serialize, Deserialize)]
struct Enrolment {
    words: Vec<String>,
}

#[derive(Form)]
struct WordForm {
    #[form(text = 64)]
    word: String,
}

impl Enrolment {
    #[cfg(not(feature = "newer"))]
    fn of(word: String) -> Self {
        Self { word }
    }

    #[cfg(feature = "newer")]
    fn of(word: String) -> Self {
        Self { words: vec![word] }
    }

    #[cfg(not(feature = "newer"))]
    fn has(&self, word: &str) -> bool {
        self.word == word
    }

    #[cfg(feature = "newer")]
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }
}

impl MfaModule for Skewed {
    type Config = Self;
    type Enrolment = Enrolment;
    type Challenge = Nothing;
    type SetupState = Nothing;
    const ENROLMENT_VERSION: u32 = if cfg!(feature = "newer") { 2 } else { 1 };

    fn describe() -> Description {
        Description::new("skewed", "Skewed", Kind::Knowledge)
    }

    fn new(config: Self) -> Result<Self, ConfigError> {
        Ok(config)
    }

    fn input_schema(&self) -> Form {
        WordForm::form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        if !ask.has_input() {
            return Ok(SetupStep::form(WordForm::form(), Nothing {}));
        }
        let WordForm { word } = ask.input()?;
        Ok(SetupStep::done(Enrolment::of(word)))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let WordForm { word } = ask.input()?;
        Ok(if ask.enrolment().has(&word) { Verdict::accepted() } else { Verdict::rejected("invalid_code") })
    }

    fn depose(&self, _ask: DeposeCall<'_, Self>) -> Result<(), ModuleError> {
        // Reached only where this build's SDK knows the operation.
        eprintln!("took leave of an enrolment");
        Ok(())
    }

    #[cfg(feature = "newer")]
    fn migrate(from: u32, data: Value) -> Result<Enrolment, ModuleError> {
        match (from, data["word"].as_str()) {
            (1, Some("panic")) => panic!("asked to panic in migrate"),
            (1, Some(word)) => Ok(Enrolment::of(word.to_owned())),
            _ => Err(ModuleError::failed("not an enrolment of version 1")),
        }
    }
}

mfa_sdk::export_module!(Skewed, texts = "texts/");
