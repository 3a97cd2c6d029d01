//! `/profile/addresses`: where one can be reached. A new address is proved by a code that is sent there.

use std::collections::BTreeMap;

use axum::{extract::Path, response::Response};
use mfa_sdk::form::{FieldError, FieldErrors};
use minijinja::context;

use super::{
    Answered, Flash, SignedIn, fields,
    form::{FormPage, field, step},
    refusal::{impossible, refused},
    see_other, segment, tell_at, told,
};
use crate::flow::{AddressKind, FieldInput, FlowError, FormStep, Need};

const PATH: &str = "/profile/addresses";

pub async fn show(me: SignedIn) -> Response {
    if let Err(way) = me.prove_first(Need::SetUp, PATH).await {
        return *way;
    }
    let visit = &me.visit;
    let flash = Flash::of(&visit.cookies, PATH);
    let kinds = [("email", FieldInput::Email, &me.user.email), ("phone", FieldInput::Phone, &me.user.phone)];
    let kinds = kinds.map(|(kind, input, addresses)| {
        let list: Vec<_> = addresses
            .iter()
            .map(|address| context! { value => address.value.clone(), proved_at => address.proved_at.map(|at| me.moment(at)) })
            .collect();
        let form = fields::shown(visit, &step(vec![field(&me, kind, input, None)]), &flash);
        context! { kind, list, form }
    });
    let context = context! {
        title => visit.say("page.profile.addresses.title"), kinds => kinds.to_vec(),
        ..told(&me, &flash).await
    };
    me.page("page_profile_addresses.html", context).reply(visit)
}

pub async fn answer(Answered { me, form }: Answered) -> Response {
    let visit = &me.visit;
    let (typed, again) = fields::typed(&form);
    let (kind, name) = match form.get("kind").map(String::as_str) {
        Some("phone") => (AddressKind::Phone, "phone"),
        _ => (AddressKind::Email, "email"),
    };
    if let Some(value) = form.get("remove") {
        return match visit.flows.remove_address(&me.access, kind, value, &visit.asker).await {
            Ok(()) => tell_at(visit, PATH, PATH, Flash::change(visit.say("page.profile.addresses.removed"))),
            Err(error @ FlowError::NotFound { .. }) => impossible(&me, PATH, error),
            Err(error) => refused(&me, PATH, error, BTreeMap::new()),
        };
    }
    let value = typed.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    match visit.flows.begin_address(&me.access, kind, value, &visit.asker).await {
        Ok(begun) => see_other(visit, &address_of(&begun.flow_id), None),
        Err(error) => refused(&me, PATH, beside(error, name), again),
    }
}

/// What does not fit an address is told beside the field it was typed in.
fn beside(error: FlowError, name: &str) -> FlowError {
    match error {
        FlowError::InvalidRequest(_) => {
            FlowError::InvalidInput(FieldErrors::from([(name.to_owned(), FieldError::InvalidAddress)]))
        }
        other => other,
    }
}

/// The form for the code. Whether one was sent there is known only when it is answered.
pub async fn show_proof(me: SignedIn, Path(flow_id): Path<String>) -> Response {
    let visit = &me.visit;
    let code = field(&me, "code", FieldInput::Digits { length_min: 6, length_max: 6 }, None);
    let page = FormPage {
        title: visit.say("page.profile.addresses.proof"),
        says: vec![visit.say("page.profile.addresses.sent")],
        // Too early a wish is told how long to wait.
        form: FormStep { resend_at: Some(visit.flows.now()), ..step(vec![code]) },
        button: visit.say("page.step.confirm"),
        is_danger: false,
        here: address_of(&flow_id),
        back: PATH.to_owned(),
        hidden: Vec::new(),
    };
    page.reply(&me)
}

pub async fn prove(Path(flow_id): Path<String>, Answered { me, form }: Answered) -> Response {
    let visit = &me.visit;
    let here = address_of(&flow_id);
    if form.get("action").is_some_and(|action| action == "resend") {
        return match visit.flows.resend_address(&me.access, &flow_id, &visit.asker).await {
            Ok(_) => tell_at(visit, &here, &here, Flash::note(visit.say("page.profile.sent"))),
            Err(error @ FlowError::UnknownFlow) => impossible(&me, &here, error),
            Err(error) => refused(&me, &here, error, BTreeMap::new()),
        };
    }
    let (typed, again) = fields::typed(&form);
    let code = typed.get("code").and_then(|code| code.as_str()).unwrap_or_default();
    match visit.flows.prove_address(&me.access, &flow_id, code, &visit.asker).await {
        Ok(_) => tell_at(visit, PATH, PATH, Flash::change(visit.say("page.profile.addresses.added"))),
        Err(error @ FlowError::UnknownFlow) => impossible(&me, &here, error),
        Err(error) => refused(&me, &here, error, again),
    }
}

fn address_of(flow_id: &str) -> String {
    format!("{PATH}/{}", segment(flow_id))
}
