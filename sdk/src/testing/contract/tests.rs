//! Each rule is broken once, by a module with one fault, and must be found; without a fault all of them hold.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use super::*;
use crate::{prelude::*, testing::Bench};

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
        false => &[("de", &[("sent", "Gesendet")]), ("en", &[("sent", "Sent")])],
    };
}

impl<const FLAWED: bool> Faulty<FLAWED> {
    fn has(&self, fault: &str) -> bool {
        self.fault == fault
    }

    fn form(&self) -> Form {
        if self.has("no text") { Form::new().code("code", 32).label("unwritten") } else { Input::form() }
    }

    fn send<Q>(&self, ask: &Call<'_, Q>) -> Result<(Waiting, Message), ModuleError> {
        let (sent, mut code) = SentCode::new(ask, &[ADDRESS], 600)?;
        if self.has("same code") {
            code = "123456".to_owned();
        }
        let plain = ["plain", "lives for ever", "same code"].contains(&self.fault.as_str()).then(|| code.clone());
        let to = if self.has("bad message") { "" } else { ADDRESS };
        Ok((Waiting { sent, plain }, Message::new("email", to, "code").with("code", code)))
    }

    fn takes<Q>(&self, ask: &Call<'_, Q>, waiting: &Waiting, code: &str) -> Result<bool, ModuleError> {
        match &waiting.plain {
            Some(plain) => Ok(plain == code),
            None => Ok(waiting.sent.check(ask, &[ADDRESS], code)? == Checked::Right),
        }
    }
}

impl<const FLAWED: bool> MfaModule for Faulty<FLAWED> {
    type Config = Config;
    type Enrolment = Value;
    type Challenge = Waiting;
    type SetupState = Waiting;

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
            return Ok(SetupStep::form(self.form(), waiting).with_message(message));
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
        let login = Login::form(form).with_challenge(waiting);
        Ok(if self.has("silent") { login } else { login.with_message(message) })
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        match ask.answer() {
            Answer::Poll if self.has("accepts a poll") => return Ok(Verdict::accepted()),
            Answer::Link if self.has("accepts a link") => return Ok(Verdict::accepted()),
            Answer::Link | Answer::Poll => return Ok(Verdict::pending(1000)),
            Answer::Form { .. } if self.has("tells") && !ask.enrolment()["address"].is_string() => {
                let mac = ask.challenge().map(|waiting| waiting.sent.mac.clone());
                return Err(ModuleError::failed(mac.unwrap_or_default()));
            }
            Answer::Form { .. } => {}
        }
        let input: Result<Input, _> = ask.input();
        assert!(!(self.has("panics") && input.is_err()), "told to");
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
    let code = |bench: &Bench<Faulty<FLAWED>>| bench.code_sent().unwrap_or("nothing").to_owned();
    Contract::<Faulty<FLAWED>>::new(json!({ "fault": fault }))
        .prepare(|bench| {
            bench.channels([Channel::new("email", "Mail", TargetKind::Email)]);
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
        .violations()
}

#[test]
fn without_a_fault_every_rule_holds() {
    assert_eq!(violations::<false>(""), Vec::<String>::new());
}

#[test]
fn a_fault_of_the_description_is_found() {
    let violations = violations::<true>("");
    assert_eq!(violations.len(), 3, "{violations:?}");
    assert!(violations[0].contains("\"mfa\" is not an amr value"), "{violations:?}");
    assert!(violations[1].contains("`de` does not have `sent`"), "{violations:?}");
    assert!(violations[2].contains("another form than input_schema"), "{violations:?}");
}

#[test]
fn each_fault_is_found_by_its_rule() {
    for (fault, rule) in [
        ("unknown setting", "a setting that does not exist is refused with its path"),
        ("no form", "a set-up begins with a form"),
        ("no text", "a set-up begins with a form: English does not have the text `unwritten`"),
        ("unsteady", "a repeated call has the same reply"),
        ("trusts an older host", "an older host gets an answer, and no other yes"),
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
