//! `/profile`: everything one's sign-in stands on, at a glance.

use axum::response::Response;
use minijinja::{Value, context};

use super::{Flash, HOME, Page, SignedIn, segment, told};
use crate::flow::MethodView;

pub async fn show(me: SignedIn) -> Response {
    let visit = &me.visit;
    let methods = match me.methods().await {
        Ok(methods) => methods,
        Err(error) => return Page::of_error(visit, error).reply(visit),
    };
    let flash = Flash::of(&visit.cookies, HOME);
    let (ways_back, factors): (Vec<_>, Vec<_>) = methods.iter().partition(|method| method.recovery);
    let has_factor = factors.iter().any(|method| method.is_setup);
    let factors: Vec<Value> = factors.into_iter().map(|method| card(&me, method, None)).collect();
    let mut back = Vec::new();
    for method in ways_back {
        // Only its module knows how many codes are left.
        let details = match method.is_setup && method.is_available {
            true => visit.flows.method_details(&me.access, &method.id, &visit.asker).await.ok(),
            false => None,
        };
        let overview = details.and_then(|details| details.overview);
        back.push(card(&me, method, overview.map(|overview| (overview.summary, overview.low))));
    }
    let context = context! {
        title => visit.say("page.profile.title"), factors, ways_back => back, has_factor,
        has_password => me.user.user.has_password, ..told(&me, &flash).await
    };
    me.page("page_profile_overview.html", context).reply(visit)
}

/// A method as cards and its own page show it.
pub fn card(me: &SignedIn, method: &MethodView, overview: Option<(Option<String>, bool)>) -> Value {
    let (summary, is_low) = overview.unwrap_or_default();
    context! {
        id => method.id.clone(),
        address => format!("{HOME}/method/{}", segment(&method.id)),
        name => method.name.clone(),
        label => method.label.clone(),
        is_available => method.is_available,
        is_setup => method.is_setup,
        is_active => method.is_active,
        is_primary => method.is_primary,
        recovery => method.recovery,
        strength => method.strength_text.clone(),
        message => method.setup_message.clone(),
        created_at => method.created_at.map(|moment| me.moment(moment)),
        last_used_at => method.last_used_at.map(|moment| me.moment(moment)),
        summary,
        is_low,
    }
}
