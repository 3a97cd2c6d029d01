//! `/auth/link/{token}`: the page behind a link. To open it changes nothing, however often, because mail programs and
//! scanners open links; a click on it confirms the login that waits elsewhere, or ends it. The token in the path is all
//! the right there is to that, so it stands in no log and no referrer, and one that is used is like one that never was.

mod page;

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa::ToSchema;

use crate::flow::{Asker, Click, Clicked, Denied, FlowError, Flows};

use super::{client_address::Client, error::Failure, form::Form, same_origin, session::PathId, waiting_cookie::shown};
use page::{Notice, Page};

/// One of the two buttons, and the number if it was asked for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read by hand")]
pub struct LinkForm {
    /// `yes`: it was the user.
    confirm: Option<String>,
    /// `yes`: it was not; ends the login.
    not_me: Option<String>,
    /// Two digits, shown where the login waits.
    number: Option<String>,
}

/// Shows where and when a login waits for its link. Changes nothing.
#[utoipa::path(
    get, path = "/auth/link/{token}", tag = "login flow", operation_id = "show_link",
    params(("token" = String, Path, description = "As the message has it")),
    responses(
        (status = 200, description = "A page with two buttons", body = String, content_type = "text/html"),
        (status = 404, description = "Unknown, used or dead", body = String, content_type = "text/html"),
        (status = 503, description = "Busy", body = String, content_type = "text/html"),
    )
)]
pub async fn show(
    State(flows): State<Flows>,
    Client(asker): Client,
    headers: HeaderMap,
    token: Result<PathId, Failure>,
) -> Response {
    let found = match token {
        Ok(PathId(token)) => flows.link(&token, shown(&headers).as_deref()).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(view)) => answered(&flows, &asker, StatusCode::OK, Page::Question { view, problem: None }),
        Ok(None) => answered(&flows, &asker, StatusCode::NOT_FOUND, Page::Notice(Notice::Gone)),
        Err(error) => refused(&flows, &asker, error),
    }
}

/// A click on that page: `confirm=yes` lets the login that waits go on, `not_me=yes` ends it. Whoever clicks gets nothing
/// but a page. A second click finds no link any more.
#[utoipa::path(
    post, path = "/auth/link/{token}", tag = "login flow", operation_id = "answer_link",
    params(("token" = String, Path, description = "As the message has it")),
    request_body(content = LinkForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Confirmed, or ended", body = String, content_type = "text/html"),
        (status = 400, description = "The number is missing, or this is no click", body = String, content_type = "text/html"),
        (status = 403, description = "Wrong number, or the page of another site", body = String, content_type = "text/html"),
        (status = 404, description = "Unknown, used or dead", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong answers; `Retry-After` says how long to wait", body = String, content_type = "text/html"),
        (status = 503, description = "Busy, or the module does not answer", body = String, content_type = "text/html"),
    )
)]
pub async fn answer(
    State(flows): State<Flows>,
    Client(asker): Client,
    headers: HeaderMap,
    token: Result<PathId, Failure>,
    form: Result<Form, Failure>,
) -> Response {
    if !same_origin::may_be_our_page(&headers, &flows.settings().base_url()) {
        return answered(&flows, &asker, StatusCode::FORBIDDEN, Page::Notice(Notice::Foreign));
    }
    let press = match form {
        Ok(Form(fields)) => Press::of(fields),
        Err(failure) => return answered(&flows, &asker, failure.status, Page::Notice(Notice::Unreadable)),
    };
    let Some(press) = press else {
        return answered(&flows, &asker, StatusCode::BAD_REQUEST, Page::Notice(Notice::Unreadable));
    };
    let Ok(PathId(token)) = token else {
        return answered(&flows, &asker, StatusCode::NOT_FOUND, Page::Notice(Notice::Gone));
    };
    match press {
        Press::Confirm { number } => {
            let click = Click { number, waiting: shown(&headers) };
            match flows.confirm_link(&token, click, &asker).await {
                Ok(clicked) => after_click(&flows, &asker, clicked),
                Err(error) => refused(&flows, &asker, error),
            }
        }
        Press::NotMe => match flows.deny_link(&token, &asker).await {
            Ok(Some(Denied::Login)) => answered(&flows, &asker, StatusCode::OK, Page::Notice(Notice::Denied)),
            Ok(Some(Denied::Change)) => answered(&flows, &asker, StatusCode::OK, Page::Notice(Notice::ChangeDenied)),
            Ok(None) => answered(&flows, &asker, StatusCode::NOT_FOUND, Page::Notice(Notice::Gone)),
            Err(error) => refused(&flows, &asker, error),
        },
    }
}

/// Which button was pressed.
#[derive(Debug, PartialEq)]
enum Press {
    Confirm { number: Option<String> },
    NotMe,
}

impl Press {
    fn of(mut fields: BTreeMap<String, String>) -> Option<Self> {
        let mut take = |name: &str| fields.remove(name);
        let (confirm, not_me, number) = (take("confirm"), take("not_me"), take("number"));
        if !fields.is_empty() {
            return None;
        }
        match (confirm.as_deref(), not_me.as_deref()) {
            (Some("yes"), None) => Some(Self::Confirm { number }),
            (None, Some("yes")) => Some(Self::NotMe),
            _ => None,
        }
    }
}

fn after_click(flows: &Flows, asker: &Asker, clicked: Clicked) -> Response {
    let (status, page) = match clicked {
        Clicked::Confirmed => (StatusCode::OK, Page::Notice(Notice::Confirmed)),
        Clicked::Number { view, is_wrong: true } => {
            (StatusCode::FORBIDDEN, Page::Question { view, problem: Some("number_wrong") })
        }
        Clicked::Number { view, is_wrong: false } => {
            (StatusCode::BAD_REQUEST, Page::Question { view, problem: Some("number_missing") })
        }
        Clicked::Gone => (StatusCode::NOT_FOUND, Page::Notice(Notice::Gone)),
        Clicked::Refused => (StatusCode::FORBIDDEN, Page::Notice(Notice::Refused)),
        Clicked::Failed => (StatusCode::SERVICE_UNAVAILABLE, Page::Notice(Notice::Failed)),
    };
    answered(flows, asker, status, page)
}

fn refused(flows: &Flows, asker: &Asker, error: FlowError) -> Response {
    match error {
        FlowError::Throttled { retry_after_s } => {
            let page = Page::Notice(Notice::Locked { retry_after_s });
            let mut response = answered(flows, asker, StatusCode::TOO_MANY_REQUESTS, page);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s.max(1)));
            response
        }
        FlowError::UnknownFlow => answered(flows, asker, StatusCode::NOT_FOUND, Page::Notice(Notice::Gone)),
        // What it is exactly is for the log, and told there.
        other => answered(flows, asker, Failure::from(other).status, Page::Notice(Notice::Busy)),
    }
}

fn answered(flows: &Flows, asker: &Asker, status: StatusCode, page: Page) -> Response {
    let html = page.html(flows.words(), &flows.settings().name, &asker.language);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, page::content_security_policy()),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    (status, headers, html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_button_is_pressed() {
        let press = |fields: &[(&str, &str)]| {
            Press::of(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(press(&[("confirm", "yes")]), Some(Press::Confirm { number: None }));
        let number = Some("42".to_owned());
        assert_eq!(press(&[("confirm", "yes"), ("number", "42")]), Some(Press::Confirm { number }));
        assert_eq!(press(&[("not_me", "yes"), ("number", "")]), Some(Press::NotMe));
        for odd in [
            &[][..],
            &[("confirm", "no")],
            &[("confirm", "yes"), ("not_me", "yes")],
            &[("number", "42")],
            &[("confirm", "yes"), ("more", "1")],
        ] {
            assert_eq!(press(odd), None, "{odd:?}");
        }
    }
}
