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
        let lifetime_s = visit.flows.settings().pages.session_lifetime_s;
        match visit.flows.exchange_for_pages(&ask.client_id, &result, &ask.redirect_uri, lifetime_s).await {
            Ok(tokens) => {
                cookies.extend(tokens.refresh_token.and_then(|token| cookies::set(cookies::SESSION, &token, None)))
            }
            Err(TokenError::Flow(error)) => return Page::of_error(visit, error).reply(visit),
            Err(_) => return Page::of_error(visit, FlowError::UnknownFlow).reply(visit),
        }
        if let Some(former) = visit.cookies.value(cookies::SESSION) {
            // This browser has no use for it any more; it ends by itself where this fails.
            let _ = visit.flows.revoke(former).await;
        }
        own_path(&ask.redirect_uri, &visit.origin).to_owned()
    } else {
        match ask.back(&result, created.state.as_deref()) {
            Some(next) => next,
            None => return visit.message("page.wrong_client").status(StatusCode::BAD_REQUEST).reply(visit),
        }
    };
    let advice = created.advice.as_ref();
    if visit.by_script || (advice.is_none() && ask.is_of_own_pages(visit)) {
        return see_other(visit, &next, cookies);
    }
    let context = context! { advice, next => &next, application => ask.application(visit) };
    let page = visit.page("page_signed_in.html", context);
    let page = if advice.is_some() { page } else { page.leading_to(&next) };
    cookies.into_iter().fold(page, |page, cookie| page.cookie(Some(cookie))).reply(visit)
}

/// A path of ours. What begins with two slashes would be another host's address.
fn own_path<'a>(redirect_uri: &'a str, origin: &str) -> &'a str {
    let path = redirect_uri
        .strip_prefix(origin)
        .filter(|path| path.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\'])))
        // Browsers pass over tabs and ends of lines, and would then see two slashes.
        .filter(|path| !path.contains(|character: char| character.is_control() || character.is_whitespace()));
    path.unwrap_or("/profile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_of_the_own_pages_leads_to_a_path_of_ours() {
        let of = |redirect_uri: &str| own_path(redirect_uri, "https://a.example").to_owned();
        assert_eq!(of("https://a.example/profile/sessions?x=1"), "/profile/sessions?x=1");
        for odd in [
            "https://a.example//evil",
            "https://a.example/\\evil",
            "https://a.example/\t/evil",
            "https://a.example/\n/evil",
            "https://a.example",
            "https://b.example/x",
        ] {
            assert_eq!(of(odd), "/profile", "{odd}");
        }
    }
}
