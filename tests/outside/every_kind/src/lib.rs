//! One form with every kind of field and everything that can be shown above them, in set-up and in login: what a page
//! makes of a module that nobody there has seen. Its sentences are as long and as odd as sentences may be.
#![forbid(unsafe_code)]

use mfa_sdk::{form::Block, prelude::*};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct EveryKind {}

#[derive(Serialize, Deserialize)]
struct Enrolment {}

/// The form is asked once.
#[derive(Serialize, Deserialize)]
struct Asked {}

#[derive(Form)]
struct EveryField {
    #[form(text = 400, label = "text", help = "text_help")]
    text: String,
    #[form(digits = 6, label = "digits")]
    digits: String,
    #[form(digits(4, 8), label = "pin", masked)]
    pin: String,
    #[form(code(4, 16), label = "code")]
    code: String,
    #[form(password = 64, label = "password")]
    password: String,
    #[form(email, label = "email")]
    email: String,
    #[form(phone, label = "phone")]
    phone: String,
    #[form(select("red", "blue"), label = "few")]
    few: String,
    #[form(select("a", "b", "c", "d", "e", "f", "g"), label = "many", default = "c")]
    many: String,
    #[form(label = "sure")]
    sure: bool,
}

/// One pixel.
const PICTURE: &str = "data:image/png;base64,\
                       iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const BYTES_MAX: usize = 4096;

fn form() -> Form {
    let odd = "<b>x</b><script>document.title='ran'</script>\u{202e}\u{5d0}\u{5d1}👩";
    let long = format!("{odd}{}", "x".repeat(BYTES_MAX - odd.len()));
    let codes = ["one", "two", &"x".repeat(128)].map(str::to_owned);
    EveryField::form()
        .title("title")
        .sentence("said")
        .sentence(Text::new("odd").with("words", long))
        .qr("picture", "every:kind?of=content")
        .secret("secret", "abcdefghijklmnop".repeat(16), "secret")
        .uri("address", format!("https://example.org/{}", "x".repeat(2000)))
        .codes("codes", codes.to_vec())
        .block(Block::Image { name: "image".into(), data_uri: PICTURE.into(), alt: Text::new("image") })
}

/// Whether it was filled in as the test fills it in.
fn is_right(filled: &EveryField) -> bool {
    let texts = [&filled.text, &filled.digits, &filled.pin, &filled.code, &filled.password];
    let chosen = [&filled.email, &filled.phone, &filled.few, &filled.many];
    filled.sure
        && texts == ["Ada", "123456", "4711", "ab12cd", " with blanks "]
        && chosen == ["ada@example.org", "+4930123456", "blue", "g"]
}

impl MfaModule for EveryKind {
    type Config = Self;
    type Enrolment = Enrolment;
    type Challenge = Nothing;
    type SetupState = Asked;

    fn describe() -> Description {
        Description::new("every_kind", "Every kind", Kind::Knowledge).amr(["kba"])
    }

    fn new(config: Self) -> Result<Self, ConfigError> {
        Ok(config)
    }

    fn input_schema(&self) -> Form {
        EveryField::form()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        if ask.state().is_none() {
            return Ok(SetupStep::form(form(), Asked {}));
        }
        let right = is_right(&ask.input()?);
        Ok(if right { SetupStep::done(Enrolment {}) } else { SetupStep::again(form(), "invalid_code") })
    }

    fn initialize_login_mfa_step(&self, _: LoginCall<'_, Self>) -> Result<Login<Self>, ModuleError> {
        Ok(Login::form(form()))
    }

    fn validate(&self, ask: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        let right = is_right(&ask.input()?);
        Ok(if right { Verdict::accepted() } else { Verdict::rejected("invalid_code") })
    }
}

mfa_sdk::export_module!(EveryKind, texts = "texts/");
