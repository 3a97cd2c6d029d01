//! Forms built step by step: `Form::new().qr("qr_code", uri).digits("code", 6).label("code")`.

use serde_json::Value;

use crate::{
    form::{Block, Ceremony, FIELD_BYTES_MAX, Field, FieldKind, Form},
    text::Text,
};

impl Field {
    /// A required field without label and help.
    pub fn new(name: impl Into<String>, kind: FieldKind) -> Self {
        Self { name: name.into(), kind, label: None, help: None, required: true, default: None, masked: false }
    }
}

/// Fields. What [`Form::label`], [`Form::help`], [`Form::optional`], [`Form::masked`] and [`Form::default_value`] say is
/// about the field added last.
impl Form {
    /// A form without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Adds one line of text of at most `length_max` bytes.
    #[must_use]
    pub fn text(self, name: impl Into<String>, length_max: usize) -> Self {
        self.field(Field::new(name, FieldKind::Text { length_max }))
    }

    /// Adds exactly `length` digits.
    #[must_use]
    pub fn digits(self, name: impl Into<String>, length: usize) -> Self {
        self.digits_between(name, length, length)
    }

    /// Adds `length_min` to `length_max` digits.
    #[must_use]
    pub fn digits_between(self, name: impl Into<String>, length_min: usize, length_max: usize) -> Self {
        self.field(Field::new(name, FieldKind::Digits { length_min, length_max }))
    }

    /// Adds a code of at most `length_max` letters and digits.
    #[must_use]
    pub fn code(self, name: impl Into<String>, length_max: usize) -> Self {
        self.code_between(name, 1, length_max)
    }

    /// Adds a code of `length_min` to `length_max` letters and digits.
    #[must_use]
    pub fn code_between(self, name: impl Into<String>, length_min: usize, length_max: usize) -> Self {
        self.field(Field::new(name, FieldKind::Code { length_min, length_max }))
    }

    /// Adds a password of at most [`FIELD_BYTES_MAX`] bytes.
    #[must_use]
    pub fn password(self, name: impl Into<String>) -> Self {
        self.field(Field::new(name, FieldKind::Password { length_max: FIELD_BYTES_MAX }))
    }

    /// Adds an e-mail address.
    #[must_use]
    pub fn email(self, name: impl Into<String>) -> Self {
        self.field(Field::new(name, FieldKind::Email))
    }

    /// Adds a telephone number (E.164).
    #[must_use]
    pub fn phone(self, name: impl Into<String>) -> Self {
        self.field(Field::new(name, FieldKind::Phone))
    }

    /// Adds a choice; the first of each pair is the value.
    #[must_use]
    pub fn select<V, T>(self, name: impl Into<String>, options: impl IntoIterator<Item = (V, T)>) -> Self
    where
        V: Into<String>,
        T: Into<Text>,
    {
        let options = options.into_iter().map(|(value, text)| (value.into(), text.into())).collect();
        self.field(Field::new(name, FieldKind::Select { options }))
    }

    /// Adds a yes or no.
    #[must_use]
    pub fn boolean(self, name: impl Into<String>) -> Self {
        self.field(Field::new(name, FieldKind::Boolean))
    }

    /// The last field's label.
    #[must_use]
    pub fn label(self, text: impl Into<Text>) -> Self {
        self.last(|field| field.label = Some(text.into()))
    }

    /// A sentence below the last field.
    #[must_use]
    pub fn help(self, text: impl Into<Text>) -> Self {
        self.last(|field| field.help = Some(text.into()))
    }

    /// The last field may be left empty.
    #[must_use]
    pub fn optional(self) -> Self {
        self.last(|field| field.required = false)
    }

    /// The last field is shown as dots while it is typed.
    #[must_use]
    pub fn masked(self) -> Self {
        self.last(|field| field.masked = true)
    }

    /// What the last field starts with.
    #[must_use]
    pub fn default_value(self, value: impl Into<Value>) -> Self {
        self.last(|field| field.default = Some(value.into()))
    }

    fn last(mut self, change: impl FnOnce(&mut Field)) -> Self {
        if let Some(field) = self.fields.last_mut() {
            change(field);
        }
        self
    }
}

/// Heading, blocks above the fields, ceremony.
impl Form {
    /// Heading, if the host's own does not say enough.
    #[must_use]
    pub fn title(mut self, text: impl Into<Text>) -> Self {
        self.title = Some(text.into());
        self
    }

    /// Adds a block above the fields.
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Adds a sentence above the fields.
    #[must_use]
    pub fn sentence(self, text: impl Into<Text>) -> Self {
        self.block(Block::Text { text: text.into() })
    }

    /// Adds a QR code; the host draws it.
    #[must_use]
    pub fn qr(self, name: impl Into<String>, content: impl Into<String>) -> Self {
        self.block(Block::Qr { name: name.into(), content: content.into() })
    }

    /// Adds a secret to copy by hand.
    #[must_use]
    pub fn secret(self, name: impl Into<String>, value: impl Into<String>, label: impl Into<Text>) -> Self {
        self.block(Block::Secret { name: name.into(), value: value.into(), label: Some(label.into()) })
    }

    /// Adds an address a device can open.
    #[must_use]
    pub fn uri(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.block(Block::Uri { name: name.into(), value: value.into() })
    }

    /// Adds a list of codes to print or keep.
    #[must_use]
    pub fn codes(self, name: impl Into<String>, codes: Vec<String>) -> Self {
        self.block(Block::Codes { name: name.into(), codes })
    }

    /// Adds the browser's own ceremony; its answer comes back in the field named last, which must be of kind text.
    #[must_use]
    pub fn ceremony(mut self, kind: impl Into<String>, request: Value, field: impl Into<String>) -> Self {
        self.ceremony = Some(Ceremony { kind: kind.into(), request, field: field.into() });
        self
    }
}
