//! `/profile/method/{id}/{deed}`: what will happen to a method, and the form that does it.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, RawQuery},
    response::Response,
};

use super::{
    Answered, Flash, HOME, Page, SignedIn, codes,
    confirmation::{self, Asked, trial_of, with_trial},
    deed::Deed,
    fields,
    form::{FormPage, field, step},
    method,
    refusal::{impossible, refused},
    setup, tell_at, trial,
};
use crate::{
    flow::{self, Field, FieldInput, FlowError, MethodView},
    settings::RecoveryScope,
};

pub async fn show(me: SignedIn, Path((id, word)): Path<(String, String)>, RawQuery(query): RawQuery) -> Response {
    let Some(deed) = Deed::of(&word) else { return me.nothing("page.not_found") };
    let methods = match me.methods().await {
        Ok(methods) => methods,
        Err(error) => return Page::of_error(&me.visit, error).reply(&me.visit),
    };
    let Some(method) = methods.iter().find(|method| method.id == id) else { return me.nothing("page.not_found") };
    if let Some(need) = deed.need()
        && let Err(way) = me.prove_first(need, &deed.address(&id)).await
    {
        return *way;
    }
    let trial = trial_of(query.as_deref());
    let here = with_trial(&deed.address(&id), trial.as_deref());
    let asked = match deed.change(method.label.clone()) {
        None => Ok(Asked::default()),
        Some(change) => match me.visit.flows.code_for(&me.access, Some(&id), &change, &me.visit.asker).await {
            Ok(needed) => Asked::of(&me, needed, trial.as_deref()).await,
            Err(error) => Err(error),
        },
    };
    match asked {
        Ok(asked) => form_page(&me, deed, method, &methods, here, asked).reply(&me),
        Err(error) => impossible(&me, &here, error),
    }
}

fn form_page(
    me: &SignedIn,
    deed: Deed,
    method: &MethodView,
    methods: &[MethodView],
    here: String,
    asked: Asked,
) -> FormPage {
    let (visit, name) = (&me.visit, [("name", method.name.as_str())]);
    let key = |part: &str| format!("page.profile.{}.{part}", deed.word());
    let factors = || methods.iter().filter(|other| other.is_setup && !other.recovery);
    let mut says = match (deed, method.recovery, &method.setup_message) {
        (Deed::SetUp, true, _) => vec![visit.fill("page.profile.codes.first", &name)],
        (Deed::SetUp, false, Some(message)) => vec![message.clone()],
        _ => vec![visit.fill(&key("text"), &name)],
    };
    if deed == Deed::Remove && !method.recovery && factors().count() == 1 {
        says.push(visit.say("page.profile.remove.last"));
    }
    let page = FormPage {
        title: visit.fill(&key("title"), &name),
        says,
        form: step(own_fields(me, deed, method, factors())),
        button: visit.fill(&key("button"), &name),
        is_danger: deed == Deed::Remove,
        here,
        back: method::address(&method.id),
        hidden: Vec::new(),
    };
    page.asking(visit, asked)
}

/// What the change itself wants to know.
fn own_fields<'a>(
    me: &SignedIn,
    deed: Deed,
    method: &MethodView,
    factors: impl Iterator<Item = &'a MethodView>,
) -> Vec<Field> {
    let is_of_one = me.visit.flows.settings().recovery.scope == RecoveryScope::Enrolment;
    match deed {
        Deed::Rename => {
            let label = field(me, "label", FieldInput::Text { length_max: 255 }, method.label.clone());
            vec![Field { required: false, ..label }]
        }
        Deed::SetUp | Deed::Renew if method.recovery && is_of_one => {
            let options: Vec<_> = factors.map(|factor| (factor.id.clone(), factor.name.clone())).collect();
            // With one factor there is nothing to choose.
            if options.len() < 2 { Vec::new() } else { vec![field(me, "factor", FieldInput::Select { options }, None)] }
        }
        _ => Vec::new(),
    }
}

pub async fn answer(Path((id, word)): Path<(String, String)>, Answered { me, form }: Answered) -> Response {
    let Some(deed) = Deed::of(&word) else { return me.nothing("page.not_found") };
    let factor = form.get("f.factor").map(String::as_str);
    match deed {
        Deed::SetUp => setup::begin(&me, &id, factor).await,
        Deed::Renew => codes::renew(&me, &id, factor).await,
        Deed::Try => trial::begin(&me, &id).await,
        deed => change(&me, deed, &id, &form).await,
    }
}

async fn change(me: &SignedIn, deed: Deed, id: &str, form: &BTreeMap<String, String>) -> Response {
    let visit = &me.visit;
    let (mut typed, again) = fields::typed(form);
    let label = typed.remove("label").and_then(|label| label.as_str().map(str::to_owned)).unwrap_or_default();
    let Some(wanted) = deed.change(Some(label)) else { return me.nothing("page.not_found") };
    if confirmation::is_to_send(form) {
        let needed = visit.flows.code_for(&me.access, Some(id), &wanted, &visit.asker).await;
        return confirmation::send(me, needed, &deed.address(id), form).await;
    }
    let here = with_trial(&deed.address(id), form.get("trial").map(String::as_str));
    let given = confirmation::given(form, typed);
    let done: Result<(), FlowError> = match wanted {
        flow::Deed::Delete => visit.flows.delete_method(&me.access, id, &given, &visit.asker).await,
        flow::Deed::Wish(wish) => visit.flows.change_method(&me.access, id, wish, &given, &visit.asker).await.map(drop),
    };
    match done {
        Ok(()) => {
            let to = if deed == Deed::Remove { HOME.to_owned() } else { method::address(id) };
            let done = Flash::note(visit.say(&format!("page.profile.{}.done", deed.word())));
            tell_at(visit, &to, &to, Flash { offers_end: deed.changes_factors(), ..done })
        }
        Err(error @ (FlowError::NotFound { .. } | FlowError::UnknownFlow)) => impossible(me, &here, error),
        Err(error) => refused(me, &here, error, again),
    }
}
