//! Between the trait and the ABI: JSON in, JSON out, and no panic gets past. Whatever goes wrong here is a reply that
//! is not "yes".

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    abi::Export,
    call::{Call, Change, Depose, Issue, LoginStep, Look, Setup, Validate},
    devices::DeviceChange,
    form::Fields,
    module::{ConfigError, MfaModule, ModuleError},
    protocol::{
        Answer, Cause, Context, Enrolment, LoginReply, OPERATIONS, Operation, Reply, Request, SetupReply, VerdictReply,
    },
    random,
    step::{DevicesLeft, Kept, SetupStep, Verdict},
    text::Texts,
};

/// Longest piece of a panic's text that is passed on, in characters.
const PANIC_CHARACTERS_MAX: usize = 200;

/// What [`export_module!`](crate::export_module) adds to a module: its texts and what its `Cargo.toml` says.
#[doc(hidden)]
pub trait Package: MfaModule {
    const VERSION: &'static str;
    const LICENSE: &'static str;
    /// Language tag → key → sentence.
    const TEXTS: &'static [(&'static str, &'static [(&'static str, &'static str)])];

    fn texts() -> Texts {
        let owned = |(key, sentence): &(&str, &str)| ((*key).to_owned(), (*sentence).to_owned());
        Self::TEXTS
            .iter()
            .map(|(language, texts)| ((*language).to_owned(), texts.iter().map(owned).collect()))
            .collect()
    }
}

/// Exports a type that implements [`MfaModule`] as the module of this library, with the texts of a folder.
///
/// `texts` is a folder beside `Cargo.toml` with one `<language tag>.json` a language: a flat object of keys and
/// sentences. `en.json` is required; another language may not have a key, nor a `{place}`, that English lacks. They
/// are read at compile time. Without `texts` the module has none, and its keys are shown as they stand.
///
/// Refuses to compile with `panic = "abort"`. Once per library.
#[macro_export]
macro_rules! export_module {
    ($module:ty) => {
        $crate::export_module!(@ $module, &[]);
    };
    ($module:ty, texts = $folder:literal $(,)?) => {
        $crate::export_module!(@ $module, $crate::embed_texts!($folder));
    };
    (@ $module:ty, $texts:expr) => {
        impl $crate::adapter::Package for $module {
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            const LICENSE: &'static str = env!("CARGO_PKG_LICENSE");
            const TEXTS: &'static [(&'static str, &'static [(&'static str, &'static str)])] = $texts;
        }
        $crate::abi::export_abi!($crate::adapter::Adapter<$module>);
    };
}

/// A configured module behind the ABI.
#[doc(hidden)]
pub struct Adapter<M: MfaModule>(Option<M>);

impl<M: Package> Export for Adapter<M> {
    fn describe() -> String {
        let described = guarded(|| {
            let mut description = M::describe();
            description.enrolment_version = M::ENROLMENT_VERSION;
            description.texts = M::texts();
            if description.version.is_empty() {
                description.version = M::VERSION.to_owned();
            }
            if description.license.is_empty() {
                description.license = M::LICENSE.to_owned();
            }
            json(&description)
        });
        described.unwrap_or_else(|panicked| json(&failed(panicked)))
    }

    fn create(config: &str) -> Result<Self, String> {
        let created = guarded(|| configured(config));
        let created = created.unwrap_or_else(|panicked| Err(ConfigError::new("", panicked)));
        created.map(|module| Self(Some(module))).map_err(|error| json(&error))
    }

    fn call(&self, request: &str) -> String {
        let answered = guarded(|| {
            let reply = match &self.0 {
                Some(module) => answer(module, request),
                None => Err("the module is gone".to_owned()),
            };
            json(&reply.unwrap_or_else(failed))
        });
        answered.unwrap_or_else(|panicked| json(&failed(panicked)))
    }
}

impl<M: MfaModule> Drop for Adapter<M> {
    fn drop(&mut self) {
        // Nothing is left to answer; only the panic must not go on.
        let _ = guarded(|| drop(self.0.take()));
    }
}

/// Runs a module's code and catches what it throws. The payload is forgotten: its own `Drop` may panic as well.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = panic_text(&*payload);
        std::mem::forget(payload);
        format!("panicked: {text}")
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = match payload.downcast_ref::<&str>() {
        Some(text) => text,
        None => payload.downcast_ref::<String>().map_or("without a text", String::as_str),
    };
    text.chars().take(PANIC_CHARACTERS_MAX).collect()
}

fn configured<M: MfaModule>(config: &str) -> Result<M, ConfigError> {
    let mut text = serde_json::Deserializer::from_str(config);
    let config = serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let path = error.path().to_string();
        // serde_path_to_error writes the path of the whole as a dot.
        let path = if path == "." { String::new() } else { path };
        ConfigError { path, message: without_value(&error.into_inner().to_string()) }
    })?;
    M::new(config)
}

/// serde quotes a text of the wrong type, which may be a password, and says where in its JSON it stood, which is not
/// the place the admin knows. Both go.
fn without_value(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    match (message.split_once(": string \""), message.rsplit_once("\", expected ")) {
        (Some((what, _)), Some((_, expected))) => format!("{what}: string, expected {expected}"),
        _ => message.to_owned(),
    }
}

fn answer<M: MfaModule>(module: &M, request: &str) -> Result<Reply, String> {
    let request: Request = match serde_json::from_str(request) {
        Ok(request) => request,
        // What cannot be read is looked at twice, so that the rest is read once.
        Err(_) => return not_a_request(request),
    };
    let context = &request.context;
    let answered = match &request.operation {
        Operation::InputSchema {} => Ok(Reply::Form { form: module.input_schema(), code: module.code_times() }),
        Operation::SetupFlow { state, input, replaces } => {
            setup_flow(module, context, state.as_ref(), input.as_ref(), replaces.as_ref())
        }
        Operation::InitializeLoginMfaStep { enrolment, cause } => login(module, context, enrolment, *cause),
        Operation::Validate { enrolment, challenge, answer } => {
            validate(module, context, enrolment, challenge.as_ref(), answer)
        }
        Operation::Issue {} => issue(module, context),
        Operation::Depose { enrolment } => depose(module, context, enrolment),
        Operation::Migrate { enrolment } => migrate::<M>(enrolment),
        Operation::Overview { enrolment } => overview(module, context, enrolment),
        Operation::ChangeDevice { enrolment, device, change } => {
            change_device(module, context, enrolment, device, change)
        }
    };
    match answered {
        Ok(reply) => Ok(reply),
        Err(ModuleError::Unsupported) => Ok(Reply::Unsupported {}),
        Err(error) => Err(error.to_string()),
    }
}

/// An operation of a newer host is unsupported, whatever else it carries; any other misfit has a place.
fn not_a_request(text: &str) -> Result<Reply, String> {
    #[derive(Deserialize)]
    struct Tag {
        operation: String,
    }
    let tag: Tag = serde_json::from_str(text).map_err(|_| "the request has no operation".to_owned())?;
    if !OPERATIONS.contains(&tag.operation.as_str()) {
        return Ok(Reply::Unsupported {});
    }
    let mut text = serde_json::Deserializer::from_str(text);
    let place = serde_path_to_error::deserialize::<_, Request>(&mut text).err().map(|error| error.path().to_string());
    Err(format!("the request does not decode at {}", place.unwrap_or_default()))
}

fn setup_flow<M: MfaModule>(
    module: &M,
    context: &Context,
    state: Option<&Value>,
    input: Option<&Fields>,
    replaces: Option<&Enrolment>,
) -> Result<Reply, ModuleError> {
    let known: Option<M::SetupState> = state.map(|state| decoded(state, "the set-up's state")).transpose()?;
    // What cannot be read any more is the very thing a new set-up mends.
    let replaces = replaces.and_then(|enrolment| Enrolled::<M>::of(enrolment).ok());
    let question =
        Setup { state: known.as_ref(), input, replaces: replaces.as_ref().map(|enrolled| &enrolled.enrolment) };
    Ok(Reply::Setup(match module.setup_flow(asked(context, question)?)? {
        SetupStep::Form { form, state: kept, messages, error, error_text } => {
            let state = match (kept, state) {
                (Kept::New(state), _) => encoded(&state, "the set-up's state")?,
                (Kept::Former, Some(state)) => state.clone(),
                (Kept::Former, None) => return Err(ModuleError::failed("the set-up has no state to keep")),
            };
            SetupReply::Form { form, state, messages, error, error_text }
        }
        SetupStep::Done { enrolment } => SetupReply::Done { enrolment: encoded(&enrolment, "the enrolment")? },
        SetupStep::Abort { reason } => SetupReply::Abort { reason },
    }))
}

fn login<M: MfaModule>(
    module: &M,
    context: &Context,
    enrolment: &Enrolment,
    cause: Cause,
) -> Result<Reply, ModuleError> {
    let enrolled = Enrolled::<M>::of(enrolment)?;
    let question = LoginStep { enrolment: &enrolled.enrolment, cause };
    let login = module.initialize_login_mfa_step(asked(context, question)?)?;
    let challenge = kept(login.challenge, "the challenge")?;
    Ok(Reply::Login(LoginReply { form: login.form, challenge, messages: login.messages }))
}

fn validate<M: MfaModule>(
    module: &M,
    context: &Context,
    enrolment: &Enrolment,
    challenge: Option<&Value>,
    answer: &Answer,
) -> Result<Reply, ModuleError> {
    let enrolled = Enrolled::<M>::of(enrolment)?;
    let challenge = challenge.map(|challenge| decoded(challenge, "the challenge")).transpose()?;
    let question = Validate { enrolment: &enrolled.enrolment, challenge: challenge.as_ref(), answer };
    Ok(Reply::Verdict(match module.validate(asked(context, question)?)? {
        Verdict::Accepted { enrolment: changed, advice } => {
            let enrolment = match changed {
                Some(changed) => Some(encoded(&changed, "the enrolment")?),
                None => enrolled.migrated_data()?,
            };
            VerdictReply::Accepted { enrolment, advice }
        }
        Verdict::Rejected { error, challenge } => {
            VerdictReply::Rejected { error, challenge: kept(challenge, "the challenge")? }
        }
        Verdict::Pending { challenge, retry_after_ms } => {
            VerdictReply::Pending { challenge: kept(challenge, "the challenge")?, retry_after_ms }
        }
    }))
}

fn issue<M: MfaModule>(module: &M, context: &Context) -> Result<Reply, ModuleError> {
    let issued = module.issue(asked(context, Issue)?)?;
    Ok(Reply::Issued { enrolment: encoded(&issued.enrolment, "the enrolment")?, codes: issued.codes })
}

fn depose<M: MfaModule>(module: &M, context: &Context, enrolment: &Enrolment) -> Result<Reply, ModuleError> {
    let enrolled = Enrolled::<M>::of(enrolment).ok();
    let question = Depose { enrolment: enrolled.as_ref().map(|enrolled| &enrolled.enrolment) };
    module.depose(asked(context, question)?)?;
    Ok(Reply::Deposed {})
}

fn migrate<M: MfaModule>(enrolment: &Enrolment) -> Result<Reply, ModuleError> {
    let data = encoded(&Enrolled::<M>::of(enrolment)?.enrolment, "the enrolment")?;
    Ok(Reply::Migrated { enrolment: Enrolment { version: M::ENROLMENT_VERSION, data } })
}

fn overview<M: MfaModule>(module: &M, context: &Context, enrolment: &Enrolment) -> Result<Reply, ModuleError> {
    let enrolled = Enrolled::<M>::of(enrolment)?;
    let question = Look { enrolment: &enrolled.enrolment };
    module.overview(asked(context, question)?).map(Reply::Overview)
}

fn change_device<M: MfaModule>(
    module: &M,
    context: &Context,
    enrolment: &Enrolment,
    device: &str,
    change: &DeviceChange,
) -> Result<Reply, ModuleError> {
    let enrolled = Enrolled::<M>::of(enrolment)?;
    let question = Change { enrolment: &enrolled.enrolment, device, change };
    let left = match module.change_device(asked(context, question)?)? {
        DevicesLeft::These(changed) => Some(encoded(&changed, "the enrolment")?),
        DevicesLeft::NoneLeft => None,
    };
    Ok(Reply::Changed { enrolment: left })
}

/// An enrolment as this build knows it.
struct Enrolled<M: MfaModule> {
    enrolment: M::Enrolment,
    migrated: bool,
}

impl<M: MfaModule> Enrolled<M> {
    fn of(enrolment: &Enrolment) -> Result<Self, ModuleError> {
        let (known, version) = (M::ENROLMENT_VERSION, enrolment.version);
        if version > known {
            let reason = format!("the enrolment has version {version}, this build reads up to {known}");
            return Err(ModuleError::Failed(reason));
        }
        let migrated = version < known;
        let enrolment = match migrated {
            true => M::migrate(version, enrolment.data.clone())?,
            false => decoded(&enrolment.data, "the enrolment")?,
        };
        Ok(Self { enrolment, migrated })
    }

    /// What the host has to keep although the module changed nothing.
    fn migrated_data(&self) -> Result<Option<Value>, ModuleError> {
        self.migrated.then(|| encoded(&self.enrolment, "the enrolment")).transpose()
    }
}

fn asked<Q>(context: &Context, question: Q) -> Result<Call<'_, Q>, ModuleError> {
    let random = random::generator(&context.seed)
        .ok_or_else(|| ModuleError::failed("the request's seed is not 64 hexadecimal digits"))?;
    Ok(Call::new(context, random, question))
}

/// serde's own message would quote the value, which may be a secret; the path is enough to find it.
fn decoded<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, ModuleError> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| ModuleError::Failed(format!("{what} does not decode at {}", error.path())))
}

/// `null` stands for "not there" in the protocol; a record that is written so would be lost on the way back.
fn encoded<T: Serialize>(value: &T, what: &str) -> Result<Value, ModuleError> {
    match serde_json::to_value(value) {
        Ok(Value::Null) => Err(ModuleError::Failed(format!("{what} is null in JSON; use `Nothing` or a struct"))),
        Ok(value) => Ok(value),
        Err(_) => Err(ModuleError::Failed(format!("{what} has no JSON form"))),
    }
}

fn kept<T: Serialize>(value: Option<T>, what: &str) -> Result<Option<Value>, ModuleError> {
    value.map(|value| encoded(&value, what)).transpose()
}

fn failed(message: String) -> Reply {
    Reply::Failed { message }
}

/// The types of the protocol are trees of strings, numbers and JSON values, which always have a JSON form.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|_| r#"{"reply":"failed","message":"the reply has no JSON form"}"#.to_owned())
}

#[cfg(test)]
mod tests;
