//! INSECURE ON PURPOSE: a PIN that is kept and compared as plain text. It shows how small a module can be; copy this
//! folder to begin one of your own, and never let it guard anybody.
#![forbid(unsafe_code)]

use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The module is its own configuration: there is nothing to configure, and unknown keys are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InsecureExample {}

/// What the host keeps for one user. A module for real users keeps a slow, salted hash instead of the PIN.
#[derive(Serialize, Deserialize)]
struct Enrolment {
    pin: String,
}

/// What is typed at set-up and at each login.
#[derive(Form)]
struct Input {
    #[form(digits(4, 12), masked, label = "pin", help = "pin_help")]
    pin: String,
}

impl OneForm for InsecureExample {
    type Enrolment = Enrolment;
    type Input = Input;

    fn describe() -> Description {
        Description::new("insecure_example", "Insecure example (PIN)", Kind::Knowledge).amr(["pin"])
    }

    fn enrol(&self, input: Input) -> Result<Enrolment, Refusal> {
        Ok(Enrolment { pin: input.pin })
    }

    fn verify(&self, enrolment: &Enrolment, input: Input) -> bool {
        equal_in_constant_time(&enrolment.pin, &input.pin)
    }
}

mfa_sdk::export_module!(InsecureExample, texts = "texts/");

#[cfg(test)]
mod tests;
