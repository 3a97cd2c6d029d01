//! `/auth/authorize`: signing in for an application. The address holds what the application asked for and, once the
//! first factor is right, the handle of the login; the flow's id stays in a cookie of this browser. So a page can be
//! loaded again, gone back to and opened twice, and each tab has a login of its own.

mod answers;
mod ask;
mod finish;
pub mod forgotten;
pub mod handle;
mod login_page;

use axum::{extract::RawQuery, response::Response};
use minijinja::context;

use super::{
    fields,
    flash::Flash,
    page::{Page, see_other, tell_at},
    step::{self, POLL_EVERY_S, Said, around, no_news},
    visit::Visit,
};
use crate::{
    flow::{Abort, FlowError, FormStep, Standing, Step},
    settings::ForgottenPassword,
    wire::http::{Failure, Form},
};
pub use ask::{Ask, name_of};
pub use login_page::LoginPage;

/// The page of a login: its first step, or the one it stands at. Changes nothing.
pub async fn show(mut visit: Visit, RawQuery(query): RawQuery) -> Response {
    let ask = match Ask::read(query.as_deref()) {
        Ok(ask) => ask,
        Err(error) => return Page::of_error(&visit, error).reply(&visit),
    };
    if let Err(error) = visit.flows.check_client(&ask.client_id, &ask.redirect_uri) {
        return Page::of_error(&visit, error).reply(&visit);
    }
    match &ask.flow {
        None => first_step(&visit, &ask).await,
        Some(handle) => match handle::flow_id(&visit, &ask, handle).map(str::to_owned) {
            Some(flow_id) => standing_step(&mut visit, &ask, &flow_id).await,
            None => over(&visit, &ask, "page.over"),
        },
    }
}

/// An answered form: a first factor, a code, or a wish beside it.
pub async fn answer(visit: Visit, RawQuery(query): RawQuery, form: Result<Form, Failure>) -> Response {
    let ask = match Ask::read(query.as_deref()) {
        Ok(ask) => ask,
        Err(error) => return Page::of_error(&visit, error).reply(&visit),
    };
    let form = match form {
        Ok(Form(form)) => form,
        Err(failure) => return visit.message("page.wrong_request").status(failure.status).reply(&visit),
    };
    if let Err(page) = visit.check_form(form.get("form_tag").map(String::as_str)) {
        return page.reply(&visit);
    }
    if let Err(error) = visit.flows.check_client(&ask.client_id, &ask.redirect_uri) {
        return Page::of_error(&visit, error).reply(&visit);
    }
    match &ask.flow {
        None => answers::first_factor(&visit, &ask, &form).await,
        Some(handle) => match handle::flow_id(&visit, &ask, handle) {
            Some(flow_id) => answers::step(&visit, &ask, flow_id, &form).await,
            None => over(&visit, &ask, "page.over"),
        },
    }
}

/// The first factor of the provider that was chosen, or of the first there is.
async fn first_step(visit: &Visit, ask: &Ask) -> Response {
    let flash = Flash::of(&visit.cookies, AT);
    let offered = ask.providers(visit);
    let Some(provider) = ask.provider(&offered) else {
        return visit.message("page.no_provider").status(axum::http::StatusCode::FORBIDDEN).reply(visit);
    };
    // To come in by place begins a login at once, which is for a click and not for a look.
    let step = if provider.kind == BY_PLACE {
        None
    } else {
        match visit.flows.begin_login(ask.begin(provider), &visit.asker).await {
            Ok(Step::Form(step)) => Some(step),
            Ok(_) => None,
            Err(error) => return Page::of_error(visit, error).reply(visit),
        }
    };
    let others: Vec<_> = offered
        .iter()
        .filter(|other| (&other.kind, &other.id) != (&provider.kind, &provider.id))
        .map(|other| context! { name => other.name.clone(), address => ask.address_of_provider(other) })
        .collect();
    let context = context! {
        provider => provider.name.clone(),
        application => ask.application(visit),
        form => step.as_ref().map(|step| fields::shown(visit, step, &flash)),
        base => flash.errors.get("base").cloned(),
        note => flash.note.clone(),
        others,
        can_forget => provider.kind == "local" && visit.flows.settings().passwords.forgotten == ForgottenPassword::Mail,
        forgotten => ask.address_at("/auth/forgotten"),
    };
    visit.page("page_sign_in.html", context).reply(visit)
}

/// The step a login stands at.
async fn standing_step(visit: &mut Visit, ask: &Ask, flow_id: &str) -> Response {
    let shown = visit.flows.show_login(flow_id, &ask.client_id, &visit.asker).await;
    if let Ok(Standing { language, .. }) = &shown {
        visit.speak(Some(language));
    }
    let visit = &*visit;
    match shown.map(|standing| standing.step) {
        Ok(Step::Form(step)) => {
            let flash = Flash::of(&visit.cookies, ask.flow.as_deref().unwrap_or(AT));
            step_page(visit, ask, &step, &flash).reply(visit)
        }
        Ok(Step::Abort(abort)) => ended(visit, ask, &abort),
        Ok(Step::Created(_)) | Err(FlowError::UnknownFlow) => over(visit, ask, "page.over"),
        Err(error) => Page::of_error(visit, error).reply(visit),
    }
}

/// The page of a step, of a login or a proof.
pub fn step_page(visit: &Visit, ask: &Ask, step: &FormStep, flash: &Flash) -> Page {
    let own = step.placeholders.get("mfa_module_id");
    let methods: Vec<_> =
        step.methods.iter().filter(|(id, _)| Some(id) != own).map(|(id, name)| context! { id => id.clone(), name => name.clone(), strength => visit.flows.strength_in_words(id, &visit.language) }).collect();
    let context = context! {
        application => ask.application(visit),
        step_id => step.step_id,
        method => step.placeholders.get("mfa_module_name"),
        form => fields::shown(visit, step, flash),
        methods,
        recovery => step.recovery.iter().map(|way| context! { id => way.module.clone(), name => way.name.clone() }).collect::<Vec<_>>(),
        ..around(visit, step)
    };
    visit.page("page_step.html", context)
}

/// The login is over; it says why and leads to a new one.
fn ended(visit: &Visit, ask: &Ask, abort: &Abort) -> Response {
    let mut links = vec![context! { address => ask.start(), words => visit.say("page.start_again") }];
    if abort.reason == "unknown_error" {
        // The factor that is asked first does not work: the next login begins with the choice.
        links.push(context! { address => ask.choosing().start(), words => visit.say("page.step.another") });
    }
    let context = context! { title => visit.say("page.ended.title"), text => abort.text.clone(), links };
    visit.page("page_message.html", context).cookie(handle::forget(ask)).reply(visit)
}

fn over(visit: &Visit, ask: &Ask, key: &str) -> Response {
    let links = vec![context! { address => ask.start(), words => visit.say("page.start_again") }];
    let (title, text) = (visit.say(&format!("{key}.title")), visit.say(&format!("{key}.text")));
    let page = visit.page("page_message.html", context! { title, text, links });
    page.status(axum::http::StatusCode::NOT_FOUND).cookie(handle::forget(ask)).reply(visit)
}

/// What the pages before a login are called among those that words are carried to.
const AT: &str = "sign-in";
const BY_PLACE: &str = "trusted_networks";
