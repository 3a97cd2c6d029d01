//! From a module's form to a step in the reader's language. Pure but for drawing.

use std::collections::BTreeMap;

use mfa_sdk::{
    form::{self, FieldKind, Form},
    text::{Text, Texts},
};
use qrcode::{EcLevel, QrCode, render::svg};

use super::{Block, Field, FieldInput, FormStep, Handler};
use crate::{clock::Timestamp, module_host::ModuleInstance};

/// Where a form is shown.
pub struct Place<'a> {
    pub flow_id: &'a str,
    pub handler: Handler,
    pub step_id: &'static str,
    pub language: &'a str,
    pub expires_at: Option<Timestamp>,
}

/// What was wrong with the last input, in a module's terms.
pub struct Wrong {
    /// Machine word, and the key of its sentence.
    pub word: String,
    /// Another sentence; its values become placeholders.
    pub text: Option<Text>,
}

impl From<&str> for Wrong {
    fn from(word: &str) -> Self {
        Self { word: word.to_owned(), text: None }
    }
}

/// A step with this form, in the module's own words.
pub fn module_step(place: Place<'_>, form: &Form, module: &ModuleInstance, error: Option<&Wrong>) -> FormStep {
    let none = Texts::new();
    let texts = module.description.as_ref().map_or(&none, |description| &description.texts);
    let words = Words { texts, language: place.language };
    let mut step = form_step(place, form, &words);
    step.placeholders.insert("mfa_module_id".to_owned(), module.id.clone());
    step.placeholders.insert("mfa_module_name".to_owned(), module.name.clone());
    if let Some(Wrong { word, text }) = error {
        let sentence = text.as_ref().map_or_else(|| words.error(word), |text| words.of(text));
        step.error_texts.insert("base".to_owned(), sentence);
        step.errors.insert("base".to_owned(), word.clone());
        for (name, value) in text.iter().flat_map(|text| &text.values) {
            // A block of the form goes first: its place is known to those who draw it.
            step.placeholders.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    step
}

/// The two digits a link asks for, to be shown where it is waited for.
pub fn add_link_number(step: &mut FormStep, number: String) {
    let text = format!("If the page behind the link asks for a number, type {number} there.");
    step.blocks.push(Block::Text { text });
    step.placeholders.insert("link_number".to_owned(), number);
}

/// What a module says under this key, if it says anything.
pub fn own_text(key: &str, module: &ModuleInstance, language: &str) -> Option<String> {
    let text = Text::new(key).render(&module.description.as_ref()?.texts, language);
    (text != key).then_some(text)
}

/// The fields of a form, in the module's own words.
pub fn fields(form: &Form, module: &ModuleInstance, language: &str) -> Vec<Field> {
    let none = Texts::new();
    let texts = module.description.as_ref().map_or(&none, |description| &description.texts);
    let words = Words { texts, language };
    form.fields.iter().map(|field| self::field(field, &words)).collect()
}

/// A step of the host's own.
pub fn host_step(place: Place<'_>, form: &Form, error: Option<&str>) -> FormStep {
    let none = Texts::new();
    let words = Words { texts: &none, language: place.language };
    let mut step = form_step(place, form, &words);
    if let Some(error) = error {
        step.error_texts.insert("base".to_owned(), words.error(error));
        step.errors.insert("base".to_owned(), error.to_owned());
    }
    step
}

struct Words<'a> {
    texts: &'a Texts,
    language: &'a str,
}

impl Words<'_> {
    fn of(&self, text: &Text) -> String {
        text.render(self.texts, self.language)
    }

    /// A module's own sentence for its error, else the host's.
    fn error(&self, key: &str) -> String {
        let own = self.of(&Text::new(key));
        if own == key { error_text(key).to_owned() } else { own }
    }

    fn label(&self, name: &str, label: Option<&Text>) -> String {
        label.map_or_else(|| host_label(name), |label| self.of(label))
    }
}

fn form_step(place: Place<'_>, form: &Form, words: &Words<'_>) -> FormStep {
    let blocks: Vec<Block> = form.blocks.iter().map(|block| self::block(block, words)).collect();
    FormStep {
        flow_id: place.flow_id.to_owned(),
        handler: place.handler,
        step_id: place.step_id,
        title: form.title.as_ref().map(|title| words.of(title)),
        placeholders: blocks.iter().filter_map(placeholder).collect(),
        blocks,
        fields: form.fields.iter().map(|field| self::field(field, words)).collect(),
        errors: BTreeMap::new(),
        error_texts: BTreeMap::new(),
        expires_at: place.expires_at,
        delivery: None,
        resend_at: None,
        methods: Vec::new(),
        ceremony: form.ceremony.clone(),
        recovery: Vec::new(),
        recovery_codes: Vec::new(),
    }
}

fn field(field: &form::Field, words: &Words<'_>) -> Field {
    let input = match &field.kind {
        FieldKind::Text { length_max } => FieldInput::Text { length_max: *length_max },
        FieldKind::Digits { length_min, length_max } => {
            FieldInput::Digits { length_min: *length_min, length_max: *length_max }
        }
        FieldKind::Code { length_min, length_max } => {
            FieldInput::Code { length_min: *length_min, length_max: *length_max }
        }
        FieldKind::Password { length_max } => FieldInput::Password { length_max: *length_max },
        FieldKind::Email => FieldInput::Email,
        FieldKind::Phone => FieldInput::Phone,
        FieldKind::Boolean => FieldInput::Boolean,
        FieldKind::Select { options } => {
            let options = options.iter().map(|(value, text)| (value.clone(), words.of(text))).collect();
            FieldInput::Select { options }
        }
    };
    Field {
        name: field.name.clone(),
        input,
        label: words.label(&field.name, field.label.as_ref()),
        help: field.help.as_ref().map(|help| words.of(help)),
        required: field.required,
        default: field.default.clone(),
        masked: field.masked,
    }
}

fn block(block: &form::Block, words: &Words<'_>) -> Block {
    match block {
        form::Block::Text { text } => Block::Text { text: words.of(text) },
        form::Block::Qr { name, content } => {
            Block::Qr { name: name.clone(), content: content.clone(), svg: qr_svg(content) }
        }
        form::Block::Secret { name, value, label } => {
            Block::Secret { name: name.clone(), value: value.clone(), label: words.label(name, label.as_ref()) }
        }
        form::Block::Uri { name, value } => Block::Uri { name: name.clone(), value: value.clone() },
        form::Block::Codes { name, codes } => Block::Codes { name: name.clone(), codes: codes.clone() },
        form::Block::Image { name, data_uri, alt } => {
            Block::Image { name: name.clone(), data_uri: data_uri.clone(), alt: words.of(alt) }
        }
    }
}

fn placeholder(block: &Block) -> Option<(String, String)> {
    match block {
        Block::Text { .. } => None,
        Block::Qr { name, svg, .. } => Some((name.clone(), svg.clone())),
        Block::Secret { name, value, .. } | Block::Uri { name, value } => Some((name.clone(), value.clone())),
        Block::Codes { name, codes } => Some((name.clone(), codes.join("\n"))),
        Block::Image { name, data_uri, .. } => Some((name.clone(), data_uri.clone())),
    }
}

/// ISO/IEC 18004, level M, with the quiet zone of four modules. Too long for a QR code gives an empty picture; the
/// module host refuses such content before.
fn qr_svg(content: &str) -> String {
    QrCode::with_error_correction_level(content, EcLevel::M)
        .map(|code| code.render::<svg::Color<'_>>().min_dimensions(240, 240).quiet_zone(true).build())
        .unwrap_or_default()
}

fn host_label(name: &str) -> String {
    match name {
        "username" => "User name".to_owned(),
        "password" => "Password".to_owned(),
        "new_password" => "New password".to_owned(),
        "user" => "Who are you?".to_owned(),
        "multi_factor_auth_module" => "Second factor".to_owned(),
        "code" => "Code".to_owned(),
        "saved" => "I have saved them".to_owned(),
        other => other.replace('_', " "),
    }
}

pub fn error_text(key: &str) -> &str {
    match key {
        "invalid_auth" => "The user name or password is wrong.",
        "invalid_code" => "The code is wrong. Check it and try again.",
        "too_short" => "The password is too short.",
        "too_long" => "The password is too long.",
        "too_common" => "This password is one of those everybody tries first. Choose another.",
        "is_a_name" => "The password is little more than a name. Choose another.",
        "no_blocklist" => "No password can be set now. Ask your administrator.",
        "delivery_failed" => "The message could not be sent. Try again, or choose another second factor.",
        "not_saved" => "Save the codes first.",
        "invalid_auth_module" => "Choose one of the second factors listed.",
        other => other,
    }
}

/// What an abort says to a person, with what to do next.
pub fn abort_text(reason: &str) -> String {
    match reason {
        "login_expired" => "This sign-in took too long. Start again.",
        "refused_by_user" => "This sign-in was refused from the message that was sent.",
        "link_refused" => "Wrong numbers were given behind the link. Start again.",
        "too_many_retry" => "Too many wrong codes. Start again.",
        "unknown_error" => "The second factor could not be checked. Start again, or ask your administrator.",
        "not_allowed" => "You cannot sign in this way from here.",
        "module_unavailable" => "Your second factor is not available now. Ask your administrator.",
        "delivery_failed" => "The message could not be sent. Choose another second factor or ask your administrator.",
        other => return other.to_owned(),
    }
    .to_owned()
}
