//! From a module's form to a step in the reader's language. Pure but for drawing.

use std::collections::BTreeMap;

use mfa_sdk::{
    form::{self, FieldKind, Form},
    text::{Text, Texts},
};
use qrcode::{EcLevel, QrCode, render::svg};

use super::{Block, Field, FieldInput, FormStep, Handler};
use crate::{clock::Timestamp, module_host::ModuleInstance, words::Words};

/// The host's own words in the language of who reads them.
#[derive(Clone, Copy)]
pub struct Voice<'a> {
    pub words: &'a Words,
    pub language: &'a str,
}

impl Voice<'_> {
    fn of(&self, kind: &str, word: &str) -> Option<String> {
        let key = format!("step.{kind}.{word}");
        self.words.has(&key).then(|| self.words.say(self.language, &key).to_owned())
    }

    fn label(&self, name: &str) -> String {
        self.of("label", name).unwrap_or_else(|| name.replace('_', " "))
    }

    /// What an error says to a person; the word itself where it is none of the host's.
    pub fn error(&self, word: &str) -> String {
        self.of("error", word).unwrap_or_else(|| word.to_owned())
    }

    /// What an abort says to a person, with what to do next.
    pub fn abort(&self, reason: &str) -> String {
        self.of("abort", reason).unwrap_or_else(|| reason.to_owned())
    }

    /// A sentence of the host's own.
    pub fn say(&self, key: &str) -> String {
        self.words.say(self.language, key).to_owned()
    }
}

/// Where a form is shown.
pub struct Place<'a> {
    pub flow_id: &'a str,
    pub handler: Handler,
    pub step_id: &'static str,
    pub voice: Voice<'a>,
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
    let speaker = Speaker { texts, voice: place.voice };
    let mut step = form_step(place, form, &speaker);
    step.placeholders.insert("mfa_module_id".to_owned(), module.id.clone());
    step.placeholders.insert("mfa_module_name".to_owned(), module.name_in(speaker.voice.language).to_owned());
    if let Some(Wrong { word, text }) = error {
        let sentence = text.as_ref().map_or_else(|| speaker.error(word), |text| speaker.of(text));
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
pub fn add_link_number(step: &mut FormStep, voice: Voice<'_>, number: String) {
    let text = voice.words.fill(voice.language, "step.link_number", &[("number", &number)]);
    step.blocks.push(Block::Text { text });
    step.placeholders.insert("link_number".to_owned(), number);
}

/// What a module says under this key, if it says anything.
pub fn own_text(key: &str, module: &ModuleInstance, language: &str) -> Option<String> {
    let text = Text::new(key).render(&module.description.as_ref()?.texts, language);
    (text != key).then_some(text)
}

/// The fields of a form, in the module's own words.
pub fn fields(form: &Form, module: &ModuleInstance, voice: Voice<'_>) -> Vec<Field> {
    let none = Texts::new();
    let texts = module.description.as_ref().map_or(&none, |description| &description.texts);
    let speaker = Speaker { texts, voice };
    form.fields.iter().map(|field| self::field(field, &speaker)).collect()
}

/// A step of the host's own.
pub fn host_step(place: Place<'_>, form: &Form, error: Option<&str>) -> FormStep {
    let none = Texts::new();
    let speaker = Speaker { texts: &none, voice: place.voice };
    let mut step = form_step(place, form, &speaker);
    if let Some(error) = error {
        step.error_texts.insert("base".to_owned(), speaker.error(error));
        step.errors.insert("base".to_owned(), error.to_owned());
    }
    step
}

/// A module's words, and the host's where it has none.
struct Speaker<'a> {
    texts: &'a Texts,
    voice: Voice<'a>,
}

impl Speaker<'_> {
    fn of(&self, text: &Text) -> String {
        text.render(self.texts, self.voice.language)
    }

    /// A module's own sentence for its error, else the host's.
    fn error(&self, key: &str) -> String {
        let own = self.of(&Text::new(key));
        if own == key { self.voice.error(key) } else { own }
    }

    fn label(&self, name: &str, label: Option<&Text>) -> String {
        label.map_or_else(|| self.voice.label(name), |label| self.of(label))
    }
}

fn form_step(place: Place<'_>, form: &Form, speaker: &Speaker<'_>) -> FormStep {
    let blocks: Vec<Block> = form.blocks.iter().map(|block| self::block(block, speaker)).collect();
    FormStep {
        flow_id: place.flow_id.to_owned(),
        handler: place.handler,
        step_id: place.step_id,
        title: form.title.as_ref().map(|title| speaker.of(title)),
        placeholders: blocks.iter().filter_map(placeholder).collect(),
        blocks,
        fields: form.fields.iter().map(|field| self::field(field, speaker)).collect(),
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

fn field(field: &form::Field, speaker: &Speaker<'_>) -> Field {
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
            let options = options.iter().map(|(value, text)| (value.clone(), speaker.of(text))).collect();
            FieldInput::Select { options }
        }
    };
    Field {
        name: field.name.clone(),
        input,
        label: speaker.label(&field.name, field.label.as_ref()),
        help: field.help.as_ref().map(|help| speaker.of(help)),
        required: field.required,
        default: field.default.clone(),
        masked: field.masked,
    }
}

fn block(block: &form::Block, speaker: &Speaker<'_>) -> Block {
    match block {
        form::Block::Text { text } => Block::Text { text: speaker.of(text) },
        form::Block::Qr { name, content } => {
            Block::Qr { name: name.clone(), content: content.clone(), svg: qr_svg(content) }
        }
        form::Block::Secret { name, value, label } => {
            Block::Secret { name: name.clone(), value: value.clone(), label: speaker.label(name, label.as_ref()) }
        }
        form::Block::Uri { name, value } => Block::Uri { name: name.clone(), value: value.clone() },
        form::Block::Codes { name, codes } => Block::Codes { name: name.clone(), codes: codes.clone() },
        form::Block::Image { name, data_uri, alt } => {
            Block::Image { name: name.clone(), data_uri: data_uri.clone(), alt: speaker.of(alt) }
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

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
            is_named_by_admin: true,
            refused: None,
        }
    }

    static WORDS: LazyLock<Words> = LazyLock::new(Words::built_in);

    fn voice(language: &str) -> Voice<'_> {
        Voice { words: &WORDS, language }
    }

    fn place(language: &str) -> Place<'_> {
        let handler = Handler { kind: "pin".to_owned(), id: None };
        Place { flow_id: "f", handler, step_id: "mfa", voice: voice(language), expires_at: None }
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
        for language in WORDS.languages() {
            let voice = voice(language);
            for word in [
                "invalid_auth",
                "invalid_code",
                "too_short",
                "too_long",
                "too_common",
                "is_a_name",
                "no_blocklist",
                "invalid_auth_module",
                "delivery_failed",
                "not_saved",
            ] {
                assert!(voice.error(word).ends_with(['.', '。']), "{language} {word}");
            }
            for reason in [
                "login_expired",
                "refused_by_user",
                "link_refused",
                "too_many_retry",
                "unknown_error",
                "not_allowed",
                "module_unavailable",
                "delivery_failed",
                "test_expired",
                "setup_expired",
                "setup_too_many_retry",
                "setup_unknown_error",
                "superseded",
            ] {
                assert!(voice.abort(reason).ends_with(['.', '。']), "{language} {reason}");
            }
            let names = ["username", "password", "new_password", "user", "multi_factor_auth_module", "code", "saved"];
            for name in names {
                assert!(WORDS.has(&format!("step.label.{name}")), "{name}");
                assert!(!voice.label(name).contains("step."), "{language} {name}");
            }
        }
        let english = voice("en");
        assert_eq!(
            (&*english.error("other"), &*english.abort("other"), &*english.label("my_field")),
            ("other", "other", "my field")
        );
    }

    #[test]
    fn the_hosts_own_words_are_in_the_readers_language_too() {
        let own = host_step(place("fr"), &Form::default(), Some("invalid_auth"));
        assert_eq!(own.errors["base"], "invalid_auth", "the word stays");
        assert_eq!(own.error_texts["base"], WORDS.say("fr", "step.error.invalid_auth"));
        let mut step = module_step(place("zh"), &form(), &module(), Some(&"invalid_code".into()));
        assert_eq!(step.title.as_deref(), Some("Hello Ada"), "a module without this language speaks English");
        assert_eq!(step.error_texts["base"], WORDS.say("zh", "step.error.invalid_code"));
        add_link_number(&mut step, voice("de"), "42".to_owned());
        assert!(matches!(step.blocks.last(), Some(Block::Text { text }) if text.contains("dort 42 ein")), "filled");
    }
}
