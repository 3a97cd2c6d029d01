//! `/profile/password`: a new password of one's own.

use axum::response::Response;
use secrecy::SecretString;

use super::{
    Answered, Flash, HOME, SignedIn, fields,
    form::{FormPage, field, step},
    refusal::{impossible, refused},
    tell_at,
};
use crate::flow::{Field, FieldInput, FlowError, Need};

const PATH: &str = "/profile/password";
const LENGTH_MAX: usize = 1024;

pub async fn show(me: SignedIn) -> Response {
    if !me.user.user.has_password {
        let detail = "this user has no password here".to_owned();
        return impossible(&me, HOME, FlowError::NotPossible { code: "no_password", detail });
    }
    if let Err(way) = me.prove_first(Need::NewPassword, PATH).await {
        return *way;
    }
    let visit = &me.visit;
    let password = |name: &str| field(&me, name, FieldInput::Password { length_max: LENGTH_MAX }, None);
    let end_others = Field {
        required: false,
        default: Some(true.into()),
        ..field(&me, "end_other_sessions", FieldInput::Boolean, None)
    };
    let page = FormPage {
        title: visit.say("page.profile.password.title"),
        says: vec![visit.say("page.profile.password.text")],
        form: step(vec![password("old_password"), password("new_password"), end_others]),
        button: visit.say("page.profile.password.button"),
        is_danger: false,
        here: PATH.to_owned(),
        back: HOME.to_owned(),
        hidden: Vec::new(),
    };
    page.reply(&me)
}

pub async fn answer(Answered { me, form }: Answered) -> Response {
    let (typed, again) = fields::typed(&form);
    let secret =
        |name: &str| SecretString::from(typed.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned());
    let end_others = typed.get("end_other_sessions").and_then(serde_json::Value::as_bool).unwrap_or_default();
    let (old, new) = (secret("old_password"), secret("new_password"));
    let flows = &me.visit.flows;
    match flows.change_own_password(&me.access, &old, &new, end_others, &me.visit.asker).await {
        Ok(()) => tell_at(&me.visit, HOME, HOME, Flash::note(me.visit.say("page.profile.password.done"))),
        Err(error) => refused(&me, PATH, error, again),
    }
}
