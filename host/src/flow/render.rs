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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::module_host::ModuleState;

    fn module() -> ModuleInstance {
        let description = json!({
            "module_type": "pin", "name": "Pin", "kind": "knowledge",
            "texts": {
                "en": {"hello": "Hello {name}", "secret": "Your secret", "wrong": "Off by {minutes}", "own_word": "No!"},
                "de": {"hello": "Hallo {name}"},
            },
        });
        ModuleInstance {
            id: "pin_a".to_owned(),
            module_type: "pin".to_owned(),
            name: "Door".to_owned(),
            state: ModuleState::Ready,
            description: Some(Arc::new(serde_json::from_value(description).unwrap())),
            refused: None,
        }
    }

    fn place(language: &str) -> Place<'_> {
        let handler = Handler { kind: "pin".to_owned(), id: None };
        Place { flow_id: "f", handler, step_id: "mfa", language, expires_at: None }
    }

    fn form() -> Form {
        let form = json!({
            "title": {"key": "hello", "values": {"name": "Ada"}},
            "blocks": [
                {"block": "text", "text": {"key": "hello", "values": {"name": "Bob"}}},
                {"block": "qr", "name": "qr", "content": "otpauth://x"},
                {"block": "secret", "name": "secret", "value": "S3", "label": {"key": "secret"}},
                {"block": "uri", "name": "uri", "value": "otpauth://x"},
                {"block": "codes", "name": "codes", "codes": ["a", "b"]},
            ],
            "fields": [],
        });
        serde_json::from_value(form).unwrap()
    }

    #[test]
    fn a_step_speaks_the_readers_language_and_names_its_module() {
        let step = module_step(place("de"), &form(), &module(), None);
        assert_eq!(step.title.as_deref(), Some("Hallo Ada"));
        assert!(matches!(&step.blocks[0], Block::Text { text } if text == "Hallo Bob"));
        assert_eq!(step.placeholders["mfa_module_id"], "pin_a");
        assert_eq!(step.placeholders["mfa_module_name"], "Door");
        assert_eq!(module_step(place("en"), &form(), &module(), None).title.as_deref(), Some("Hello Ada"));
    }

    #[test]
    fn blocks_with_a_name_are_placeholders() {
        let step = module_step(place("en"), &form(), &module(), None);
        assert!(step.placeholders["qr"].contains("<svg"));
        assert_eq!((&*step.placeholders["secret"], &*step.placeholders["uri"]), ("S3", "otpauth://x"));
        assert_eq!(step.placeholders["codes"], "a\nb");
        assert_eq!(step.placeholders.len(), 6, "the text block has no name");
        assert!(matches!(&step.blocks[2], Block::Secret { label, .. } if label == "Your secret"));
        assert_eq!(qr_svg(&"x".repeat(5000)), "", "too long for a QR code");
    }

    #[test]
    fn an_error_is_the_modules_sentence_or_the_hosts_and_its_values_give_way_to_blocks() {
        let base = |wrong: Wrong| {
            let step = module_step(place("en"), &form(), &module(), Some(&wrong));
            assert_eq!(step.errors["base"], wrong.word);
            (step.error_texts["base"].clone(), step.placeholders)
        };
        assert_eq!(base("own_word".into()).0, "No!");
        assert_eq!(base("invalid_code".into()).0, "The code is wrong. Check it and try again.");
        let mut text = Text::new("wrong");
        text.values = [("minutes".to_owned(), "7".to_owned()), ("secret".to_owned(), "other".to_owned())].into();
        let (sentence, placeholders) = base(Wrong { word: "invalid_code".to_owned(), text: Some(text) });
        assert_eq!((&*sentence, &*placeholders["minutes"], &*placeholders["secret"]), ("Off by 7", "7", "S3"));
        let own = host_step(place("en"), &Form::default(), Some("invalid_auth"));
        assert_eq!(own.errors["base"], "invalid_auth");
        assert_eq!(own.error_texts["base"], "The user name or password is wrong.");
    }

    #[test]
    fn every_word_the_host_uses_has_a_sentence_and_another_is_shown_as_it_is() {
        for word in [
            "invalid_auth",
            "invalid_code",
            "too_short",
            "too_long",
            "too_common",
            "is_a_name",
            "no_blocklist",
            "invalid_auth_module",
        ] {
            assert!(error_text(word).ends_with('.'), "{word}");
        }
        for reason in
            ["login_expired", "too_many_retry", "unknown_error", "not_allowed", "module_unavailable", "delivery_failed"]
        {
            assert!(abort_text(reason).ends_with('.'), "{reason}");
        }
        for name in ["username", "password", "new_password", "user", "multi_factor_auth_module", "code"] {
            assert_ne!(host_label(name), name, "{name}");
        }
        assert_eq!(
            (error_text("other"), &*abort_text("other"), &*host_label("my_field")),
            ("other", "other", "my field")
        );
    }
}
