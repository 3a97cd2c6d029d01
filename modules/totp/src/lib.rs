//! Codes from an authenticator app: TOTP (RFC 6238) with a bar against replay.
#![forbid(unsafe_code)]

mod authenticator;
mod config;
mod devices;
#[cfg(test)]
mod tests;

use authenticator::Authenticator;
use config::Config;
use devices::{Enrolled, Enrolment, Match, Moment, default_name};
use mfa_sdk::{key_uri::SharedSecret, prelude::*};

/// Bytes of a device's id.
const ID_BYTES: usize = 8;
/// Characters of a device's name, as every host takes them.
const NAME_CHARS_MAX: usize = 64;
/// So many characters in UTF-8.
const NAME_BYTES_MAX: usize = 256;

struct Totp {
    config: Config,
}

#[derive(Form)]
struct Input {
    #[form(digits(6, 8))]
    code: String,
}

/// Asked when there is one already: which of them is meant has to be told apart from then on.
#[derive(Form)]
struct Named {
    #[form(digits(6, 8))]
    code: String,
    #[form(text = 256)]
    name: Option<String>,
}

impl MfaModule for Totp {
    type Config = Config;
    type Enrolment = Enrolment;
    type Challenge = Nothing;
    type SetupState = Authenticator;

    const ENROLMENT_VERSION: u32 = 2;

    fn describe() -> Description {
        Description::new("totp", "Authenticator app", Kind::Possession).amr(["otp"]).retries_max(5)
    }

    fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    fn input_schema(&self) -> Form {
        let Config { digits, period_s, .. } = self.config;
        code_form(Form::new(), (digits, digits, period_s))
    }

    fn code_times(&self) -> Option<CodeTimes> {
        Some(CodeTimes {
            period_s: u32::try_from(self.config.period_s).ok()?,
            window: u32::try_from(self.config.window).ok()?,
        })
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        let former = ask.replaces().map_or(&[][..], |former| &former.devices);
        if former.len() >= self.config.devices_max {
            return Ok(SetupStep::abort("too_many_devices"));
        }
        let Some(authenticator) = ask.state() else {
            let authenticator = Authenticator {
                secret: SharedSecret::new(&ask.random()),
                algorithm: self.config.algorithm,
                digits: self.config.digits,
                period_s: self.config.period_s,
            };
            return Ok(SetupStep::form(self.setup_form(&authenticator, &ask), authenticator));
        };
        let form = self.setup_form(authenticator, &ask);
        if !ask.has_input() {
            return Ok(SetupStep::form(form, authenticator.clone()));
        }
        let Named { code, name } = ask.input()?;
        let name = name.filter(|name| !name.is_empty());
        if name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS_MAX) {
            return Ok(SetupStep::again(form, "name_too_long"));
        }
        let Some(step) = authenticator.matching_step(&code, ask.now(), self.config.window) else {
            return Ok(match authenticator.clock_ahead_ms(&code, ask.now()) {
                Some(ahead_ms) => SetupStep::again(form, "clock_differs").with_error_text(clock_differs(ahead_ms)),
                None => SetupStep::again(form, "invalid_code"),
            });
        };
        let free_name = ask.replaces().map_or_else(|| default_name(1), Enrolment::free_name);
        let new = Enrolled {
            id: ask.random().bytes::<ID_BYTES>().iter().map(|byte| format!("{byte:02x}")).collect(),
            name: name.unwrap_or(free_name),
            created_at_ms: ask.now(),
            last_used_at_ms: None,
            authenticator: authenticator.clone(),
            // The code that proves the set-up is used up by it: it is refused at the first login.
            last_step: step,
        };
        Ok(SetupStep::done(Enrolment { devices: former.iter().cloned().chain([new]).collect() }))
    }

    fn initialize_login_mfa_step(&self, ask: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        let bounds = ask.enrolment().bounds().ok_or_else(|| ModuleError::failed("no authenticator is set up"))?;
        Ok(Login::form(code_form(Form::new(), bounds)))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let Input { code } = ask.input()?;
        let moment = Moment { now_ms: ask.now(), window: self.config.window, forgotten_until_ms: ask.restored_at() };
        Ok(match ask.enrolment().look_at(&code, &moment) {
            Match::Fresh(enrolment) => Verdict::accepted_with(enrolment),
            Match::Used => Verdict::rejected("code_used"),
            // Never `clock_differs` here: it would try each guess against two days of codes instead of three, and say
            // of a hit when it will be right. In a set-up the answer goes to somebody who was just shown the secret.
            Match::None => Verdict::rejected("invalid_code"),
        })
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        let devices = &ask.enrolment().devices;
        let summary = match devices.len() {
            1 => Text::new("one_device"),
            count => Text::new("devices").with("count", count),
        };
        let summary = summary.with("max", self.config.devices_max);
        Ok(devices.iter().map(Enrolled::shown).fold(Overview::new(summary), Overview::device))
    }

    fn change_device(&self, ask: ChangeDeviceCall<'_, Self>) -> Result<DevicesLeft<Self>, ModuleError> {
        let mut enrolment = ask.enrolment().clone();
        let device = enrolment.devices.iter_mut().find(|device| device.id == ask.device());
        let device = device.ok_or_else(|| ModuleError::failed("there is no such authenticator"))?;
        match ask.change() {
            DeviceChange::Rename { name } => device.name = name.clone(),
            DeviceChange::Remove => enrolment = enrolment.without(ask.device()),
        }
        Ok(if enrolment.devices.is_empty() { DevicesLeft::NoneLeft } else { DevicesLeft::These(enrolment) })
    }

    fn migrate(from: u32, data: Value) -> Result<Enrolment, ModuleError> {
        match from {
            1 => Enrolment::from_single(data),
            _ => Err(ModuleError::failed(format!("there never was an enrolment of version {from}"))),
        }
    }
}

impl Totp {
    fn setup_form(&self, authenticator: &Authenticator, ask: &SetupCall<'_, Self>) -> Form {
        let issuer = self.config.issuer.as_deref().unwrap_or(ask.host_name());
        let uri = authenticator.key_uri(issuer, &ask.user().name);
        let form = uri.shown(Form::new().title("setup_title").sentence("scan"), "key");
        let Authenticator { digits, period_s, .. } = *authenticator;
        let form = code_form(form, (digits, digits, period_s));
        match ask.replaces() {
            Some(former) => {
                let name = form.text("name", NAME_BYTES_MAX).optional().label("name").help("name_help");
                name.default_value(former.free_name())
            }
            None => form,
        }
    }
}

/// By how much, and in which direction: `ahead` or `behind`.
fn clock_differs(ahead_ms: i64) -> Text {
    let minutes = (ahead_ms.unsigned_abs() + 30_000) / 60_000;
    let direction = if ahead_ms > 0 { "ahead" } else { "behind" };
    let sentence = match (minutes, ahead_ms > 0) {
        (0 | 1, true) => "clock_ahead_one",
        (0 | 1, false) => "clock_behind_one",
        (_, true) => "clock_ahead",
        (_, false) => "clock_behind",
    };
    Text::new(sentence).with("minutes", minutes.max(1)).with("direction", direction)
}

/// The form of a code of so many digits, at least and at most, shown for so long.
fn code_form(form: Form, (digits_min, digits_max, period_s): (u8, u8, u64)) -> Form {
    let digits = if digits_min == digits_max { digits_max.to_string() } else { format!("{digits_min}–{digits_max}") };
    let help = Text::new("code_help").with("digits", digits).with("period", period_s);
    form.digits_between("code", usize::from(digits_min), usize::from(digits_max)).label("code").help(help)
}

mfa_sdk::export_module!(Totp, texts = "texts/");
