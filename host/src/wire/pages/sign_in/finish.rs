//! The end of a login: back to the application with its code, or into the host's own pages.

use axum::{http::StatusCode, response::Response};
use minijinja::context;

use super::{Ask, Page, Visit, handle, see_other};
use crate::{
    flow::{Created, FlowError, TokenError},
    wire::pages::cookies,
};

/// Where the person is led, by way of what the module had to say.
pub async fn back(visit: &Visit, ask: &Ask, created: Created) -> Response {
    let Some(result) = created.result else { return super::over(visit, ask, "page.over") };
    let mut cookies: Vec<_> = handle::forget(ask).into_iter().collect();
    let next = if ask.is_of_own_pages(visit) {
        // The code never leaves the host: it is changed for a session here.
        match visit.flows.exchange_code(&ask.client_id, &result, Some(&ask.redirect_uri), None).await {
            Ok(tokens) => {
                cookies.extend(tokens.refresh_token.and_then(|token| cookies::set(cookies::SESSION, &token, None)))
            }
            Err(TokenError::Flow(error)) => return Page::of_error(visit, error).reply(visit),
            Err(_) => return Page::of_error(visit, FlowError::UnknownFlow).reply(visit),
        }
        ask.redirect_uri.strip_prefix(&visit.origin).unwrap_or("/profile").to_owned()
    } else {
        match ask.back(&result, created.state.as_deref()) {
            Some(next) => next,
            None => return visit.message("page.wrong_client").status(StatusCode::BAD_REQUEST).reply(visit),
        }
    };
    let Some(advice) = created.advice.filter(|_| !visit.by_script) else { return see_other(visit, &next, cookies) };
    let page = visit.page("page_signed_in.html", context! { advice, next, application => ask.application(visit) });
    cookies.into_iter().fold(page, |page, cookie| page.cookie(Some(cookie))).reply(visit)
}
