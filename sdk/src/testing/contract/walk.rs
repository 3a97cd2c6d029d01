//! One whole life of a module: set up, a login, a wrong and a right answer, a look, an end; every request and reply.

use serde_json::Value;

use super::{Contract, Given};
use crate::{
    adapter::Package,
    protocol::{Answer, Context, Enrolment},
    testing::{Bench, Failure, Outcome},
};

/// What was said on the way, and how the bench was left.
pub(super) struct Walk {
    context: Context,
    calls: u64,
    enrolment: Option<Enrolment>,
    pub(super) given: Given,
    pub(super) exchanges: Vec<Exchange>,
    /// Which exchange let the user in.
    pub(super) accepted: usize,
}

/// One call.
pub(super) struct Exchange {
    pub(super) request: Value,
    pub(super) request_text: String,
    pub(super) reply: Value,
    pub(super) reply_text: String,
}

impl Exchange {
    pub(super) fn operation(&self) -> &str {
        self.request["operation"].as_str().unwrap_or_default()
    }
}

impl<M: Package> Bench<M> {
    /// Answers the login step that is shown.
    pub(super) fn give(&mut self, given: &Given) -> Result<Outcome, Failure> {
        match given {
            Given::Fields(fields) => self.answer(fields.clone()),
            Given::Link => self.follow_link(),
        }
    }

    /// Answers past the host's check of input.
    pub(super) fn give_raw(&mut self, answer: Answer) -> Result<Outcome, Failure> {
        self.validate(answer)
    }
}

impl<M: Package, S> Contract<M, S> {
    /// The walk, and a bench as it was left.
    pub(super) fn walked(&self) -> Result<(&Walk, Bench<M>), String> {
        let walk = self.walk.get_or_init(|| self.walk()).as_ref().map_err(Clone::clone)?;
        let mut bench = self.bench()?;
        bench.context = walk.context.clone();
        bench.calls = walk.calls;
        bench.enrolment.clone_from(&walk.enrolment);
        Ok((walk, bench))
    }

    fn walk(&self) -> Result<Walk, String> {
        let (mut bench, mut hand) = self.shown()?;
        let told = |what: &str, failure: Failure| format!("{what}: {failure}");
        let wrong = self.wrong_answer(&mut bench, &mut hand);
        bench.answer(wrong).map_err(|failure| told("the wrong answer", failure))?;
        // A module may take one guess for each login.
        bench.login().map_err(|failure| told("the login after a wrong answer", failure))?;
        let given = self.right_answer(&mut bench, &mut hand);
        match bench.give(&given).map_err(|failure| told("the right answer", failure))? {
            Outcome::Accepted => {}
            other => return Err(format!("the right answer was answered {other:?}")),
        }
        let accepted = bench.exchanges.as_ref().map_or(0, Vec::len).saturating_sub(1);
        bench.login().map_err(|failure| told("the second login", failure))?;
        bench.overview().map_err(|failure| told("the overview", failure))?;
        let enrolment = bench.enrolment.clone();
        bench.depose().map_err(|failure| told("the end", failure))?;
        bench.enrolment = enrolment;
        let read = |text: &str| serde_json::from_str(text).map_err(|error| format!("a call is no JSON: {error}"));
        let exchanges = bench.exchanges.take().unwrap_or_default().into_iter().map(|(request_text, reply_text)| {
            Ok(Exchange { request: read(&request_text)?, reply: read(&reply_text)?, request_text, reply_text })
        });
        let exchanges = exchanges.collect::<Result<_, String>>()?;
        let Bench { context, calls, enrolment, .. } = bench;
        Ok(Walk { context, calls, enrolment, given, exchanges, accepted })
    }
}

/// A call that must not be "yes", nor a panic, nor no reply at all.
pub(super) fn no(what: &str, outcome: Result<Outcome, Failure>) -> Result<(), String> {
    match outcome {
        Ok(Outcome::Accepted) => Err(format!("{what} is accepted")),
        Ok(_) | Err(Failure::Unsupported | Failure::OutOfOrder(_)) => Ok(()),
        Err(Failure::Failed(message)) if message.starts_with("panicked") => Err(format!("{what}: {message}")),
        Err(Failure::Failed(_)) => Ok(()),
        Err(failure) => Err(format!("{what}: {failure}")),
    }
}

/// What sort of JSON it is.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
