//! The host's own forms of the profile, made of the same fields as a module's, so that they look and behave alike.

use std::collections::BTreeMap;

use axum::response::Response;
use minijinja::context;

use super::{Flash, SignedIn, Visit, around, confirmation::Asked, fields};
use crate::flow::{Field, FieldInput, FormStep, Handler};

/// A page with one form: what will happen, what has to be typed, and the button that does it.
pub struct FormPage {
    pub title: String,
    /// What will happen.
    pub says: Vec<String>,
    pub form: FormStep,
    pub button: String,
    /// Whether something is lost by it.
    pub is_danger: bool,
    /// Where the form is.
    pub here: String,
    /// Where nothing happens.
    pub back: String,
    /// Sent along as they are.
    pub hidden: Vec<(&'static str, String)>,
}

impl FormPage {
    /// With the code that the change takes; alone with the button that has it sent, as long as it was not.
    pub fn asking(mut self, visit: &Visit, asked: Asked) -> Self {
        self.says.extend(asked.says);
        self.hidden = asked.hidden;
        let own = std::mem::replace(&mut self.form, asked.form);
        if asked.must_send {
            self.button = visit.say("page.profile.code.button");
            self.is_danger = false;
        } else {
            self.form.fields.splice(0..0, own.fields);
        }
        self
    }

    pub fn reply(self, me: &SignedIn) -> Response {
        let flash = Flash::of(&me.visit.cookies, &self.here);
        let form = fields::shown(&me.visit, &self.form, &flash);
        let around = around(&me.visit, &self.form);
        let hidden: Vec<_> = self.hidden.iter().map(|(name, value)| context! { name => *name, value }).collect();
        let context = context! {
            title => self.title, says => self.says, form, button => self.button, is_danger => self.is_danger,
            back => self.back, hidden, ..around
        };
        me.page("page_profile_form.html", context).reply(&me.visit)
    }
}

/// A step of ours with these fields and nothing else.
pub fn step(fields: Vec<Field>) -> FormStep {
    FormStep {
        flow_id: String::new(),
        handler: Handler { kind: String::new(), id: None },
        step_id: "profile",
        title: None,
        blocks: Vec::new(),
        fields,
        errors: BTreeMap::new(),
        error_texts: BTreeMap::new(),
        placeholders: BTreeMap::new(),
        expires_at: None,
        delivery: None,
        resend_at: None,
        methods: Vec::new(),
        ceremony: None,
        recovery: Vec::new(),
        recovery_codes: Vec::new(),
    }
}

/// A field with the words `page.profile.field.NAME`, and of its help where there are any.
pub fn field(me: &SignedIn, name: &str, input: FieldInput, default: Option<String>) -> Field {
    let help = format!("page.profile.field.{name}.help");
    Field {
        label: me.visit.say(&format!("page.profile.field.{name}")),
        help: me.visit.look.words.has(&help).then(|| me.visit.say(&help)),
        name: name.to_owned(),
        input,
        required: true,
        default: default.map(Into::into),
        masked: false,
    }
}
