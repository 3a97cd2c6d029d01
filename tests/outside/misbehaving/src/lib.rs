//! Does harm on request. A user sets it up with any harmless word; at each login the word typed says what happens, and
//! only `fine` is right. `config.misbehaviour` does harm earlier: `panic_in_new`, `abort_in_new`, `loop_in_new`,
//! `refuse_in_new`, and `panic_in_setup`, `panic_in_login`, `panic_in_depose`, `panic_in_overview`, `panic_in_drop`. A word at set-up does the
//! same as at login. With `config.late_until_ms` no instance comes into being before that moment of the real clock.

mod descriptors;

use std::{
    io::Write,
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    misbehaviour: String,
    late_until_ms: u64,
}

struct Misbehaving {
    misbehaviour: String,
}

#[derive(Serialize, Deserialize)]
struct Enrolment {
    user: String,
}

#[derive(Form)]
struct WordForm {
    #[form(text = 64)]
    word: String,
}

impl MfaModule for Misbehaving {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = Nothing;
    type SetupState = Nothing;

    fn describe() -> Description {
        // No limit in the flow, so that one login can try word after word.
        Description::new("misbehaving", "Misbehaving", Kind::Knowledge).retries_max(0)
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        if is_before(config.late_until_ms) {
            endless_loop();
        }
        match config.misbehaviour.as_str() {
            "panic_in_new" => panic!("asked to panic in new"),
            "abort_in_new" => process::abort(),
            "loop_in_new" => endless_loop(),
            "refuse_in_new" => Err(ConfigError::new("misbehaviour", "asked to refuse")),
            _ => Ok(Self { misbehaviour: config.misbehaviour }),
        }
    }

    fn input_schema(&self) -> Form {
        WordForm::form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        assert!(self.misbehaviour != "panic_in_setup", "asked to panic in setup_flow");
        if !ask.has_input() {
            return Ok(SetupStep::form(WordForm::form(), Nothing {}));
        }
        let WordForm { word } = ask.input()?;
        misbehave(&word)?;
        Ok(SetupStep::done(Enrolment { user: ask.user().id.clone() }))
    }

    fn overview(&self, _ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        assert!(self.misbehaviour != "panic_in_overview", "asked to panic in overview");
        Ok(Overview::default())
    }

    fn initialize_login_mfa_step(&self, _ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        assert!(self.misbehaviour != "panic_in_login", "asked to panic in initialize_login_mfa_step");
        Ok(Login::form(WordForm::form()))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let WordForm { word } = ask.input()?;
        match word.as_str() {
            "fine" => return Ok(Verdict::accepted()),
            "pending" => return Ok(Verdict::pending(1)),
            _ => misbehave(&word)?,
        }
        Ok(Verdict::rejected("invalid_code"))
    }

    fn depose(&self, _ask: DeposeCall<'_, Self>) -> Result<(), ModuleError> {
        assert!(self.misbehaviour != "panic_in_depose", "asked to panic in depose");
        Ok(())
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        assert!(self.misbehaviour != "panic_in_drop", "asked to panic in drop");
    }
}

/// The harms; any other word does none.
fn misbehave(word: &str) -> Result<(), ModuleError> {
    match word {
        "panic" => panic!("asked to panic"),
        "bomb" => std::panic::panic_any(Bomb),
        "fail" => return Err(ModuleError::failed("asked to fail")),
        "abort" => process::abort(),
        "exit" => process::exit(0),
        "segfault" => segfault(),
        "loop" => endless_loop(),
        "overflow" => drop(overflow(0)),
        "memory" => memory(),
        "noise" => noise(),
        "stdout" => descriptors::print_a_yes(),
        "close" => descriptors::close_all(),
        "close_control" => {
            descriptors::close_control();
            process::abort();
        }
        "forge" => descriptors::answer_for_others(),
        "file" => return escaped("read a file", std::fs::read("/etc/passwd").is_ok()),
        "network" => return escaped("opened a socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        "program" => return escaped("started a program", process::Command::new("/bin/true").status().is_ok()),
        "thread" => {
            let started = std::thread::Builder::new().spawn(|| ()).is_ok_and(|thread| thread.join().is_ok());
            return escaped("started a thread", started);
        }
        _ => {}
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the real time is what such a module goes by")]
fn is_before(moment_ms: u64) -> bool {
    SystemTime::now() < UNIX_EPOCH + Duration::from_millis(moment_ms)
}

/// Says in the reply whether the worker's walls held,
/// and, since the host keeps a module's failure words out of its log, on standard error too.
fn escaped(what: &str, escaped: bool) -> Result<(), ModuleError> {
    let sentence = format!("{} {what}", if escaped { "ESCAPED:" } else { "refused:" });
    eprintln!("{sentence}");
    Err(ModuleError::failed(sentence))
}

/// A payload whose destructor panics as well.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("asked to panic in a panic's payload");
    }
}

fn segfault() {
    let nowhere = std::ptr::without_provenance_mut::<u8>(std::hint::black_box(8));
    // SAFETY: there is none; the fault is what the test asks for.
    unsafe { nowhere.write_volatile(1) };
}

fn endless_loop() -> ! {
    loop {
        std::hint::black_box(());
    }
}

/// Ends in the guard page of the stack.
fn overflow(depth: usize) -> usize {
    let frame = std::hint::black_box([depth; 1024]);
    if depth == usize::MAX { 0 } else { overflow(depth + 1) + frame[depth % 1024] }
}

/// Takes 64 MiB at a time and writes to every page, until there is no more.
fn memory() -> ! {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(std::hint::black_box(vec![1; 64 * 1024 * 1024]));
    }
}

/// 16 MiB to the worker's standard error, among them bytes that are no text.
fn noise() {
    let line = [b"noise ".as_slice(), &[0xff, 0x1b, 0x00, b'\n']].concat();
    for _ in 0..16 * 1024 * 1024 / line.len() {
        let _ = std::io::stderr().write_all(&line);
    }
}

mfa_sdk::export_module!(Misbehaving, texts = "texts/");
