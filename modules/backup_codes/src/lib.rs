//! Codes to print and keep for the day the other factor is lost: each right once, kept as a slow hash.
#![forbid(unsafe_code)]

mod batch;
mod config;
#[cfg(test)]
mod tests;

use batch::Batch;
use config::{Config, LENGTH_MAX, LENGTH_MIN};
use mfa_sdk::prelude::*;

struct BackupCodes {
    config: Config,
}

#[derive(Form)]
struct CodeInput {
    #[form(code(10, 32))]
    code: String,
}

impl MfaModule for BackupCodes {
    type Config = Config;
    type Enrolment = Batch;
    type Challenge = Nothing;
    type SetupState = Nothing;

    fn describe() -> Description {
        Description::new("backup_codes", "Backup codes", Kind::Possession)
            .amr(["otp"])
            .recovery(true)
            .stamp("backup_code")
            .fixed_step(true)
            .retries_max(5)
            .setup_message("setup_message")
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    /// Takes codes of any length there may ever have been: a changed configuration strands nobody. A shorter code was
    /// meant for another factor.
    fn input_schema(&self) -> Form {
        Form::new().code_between("code", LENGTH_MIN, LENGTH_MAX).label("code").help("code_help")
    }

    /// There is one way to codes: the host asks for them with `issue`, shows them once and keeps them inert until the
    /// user has saved them.
    fn setup_flow(&self, _: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        Err(ModuleError::Unsupported)
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let Answer::Form { .. } = ask.answer() else { return Ok(Verdict::rejected("invalid_code")) };
        let CodeInput { code } = ask.input()?;
        let Some(rest) = ask.enrolment().without(&code)? else { return Ok(Verdict::rejected("invalid_code")) };
        let left = rest.left();
        let verdict = Verdict::accepted_with(rest);
        Ok(if self.config.is_low(left) { verdict.with_advice(left_text(left)) } else { verdict })
    }

    fn issue(&self, ask: IssueCall<'_>) -> Result<Issued<Self>, ModuleError> {
        let (enrolment, codes) = Batch::new(&self.config, &ask)?;
        Ok(Issued { enrolment, codes })
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        let left = ask.enrolment().left();
        let total = ask.enrolment().issued;
        let summary = Text::new("left_of").with("count", left).with("total", total);
        Ok(Overview::new(summary).low(self.config.is_low(left)))
    }
}

fn left_text(left: usize) -> Text {
    match left {
        0 => Text::new("none_left"),
        1 => Text::new("one_left"),
        several => Text::new("few_left").with("count", several),
    }
}

mfa_sdk::export_module!(BackupCodes, texts = "texts/");
