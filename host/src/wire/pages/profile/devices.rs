//! `/profile/device/{method}/{device}/{deed}`: one device of several gets another name, or goes.

use axum::{
    extract::{Path, RawQuery},
    response::Response,
};

use super::{
    Answered, Flash, HOME, SignedIn,
    confirmation::{self, Asked, trial_of, with_trial},
    fields,
    form::{FormPage, field, step},
    method,
    refusal::{impossible, refused},
    segment, tell_at,
};
use crate::flow::{Deed, FieldInput, Need};

/// Longest name of a device.
const NAME_CHARS_MAX: usize = 64;

type Place = Path<(String, String, String)>;

pub async fn show(me: SignedIn, Path((id, device, word)): Place, RawQuery(query): RawQuery) -> Response {
    let visit = &me.visit;
    let Some(is_removal) = is_removal(&word) else { return me.nothing("page.not_found") };
    let path = address(&id, &device, &word);
    let need = if is_removal { Need::Removal } else { Need::SetUp };
    if let Err(way) = me.prove_first(need, &path).await {
        return *way;
    }
    let details = match visit.flows.method_details(&me.access, &id, &visit.asker).await {
        Ok(details) => details,
        Err(error) => return impossible(&me, &path, error),
    };
    let known = details.overview.and_then(|overview| overview.devices.into_iter().find(|known| known.id == device));
    let Some(known) = known else { return me.nothing("page.not_found") };
    let trial = trial_of(query.as_deref());
    let asked = match is_removal {
        false => Ok(Asked::default()),
        true => match visit.flows.code_for(&me.access, Some(&id), &Deed::Delete, &visit.asker).await {
            Ok(needed) => Asked::of(&me, needed, trial.as_deref()).await,
            Err(error) => Err(error),
        },
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => return impossible(&me, &path, error),
    };
    let input = FieldInput::Text { length_max: NAME_CHARS_MAX };
    let own = (!is_removal).then(|| field(&me, "name", input, Some(known.name.clone())));
    let key = |part: &str| format!("page.profile.device.{word}.{part}");
    let name = [("name", known.name.as_str())];
    let page = FormPage {
        title: visit.fill(&key("title"), &name),
        says: vec![visit.fill(&key("text"), &name)],
        form: step(own.into_iter().collect()),
        button: visit.say(&key("button")),
        is_danger: is_removal,
        here: with_trial(&path, trial.as_deref()),
        back: method::address(&id),
        hidden: Vec::new(),
    };
    page.asking(visit, asked).reply(&me)
}

pub async fn answer(Path((id, device, word)): Place, Answered { me, form }: Answered) -> Response {
    let visit = &me.visit;
    let Some(is_removal) = is_removal(&word) else { return me.nothing("page.not_found") };
    let path = address(&id, &device, &word);
    if confirmation::is_to_send(&form) {
        let needed = visit.flows.code_for(&me.access, Some(&id), &Deed::Delete, &visit.asker).await;
        return confirmation::send(&me, needed, &path, &form).await;
    }
    let (typed, again) = fields::typed(&form);
    let done = if is_removal {
        let given = confirmation::given(&form, typed);
        visit.flows.remove_device(&me.access, &id, &device, &given, &visit.asker).await
    } else {
        let name = typed.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        visit.flows.rename_device(&me.access, &id, &device, name, &visit.asker).await
    };
    match done {
        Ok(()) => {
            let to = method::address(&id);
            let done = Flash::note(visit.say(&format!("page.profile.device.{word}.done")));
            tell_at(visit, &to, &to, Flash { offers_end: is_removal, ..done })
        }
        Err(error) => refused(&me, &with_trial(&path, form.get("trial").map(String::as_str)), error, again),
    }
}

fn is_removal(word: &str) -> Option<bool> {
    match word {
        "remove" => Some(true),
        "rename" => Some(false),
        _ => None,
    }
}

fn address(id: &str, device: &str, word: &str) -> String {
    format!("{HOME}/device/{}/{}/{word}", segment(id), segment(device))
}
