//! What an author imports to write a module for mfa-host: one trait, forms as data, typed records, tests without a host.
//!
//! A **module** is one kind of second factor, shipped as one shared library. It is a pure function: each call gets what
//! it may know (what the user set up, what this login remembers, the answer, the time, a random stream) and returns
//! what should happen. The host keeps every record, counts every attempt, sends every message and shows every form. A
//! module needs no file, no clock, no thread and no lock, and it cannot forget to count.
//!
//! # A whole module
//!
//! A new library crate, with this in its `Cargo.toml`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! mfa-sdk = "0.1"
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! A folder `texts/` with at least `en.json`, a flat object of keys and sentences:
//!
//! ```json
#![doc = include_str!("../tutorial/texts/en.json")]
//! ```
//!
//! And `src/lib.rs`. This module sends a six-digit code at each login and takes it back once, within ten minutes:
//!
//! ```standalone_crate
//! #![forbid(unsafe_code)]
//! use mfa_sdk::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! /// What the admin writes below `config` in `host.toml`. Unknown keys are refused, so a typing error is seen.
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     channel: String,
//! }
//!
//! /// What the user set up. The host keeps it, sealed.
//! #[derive(Serialize, Deserialize)]
//! struct Enrolment {
//!     address: String,
//! }
//!
//! /// What a set-up remembers between its steps.
//! #[derive(Serialize, Deserialize)]
//! enum Setup {
//!     AskedForAddress,
//!     AskedForCode { address: String, sent: SentCode },
//! }
//!
//! #[derive(Form)]
//! struct AddressForm {
//!     #[form(email, label = "address")]
//!     address: String,
//! }
//!
//! struct Mailed {
//!     channel: String,
//! }
//!
//! impl Mailed {
//!     /// Codes to this address, good for ten minutes: the steps that send one and take it back.
//!     fn codes<'a>(&'a self, address: &'a str) -> SentCodeSteps<'a> {
//!         SentCodeSteps::new(&self.channel, address, 600)
//!     }
//! }
//!
//! impl MfaModule for Mailed {
//!     type Config = Config;
//!     type Enrolment = Enrolment;
//!     type Challenge = SentCode; // what one login remembers from the step being shown to its answer
//!     type SetupState = Setup;
//!
//!     fn describe() -> Description {
//!         Description::new("mailed", "Code by mail", Kind::Possession).sends(true)
//!     }
//!
//!     fn new(config: Config) -> Result<Self, ConfigError> {
//!         if config.channel.is_empty() {
//!             return Err(ConfigError::new("channel", "must name a channel of host.toml"));
//!         }
//!         Ok(Self { channel: config.channel })
//!     }
//!
//!     fn input_schema(&self) -> Form {
//!         SentCodeSteps::form(600)
//!     }
//!
//!     fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
//!         let waiting = |address: &str, sent| Setup::AskedForCode { address: address.to_owned(), sent };
//!         match ask.state() {
//!             // The set-up begins: ask for the address.
//!             None => Ok(SetupStep::form(AddressForm::form(), Setup::AskedForAddress)),
//!             // The address came: send a code there. The host refuses addresses that nobody typed or proved.
//!             Some(Setup::AskedForAddress) => {
//!                 let AddressForm { address } = ask.input()?;
//!                 self.codes(&address).ask_for_proof(&ask, |sent| waiting(&address, sent))
//!             }
//!             // The code came. Wrong: once more. Too late: another one goes out. Right: the address is proved.
//!             Some(Setup::AskedForCode { address, sent }) => {
//!                 let enrolment = || Enrolment { address: address.clone() };
//!                 self.codes(address).prove(&ask, sent, |sent| waiting(address, sent), enrolment)
//!             }
//!         }
//!     }
//!
//!     fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
//!         self.codes(&ask.enrolment().address).login(&ask, |sent| sent)
//!     }
//!
//!     fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
//!         self.codes(&ask.enrolment().address).verdict(&ask, ask.challenge())
//!     }
//! }
//!
//! mfa_sdk::export_module!(Mailed, texts = "tutorial/texts/");
//!
//! // A test: no host, no library loading, but the same JSON as in the host.
//! use mfa_sdk::testing::{Bench, Outcome, SetupOutcome, contract::Contract};
//!
//! fn set_up(bench: &mut Bench<Mailed>) {
//!     bench.begin_setup().unwrap();
//!     bench.fill(json!({ "address": " ann@example.org " })).unwrap();
//!     let code = bench.code_sent().unwrap().to_owned();
//!     assert_eq!(bench.fill(json!({ "code": code })).unwrap(), SetupOutcome::Done);
//! }
//!
//! let mut bench = Bench::<Mailed>::new(json!({ "channel": "email" })).unwrap();
//! set_up(&mut bench);
//! bench.login().unwrap();
//! let code = bench.code_sent().unwrap().to_owned();
//! bench.advance_ms(600_001);
//! assert_eq!(bench.answer(json!({ "code": code })).unwrap(), Outcome::rejected("code_expired"));
//!
//! // The rules every module obeys.
//! Contract::<Mailed>::new(json!({ "channel": "email" }))
//!     .setup(set_up)
//!     .right(|bench, ()| json!({ "code": bench.code_sent().unwrap() }))
//!     .wrong(|bench, ()| json!({ "code": if bench.code_sent() == Some("000000") { "111111" } else { "000000" } }))
//!     .check();
//! ```
//!
//! (The folder is named `tutorial/texts/` here because this example lives in the SDK; yours is `texts/`.)
//!
//! If one form says it all (a PIN, a pass phrase), implement [`OneForm`]: three functions, and the set-up comes ready
//! made.
//!
//! # What holds for every module
//!
//! - **Born closed.** Only [`Verdict::accepted`] is "yes". A panic, an error, a late answer or a record that cannot be
//!   read is "no" with a reason.
//! - **Time is [`Call::now`], randomness is [`Call::random`].** The host repeats a call after a crash with the same of both.
//! - **No secret in an error.** Messages of [`ModuleError`] and of a panic reach the admin's log.
//! - **Nothing waits for a person inside a call.** Answer [`Verdict::pending`] and be asked again.
//! - **Waiting codes are [`SentCode`]s.** What is kept is a keyed hash; the code is in the message and nowhere else.
//!   [`SentCodeSteps`] makes the steps around them. Secrets an app shares are [`key_uri::SharedSecret`]s.
//! - **[`testing::contract`]** has these and more as rules that are run on your module.
//! - **Build with `panic = "unwind"`**, the default: [`export_module!`] refuses `abort`.

#![warn(missing_docs)]

// The derive macro writes `::mfa_sdk::…`; in this crate's own tests that has to mean this crate.
#[cfg(test)]
extern crate self as mfa_sdk;

#[doc(hidden)]
pub use mfa_sdk_abi as abi;
pub mod adapter;
pub mod call;
pub mod constant_time;
pub mod description;
pub mod devices;
pub mod form;
mod form_builder;
mod hidden;
pub mod input;
pub mod key_uri;
mod mac;
pub mod message;
pub mod module;
pub mod one_form;
pub mod protocol;
pub mod random;
pub mod sent_code;
pub mod step;
pub mod testing;
pub mod text;

pub use call::{Call, ChangeDeviceCall, DeposeCall, IssueCall, LoginCall, OverviewCall, SetupCall, ValidateCall};
pub use constant_time::equal_in_constant_time;
pub use description::NAME_KEY;
pub use devices::{Device, DeviceChange, Overview};
pub use form::{Block, Field, FieldKind, Form};
pub use input::{FormInput, InputError};
pub use message::{Channel, Message, TargetKind};
/// `#[derive(Form)]`: a [`FormInput`] from a struct of `String`, `bool` and `Option` of these.
///
/// | attribute `#[form(…)]` | field |
/// |---|---|
/// | none | one line of text; for a `bool`, a yes or no |
/// | `text = 64` | one line of text of at most 64 bytes |
/// | `digits = 6`, `digits(4, 8)` | exactly 6 digits, 4 to 8 digits |
/// | `code = 32` | letters and digits, at most 32, case does not matter |
/// | `password`, `password = 128` | taken as typed, shown as dots |
/// | `masked` | of any kind that is typed, shown as dots: `digits(4, 8), masked` for a PIN |
/// | `email`, `phone` | an address |
/// | `select("red", "blue")` | one of these; the text keys are `<field>_red`, `<field>_blue` |
/// | `label = "key"`, `help = "key"` | text keys |
/// | `default = "value"` | what the field starts with |
///
/// `Option<T>` makes the field not required; left empty it is `None`.
///
/// ```
/// use mfa_sdk::prelude::*;
///
/// #[derive(Form)]
/// struct Answer {
///     #[form(digits(4, 8), label = "pin", help = "pin_help")]
///     pin: String,
///     nickname: Option<String>,
/// }
///
/// assert_eq!(Answer::form().fields.len(), 2);
/// assert!(!Answer::form().fields[1].required);
/// ```
///
/// What does not fit is refused where it stands:
///
/// ```compile_fail
/// #[derive(mfa_sdk::Form)]
/// struct Answer {
///     #[form(digits = 6)]
///     code: u32, // a form field is a `String`, a `bool` or an `Option` of one of them
/// }
/// ```
pub use mfa_sdk_derive::Form;
#[doc(hidden)]
pub use mfa_sdk_derive::embed_texts;
pub use module::{ConfigError, MfaModule, ModuleError, Nothing};
pub use one_form::{OneForm, Refusal};
pub use protocol::{Answer, Cause, CodeTimes, Description, Kind, User};
pub use random::Random;
pub use sent_code::{Checked, SentCode, SentCodeSteps, mask};
pub use serde_json::{self, Value, json};
pub use step::{DevicesLeft, Issued, Login, SetupStep, Verdict};
pub use text::Text;

/// Everything a module usually names.
pub mod prelude {
    pub use crate::{
        Answer, Block, Call, Cause, ChangeDeviceCall, Channel, Checked, CodeTimes, ConfigError, DeposeCall,
        Description, Device, DeviceChange, DevicesLeft, Field, FieldKind, Form, FormInput, IssueCall, Issued, Kind,
        Login, LoginCall, Message, MfaModule, ModuleError, Nothing, OneForm, Overview, OverviewCall, Refusal, SentCode,
        SentCodeSteps, SetupCall, SetupStep, TargetKind, Text, ValidateCall, Value, Verdict, equal_in_constant_time,
        json, mask,
    };
}
