//! Forms are data: typed fields, display blocks, one client ceremony. Page, terminal and API render the same form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::Text;

/// Longest text a field takes when its kind says nothing else, in bytes.
pub const FIELD_BYTES_MAX: usize = 1024;

/// Names of fields that the protocol around a form uses itself; a form with such a field is refused.
pub const RESERVED_FIELDS: [&str; 5] =
    ["client_id", "recovery_code", "recovery_module", "multi_factor_auth_module", "resend"];

/// Names of blocks whose placeholders the host writes itself; a form with such a block is refused.
pub const RESERVED_BLOCKS: [&str; 2] = ["mfa_module_name", "mfa_module_id"];

/// What a person filled in, already normalised: strings and booleans by field name.
pub type Fields = BTreeMap<String, Value>;

/// A form to show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// Heading, if the host's own ("Enter your code") does not say enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// Shown above the fields, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// What to fill in, in order. Names are unique.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// Data for the browser's own ceremony (a passkey, say); its answer comes back in the field it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceremony: Option<Ceremony>,
}

/// One thing to fill in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Name in the answer: 1–64 of `a-z`, `0-9`, `_`, and none of [`RESERVED_FIELDS`].
    pub name: String,
    /// What it takes.
    #[serde(flatten)]
    pub kind: FieldKind,
    /// Label; the host falls back to the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Text>,
    /// A sentence below the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<Text>,
    /// Whether the form is refused without it.
    #[serde(default = "yes")]
    pub required: bool,
    /// Value the field starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Shown as dots while it is typed, as a PIN is. A password is so by its kind. A host older than this shows what is
    /// typed.
    #[serde(default, skip_serializing_if = "is_no")]
    pub masked: bool,
}

fn yes() -> bool {
    true
}

fn is_no(value: &bool) -> bool {
    !value
}

fn one() -> usize {
    1
}

/// The type of a field, its bounds and how its input is normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FieldKind {
    /// One line of text; spaces at both ends go.
    Text {
        /// In bytes.
        length_max: usize,
    },
    /// ASCII digits; spaces and hyphens between them go ("123 456" → "123456"); other scripts' digits are refused.
    Digits {
        /// Fewest digits.
        length_min: usize,
        /// Most digits.
        length_max: usize,
    },
    /// A code of letters and digits; spaces and hyphens go, letters become lower case.
    Code {
        /// Fewest letters and digits; a host older than this field asks for one.
        #[serde(default = "one")]
        length_min: usize,
        /// Most letters and digits.
        length_max: usize,
    },
    /// Taken as typed, shown as dots.
    Password {
        /// In bytes.
        length_max: usize,
    },
    /// An e-mail address with the lengths of RFC 5321, section 4.5.3.1; spaces at both ends go.
    Email,
    /// A telephone number in E.164 form, `+` and 7–15 digits; spaces, hyphens, dots and brackets go.
    Phone,
    /// One of the options.
    Select {
        /// Value and text of each, in order.
        options: Vec<(String, Text)>,
    },
    /// Yes or no.
    Boolean,
}

/// Something to show above the fields. A named block also appears as a placeholder of the step.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    /// A sentence.
    Text {
        /// The sentence.
        text: Text,
    },
    /// A QR code, drawn by the host. Placeholder: the SVG.
    Qr {
        /// Name of the placeholder.
        name: String,
        /// What the code says.
        content: String,
    },
    /// A secret to copy by hand. Placeholder: the secret.
    Secret {
        /// Name of the placeholder.
        name: String,
        /// The secret.
        value: String,
        /// Label; the host falls back to the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Text>,
    },
    /// An address a device can open (`otpauth://…`). Placeholder: the address.
    Uri {
        /// Name of the placeholder.
        name: String,
        /// The address.
        value: String,
    },
    /// Codes to print or keep. Placeholder: one a line.
    Codes {
        /// Name of the placeholder.
        name: String,
        /// The codes, in order.
        codes: Vec<String>,
    },
    /// A picture with words for those who cannot see it. Placeholder: the URI.
    Image {
        /// Name of the placeholder.
        name: String,
        /// A `data:` URI of a PNG or SVG.
        data_uri: String,
        /// The words.
        alt: Text,
    },
}

/// JSON for the browser and the field its answer comes back in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceremony {
    /// Which ceremony, for example `webauthn.get`.
    pub kind: String,
    /// Handed to the browser as it stands.
    pub request: Value,
    /// The field (of kind text) that carries the browser's answer.
    pub field: String,
}

/// Why an input does not fit its field. The serialised word is the machine code in a step's `errors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldError {
    /// Required and not there.
    Required,
    /// There, but the form does not have such a field.
    Unexpected,
    /// Not a string where a string, not a boolean where a boolean is due.
    WrongType,
    /// Longer than the field takes.
    TooLong,
    /// Shorter than the field takes.
    TooShort,
    /// Holds characters the field does not take.
    InvalidCharacters,
    /// Not an e-mail address or telephone number.
    InvalidAddress,
    /// Not one of the options.
    NotAnOption,
}

/// Errors by field name.
pub type FieldErrors = BTreeMap<String, FieldError>;

impl Form {
    /// Checks an answer against the form and normalises it. Nothing reaches a module that did not pass here.
    ///
    /// # Errors
    /// One [`FieldError`] for each field that is missing, unknown, of the wrong type or out of bounds.
    pub fn normalise(&self, raw: &Map<String, Value>) -> Result<Fields, FieldErrors> {
        let mut fields = Fields::new();
        let mut errors = FieldErrors::new();
        for field in &self.fields {
            match raw.get(&field.name).filter(|value| !field.is_left_empty(value)) {
                None if field.required => drop(errors.insert(field.name.clone(), FieldError::Required)),
                None => {}
                Some(value) => match field.kind.normalise(value) {
                    Ok(Value::String(text)) if text.is_empty() && field.required => {
                        errors.insert(field.name.clone(), FieldError::Required);
                    }
                    Ok(value) => drop(fields.insert(field.name.clone(), value)),
                    Err(error) => drop(errors.insert(field.name.clone(), error)),
                },
            }
        }
        for name in raw.keys() {
            if !self.fields.iter().any(|field| &field.name == name) {
                // An unknown name is echoed only when it is short enough to be one.
                let shown = if name.len() <= 64 { name.clone() } else { "base".to_owned() };
                errors.insert(shown, FieldError::Unexpected);
            }
        }
        if errors.is_empty() { Ok(fields) } else { Err(errors) }
    }
}

impl Block {
    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Text { .. } => None,
            Self::Qr { name, .. }
            | Self::Secret { name, .. }
            | Self::Uri { name, .. }
            | Self::Codes { name, .. }
            | Self::Image { name, .. } => Some(name),
        }
    }
}

impl Field {
    /// A browser sends what was left empty as an empty text; in a field that is not required that is no input.
    fn is_left_empty(&self, value: &Value) -> bool {
        value.is_null() || (!self.required && value.as_str() == Some(""))
    }
}

impl FieldKind {
    fn normalise(&self, value: &Value) -> Result<Value, FieldError> {
        if let Self::Boolean = self {
            return value.as_bool().map(Value::Bool).ok_or(FieldError::WrongType);
        }
        let text = value.as_str().ok_or(FieldError::WrongType)?;
        let longest = match self {
            Self::Text { length_max } | Self::Password { length_max } => *length_max,
            _ => FIELD_BYTES_MAX,
        };
        if text.len() > longest {
            return Err(FieldError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(FieldError::InvalidCharacters);
        }
        self.normalise_text(text).map(Value::String)
    }

    fn normalise_text(&self, text: &str) -> Result<String, FieldError> {
        match self {
            Self::Text { .. } => Ok(text.trim().to_owned()),
            Self::Password { .. } | Self::Boolean => Ok(text.to_owned()),
            Self::Digits { length_min, length_max } => {
                let digits = without(text, &[' ', '-', '\u{a0}']);
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(FieldError::InvalidCharacters);
                }
                bounded(digits, *length_min, *length_max)
            }
            Self::Code { length_min, length_max } => {
                let code = without(text, &[' ', '-', '\u{a0}']).to_ascii_lowercase();
                if !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(FieldError::InvalidCharacters);
                }
                bounded(code, *length_min, *length_max)
            }
            Self::Email => email(text.trim()),
            Self::Phone => phone(text),
            Self::Select { options } => {
                let known = options.iter().any(|(value, _)| value == text);
                if known { Ok(text.to_owned()) } else { Err(FieldError::NotAnOption) }
            }
        }
    }
}

fn without(text: &str, dropped: &[char]) -> String {
    text.chars().filter(|character| !dropped.contains(character)).collect()
}

fn bounded(text: String, length_min: usize, length_max: usize) -> Result<String, FieldError> {
    match text.len() {
        0 => Err(FieldError::Required),
        length if length < length_min => Err(FieldError::TooShort),
        length if length > length_max => Err(FieldError::TooLong),
        _ => Ok(text),
    }
}

/// RFC 5321 lengths (64 before the `@`, 255 after, 254 in all) and no space; whether it exists only a message tells.
fn email(text: &str) -> Result<String, FieldError> {
    let (local, domain) = text.rsplit_once('@').ok_or(FieldError::InvalidAddress)?;
    let fits = (1..=64).contains(&local.len())
        && (1..=255).contains(&domain.len())
        && text.len() <= 254
        && !local.contains('@')
        && !text.contains(|character: char| character.is_whitespace() || "<>,;\"".contains(character));
    if fits { Ok(text.to_owned()) } else { Err(FieldError::InvalidAddress) }
}

fn phone(text: &str) -> Result<String, FieldError> {
    let number = without(text, &[' ', '-', '.', '(', ')', '\u{a0}']);
    let digits = number.strip_prefix('+').ok_or(FieldError::InvalidAddress)?;
    let fits = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if fits { Ok(number) } else { Err(FieldError::InvalidAddress) }
}

#[cfg(test)]
mod tests;
