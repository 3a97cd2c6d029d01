//! `/auth/forgotten`: a code in place of the password. What is answered says nothing about the name that was typed.

use axum::{extract::RawQuery, response::Response};
use minijinja::context;

use super::{Ask, Flash, Page, Visit, see_other};
use crate::{
    settings::ForgottenPassword,
    wire::http::{Failure, Form},
};

const PATH: &str = "/auth/forgotten";
const AT: &str = "forgotten";

/// Asks for the name, or says that a code is on its way.
pub async fn show(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let ask = match ask(&visit, query.as_deref()) {
        Ok(ask) => ask,
        Err(page) => return page.reply(&visit),
    };
    let flash = Flash::of(&visit.cookies, AT);
    let form = context! { base => flash.errors.get("base").cloned() };
    let context = context! { back => ask.start(), is_sent => flash.note.is_some(), form };
    visit.page("page_forgotten.html", context).reply(&visit)
}

/// Sends the code, if there is anybody to send it to.
pub async fn answer(visit: Visit, RawQuery(query): RawQuery, form: Result<Form, Failure>) -> Response {
    let ask = match ask(&visit, query.as_deref()) {
        Ok(ask) => ask,
        Err(page) => return page.reply(&visit),
    };
    let form = match form {
        Ok(Form(form)) => form,
        Err(failure) => return visit.message("page.wrong_request").status(failure.status).reply(&visit),
    };
    if let Err(page) = visit.check_form(form.get("form_tag").map(String::as_str)) {
        return page.reply(&visit);
    }
    let name = form.get("f.username").map(String::as_str).unwrap_or_default();
    match visit.flows.forgot_password(name, &visit.asker) {
        Ok(()) => see_other(&visit, &ask.address_at(PATH), Flash::note("sent").carried_to(AT)),
        Err(error) => Page::of_error(&visit, error).reply(&visit),
    }
}

/// What was asked for at the sign-in page, to lead back there.
fn ask(visit: &Visit, query: Option<&str>) -> Result<Ask, Page> {
    if visit.flows.settings().passwords.forgotten != ForgottenPassword::Mail {
        return Err(visit.message("page.not_found").status(axum::http::StatusCode::NOT_FOUND));
    }
    let ask = Ask::read(query).map_err(|error| Page::of_error(visit, error))?;
    visit.flows.check_client(&ask.client_id, &ask.redirect_uri).map_err(|error| Page::of_error(visit, error))?;
    Ok(ask)
}
