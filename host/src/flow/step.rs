//! What a flow answers: show a form, a login is made, or it is over. Rendered in the reader's language; the wire
//! only turns it into JSON or a page. What may hold a secret or a code has no `Debug`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clock::Timestamp;

/// Provider type and id, `["local", null]`; for a set-up the module type and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    pub kind: String,
    pub id: Option<String>,
}

/// The answer to every move in a flow.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "one is made for each request and moved once")]
pub enum Step {
    Form(FormStep),
    Created(Created),
    Abort(Abort),
}

/// Fill this in.
#[derive(Clone)]
pub struct FormStep {
    pub flow_id: String,
    pub handler: Handler,
    /// `init`, `select_mfa_module`, `mfa`, `setup`.
    pub step_id: &'static str,
    pub title: Option<String>,
    pub blocks: Vec<Block>,
    pub fields: Vec<Field>,
    /// Machine words by field, or by `base`.
    pub errors: BTreeMap<String, String>,
    /// What the errors say to a person, by the same names.
    pub error_texts: BTreeMap<String, String>,
    /// `mfa_module_name`, `mfa_module_id`, `link_number` where a link is waited for, one for each named block, and the
    /// values of an error's sentence.
    pub placeholders: BTreeMap<String, String>,
    /// When the flow ends by itself, once the first factor has passed or a set-up runs.
    pub expires_at: Option<Timestamp>,
    /// What became of the step's messages just now: `sent`, `queued`, `failed`.
    pub delivery: Option<&'static str>,
    /// From when on another message can be asked for; none if the step sends none.
    pub resend_at: Option<Timestamp>,
    /// Id and name of the second factors this login can change to, where the step may not be the one to answer.
    pub methods: Vec<(String, String)>,
    /// Data for the browser's ceremony.
    pub ceremony: Option<mfa_sdk::form::Ceremony>,
    /// Of a login step: the ways back in that take the place of its answer.
    pub recovery: Vec<WayBack>,
    /// Codes to save that are shown beside this step and in no other answer.
    pub recovery_codes: Vec<IssuedCodes>,
}

/// A way back in, as it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayBack {
    pub module: String,
    pub name: String,
}

/// Codes of a way back in, in the one answer that ever has them.
#[derive(Clone)]
pub struct IssuedCodes {
    pub module: String,
    pub name: String,
    /// The factor they stand in for; none: any of the user's.
    pub of: Option<String>,
    pub codes: Vec<String>,
    /// The set-up in which they wait for `saved`; until then they open nothing.
    pub flow_id: String,
    pub expires_at: Timestamp,
}

/// A field with its words.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub input: FieldInput,
    pub label: String,
    pub help: Option<String>,
    pub required: bool,
    pub default: Option<Value>,
    /// Shown as dots while it is typed.
    pub masked: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FieldInput {
    Text {
        length_max: usize,
    },
    Digits {
        length_min: usize,
        length_max: usize,
    },
    Code {
        length_min: usize,
        length_max: usize,
    },
    Password {
        length_max: usize,
    },
    Email,
    Phone,
    /// Value and words of each option.
    Select {
        options: Vec<(String, String)>,
    },
    Boolean,
}

/// A display block with its words; a QR code is drawn.
#[derive(Clone)]
pub enum Block {
    Text { text: String },
    Qr { name: String, content: String, svg: String },
    Secret { name: String, value: String, label: String },
    Uri { name: String, value: String },
    Codes { name: String, codes: Vec<String> },
    Image { name: String, data_uri: String, alt: String },
}

/// The flow reached its end. `result` is the single-use code of a login; a set-up and a proof have none.
#[derive(Clone)]
pub struct Created {
    pub flow_id: String,
    pub handler: Handler,
    pub result: Option<String>,
    /// The `state` the client sent at the beginning.
    pub state: Option<String>,
    /// What the module has to say to the person after a login.
    pub advice: Option<String>,
    /// Of a set-up: codes to save.
    pub recovery: Vec<IssuedCodes>,
}

impl Created {
    /// The end of a flow that gives nothing but its end.
    pub fn new(flow_id: &str, handler: Handler) -> Self {
        let flow_id = flow_id.to_owned();
        Self { flow_id, handler, result: None, state: None, advice: None, recovery: Vec::new() }
    }
}

/// The flow is over: `login_expired`, `too_many_retry`, `unknown_error`, `module_unavailable`, `delivery_failed`,
/// or a module's own reason for a set-up.
#[derive(Clone, Debug)]
pub struct Abort {
    pub flow_id: String,
    pub handler: Handler,
    pub reason: String,
    /// The reason for a person, with what to do next.
    pub text: String,
}
