//! `/profile/remove-all`: the end of all second factors.

use axum::{extract::RawQuery, response::Response};

use super::{
    Answered, Flash, HOME, SignedIn,
    confirmation::{self, Asked, trial_of, with_trial},
    fields,
    form::{FormPage, step},
    refusal::{impossible, refused},
    tell_at,
};
use crate::flow::{Deed, Need};

pub const PATH: &str = "/profile/remove-all";

pub async fn show(me: SignedIn, RawQuery(query): RawQuery) -> Response {
    if let Err(way) = me.prove_first(Need::Removal, PATH).await {
        return *way;
    }
    let visit = &me.visit;
    let trial = trial_of(query.as_deref());
    let needed = visit.flows.code_for(&me.access, None, &Deed::Delete, &visit.asker).await;
    let asked = match needed {
        Ok(needed) => Asked::of(&me, needed, trial.as_deref()).await,
        Err(error) => Err(error),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => return impossible(&me, PATH, error),
    };
    let page = FormPage {
        title: visit.say("page.profile.remove_all.title"),
        says: vec![visit.say("page.profile.remove_all.text")],
        form: step(Vec::new()),
        button: visit.say("page.profile.remove_all.button"),
        is_danger: true,
        here: with_trial(PATH, trial.as_deref()),
        back: HOME.to_owned(),
        hidden: Vec::new(),
    };
    page.asking(visit, asked).reply(&me)
}

pub async fn answer(Answered { me, form }: Answered) -> Response {
    let visit = &me.visit;
    if confirmation::is_to_send(&form) {
        let needed = visit.flows.code_for(&me.access, None, &Deed::Delete, &visit.asker).await;
        return confirmation::send(&me, needed, PATH, &form).await;
    }
    let (typed, again) = fields::typed(&form);
    let here = with_trial(PATH, form.get("trial").map(String::as_str));
    let given = confirmation::given(&form, typed);
    match visit.flows.delete_all_methods(&me.access, &given, &visit.asker).await {
        Ok(()) => tell_at(visit, HOME, HOME, Flash::change(visit.say("page.profile.remove_all.done"))),
        Err(error) => refused(&me, &here, error, again),
    }
}
