//! Each rule is broken once, by a module with one fault, and must be found; without a fault all of them hold.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use super::*;
use crate::{prelude::*, protocol::User, testing::Bench};

const ADDRESS: &str = "a@b.example";

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    fault: String,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Sends codes, and has the fault it is told to have. `FLAWED` has those that need no instance.
struct Faulty<const FLAWED: bool> {
    fault: String,
}

#[derive(Serialize, Deserialize)]
struct Waiting {
    sent: SentCode,
    plain: Option<String>,
}

/// Takes what cannot be read for what it is, so that a module may still answer wrongly.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    Readable(Waiting),
    Unreadable(Value),
}

#[derive(Form)]
struct Input {
    #[form(code = 32, label = "sent")]
    code: String,
}

static CALLS: AtomicU64 = AtomicU64::new(0);

impl<const FLAWED: bool> Package for Faulty<FLAWED> {
    const VERSION: &'static str = "1.0.0";
    const LICENSE: &'static str = "MIT";
    const TEXTS: &'static [(&'static str, &'static [(&'static str, &'static str)])] = match FLAWED {
        true => &[("de", &[]), ("en", &[("sent", "Sent")])],
        false => &[
            ("de", &[("left", "noch {count}"), ("sent", "Gesendet")]),
            ("en", &[("left", "{count} left"), ("sent", "Sent")]),
        ],
    };
}

impl<const FLAWED: bool> Faulty<FLAWED> {
    fn has(&self, fault: &str) -> bool {
        self.fault == fault
    }

    fn form(&self) -> Form {
        match self.fault.as_str() {
            "no text" => Form::new().code("code", 32).label("unwritten"),
            "no value" => Input::form().sentence("left"),
            "the host's field" => Input::form().code("client_id", 32).optional(),
            "the host's block" => Input::form().uri("mfa_module_id", "otpauth://"),
            _ => Input::form(),
        }
    }

    fn send<Q>(&self, ask: &Call<'_, Q>) -> Result<(Waiting, Message), ModuleError> {
        let (sent, mut code) = SentCode::new(ask, &[ADDRESS], 600)?;
        if self.has("same code") {
            code = "123456".to_owned();
        }
        if self.has("loses zeros") {
            code = code.trim_start_matches('0').to_owned();
        }
        let plain = ["plain", "lives for ever", "same code", "loses zeros"]
            .contains(&self.fault.as_str())
            .then(|| code.clone());
        let to = match self.fault.as_str() {
            "bad message" => "",
            "writes to strangers" => "stranger@b.example",
            _ => ADDRESS,
        };
        let channel = if self.has("another channel") { "pigeon" } else { "email" };
        Ok((Waiting { sent, plain }, Message::new(channel, to, "code").with("code", code)))
    }

    fn takes<Q>(&self, ask: &Call<'_, Q>, kept: &Kept, code: &str) -> Result<bool, ModuleError> {
        let Kept::Readable(waiting) = kept else { return Ok(self.has("takes any record")) };
        let code = if self.has("reads the beginning") { code.get(..6).unwrap_or(code) } else { code };
        match &waiting.plain {
            Some(plain) => Ok(plain == code),
            None => Ok(waiting.sent.check(ask, &[ADDRESS], code)? == Checked::Right),
        }
    }
}

impl<const FLAWED: bool> MfaModule for Faulty<FLAWED> {
    type Config = Config;
    type Enrolment = Value;
    type Challenge = Kept;
    type SetupState = Kept;

    const ENROLMENT_VERSION: u32 = if FLAWED { 2 } else { 1 };

    fn describe() -> Description {
        let amr = if FLAWED { "mfa" } else { "mca" };
        Description::new("faulty", "Faulty", Kind::Possession).sends(true).amr([amr]).fixed_step(FLAWED)
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        match config.others.keys().next() {
            Some(unknown) if config.fault != "unknown setting" => Err(ConfigError::new(unknown, "is unknown")),
            _ => Ok(Self { fault: config.fault }),
        }
    }

    fn input_schema(&self) -> Form {
        self.form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        if self.has("no form") {
            return Ok(SetupStep::abort("no"));
        }
        let Some(waiting) = ask.state() else {
            let (waiting, message) = self.send(&ask)?;
            return Ok(SetupStep::form(self.form(), Kept::Readable(waiting)).with_message(message));
        };
        let input: Result<Input, _> = ask.input();
        assert!(!(self.has("panics in the set-up") && input.is_err()), "told to");
        if !self.takes(&ask, waiting, &input?.code)? {
            return Ok(SetupStep::again(self.form(), "invalid_code"));
        }
        Ok(SetupStep::done(if self.has("no object") { json!([ADDRESS]) } else { json!({ "address": ADDRESS }) }))
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let (waiting, message) = self.send(&ask)?;
        let mut form = self.form();
        if self.has("shows") {
            form = form.secret("sent", message.values["code"].clone(), "sent");
        }
        let login = Login::form(form).with_challenge(Kept::Readable(waiting));
        Ok(if self.has("silent") { login } else { login.with_message(message) })
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        match ask.answer() {
            Answer::Poll if self.has("accepts a poll") => return Ok(Verdict::accepted()),
            Answer::Link if self.has("accepts a link") => return Ok(Verdict::accepted()),
            Answer::Link | Answer::Poll => return Ok(Verdict::pending(1000)),
            Answer::Form { .. } if self.has("tells") && !ask.enrolment()["address"].is_string() => {
                let Some(Kept::Readable(waiting)) = ask.challenge() else { return Err(ModuleError::failed("")) };
                return Err(ModuleError::failed(&waiting.sent.mac));
            }
            Answer::Form { .. } => {}
        }
        let input: Result<Input, _> = ask.input();
        assert!(!(self.has("panics") && input.is_err()), "told to");
        if let (true, Answer::Form { fields }, Err(_)) = (self.has("quotes"), ask.answer(), &input) {
            return Err(ModuleError::failed(json!(fields)));
        }
        if self.has("accepts garbage") && input.is_err() {
            return Ok(Verdict::accepted());
        }
        let Input { code } = input?;
        let right = match ask.challenge() {
            _ if self.has("accepts wrong") => true,
            _ if self.has("trusts an older host") && ask.channels().is_empty() => true,
            _ if self.has("knows no login") => code.bytes().all(|byte| byte.is_ascii_digit()),
            Some(waiting) => self.takes(&ask, waiting, &code)?,
            None => self.has("needs no challenge"),
        };
        let advice = Text::new("sent").with("code", &code);
        Ok(match right {
            true if self.has("rejects all") => Verdict::rejected("invalid_code"),
            true if self.has("repeats what was typed") => Verdict::accepted().with_advice(advice),
            true => Verdict::accepted(),
            false if self.has("wordless") => Verdict::rejected("unwritten"),
            false if self.has("unsteady") => {
                Verdict::rejected(format!("unsteady_{}", CALLS.fetch_add(1, Ordering::Relaxed)))
            }
            false if self.has("waits") => Verdict::pending(1000),
            false => Verdict::rejected("invalid_code"),
        })
    }

    fn migrate(from: u32, data: Value) -> Result<Value, ModuleError> {
        match data["mail"].as_str() {
            Some(address) => Ok(json!({ "address": address })),
            None => Err(ModuleError::failed(format!("version {from} without an address"))),
        }
    }

    fn issue(&self, _: IssueCall<'_>) -> Result<Issued<Self>, ModuleError> {
        match self.has("issues") {
            true => Ok(Issued { enrolment: json!({}), codes: vec!["abcdefghij".to_owned()] }),
            false => Err(ModuleError::Unsupported),
        }
    }

    fn overview(&self, _: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        let device = Device { id: "a".to_owned(), name: "a".to_owned(), created_at_ms: 0, last_used_at_ms: None };
        let overview = Overview::new("sent");
        Ok(if self.has("twins") { overview.device(device.clone()).device(device) } else { overview })
    }
}

fn violations<const FLAWED: bool>(fault: &str) -> Vec<String> {
    contract::<FLAWED>(fault).violations()
}

fn contract<const FLAWED: bool>(fault: &str) -> Contract<Faulty<FLAWED>> {
    let code = |bench: &Bench<Faulty<FLAWED>>| bench.code_sent().unwrap_or("nothing").to_owned();
    Contract::<Faulty<FLAWED>>::new(json!({ "fault": fault }))
        .prepare(|bench| {
            bench.channels([Channel::new("email", "Mail", TargetKind::Email)]);
            let addresses = [("email".to_owned(), vec![ADDRESS.to_owned()])].into();
            bench.user(User { id: "1".to_owned(), name: "ann".to_owned(), addresses });
        })
        .setup(move |bench| {
            let _ = bench.begin_setup();
            let sent = code(bench);
            let _ = bench.fill(json!({ "code": sent }));
        })
        .right(move |bench, ()| match bench.code_sent() {
            Some(code) => json!({ "code": code }),
            None => json!({ "code": "lost" }),
        })
        .wrong(|_, ()| json!({ "code": "wrong" }))
}

#[test]
fn without_a_fault_every_rule_holds() {
    assert_eq!(violations::<false>(""), Vec::<String>::new());
}

#[test]
fn a_fault_of_the_description_is_found() {
    let violations = violations::<true>("");
    assert_eq!(violations.len(), 4, "{violations:?}");
    assert!(violations[0].contains("\"mfa\" is not an amr value"), "{violations:?}");
    assert!(violations[1].contains("`de` does not have `sent`"), "{violations:?}");
    assert!(violations[2].contains("another form than input_schema"), "{violations:?}");
    assert!(violations[3].contains("give one of version 1 with `.older(…)`"), "{violations:?}");
}

#[test]
fn an_older_enrolment_is_brought_to_the_present_version() {
    let last = |older: Value| contract::<true>("").older(1, older).violations().pop().unwrap();
    assert!(last(json!({ "mail": ADDRESS })).contains("another form than input_schema"));
    let unread = last(json!({ "e_mail": ADDRESS }));
    assert!(unread.ends_with("one of version 1: version 1 without an address"), "{unread}");
}

#[test]
fn a_translation_has_the_places_of_the_original() {
    let complete = |german: &str| {
        let sentences = |sentence: &str| BTreeMap::from([("left".to_owned(), sentence.to_owned())]);
        words::complete(
            &[("en", "{count} left"), ("de", german)].map(|(tag, said)| (tag.to_owned(), sentences(said))).into(),
        )
    };
    assert_eq!(complete("noch {count}"), Ok(()));
    for german in ["noch welche", "noch {anzahl}", "noch {count} von {total}", " "] {
        assert!(complete(german).is_err(), "{german}");
    }
}

#[test]
fn each_fault_is_found_by_its_rule() {
    for (fault, rule) in [
        ("unknown setting", "a setting that does not exist is refused with its path"),
        ("no form", "a set-up begins with a form"),
        ("no text", "a set-up begins with a form: English does not have the text `unwritten`"),
        ("unsteady", "a repeated call has the same reply"),
        ("trusts an older host", "an older host gets an answer, and no other yes"),
        ("no value", "every text that is shown has its values"),
        ("the host's field", "no field or block has a name of the host's own"),
        ("the host's block", "no field or block has a name of the host's own"),
        ("writes to strangers", "a message goes to what was proved"),
        ("another channel", "a message goes to what was proved"),
        ("same code", "each login's code is drawn anew"),
        ("loses zeros", "each login's code is drawn anew, of one length: they have several lengths"),
        ("reads the beginning", "an answer cut short, lengthened or in another script is not right"),
        ("knows no login", "what is right for one user is not for another"),
        ("knows no login", "a code of one login is none for another"),
        ("takes any record", "a set-up's state of another shape proves nothing"),
        ("takes any record", "a challenge of another shape is never right"),
        ("same code", "what proves one set-up proves no other"),
        ("quotes", "a reason tells nothing of what is kept or typed"),
        ("wordless", "every error and reason has a text in English"),
        ("silent", "what is sent can be sent"),
        ("bad message", "what is sent can be sent"),
        ("plain", "a code is shown, told and kept nowhere"),
        ("shows", "a code is shown, told and kept nowhere"),
        ("repeats what was typed", "a code is shown, told and kept nowhere"),
        ("rejects all", "a right answer is accepted"),
        ("accepts wrong", "a wrong answer is rejected"),
        ("waits", "a wrong answer is rejected"),
        ("accepts garbage", "garbage is never accepted"),
        ("panics", "garbage is never accepted and never a panic"),
        ("panics in the set-up", "garbage in a set-up is never a panic"),
        ("accepts a poll", "a poll or a link that nobody waits for is never accepted"),
        ("accepts a link", "a poll or a link that nobody waits for is never accepted"),
        ("same code", "what was accepted is not accepted again"),
        ("same code", "a code sent again makes the former one worthless"),
        ("lives for ever", "a sent code lives ten minutes at most"),
        ("knows no login", "a sent code is right only in its own login"),
        ("needs no challenge", "a sent code is right only in its own login"),
        ("plain", "a sent code is right only in its own login and for its own user"),
        ("no object", "an enrolment is an object"),
        ("tells", "a damaged record is never a panic and its content never told"),
        ("issues", "a recovery module issues codes, and only such a module"),
        ("twins", "an overview is of this user's devices"),
    ] {
        let violations = violations::<false>(fault);
        assert!(violations.iter().any(|violation| violation.starts_with(rule)), "{fault}: {violations:#?}");
    }
}

#[test]
#[should_panic(expected = "the module breaks the contract:\n- a set-up begins with a form")]
fn a_check_says_which_rules_are_broken() {
    Contract::<Faulty<false>>::new(json!({ "fault": "no form" }))
        .setup(|_| ())
        .right(|_, ()| json!({}))
        .wrong(|_, ()| json!({}))
        .check();
}
