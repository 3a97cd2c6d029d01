//! Codes to print and keep for the day the other factor is lost: each right once, kept as a slow hash.
#![forbid(unsafe_code)]

mod batch;
mod config;
#[cfg(test)]
mod tests;

use batch::Batch;
use config::{Config, LENGTH_MAX};
use mfa_sdk::prelude::*;

struct BackupCodes {
    config: Config,
}

#[derive(Form)]
struct SavedInput {
    saved: bool,
}

#[derive(Form)]
struct CodeInput {
    #[form(code = 32)]
    code: String,
}

impl MfaModule for BackupCodes {
    type Config = Config;
    type Enrolment = Batch;
    type Challenge = Nothing;
    type SetupState = Batch;

    fn describe() -> Description {
        Description::new("backup_codes", "Backup codes", Kind::Possession)
            .amr(["otp"])
            .recovery(true)
            .fixed_step(true)
            .retries_max(5)
            .setup_message("setup_message")
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    /// Takes codes of any length there may ever have been: a changed configuration strands nobody.
    fn input_schema(&self) -> Form {
        Form::new().code("code", LENGTH_MAX).label("code").help("code_help")
    }

    /// A batch on its own; as a rule the host asks for one with `issue`.
    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        let saved = |form: Form| form.boolean("saved").label("saved");
        let Some(batch) = ask.state() else {
            let (batch, codes) = Batch::new(&self.config, &ask)?;
            let form = Form::new().title("setup_title").sentence("keep").codes("codes", codes);
            return Ok(SetupStep::form(saved(form), batch));
        };
        let SavedInput { saved: is_saved } = ask.input()?;
        Ok(match is_saved {
            true => SetupStep::done(batch.clone()),
            // Nobody has the codes any more but the reader of the first answer.
            false => SetupStep::again(saved(Form::new().sentence("shown_once")), "not_saved"),
        })
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
