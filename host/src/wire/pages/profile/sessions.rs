//! `/profile/sessions`: where one is signed in. To end a session opens nothing, so it asks for no fresh proof.

use axum::response::Response;
use minijinja::{Value, context};

use super::{
    Answered, Flash, HOME, Page, SignedIn, cookies, program, see_other,
    sign_in::{Ask, name_of},
    tell_at, told,
};
use crate::flow::{FlowError, MethodView, OwnSession};

pub const PATH: &str = "/profile/sessions";

pub async fn show(me: SignedIn) -> Response {
    let visit = &me.visit;
    let (sessions, methods) = match (visit.flows.own_sessions(&me.access).await, me.methods().await) {
        (Ok(sessions), Ok(methods)) => (sessions, methods),
        (Err(error), _) | (_, Err(error)) => return Page::of_error(visit, error).reply(visit),
    };
    let has_others = sessions.len() > 1;
    let sessions: Vec<Value> = sessions.iter().map(|session| row(&me, session, &methods)).collect();
    let flash = Flash::of(&visit.cookies, PATH);
    let title = visit.say("page.profile.sessions.title");
    let context = context! { title, sessions, has_others, ..told(&me, &flash).await };
    me.page("page_profile_sessions.html", context).reply(visit)
}

fn row(me: &SignedIn, session: &OwnSession, methods: &[MethodView]) -> Value {
    let own = Ask::of_own_pages(&me.visit, HOME).client_id;
    let factor = session.mfa_method_used.as_ref().map(|stamp| {
        let module = me.visit.flows.module_stamped(stamp);
        let method = methods.iter().find(|method| Some(&method.id) == module.as_ref());
        method.map_or_else(|| stamp.clone(), |method| method.name.clone())
    });
    let name = || name_of(&me.visit, &session.client_id).unwrap_or_else(|| session.client_id.clone());
    let application = (session.client_id != own).then(name);
    context! {
        id => session.id.clone(),
        is_current => session.is_current,
        application,
        created_at => me.moment(session.created_at),
        address => session.address.map(|address| address.to_string()),
        browser => session.browser.as_deref().map(|name| program::in_short(name).unwrap_or_else(|| name.to_owned())),
        browser_in_full => session.browser.as_ref().filter(|name| program::in_short(name).is_some()),
        factor,
    }
}

pub async fn answer(Answered { me, form }: Answered) -> Response {
    let visit = &me.visit;
    let (ended, key) = match form.get("end").map(String::as_str) {
        Some("others") => (visit.flows.end_other_sessions(&me.access).await.map(drop), "ended_others"),
        // The one that asks is signed out of.
        Some(id) if id == me.access.session_id => return end_own(&me).await,
        Some(id) => (visit.flows.end_session(&me.access, id).await, "ended"),
        None => (Err(FlowError::InvalidRequest("nothing is named")), "ended"),
    };
    match ended {
        Ok(()) => tell_at(visit, PATH, PATH, Flash::note(visit.say(&format!("page.profile.sessions.{key}")))),
        Err(FlowError::NotFound { .. }) => me.nothing("page.not_found"),
        Err(error) => Page::of_error(visit, error).reply(visit),
    }
}

pub async fn sign_out(Answered { me, .. }: Answered) -> Response {
    end_own(&me).await
}

async fn end_own(me: &SignedIn) -> Response {
    let visit = &me.visit;
    match visit.flows.sign_out(&me.access).await {
        Ok(()) => see_other(visit, &Ask::of_own_pages(visit, HOME).start(), cookies::clear(cookies::SESSION)),
        Err(error) => Page::of_error(visit, error).reply(visit),
    }
}
