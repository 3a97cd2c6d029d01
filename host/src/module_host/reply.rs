//! A module's reply before it is believed: well-formed, of a kind its operation allows, and within bounds.

use std::{borrow::Cow, collections::BTreeMap};

use mfa_sdk::{
    form::{Block, Field, FieldKind, Form, RESERVED_BLOCKS, RESERVED_FIELDS},
    message::Message,
    protocol::{CodeTimes, DeviceChange, LoginReply, Operation, Overview, Reply, Request, SetupReply, VerdictReply},
    text::Text,
};
use serde_json::Value;

use super::{CallError, check::is_name};

const FIELDS_MAX: usize = 32;
const BLOCKS_MAX: usize = 32;
const OPTIONS_MAX: usize = 100;
const FIELD_BYTES_MAX: usize = 64 * 1024;
const TEXT_BYTES_MAX: usize = 4096;
const QR_BYTES_MAX: usize = 2000;
const URI_BYTES_MAX: usize = 4096;
const CODES_MAX: usize = 100;
const CODE_BYTES_MAX: usize = 128;
const MESSAGES_MAX: usize = 5;
const VALUES_MAX: usize = 32;
/// A day: what is still on its way then helps nobody.
const MESSAGE_LIFETIME_S_MAX: u32 = 86_400;
/// 9999-12-31T23:59:59Z, the last moment RFC 3339 can write.
const MOMENT_MS_MAX: i64 = 253_402_300_799_000;
const CODE_PERIOD_S_MAX: u32 = 86_400;
const CODE_WINDOW_MAX: u32 = 100;
const DEVICES_MAX: usize = 32;
const DEVICE_NAME_CHARACTERS_MAX: usize = 64;
const ERROR_VALUES_MAX: usize = 8;
/// RFC 5321: 254 bytes for an e-mail address; other channels stay below.
const ADDRESS_BYTES_MAX: usize = 254;
const KEPT_BYTES_MAX: usize = 64 * 1024;
const RETRY_AFTER_MS_MAX: u64 = 60_000;
const FAILURE_CHARACTERS_MAX: usize = 512;

/// What the host puts into a message itself.
const RESERVED_VALUE: &str = "link";

type Checked = Result<(), String>;

/// The reply in `bytes` to this request, or why it is none. One that names another user than was asked about is none.
pub(super) fn answering(request: &Request, bytes: &[u8]) -> Result<Reply, CallError> {
    let reply = validated(&request.operation, bytes)?;
    match std::str::from_utf8(bytes) {
        Ok(text) => check_user(&request.context.user.id, text).map_err(CallError::BadReply)?,
        Err(_) => return Err(CallError::BadReply("it is not UTF-8".to_owned())),
    }
    Ok(reply)
}

/// Replies need not say whom they are about, and almost none do: the search costs less than a second reading.
fn check_user(asked: &str, reply: &str) -> Checked {
    #[derive(serde::Deserialize)]
    struct About {
        #[serde(default)]
        user: Option<Value>,
    }
    if !reply.contains("\"user\"") {
        return Ok(());
    }
    let about: About = serde_json::from_str(reply).map_err(|_| "it names two users".to_owned())?;
    require(about.user.is_none_or(|user| user == asked), "it is about another user than was asked about")
}

/// The reply in `bytes` to `operation`, or why it is none.
pub(super) fn validated(operation: &Operation, bytes: &[u8]) -> Result<Reply, CallError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CallError::BadReply("it is not UTF-8".to_owned()))?;
    // serde_json refuses JSON deeper than 128, so no reply can exhaust the stack. Its message may quote the reply,
    // which may hold a secret, so only the place of the mistake is told.
    let reply = read(text).map_err(|error| {
        CallError::BadReply(format!("not a known reply (line {}, column {})", error.line(), error.column()))
    })?;
    match reply {
        Reply::Failed { message } => return Err(CallError::Failed(plain(&message, FAILURE_CHARACTERS_MAX))),
        Reply::Unsupported {} => return Err(CallError::Unsupported),
        _ => {}
    }
    check(operation, &reply).map_err(CallError::BadReply)?;
    Ok(reply)
}

/// The reply as its tag says. The two kinds that every login has are read at once into their place; for the others all of
/// it is read into a tree first, as the library does for tagged values.
fn read(text: &str) -> Result<Reply, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Tag<'a> {
        #[serde(borrow)]
        reply: Cow<'a, str>,
    }
    match &*serde_json::from_str::<Tag<'_>>(text)?.reply {
        "login" => serde_json::from_str(text).map(Reply::Login),
        "verdict" => serde_json::from_str(text).map(Reply::Verdict),
        _ => serde_json::from_str(text),
    }
}

/// Text for logs and errors: no control characters, at most `characters_max` characters.
pub(super) fn plain(text: &str, characters_max: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(characters_max).collect()
}

fn check(operation: &Operation, reply: &Reply) -> Checked {
    match (operation, reply) {
        (Operation::InputSchema {}, Reply::Form { form, code }) => {
            check_form(form)?;
            code.as_ref().map_or(Ok(()), check_code_times)
        }
        (Operation::SetupFlow { .. }, Reply::Setup(setup)) => check_setup(setup),
        (Operation::InitializeLoginMfaStep { .. }, Reply::Login(login)) => check_login(login),
        (Operation::Validate { .. }, Reply::Verdict(verdict)) => check_verdict(verdict),
        (Operation::Issue {}, Reply::Issued { enrolment, codes }) => {
            check_kept(Some(enrolment))?;
            check_codes(codes)
        }
        (Operation::Depose { .. }, Reply::Deposed {}) => Ok(()),
        (Operation::Migrate { .. }, Reply::Migrated { enrolment }) => check_kept(Some(&enrolment.data)),
        (Operation::Overview { .. }, Reply::Overview(overview)) => check_overview(overview),
        (Operation::ChangeDevice { change, .. }, Reply::Changed { enrolment }) => {
            let may_go = *change == DeviceChange::Remove;
            require(enrolment.is_some() || may_go, "a new name leaves no device")?;
            check_kept(enrolment.as_ref())
        }
        _ => Err("its kind does not answer this operation".to_owned()),
    }
}

fn check_setup(setup: &SetupReply) -> Checked {
    match setup {
        SetupReply::Form { form, state, messages, error, error_text } => {
            check_form(form)?;
            check_kept(Some(state))?;
            check_messages(messages)?;
            error.as_deref().map_or(Ok(()), check_key)?;
            error_text.as_ref().map_or(Ok(()), check_error_text)
        }
        SetupReply::Done { enrolment } => check_kept(Some(enrolment)),
        SetupReply::Abort { reason } => check_key(reason),
    }
}

fn check_login(login: &LoginReply) -> Checked {
    check_form(&login.form)?;
    check_kept(login.challenge.as_ref())?;
    check_messages(&login.messages)
}

fn check_verdict(verdict: &VerdictReply) -> Checked {
    match verdict {
        VerdictReply::Accepted { enrolment, advice } => {
            check_kept(enrolment.as_ref())?;
            advice.as_ref().map_or(Ok(()), check_text)
        }
        VerdictReply::Rejected { error, challenge } => {
            check_key(error)?;
            check_kept(challenge.as_ref())
        }
        VerdictReply::Pending { challenge, retry_after_ms } => {
            require(*retry_after_ms <= RETRY_AFTER_MS_MAX, "retry_after_ms is more than a minute")?;
            check_kept(challenge.as_ref())
        }
    }
}

fn check_code_times(code: &CodeTimes) -> Checked {
    let fit = (1..=CODE_PERIOD_S_MAX).contains(&code.period_s) && code.window <= CODE_WINDOW_MAX;
    require(fit, "its codes live longer than a day, or not at all")
}

fn require(holds: bool, otherwise: &str) -> Checked {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn check_key(key: &str) -> Checked {
    require(is_name(key), "an error or reason is not 1–64 of a-z, 0-9 and _")
}

/// Its values become placeholders of the step, beside those of the form's blocks.
fn check_error_text(text: &Text) -> Checked {
    let name = |name: &str| is_name(name) && !RESERVED_BLOCKS.contains(&name);
    let fits = |(place, value): (&String, &String)| name(place) && value.len() <= TEXT_BYTES_MAX;
    let fit = text.values.len() <= ERROR_VALUES_MAX && text.values.iter().all(fits);
    require(fit, "the values of its error's text are too many, too long, or have names that cannot be used")?;
    check_key(&text.key)
}

fn check_kept(kept: Option<&Value>) -> Checked {
    let bytes = kept.map_or(0, |value| value.to_string().len());
    require(bytes <= KEPT_BYTES_MAX, "what it wants kept is larger than 64 KiB")
}

fn check_messages(messages: &[Message]) -> Checked {
    require(messages.len() <= MESSAGES_MAX, "it sends more than 5 messages")?;
    for message in messages {
        require(is_name(&message.channel) && is_name(&message.template), "a message's channel or template is no name")?;
        require(is_line(&message.to, ADDRESS_BYTES_MAX), "a message's address is not one line of 1–254 bytes")?;
        require(message.values.keys().all(|name| is_name(name)), "a message's value has no name")?;
        require(!message.values.contains_key(RESERVED_VALUE), "a message's value has the host's own name")?;
        require(are_values(&message.values), "a message's values are too many or too long")?;
        let lives = (1..=MESSAGE_LIFETIME_S_MAX).contains(&message.lifetime_s);
        require(lives, "a message does not live 1–86400 s")?;
    }
    Ok(())
}

fn check_text(text: &Text) -> Checked {
    require((1..=TEXT_BYTES_MAX).contains(&text.key.len()), "a text's key is not 1–4096 bytes")?;
    require(are_values(&text.values), "a text's values are too many or too long")
}

fn are_values(values: &BTreeMap<String, String>) -> bool {
    values.len() <= VALUES_MAX && values.values().all(|value| value.len() <= TEXT_BYTES_MAX)
}

fn check_overview(overview: &Overview) -> Checked {
    overview.summary.as_ref().map_or(Ok(()), check_text)?;
    require(overview.devices.len() <= DEVICES_MAX, "it has more than 32 devices")?;
    for (position, device) in overview.devices.iter().enumerate() {
        require(is_name(&device.id), "a device's id is not 1–64 of a-z, 0-9 and _")?;
        let again = overview.devices[..position].iter().any(|earlier| earlier.id == device.id);
        require(!again, "two devices have one id")?;
        let short = device.name.chars().count() <= DEVICE_NAME_CHARACTERS_MAX;
        require(short && is_line(&device.name, TEXT_BYTES_MAX), "a device's name is not one line of 1–64 characters")?;
        let moments = [Some(device.created_at_ms), device.last_used_at_ms];
        let are_dates = moments.iter().flatten().all(|moment| (0..=MOMENT_MS_MAX).contains(moment));
        require(are_dates, "a device's dates are none")?;
    }
    Ok(())
}

fn is_line(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn check_form(form: &Form) -> Checked {
    require(form.fields.len() <= FIELDS_MAX, "its form has more than 32 fields")?;
    require(form.blocks.len() <= BLOCKS_MAX, "its form has more than 32 blocks")?;
    for (position, field) in form.fields.iter().enumerate() {
        check_field(field)?;
        let again = form.fields[..position].iter().any(|earlier| earlier.name == field.name);
        require(!again, "its form has two fields of one name")?;
    }
    for (position, block) in form.blocks.iter().enumerate() {
        check_block(block)?;
        let again = form.blocks[..position].iter().any(|earlier| earlier.name() == block.name());
        require(block.name().is_none() || !again, "its form has two blocks of one name")?;
    }
    let Some(ceremony) = &form.ceremony else { return Ok(()) };
    require(is_line(&ceremony.kind, 64), "its ceremony has no kind")?;
    let answers = |field: &Field| field.name == ceremony.field && matches!(field.kind, FieldKind::Text { .. });
    require(form.fields.iter().any(answers), "its ceremony answers in a field that is no text field of the form")
}

fn check_field(field: &Field) -> Checked {
    require(is_name(&field.name), "a field's name is not 1–64 of a-z, 0-9 and _")?;
    require(!RESERVED_FIELDS.contains(&field.name.as_str()), "a field has a name the host uses itself")?;
    let fits = |length_max: usize| (1..=FIELD_BYTES_MAX).contains(&length_max);
    let sound = match &field.kind {
        FieldKind::Text { length_max } | FieldKind::Password { length_max } => fits(*length_max),
        FieldKind::Digits { length_min, length_max } | FieldKind::Code { length_min, length_max } => {
            length_min <= length_max && fits(*length_max)
        }
        FieldKind::Select { options } => {
            (1..=OPTIONS_MAX).contains(&options.len())
                && options.iter().all(|(value, _)| is_line(value, mfa_sdk::form::FIELD_BYTES_MAX))
        }
        FieldKind::Email | FieldKind::Phone | FieldKind::Boolean => true,
    };
    require(sound, "a field's bounds or options cannot be met")?;
    match &field.default {
        Some(Value::String(text)) => require(text.len() <= FIELD_BYTES_MAX, "a field's default is too long"),
        Some(Value::Bool(_)) | None => Ok(()),
        Some(_) => Err("a field's default is neither text nor a boolean".to_owned()),
    }
}

fn check_block(block: &Block) -> Checked {
    if let Some(name) = block.name() {
        require(is_name(name), "a block's name is not 1–64 of a-z, 0-9 and _")?;
        require(!RESERVED_BLOCKS.contains(&name), "a block has a name the host uses itself")?;
    }
    match block {
        Block::Text { .. } => Ok(()),
        Block::Qr { content, .. } => {
            require((1..=QR_BYTES_MAX).contains(&content.len()), "the content of its QR code is not 1–2000 bytes")
        }
        Block::Secret { value, .. } => require(is_line(value, TEXT_BYTES_MAX), "its secret is not one line"),
        Block::Uri { value, .. } => {
            let harmless = value.starts_with("otpauth:") || value.starts_with("https:");
            require(harmless && is_line(value, URI_BYTES_MAX), "its address is neither otpauth: nor https:")
        }
        Block::Codes { codes, .. } => check_codes(codes),
        Block::Image { data_uri, .. } => {
            let kinds = ["data:image/png;", "data:image/png,", "data:image/svg+xml;", "data:image/svg+xml,"];
            let picture = kinds.iter().any(|kind| data_uri.starts_with(kind));
            require(picture && !data_uri.chars().any(char::is_control), "its image is neither a PNG nor an SVG")
        }
    }
}

fn check_codes(codes: &[String]) -> Checked {
    let sound = (1..=CODES_MAX).contains(&codes.len()) && codes.iter().all(|code| is_line(code, CODE_BYTES_MAX));
    require(sound, "its codes are not 1–100 lines of 1–128 bytes")
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
