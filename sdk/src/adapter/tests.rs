//! What a broken host, a broken record or a broken module gets for an answer: never "yes".

use std::panic::panic_any;

use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    Form, FormInput,
    call::{DeposeCall, LoginCall, SetupCall, ValidateCall},
    module::Nothing,
    protocol::{Description, Kind},
    step::Login,
    testing::{Bench, Failure, Outcome, SetupOutcome},
    text::Text,
};

/// Does what the word it is given says.
struct Obedient {
    panics_at_the_end: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    panics: bool,
    panics_at_the_end: bool,
    limits: Limits,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    codes: Vec<u8>,
}

/// Version 2; version 1 was a bare number.
#[derive(Serialize, Deserialize)]
struct Counter {
    used: u64,
}

#[derive(Serialize, Deserialize)]
struct Challenge {
    code: String,
}

#[derive(Form)]
struct Input {
    #[form(text = 64, label = "word")]
    word: String,
    #[form(select("red", "blue"), default = "red")]
    colour: Option<String>,
    remember: Option<bool>,
}

/// Its destructor panics as well.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload's own panic");
    }
}

impl MfaModule for Obedient {
    type Config = Config;
    type Enrolment = Counter;
    type Challenge = Challenge;
    type SetupState = Option<Nothing>;
    const ENROLMENT_VERSION: u32 = 2;

    fn describe() -> Description {
        Description::new("obedient", "Obedient", Kind::Knowledge)
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        assert!(!config.panics, "told to");
        if config.limits.codes.contains(&0) {
            return Err(ConfigError::new("limits.codes", "must not hold 0"));
        }
        Ok(Self { panics_at_the_end: config.panics_at_the_end })
    }

    fn input_schema(&self) -> Form {
        Input::form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        match ask.has_input() {
            false => Ok(SetupStep::form(Input::form(), Some(Nothing {}))),
            true => match ask.input::<Input>()?.word.as_str() {
                "null" => Ok(SetupStep::form(Input::form(), None)),
                "again" => Ok(SetupStep::again(Input::form(), "wrong")),
                "abort" => Ok(SetupStep::abort("no")),
                "replaces" => Ok(SetupStep::done(Counter { used: ask.replaces().map_or(0, |former| former.used) })),
                _ => Ok(SetupStep::form(Form::new().title(Text::new("a key nobody wrote")), Some(Nothing {}))),
            },
        }
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        Ok(Login::form(Input::form()).with_challenge(Challenge { code: ask.random().digits(6) }))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        if let Answer::Link = ask.answer() {
            return Ok(Verdict::accepted());
        }
        let challenge = ask.challenge().map(|challenge| challenge.code.clone());
        match ask.input::<Input>()?.word.as_str() {
            "panic" => panic!("told to"),
            "bomb" => panic_any(Bomb),
            "fail" => Err(ModuleError::failed("told to")),
            "used" => Ok(Verdict::accepted_with(Counter { used: ask.enrolment().used + 1 })),
            "changed" => Ok(Verdict::rejected("wrong").with_challenge(Challenge { code: "next".to_owned() })),
            "later" => Ok(Verdict::pending(1000)),
            word if Some(word) == challenge.as_deref() => Ok(Verdict::accepted()),
            _ => Ok(Verdict::rejected("wrong")),
        }
    }

    fn depose(&self, ask: DeposeCall<'_, Self>) -> Result<(), ModuleError> {
        ask.enrolment().map(drop).ok_or_else(|| ModuleError::failed("gone all the same"))
    }

    fn migrate(from: u32, data: Value) -> Result<Counter, ModuleError> {
        match (from, data.as_u64()) {
            (1, Some(used)) => Ok(Counter { used }),
            _ => Err(ModuleError::failed("not a number")),
        }
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        assert!(!self.panics_at_the_end, "told to");
    }
}

impl Package for Obedient {
    const VERSION: &'static str = "1.2.3";
    const LICENSE: &'static str = "0BSD";
    const TEXTS: &'static [(&'static str, &'static [(&'static str, &'static str)])] =
        &[("en", &[("word", "Word"), ("colour_red", "Red"), ("colour_blue", "Blue")])];
}

fn bench() -> Bench<Obedient> {
    Bench::new(serde_json::json!({})).unwrap()
}

/// A login whose user has the given record.
fn shown(version: u32, data: Value) -> Bench<Obedient> {
    let mut bench = bench();
    bench.keep_enrolment(version, data);
    bench.login().unwrap();
    bench
}

fn answer(bench: &mut Bench<Obedient>, word: &str) -> Result<Outcome, Failure> {
    bench.answer(serde_json::json!({ "word": word }))
}

fn counter(used: u64) -> Value {
    serde_json::json!({ "used": used })
}

#[test]
fn a_panic_is_a_failed_call_and_the_module_goes_on() {
    let mut bench = shown(2, counter(0));
    for (word, reason) in [("panic", "panicked: told to"), ("bomb", "panicked: without a text"), ("fail", "told to")] {
        assert_eq!(answer(&mut bench, word), Err(Failure::Failed(reason.to_owned())));
    }
    assert_eq!(answer(&mut bench, "used"), Ok(Outcome::Accepted));
}

#[test]
fn a_panic_at_the_beginning_or_the_end_stays_inside() {
    let Err(error) = Bench::<Obedient>::new(serde_json::json!({ "panics": true })) else { panic!("created") };
    assert_eq!(error, ConfigError::new("", "panicked: told to"));
    drop(Bench::<Obedient>::new(serde_json::json!({ "panics_at_the_end": true })).unwrap());
}

#[test]
fn the_first_mistake_of_a_configuration_has_its_path_and_no_value() {
    for (config, path, message) in [
        (serde_json::json!({ "limits": { "codes": [1, 0] } }), "limits.codes", "must not hold 0"),
        (
            serde_json::json!({ "limits": { "codes": [1, "hunter2\", expected by"] } }),
            "limits.codes[1]",
            "invalid type: string, expected u8",
        ),
        (serde_json::json!({ "limits": { "code": 1 } }), "limits.code", "unknown field `code`, expected `codes`"),
    ] {
        let Err(error) = Bench::<Obedient>::new(config) else { panic!("{path} is taken") };
        assert_eq!(error, ConfigError::new(path, message));
    }
}

#[test]
fn a_request_that_is_none_is_never_yes() {
    let bench = bench();
    for (request, reply) in [
        ("", r#"{"reply":"failed","message":"the request has no operation"}"#),
        ("{}", r#"{"reply":"failed","message":"the request has no operation"}"#),
        ("[1]", r#"{"reply":"failed","message":"the request has no operation"}"#),
        (r#"{"operation":"format_disk"}"#, r#"{"reply":"unsupported"}"#),
        (
            r#"{"operation":"issue","context":{}}"#,
            r#"{"reply":"failed","message":"the request does not decode at context"}"#,
        ),
    ] {
        assert_eq!(bench.raw(request), reply, "{request}");
    }
    let context = r#"{"now_ms":0,"seed":"00","user":{"id":"1","name":"a"},"language":"en","public_url":""}"#;
    let enrolment = r#"{"version":2,"data":{"used":0}}"#;
    for (answer, reason) in [
        (r#"{"answer":"shrug"}"#, "does not decode"),
        (r#"{"answer":"link"}"#, "seed is not 64"),
        (r#"{"answer":"form"}"#, "does not decode"),
    ] {
        let request =
            format!(r#"{{"operation":"validate","context":{context},"enrolment":{enrolment},"answer":{answer}}}"#);
        let reply = bench.raw(&request);
        assert!(reply.starts_with(r#"{"reply":"failed""#) && reply.contains(reason), "{reply}");
    }
}

#[test]
fn every_operation_has_its_tag_in_the_list() {
    let enrolment = || Enrolment { version: 1, data: Value::Null };
    let operations = [
        Operation::InputSchema {},
        Operation::SetupFlow { state: None, input: None, replaces: None },
        Operation::InitializeLoginMfaStep { enrolment: enrolment(), cause: Cause::First },
        Operation::Validate { enrolment: enrolment(), challenge: None, answer: Answer::Poll },
        Operation::Issue {},
        Operation::Depose { enrolment: enrolment() },
        Operation::Migrate { enrolment: enrolment() },
        Operation::Overview { enrolment: enrolment() },
        Operation::ChangeDevice { enrolment: enrolment(), device: "1".to_owned(), change: DeviceChange::Remove },
    ];
    assert_eq!(operations.len(), OPERATIONS.len());
    for operation in operations {
        let tag = serde_json::to_value(&operation).unwrap()["operation"].as_str().unwrap().to_owned();
        assert!(OPERATIONS.contains(&tag.as_str()), "{tag}");
    }
}

#[test]
fn an_older_enrolment_is_migrated_and_kept_with_the_login_that_it_lets_in() {
    let mut bench = shown(1, Value::from(7));
    assert_eq!(answer(&mut bench, "no"), Ok(Outcome::rejected("wrong")));
    assert_eq!(bench.enrolment().unwrap().version, 1);
    assert_eq!(bench.follow_link(), Ok(Outcome::Accepted));
    assert_eq!(bench.enrolment().unwrap(), &Enrolment { version: 2, data: counter(7) });
}

#[test]
fn what_cannot_be_read_is_no_with_a_reason() {
    let mut bench = shown(2, counter(0));
    for (version, data, reason) in [
        (3, counter(0), "the enrolment has version 3, this build reads up to 2"),
        (2, serde_json::json!({ "used": "s3cret" }), "the enrolment does not decode at used"),
        (1, Value::from("s3cret"), "not a number"),
        (0, Value::from(1), "not a number"),
    ] {
        bench.keep_enrolment(version, data);
        assert_eq!(bench.follow_link(), Err(Failure::Failed(reason.to_owned())));
    }
    bench.keep_enrolment(2, counter(0)).keep_challenge(Some(Value::from(1)));
    assert_eq!(bench.follow_link(), Err(Failure::Failed("the challenge does not decode at .".to_owned())));
}

#[test]
fn a_challenge_stays_until_it_is_replaced() {
    let mut bench = shown(2, counter(0));
    assert_eq!(answer(&mut bench, "no"), Ok(Outcome::rejected("wrong")));
    assert_eq!(answer(&mut bench, "later"), Ok(Outcome::Pending { retry_after_ms: 1000 }));
    assert_eq!(answer(&mut bench, "changed"), Ok(Outcome::rejected("wrong")));
    assert_eq!(answer(&mut bench, "next"), Ok(Outcome::Accepted));
    let first = bench.login().unwrap().challenge;
    assert_ne!(bench.resend().unwrap().challenge, first);
}

#[test]
fn an_unreadable_record_can_still_be_replaced_or_removed() {
    let mut bench = bench();
    bench.keep_enrolment(9, Value::Null);
    bench.begin_setup().unwrap();
    assert_eq!(bench.fill(serde_json::json!({ "word": "replaces" })), Ok(SetupOutcome::Done));
    bench.keep_enrolment(9, Value::Null);
    assert_eq!(bench.depose(), Err(Failure::Failed("gone all the same".to_owned())));
    assert!(bench.enrolment().is_none());
}

#[test]
fn a_set_up_keeps_its_state_and_never_writes_null() {
    let mut bench = bench();
    bench.begin_setup().unwrap();
    let again = bench.fill(serde_json::json!({ "word": "again" })).unwrap();
    assert_eq!(again.error(), Some("wrong"));
    let null = bench.fill(serde_json::json!({ "word": "null" })).unwrap_err();
    assert_eq!(null.to_string(), "the set-up's state is null in JSON; use `Nothing` or a struct");
    let missing = bench.fill(serde_json::json!({ "word": "unknown text" })).unwrap_err();
    assert_eq!(missing, Failure::MissingText("a key nobody wrote".to_owned()));
    let abort = bench.fill(serde_json::json!({ "word": "abort" })).unwrap();
    assert_eq!(abort, SetupOutcome::Abort { reason: "no".to_owned() });
    assert!(matches!(bench.fill(serde_json::json!({})), Err(Failure::OutOfOrder(_))));
}

#[test]
fn issue_is_for_recovery_modules() {
    assert_eq!(bench().issue(), Err(Failure::Unsupported));
}

#[test]
fn a_description_has_what_the_package_knows() {
    let bench = bench();
    let description = bench.description();
    assert_eq!((description.version.as_str(), description.license.as_str()), ("1.2.3", "0BSD"));
    assert_eq!(description.enrolment_version, 2);
    assert_eq!(description.texts["en"]["word"], "Word");
}

#[test]
fn a_derived_form_reads_what_it_shows() {
    let read = |raw: Value| Input::from_fields(&Input::form().normalise(raw.as_object().unwrap()).unwrap()).unwrap();
    let full = read(serde_json::json!({ "word": " w ", "colour": "blue", "remember": false }));
    assert_eq!((full.word.as_str(), full.colour.as_deref(), full.remember), ("w", Some("blue"), Some(false)));
    let empty = read(serde_json::json!({ "word": "w", "colour": "", "remember": null }));
    assert_eq!((empty.colour, empty.remember), (None, None));
    let colour = &Input::form().fields[1];
    assert_eq!(colour.default, Some(Value::from("red")));
}
