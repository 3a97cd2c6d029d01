//! Typed input: a struct that is both the form to show and what was filled in.

use serde_json::Value;

use crate::form::{Fields, Form};

/// A struct that describes a form and reads its answer. Derive it with [`#[derive(Form)]`](macro@crate::Form).
pub trait FormInput: Sized {
    /// The form to show.
    fn form() -> Form;

    /// Reads an answer that the host has checked and normalised against the form.
    ///
    /// # Errors
    /// [`InputError`] if the answer belongs to another form.
    fn from_fields(fields: &Fields) -> Result<Self, InputError>;
}

/// Why an answer cannot be read. Names fields and never holds what was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The call carries no input.
    #[error("there is no input")]
    NoInput,
    /// A required field is not there.
    #[error("the field {0} is missing")]
    Missing(String),
    /// A field is of another type.
    #[error("the field {0} is of another type")]
    WrongType(String),
}

/// Reads a field; used by the derive macro.
#[doc(hidden)]
pub trait FromField: Sized {
    fn from_field(fields: &Fields, name: &str) -> Result<Self, InputError>;
}

impl FromField for String {
    fn from_field(fields: &Fields, name: &str) -> Result<Self, InputError> {
        Option::from_field(fields, name)?.ok_or_else(|| InputError::Missing(name.to_owned()))
    }
}

impl FromField for bool {
    fn from_field(fields: &Fields, name: &str) -> Result<Self, InputError> {
        Option::from_field(fields, name)?.ok_or_else(|| InputError::Missing(name.to_owned()))
    }
}

impl FromField for Option<String> {
    fn from_field(fields: &Fields, name: &str) -> Result<Self, InputError> {
        match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(InputError::WrongType(name.to_owned())),
        }
    }
}

impl FromField for Option<bool> {
    fn from_field(fields: &Fields, name: &str) -> Result<Self, InputError> {
        match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(*yes)),
            Some(_) => Err(InputError::WrongType(name.to_owned())),
        }
    }
}
