//! Drives a module through set-up and login without a host: a clock that stands still, randomness that repeats, and
//! everything through the same JSON as in the host, with the host's checks of input in between.
//!
//! ```
//! # use mfa_sdk::prelude::*;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Deserialize)] struct Word { word: String }
//! # #[derive(Form)] struct Input { word: String }
//! # impl OneForm for Word {
//! #     type Enrolment = Nothing;
//! #     type Input = Input;
//! #     fn describe() -> Description { Description::new("word", "Word", Kind::Knowledge) }
//! #     fn enrol(&self, _: Input) -> Result<Nothing, Refusal> { Ok(Nothing {}) }
//! #     fn verify(&self, _: &Nothing, input: Input) -> bool { input.word == self.word }
//! # }
//! # impl mfa_sdk::adapter::Package for Word {
//! #     const VERSION: &'static str = "";
//! #     const LICENSE: &'static str = "";
//! #     const TEXTS: &'static [(&'static str, &'static [(&'static str, &'static str)])] = &[];
//! # }
//! use mfa_sdk::testing::{Bench, Outcome, SetupOutcome};
//!
//! let mut bench = Bench::<Word>::new(json!({ "word": "swordfish" })).unwrap();
//! bench.begin_setup().unwrap();
//! assert_eq!(bench.fill(json!({ "word": "any" })).unwrap(), SetupOutcome::Done);
//! bench.login().unwrap();
//! assert_eq!(bench.answer(json!({ "word": "codfish" })).unwrap(), Outcome::rejected("invalid_code"));
//! assert_eq!(bench.answer(json!({ "word": "swordfish" })).unwrap(), Outcome::Accepted);
//! ```

pub mod contract;
mod management;
mod outcome;
mod shown;
mod surroundings;

use serde_json::Value;

pub use outcome::{Failure, Outcome, SetupOutcome};
use shown::texts;

use crate::{
    abi::Export,
    adapter::{Adapter, Package},
    form::{FieldErrors, Fields, Form},
    message::Message,
    module::ConfigError,
    protocol::{
        Answer, Cause, Context, Description, Enrolment, LoginReply, Operation, Reply, Request, SetupReply, User,
        VerdictReply,
    },
    text::Text,
};

/// A module, one user, and what the host would keep of both.
pub struct Bench<M: Package> {
    adapter: Adapter<M>,
    description: Description,
    context: Context,
    seed: u64,
    calls: u64,
    enrolment: Option<Enrolment>,
    setup: Option<(Form, Value)>,
    login: Option<(Form, Option<Value>)>,
    /// What was sent last.
    messages: Vec<Message>,
    /// What the last accepted answer advised.
    advice: Option<Text>,
    /// Requests and replies, while somebody wants to know.
    exchanges: Option<Vec<(String, String)>>,
}

impl<M: Package> Bench<M> {
    /// The module with this configuration, and a user `ann` with nothing set up. The clock stands at
    /// 2026-01-01T00:00:00Z.
    ///
    /// # Errors
    /// What the module says of the configuration.
    pub fn new(config: Value) -> Result<Self, ConfigError> {
        let description: Description = serde_json::from_str(&Adapter::<M>::describe())
            .map_err(|error| ConfigError::new("", format!("the module does not describe itself: {error}")))?;
        let adapter = Adapter::<M>::create(&config.to_string()).map_err(|error| {
            serde_json::from_str(&error).unwrap_or_else(|_| ConfigError::new("", "not a well-formed error"))
        })?;
        let context = Context {
            now_ms: 1_767_225_600_000,
            seed: String::new(),
            user: User { id: "1".to_owned(), name: "ann".to_owned(), ..User::default() },
            channels: Vec::new(),
            mac_key: "0123456789abcdef".repeat(4),
            language: "en".to_owned(),
            public_url: "https://host.example".to_owned(),
            host_name: "Example host".to_owned(),
            restored_at_ms: None,
        };
        Ok(Self {
            adapter,
            description,
            context,
            seed: 0,
            calls: 0,
            enrolment: None,
            setup: None,
            login: None,
            messages: Vec::new(),
            advice: None,
            exchanges: None,
        })
    }

    /// Sets the clock to milliseconds since 1970-01-01T00:00:00Z.
    pub fn at(&mut self, now_ms: i64) -> &mut Self {
        self.context.now_ms = now_ms;
        self
    }

    /// Moves the clock on (or back).
    pub fn advance_ms(&mut self, milliseconds: i64) -> &mut Self {
        self.context.now_ms += milliseconds;
        self
    }

    /// The host's records were put back to an older state at this moment, milliseconds since 1970-01-01T00:00:00Z. What
    /// that state was, `keep_enrolment` says.
    pub fn restored_at(&mut self, moment_ms: i64) -> &mut Self {
        self.context.restored_at_ms = Some(moment_ms);
        self
    }

    /// Starts another series of random streams; each call has its own.
    pub fn seed(&mut self, seed: u64) -> &mut Self {
        (self.seed, self.calls) = (seed, 0);
        self
    }

    /// Replaces the user. What the former one set up stays: the same record under another name.
    pub fn user(&mut self, user: User) -> &mut Self {
        self.context.user = user;
        self
    }

    /// Replaces the module's configuration, as a restart of the host does. Records stay.
    ///
    /// # Errors
    /// What the module says of the configuration; the former one stays.
    pub fn reconfigure(&mut self, config: Value) -> Result<&mut Self, ConfigError> {
        self.adapter = Self::new(config)?.adapter;
        Ok(self)
    }

    /// What the module says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What the host keeps for this user.
    pub fn enrolment(&self) -> Option<&Enrolment> {
        self.enrolment.as_ref()
    }

    /// Puts a record in place, an old or a damaged one for example.
    pub fn keep_enrolment(&mut self, version: u32, data: Value) -> &mut Self {
        self.enrolment = Some(Enrolment { version, data });
        self
    }

    /// Puts a challenge in place of the one this login has.
    pub fn keep_challenge(&mut self, challenge: Option<Value>) -> &mut Self {
        if let Some((_, kept)) = &mut self.login {
            *kept = challenge;
        }
        self
    }

    /// Begins a set-up; a former one is forgotten.
    ///
    /// # Errors
    /// [`Failure`] if the module does not answer.
    pub fn begin_setup(&mut self) -> Result<SetupOutcome, Failure> {
        self.setup = None;
        self.set_up(None, None)
    }

    /// Fills in the set-up's form.
    ///
    /// # Errors
    /// [`Failure`] if the module does not answer or no form is shown.
    pub fn fill(&mut self, input: Value) -> Result<SetupOutcome, Failure> {
        let (form, state) = self.setup.clone().ok_or(Failure::OutOfOrder("no set-up shows a form"))?;
        match normalised(&form, input) {
            Ok(fields) => self.set_up(Some(state), Some(fields)),
            Err(errors) => Ok(SetupOutcome::BadInput(errors)),
        }
    }

    /// Shows the login step for the first time.
    ///
    /// # Errors
    /// [`Failure`] if the module does not answer or nothing is set up.
    pub fn login(&mut self) -> Result<LoginReply, Failure> {
        self.initialize(Cause::First)
    }

    /// Shows the login step again after "send again".
    ///
    /// # Errors
    /// As [`Bench::login`].
    pub fn resend(&mut self) -> Result<LoginReply, Failure> {
        self.initialize(Cause::Resend)
    }

    /// Fills in the login step's form.
    ///
    /// # Errors
    /// [`Failure`] if the module does not answer or no login step is shown.
    pub fn answer(&mut self, input: Value) -> Result<Outcome, Failure> {
        let (form, _) = self.login.as_ref().ok_or(Failure::OutOfOrder("no login step is shown"))?;
        match normalised(form, input) {
            Ok(fields) => self.validate(Answer::Form { fields }),
            Err(errors) => Ok(Outcome::BadInput(errors)),
        }
    }

    /// Confirms the link of a message.
    ///
    /// # Errors
    /// As [`Bench::answer`].
    pub fn follow_link(&mut self) -> Result<Outcome, Failure> {
        self.validate(Answer::Link)
    }

    /// Asks whether the waiting step may go on.
    ///
    /// # Errors
    /// As [`Bench::answer`].
    pub fn poll(&mut self) -> Result<Outcome, Failure> {
        self.validate(Answer::Poll)
    }

    /// Lets a recovery module make a batch of codes; the bench keeps its enrolment.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] unless it is a recovery module.
    pub fn issue(&mut self) -> Result<Vec<String>, Failure> {
        match self.ask(Operation::Issue {})? {
            Reply::Issued { enrolment, codes } => {
                self.keep_enrolment(self.description.enrolment_version, enrolment);
                Ok(codes)
            }
            _ => Err(Failure::WrongReply),
        }
    }

    /// Removes what the user set up, whatever the module says.
    ///
    /// # Errors
    /// [`Failure`] if the module does not answer or nothing was set up.
    pub fn depose(&mut self) -> Result<(), Failure> {
        let enrolment = self.enrolment.take().ok_or(Failure::OutOfOrder("nothing is set up"))?;
        match self.ask(Operation::Depose { enrolment })? {
            Reply::Deposed {} => Ok(()),
            _ => Err(Failure::WrongReply),
        }
    }

    /// Hands the module a text of any sort, as a broken host might, and returns its text.
    pub fn raw(&self, request: &str) -> String {
        self.adapter.call(request)
    }

    fn set_up(&mut self, state: Option<Value>, input: Option<Fields>) -> Result<SetupOutcome, Failure> {
        let replaces = self.enrolment.clone();
        let Reply::Setup(reply) = self.ask(Operation::SetupFlow { state, input, replaces })? else {
            return Err(Failure::WrongReply);
        };
        match reply {
            SetupReply::Form { form, state, messages, error, error_text } => {
                self.check_texts(texts(&form).into_iter().chain(&error_text))?;
                self.remember(&messages);
                self.setup = Some((form.clone(), state));
                Ok(SetupOutcome::Form { form, messages, error, error_text })
            }
            SetupReply::Done { enrolment } => {
                self.setup = None;
                self.keep_enrolment(self.description.enrolment_version, enrolment);
                Ok(SetupOutcome::Done)
            }
            SetupReply::Abort { reason } => {
                self.setup = None;
                Ok(SetupOutcome::Abort { reason })
            }
        }
    }

    fn initialize(&mut self, cause: Cause) -> Result<LoginReply, Failure> {
        let enrolment = self.enrolment.clone().ok_or(Failure::OutOfOrder("nothing is set up"))?;
        let Reply::Login(reply) = self.ask(Operation::InitializeLoginMfaStep { enrolment, cause })? else {
            return Err(Failure::WrongReply);
        };
        self.check_texts(texts(&reply.form))?;
        self.remember(&reply.messages);
        self.login = Some((reply.form.clone(), reply.challenge.clone()));
        Ok(reply)
    }

    fn validate(&mut self, answer: Answer) -> Result<Outcome, Failure> {
        let (_, challenge) = self.login.clone().ok_or(Failure::OutOfOrder("no login step is shown"))?;
        let enrolment = self.enrolment.clone().ok_or(Failure::OutOfOrder("nothing is set up"))?;
        let Reply::Verdict(verdict) = self.ask(Operation::Validate { enrolment, challenge, answer })? else {
            return Err(Failure::WrongReply);
        };
        Ok(match verdict {
            VerdictReply::Accepted { enrolment, advice } => {
                self.check_texts(advice.iter())?;
                self.advice = advice;
                self.login = None;
                if let Some(data) = enrolment {
                    self.keep_enrolment(self.description.enrolment_version, data);
                }
                Outcome::Accepted
            }
            VerdictReply::Rejected { error, challenge } => {
                self.change_challenge(challenge);
                Outcome::Rejected { error }
            }
            VerdictReply::Pending { challenge, retry_after_ms } => {
                self.change_challenge(challenge);
                Outcome::Pending { retry_after_ms }
            }
        })
    }

    fn change_challenge(&mut self, changed: Option<Value>) {
        if changed.is_some() {
            self.keep_challenge(changed);
        }
    }

    fn ask(&mut self, operation: Operation) -> Result<Reply, Failure> {
        self.context.seed = format!("{:032x}{:032x}", self.seed, self.calls);
        self.calls += 1;
        let request = Request { context: self.context.clone(), operation };
        let request = serde_json::to_string(&request).map_err(|_| Failure::WrongReply)?;
        let reply = self.adapter.call(&request);
        let read = serde_json::from_str(&reply).map_err(|_| Failure::WrongReply);
        if let Some(exchanges) = &mut self.exchanges {
            exchanges.push((request, reply));
        }
        match read? {
            Reply::Failed { message } => Err(Failure::Failed(message)),
            Reply::Unsupported {} => Err(Failure::Unsupported),
            reply => Ok(reply),
        }
    }

    fn check_texts<'t>(&self, texts: impl IntoIterator<Item = &'t Text>) -> Result<(), Failure> {
        let Some(english) = self.description.texts.get("en") else { return Ok(()) };
        let missing = texts.into_iter().find(|text| !english.contains_key(&text.key));
        missing.map_or(Ok(()), |text| Err(Failure::MissingText(text.key.clone())))
    }
}

fn normalised(form: &Form, input: Value) -> Result<Fields, FieldErrors> {
    match input {
        Value::Object(raw) => form.normalise(&raw),
        _ => form.normalise(&serde_json::Map::new()),
    }
}
