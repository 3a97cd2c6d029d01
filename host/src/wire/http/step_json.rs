//! A step as JSON: the login protocol's shape, and beside it what a generic client needs to render any form.

use std::collections::BTreeMap;

use mfa_sdk::form::Ceremony;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    clock::Timestamp,
    flow::{Abort, Block, Field, FieldInput, FormStep, Handler, Step},
};

use super::recovery_json::{IssuedJson, RecoveryJson, offered};

/// Provider type and id, or module type and id.
pub type HandlerJson = (String, Option<String>);

/// The answer to every move in a flow, by `type`.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StepJson {
    Form(Box<FormJson>),
    CreateEntry(CreatedJson),
    Abort(AbortJson),
}

/// Fill this in.
#[derive(Serialize, ToSchema)]
pub struct FormJson {
    pub flow_id: String,
    #[schema(value_type = Vec<Option<String>>)]
    pub handler: HandlerJson,
    /// `init`, `select_mfa_module`, `mfa`, `set_password`, `setup`, `test`.
    pub step_id: &'static str,
    pub data_schema: Vec<FieldJson>,
    /// Machine words by field, or by `base`.
    pub errors: BTreeMap<String, String>,
    /// `mfa_module_name`, `mfa_module_id`, one for each named block; and `link_number`, the two digits to show where a link
    /// is waited for. Such a step is asked about by sending no field.
    pub description_placeholders: BTreeMap<String, String>,
    /// Always null.
    pub last_step: Option<bool>,
    /// Always null.
    pub preview: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What to show above the fields, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub display: Vec<BlockJson>,
    /// What the errors say to a person, by the same names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub error_texts: BTreeMap<String, String>,
    /// RFC 3339; when the flow ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Timestamp>,
    /// What became of the step's messages: `sent`, `queued`, `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<&'static str>,
    /// RFC 3339; from then on `{"client_id", "resend": true}` asks for another message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub resend_at: Option<Timestamp>,
    /// Id and name of the second factors `{"client_id", "multi_factor_auth_module": ID}` changes to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Vec<String>>)]
    pub methods: Vec<(String, String)>,
    /// JSON for the browser's own ceremony and the field its answer comes back in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub ceremony: Option<Ceremony>,
    /// A proof is answered at `/auth/login_flow/{flow_id}` with this client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Of a login step: what is taken in place of its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryJson>,
    /// Codes to save, shown beside the first step of a set-up and in no other answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recovery_codes: Vec<IssuedJson>,
}

/// One field.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldJson {
    pub name: String,
    /// `string`, `boolean`, `select`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub default: Option<Value>,
    /// Of a select: value and words of each option.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<String>>>)]
    pub options: Option<Vec<(String, String)>>,
    pub label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Of a string: `digits`, `code`, `password`, `email`, `phone`; plain text has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_min: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_max: Option<usize>,
    /// Not to be seen while it is typed, whatever its format: a PIN's digits.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// Value of the HTML attribute of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autocomplete: Option<&'static str>,
}

/// Something to show, by `block`. A named one also stands in `description_placeholders`.
#[derive(Serialize, ToSchema)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum BlockJson {
    Text { text: String },
    Qr { name: String, content: String, svg: String },
    Secret { name: String, value: String, label: String },
    Uri { name: String, value: String },
    Codes { name: String, codes: Vec<String> },
    Image { name: String, data_uri: String, alt: String },
}

/// The flow reached its end.
#[derive(Serialize, ToSchema)]
pub struct CreatedJson {
    pub version: u32,
    pub flow_id: String,
    #[schema(value_type = Vec<Option<String>>)]
    pub handler: HandlerJson,
    /// Of a login: the single-use code for `POST /auth/token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// As the client sent it at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Of a login: what the module has to say to the person, such as how few codes are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Of a set-up: codes to save, in this answer and in no other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recovery: Vec<IssuedJson>,
}

/// The flow is over.
#[derive(Serialize, ToSchema)]
pub struct AbortJson {
    pub flow_id: String,
    #[schema(value_type = Vec<Option<String>>)]
    pub handler: HandlerJson,
    /// Machine word: `login_expired`, `too_many_retry`, `unknown_error`, …
    pub reason: String,
    /// The reason for a person.
    pub text: String,
}

impl StepJson {
    /// As [`From`], with the client id a proof is answered with.
    pub fn with_client_id(step: Step, client_id: String) -> Self {
        match step.into() {
            Self::Form(form) => Self::Form(Box::new(FormJson { client_id: Some(client_id), ..*form })),
            other => other,
        }
    }
}

impl From<Step> for StepJson {
    fn from(step: Step) -> Self {
        match step {
            Step::Form(form) => Self::Form(Box::new(form.into())),
            Step::Created(created) => Self::CreateEntry(CreatedJson {
                version: 1,
                flow_id: created.flow_id,
                handler: pair(created.handler),
                result: created.result,
                state: created.state,
                advice: created.advice,
                recovery: created.recovery.into_iter().map(Into::into).collect(),
            }),
            Step::Abort(Abort { flow_id, handler, reason, text }) => {
                Self::Abort(AbortJson { flow_id, handler: pair(handler), reason, text })
            }
        }
    }
}

impl From<FormStep> for FormJson {
    fn from(step: FormStep) -> Self {
        Self {
            flow_id: step.flow_id,
            handler: pair(step.handler),
            step_id: step.step_id,
            data_schema: step.fields.into_iter().map(Into::into).collect(),
            errors: step.errors,
            description_placeholders: step.placeholders,
            last_step: None,
            preview: None,
            title: step.title,
            display: step.blocks.into_iter().map(Into::into).collect(),
            error_texts: step.error_texts,
            expires_at: step.expires_at,
            delivery: step.delivery,
            resend_at: step.resend_at,
            methods: step.methods,
            ceremony: step.ceremony,
            client_id: None,
            recovery: offered(step.recovery),
            recovery_codes: step.recovery_codes.into_iter().map(Into::into).collect(),
        }
    }
}

fn pair(handler: Handler) -> HandlerJson {
    (handler.kind, handler.id)
}

impl From<Field> for FieldJson {
    fn from(field: Field) -> Self {
        let is_username = field.name == "username";
        let is_password = field.name == "password";
        // What is masked is known by heart, and no code out of a message.
        let one_time_code = (!field.masked).then_some("one-time-code");
        let mut json = Self {
            name: field.name,
            kind: "string",
            required: field.required,
            default: field.default,
            options: None,
            label: field.label,
            help: field.help,
            format: None,
            length_min: None,
            length_max: None,
            masked: field.masked,
            autocomplete: None,
        };
        match field.input {
            FieldInput::Text { length_max } => {
                json.length_max = Some(length_max);
                json.autocomplete = is_username.then_some("username");
            }
            FieldInput::Digits { length_min, length_max } => {
                (json.length_min, json.length_max) = (Some(length_min), Some(length_max));
                (json.format, json.autocomplete) = (Some("digits"), one_time_code);
            }
            FieldInput::Code { length_min, length_max } => {
                json.length_min = (length_min > 1).then_some(length_min);
                json.length_max = Some(length_max);
                (json.format, json.autocomplete) = (Some("code"), one_time_code);
            }
            FieldInput::Password { length_max } => {
                json.length_max = Some(length_max);
                json.format = Some("password");
                json.autocomplete = is_password.then_some("current-password");
            }
            FieldInput::Email => (json.format, json.autocomplete) = (Some("email"), Some("email")),
            FieldInput::Phone => (json.format, json.autocomplete) = (Some("phone"), Some("tel")),
            FieldInput::Select { options } => (json.kind, json.options) = ("select", Some(options)),
            FieldInput::Boolean => json.kind = "boolean",
        }
        json
    }
}

impl From<Block> for BlockJson {
    fn from(block: Block) -> Self {
        match block {
            Block::Text { text } => Self::Text { text },
            Block::Qr { name, content, svg } => Self::Qr { name, content, svg },
            Block::Secret { name, value, label } => Self::Secret { name, value, label },
            Block::Uri { name, value } => Self::Uri { name, value },
            Block::Codes { name, codes } => Self::Codes { name, codes },
            Block::Image { name, data_uri, alt } => Self::Image { name, data_uri, alt },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::Created;
    use crate::flow::WayBack;

    fn form(fields: Vec<Field>) -> FormStep {
        FormStep {
            flow_id: "f".into(),
            handler: Handler { kind: "local".into(), id: None },
            step_id: "mfa",
            title: None,
            blocks: vec![],
            fields,
            errors: [("base".to_owned(), "invalid_code".to_owned())].into(),
            error_texts: BTreeMap::new(),
            placeholders: BTreeMap::new(),
            expires_at: None,
            delivery: None,
            resend_at: None,
            methods: Vec::new(),
            ceremony: None,
            recovery: vec![],
            recovery_codes: vec![],
        }
    }

    fn field(name: &str, input: FieldInput) -> Field {
        Field { name: name.into(), input, label: name.into(), help: None, required: true, default: None, masked: false }
    }

    #[test]
    fn a_form_has_the_shape_clients_know() {
        let step = Step::Form(form(vec![field("code", FieldInput::Digits { length_min: 6, length_max: 6 })]));
        assert_eq!(
            serde_json::to_value(StepJson::from(step)).unwrap(),
            json!({
                "type": "form", "flow_id": "f", "handler": ["local", null], "step_id": "mfa",
                "data_schema": [{
                    "name": "code", "type": "string", "required": true, "label": "code", "format": "digits",
                    "length_min": 6, "length_max": 6, "autocomplete": "one-time-code",
                }],
                "errors": {"base": "invalid_code"}, "description_placeholders": {}, "last_step": null, "preview": null,
            })
        );
    }

    #[test]
    fn a_select_lists_pairs_and_only_the_accounts_password_is_autocompleted() {
        let options = vec![("totp".to_owned(), "App".to_owned())];
        let select = serde_json::to_value(FieldJson::from(field("m", FieldInput::Select { options }))).unwrap();
        assert_eq!((&select["type"], &select["options"]), (&json!("select"), &json!([["totp", "App"]])));
        let of = |name| FieldJson::from(field(name, FieldInput::Password { length_max: 64 })).autocomplete;
        assert_eq!((of("password"), of("pin")), (Some("current-password"), None));
    }

    #[test]
    fn a_pin_is_digits_that_are_not_seen_and_no_code_out_of_a_message() {
        let pin = Field { masked: true, ..field("pin", FieldInput::Digits { length_min: 4, length_max: 8 }) };
        let shown = serde_json::to_value(FieldJson::from(pin)).unwrap();
        assert_eq!((&shown["format"], &shown["masked"]), (&json!("digits"), &json!(true)));
        assert!(shown.get("autocomplete").is_none());
    }

    #[test]
    fn an_end_carries_the_code_or_nothing() {
        let created = |result: Option<&str>| Created {
            result: result.map(str::to_owned),
            ..Created::new("f", Handler { kind: "totp".into(), id: Some("totp".into()) })
        };
        assert_eq!(
            serde_json::to_value(StepJson::from(Step::Created(created(Some("c"))))).unwrap(),
            json!({"type": "create_entry", "version": 1, "flow_id": "f", "handler": ["totp", "totp"], "result": "c"})
        );
        let set_up = serde_json::to_value(StepJson::from(Step::Created(created(None)))).unwrap();
        assert!(set_up.get("result").is_none());
    }

    #[test]
    fn ways_back_stand_beside_the_fields_and_never_among_them() {
        let way_back = WayBack { module: "codes".into(), name: "Codes".into() };
        let step = FormStep { recovery: vec![way_back], ..form(vec![]) };
        let json = serde_json::to_value(StepJson::from(Step::Form(step))).unwrap();
        let told = json!({"field": "recovery_code", "modules": [{"id": "codes", "name": "Codes"}]});
        assert_eq!((&json["recovery"], &json["data_schema"]), (&told, &json!([])));
    }

    #[test]
    fn only_a_proof_names_its_client() {
        let proof = StepJson::with_client_id(Step::Form(form(vec![])), "app".into());
        assert_eq!(serde_json::to_value(proof).unwrap()["client_id"], "app");
    }
}
