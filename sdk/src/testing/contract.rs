//! The rules every module obeys, to be run on a module of one's own.
//!
//! ```
//! # use mfa_sdk::prelude::*;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Deserialize)] #[serde(deny_unknown_fields)] struct Colour {}
//! # #[derive(Serialize, Deserialize)] struct Kept { colour: String }
//! # #[derive(Form)] struct Input { colour: String }
//! # impl OneForm for Colour {
//! #     type Enrolment = Kept;
//! #     type Input = Input;
//! #     fn describe() -> Description { Description::new("colour", "Colour", Kind::Knowledge) }
//! #     fn enrol(&self, input: Input) -> Result<Kept, Refusal> { Ok(Kept { colour: input.colour }) }
//! #     fn verify(&self, kept: &Kept, input: Input) -> bool { equal_in_constant_time(&kept.colour, &input.colour) }
//! # }
//! # impl mfa_sdk::adapter::Package for Colour {
//! #     const VERSION: &'static str = "1.0.0";
//! #     const LICENSE: &'static str = "MIT";
//! #     const TEXTS: &'static [(&'static str, &'static [(&'static str, &'static str)])] =
//! #         &[("en", &[("invalid_code", "Not that colour.")])];
//! # }
//! use mfa_sdk::testing::contract::Contract;
//!
//! Contract::<Colour>::new(json!({}))
//!     .setup(|bench| {
//!         bench.begin_setup().unwrap();
//!         bench.fill(json!({ "colour": "teal" })).unwrap();
//!     })
//!     .right(|_, ()| json!({ "colour": "teal" }))
//!     .wrong(|_, ()| json!({ "colour": "plum" }))
//!     .check();
//! ```
//!
//! [`setup`](Contract::setup) may return what the user has in hand from then on: the secret an app has scanned, the
//! codes that were printed. `right` and `wrong` get it with the bench, whose login step is shown at that moment; a
//! module that sends finds its code in [`Bench::code_sent`]. A step that is passed by a link answers
//! [`Given::Link`] in place of fields.
//!
//! The rules are run on benches of their own, again and again, so the three must not depend on what was before.

mod calls;
mod claims;
mod guesses;
mod messages;
mod records;
mod sent_codes;
mod setups;
mod walk;
mod words;

use std::{cell::OnceCell, collections::BTreeMap};

use serde_json::Value;

use self::walk::Walk;
use super::Bench;
use crate::adapter::Package;

/// A right answer to the login step that is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// The form, filled in.
    Fields(Value),
    /// The link of the message, followed and confirmed.
    Link,
}

impl From<Value> for Given {
    fn from(fields: Value) -> Self {
        Self::Fields(fields)
    }
}

type Prepare<M> = Box<dyn Fn(&mut Bench<M>)>;
type SetUp<M, S> = Box<dyn Fn(&mut Bench<M>) -> S>;
type Answering<M, S, G> = Box<dyn Fn(&mut Bench<M>, &mut S) -> G>;

/// The rules, and how to get a module through its life. See the [module](self).
pub struct Contract<M: Package, S = ()> {
    config: Value,
    prepare: Prepare<M>,
    setup: Option<SetUp<M, S>>,
    right: Option<Answering<M, S, Given>>,
    wrong: Option<Answering<M, S, Value>>,
    /// Enrolments as older builds wrote them, by version.
    older: BTreeMap<u32, Value>,
    /// Walked once: a call may cost a slow hash, and most rules look at the same walk.
    walk: OnceCell<Result<Walk, String>>,
}

impl<M: Package> Contract<M> {
    /// The module with this configuration.
    pub fn new(config: Value) -> Self {
        Self {
            config,
            prepare: Box::new(|_| ()),
            setup: None,
            right: None,
            wrong: None,
            older: BTreeMap::new(),
            walk: OnceCell::new(),
        }
    }

    /// What each bench is given first: channels, a user with addresses.
    #[must_use]
    pub fn prepare(mut self, prepare: impl Fn(&mut Bench<M>) + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// Sets the module up, and returns what its user has in hand from then on.
    #[must_use]
    pub fn setup<S>(self, setup: impl Fn(&mut Bench<M>) -> S + 'static) -> Contract<M, S> {
        Contract {
            config: self.config,
            prepare: self.prepare,
            setup: Some(Box::new(setup)),
            right: None,
            wrong: None,
            older: self.older,
            walk: OnceCell::new(),
        }
    }
}

impl<M: Package, S> Contract<M, S> {
    /// A right answer to the login step that is shown, and one that was not given before. It may move the clock.
    #[must_use]
    pub fn right<G: Into<Given>>(mut self, right: impl Fn(&mut Bench<M>, &mut S) -> G + 'static) -> Self {
        self.right = Some(Box::new(move |bench, hand| right(bench, hand).into()));
        self
    }

    /// An answer that fits the form and is not right.
    #[must_use]
    pub fn wrong(mut self, wrong: impl Fn(&mut Bench<M>, &mut S) -> Value + 'static) -> Self {
        self.wrong = Some(Box::new(wrong));
        self
    }

    /// An enrolment as a build of this older version wrote it; one is due for each version below the present one.
    #[must_use]
    pub fn older(mut self, version: u32, enrolment: Value) -> Self {
        self.older.insert(version, enrolment);
        self
    }

    /// Runs all rules.
    ///
    /// # Panics
    /// If one is broken, with a list of all that are.
    pub fn check(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "the module breaks the contract:\n- {}", violations.join("\n- "));
    }

    /// The rules that are broken, each with what was seen.
    ///
    /// # Panics
    /// If `setup`, `right` or `wrong` was not given, or panics.
    pub fn violations(&self) -> Vec<String> {
        let rules = claims::rules::<M, S>().into_iter().chain(words::rules()).chain(calls::rules());
        let rules = rules.chain(messages::rules()).chain(guesses::rules()).chain(sent_codes::rules());
        let rules = rules.chain(setups::rules()).chain(records::rules());
        rules.filter_map(|(rule, check)| check(self).err().map(|seen| format!("{rule}: {seen}"))).collect()
    }

    fn bench(&self) -> Result<Bench<M>, String> {
        let mut bench = Bench::new(self.config.clone()).map_err(|error| format!("new refuses: {error}"))?;
        (self.prepare)(&mut bench);
        bench.exchanges = Some(Vec::new());
        Ok(bench)
    }

    /// A bench whose user has set the module up, and what is in the user's hand.
    fn enrolled(&self) -> Result<(Bench<M>, S), String> {
        self.enrolled_in(self.bench()?)
    }

    fn enrolled_in(&self, mut bench: Bench<M>) -> Result<(Bench<M>, S), String> {
        let setup = self.setup.as_ref().expect("say with `.setup(…)` how the module is set up");
        let hand = setup(&mut bench);
        match bench.enrolment() {
            Some(_) => Ok((bench, hand)),
            None => Err("nothing is set up after `setup`".to_owned()),
        }
    }

    /// The same, with a login step shown.
    fn shown(&self) -> Result<(Bench<M>, S), String> {
        let (mut bench, hand) = self.enrolled()?;
        bench.login().map_err(|failure| format!("the login step is not shown: {failure}"))?;
        Ok((bench, hand))
    }

    fn right_answer(&self, bench: &mut Bench<M>, hand: &mut S) -> Given {
        self.right.as_ref().expect("say with `.right(…)` what is right")(bench, hand)
    }

    fn wrong_answer(&self, bench: &mut Bench<M>, hand: &mut S) -> Value {
        self.wrong.as_ref().expect("say with `.wrong(…)` what is wrong")(bench, hand)
    }
}

/// A rule in words, and its check.
type Rule<M, S> = (&'static str, fn(&Contract<M, S>) -> Result<(), String>);

#[cfg(test)]
mod tests;
