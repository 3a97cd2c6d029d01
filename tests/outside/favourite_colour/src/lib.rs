//! A question and its answer: two steps of set-up, one step of login. Security questions are a weak factor; this
//! module is here because it is not the host's own.
#![forbid(unsafe_code)]

use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FavouriteColour {
    /// Shortest answer, in characters: 1 to 100.
    answer_length_min: usize,
}

impl Default for FavouriteColour {
    fn default() -> Self {
        Self { answer_length_min: 3 }
    }
}

/// The question is kept as its text key, so that it is asked in the reader's language.
#[derive(Serialize, Deserialize)]
struct Enrolment {
    question: String,
    answer: String,
}

#[derive(Serialize, Deserialize)]
enum Setup {
    AskedWhich,
    Asked { question: String },
}

#[derive(Form)]
struct QuestionForm {
    #[form(select("colour", "pet"), label = "question", help = "question_help")]
    question: String,
}

#[derive(Form)]
struct AnswerForm {
    #[form(text = 100, label = "answer")]
    answer: String,
}

impl MfaModule for FavouriteColour {
    type Config = Self;
    type Enrolment = Enrolment;
    type Challenge = Nothing;
    type SetupState = Setup;

    fn describe() -> Description {
        Description::new("favourite_colour", "Favourite colour", Kind::Knowledge).amr(["kba"])
    }

    fn new(config: Self) -> Result<Self, ConfigError> {
        match config.answer_length_min {
            1..=100 => Ok(config),
            _ => Err(ConfigError::new("answer_length_min", "must be 1 to 100")),
        }
    }

    fn input_schema(&self) -> Form {
        AnswerForm::form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        match ask.state() {
            None => {
                let form = QuestionForm::form().title("questions_title");
                // A module that sends would offer these; this one only says that it was told them.
                let known: Vec<&str> = ask.user().addresses.values().flatten().map(String::as_str).collect();
                let form = match known.is_empty() {
                    true => form,
                    false => form.sentence(Text::new("known_addresses").with("addresses", known.join(" "))),
                };
                Ok(SetupStep::form(form, Setup::AskedWhich))
            }
            Some(Setup::AskedWhich) => {
                let QuestionForm { question } = ask.input()?;
                Ok(SetupStep::form(answer_form(&question), Setup::Asked { question }))
            }
            Some(Setup::Asked { question }) => {
                let AnswerForm { answer } = ask.input()?;
                let answer = normalised(&answer);
                if answer.chars().count() < self.answer_length_min {
                    return Ok(SetupStep::again(answer_form(question), "too_short"));
                }
                Ok(SetupStep::done(Enrolment { question: question.clone(), answer }))
            }
        }
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        Ok(Login::form(answer_form(&ask.enrolment().question)))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let AnswerForm { answer } = ask.input()?;
        let right = equal_in_constant_time(&ask.enrolment().answer, normalised(&answer));
        Ok(if right { Verdict::accepted() } else { Verdict::rejected("invalid_code") })
    }
}

fn answer_form(question: &str) -> Form {
    AnswerForm::form().sentence(Text::new(format!("question_{question}")))
}

/// Case and the width of spaces do not matter.
fn normalised(answer: &str) -> String {
    answer.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

mfa_sdk::export_module!(FavouriteColour, texts = "texts/");

#[cfg(test)]
mod tests {
    use mfa_sdk::testing::{Bench, Outcome, SetupOutcome, contract::Contract};

    use super::*;

    #[test]
    fn the_contract_holds() {
        Contract::<FavouriteColour>::new(json!({}))
            .setup(|bench| {
                bench.begin_setup().unwrap();
                bench.fill(json!({ "question": "colour" })).unwrap();
                bench.fill(json!({ "answer": "Dark Green" })).unwrap();
            })
            .right(|_, ()| json!({ "answer": "dark green" }))
            .wrong(|_, ()| json!({ "answer": "blue" }))
            .check();
    }

    #[test]
    fn two_steps_of_set_up_and_one_of_login() {
        let mut bench = Bench::<FavouriteColour>::new(json!({})).unwrap();
        bench.begin_setup().unwrap();
        bench.fill(json!({ "question": "colour" })).unwrap();
        assert_eq!(bench.fill(json!({ "answer": "x" })).unwrap().error(), Some("too_short"));
        assert_eq!(bench.fill(json!({ "answer": "Dark  Green" })).unwrap(), SetupOutcome::Done);
        let shown = bench.login().unwrap().form;
        assert_eq!(shown.blocks, [Block::Text { text: "question_colour".into() }]);
        assert_eq!(bench.answer(json!({ "answer": "blue" })).unwrap(), Outcome::rejected("invalid_code"));
        assert_eq!(bench.answer(json!({ "answer": "dark green" })).unwrap(), Outcome::Accepted);
    }
}
