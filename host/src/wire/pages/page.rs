//! A page on its way to the browser: template and words in, response with all its headers out.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use minijinja::{Value, context};

use super::{
    cookies,
    files::{SCRIPT, STYLE},
    flash::Flash,
    visit::Visit,
};
use crate::{flow::FlowError, wire::http::Failure};

/// What a page may load, and where its forms lead: nowhere but here. Browsers hold every redirect after a form to that
/// as well, so a page and no redirect leads to an application.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page that is not rendered yet.
pub struct Page {
    template: &'static str,
    context: Value,
    status: StatusCode,
    onward: Option<String>,
    cookies: Vec<HeaderValue>,
    retry_after_s: Option<u64>,
}

impl Page {
    pub fn new(template: &'static str, context: Value) -> Self {
        Self { template, context, status: StatusCode::OK, onward: None, cookies: Vec::new(), retry_after_s: None }
    }

    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The browser goes on from this page to that address by itself.
    pub fn leading_to(self, address: &str) -> Self {
        Self { onward: Some(format!("0; url={address}")), ..self }
    }

    pub fn cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        self.cookies.extend(cookie);
        self
    }

    /// Why the flows do not answer, with what to do next.
    pub fn of_error(visit: &Visit, error: FlowError) -> Self {
        let (key, wait_s) = match &error {
            FlowError::Throttled { retry_after_s } => ("page.wait", Some(*retry_after_s)),
            FlowError::UnknownFlow => ("page.over", None),
            FlowError::InvalidClient => ("page.wrong_client", None),
            FlowError::InvalidRequest(_) | FlowError::UnknownHandler | FlowError::InvalidInput(_) => {
                ("page.wrong_request", None)
            }
            FlowError::ModuleUnavailable { .. } => ("page.module_unavailable", None),
            FlowError::NotFound { .. } => ("page.not_found", None),
            FlowError::Forbidden { .. } => ("page.forbidden", None),
            _ => ("page.busy", None),
        };
        // What it is exactly is for the log, and told there.
        let status = Failure::from(error).status;
        let wait = wait_s.map(|wait_s| wait_text(visit, wait_s)).unwrap_or_default();
        let (title, text) =
            (visit.say(&format!("{key}.title")), visit.fill(&format!("{key}.text"), &[("wait", &wait)]));
        let mut page = visit.page("page_message.html", context! { title, text }).status(status);
        page.retry_after_s = wait_s;
        page
    }

    /// The response.
    pub fn reply(self, visit: &Visit) -> Response {
        let shell = context! {
            language => visit.language.clone(),
            brand => context! { name => visit.look.brand.name.clone(), logo => visit.look.brand.logo.clone() },
            style => visit.look.files.address(STYLE),
            script => visit.look.files.address(SCRIPT),
            form_tag => visit.form_tag(),
            ..self.context
        };
        let mut response = Response::new(Body::from(visit.look.html(self.template, &shell)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        // A form then says where it comes from; another site learns nothing.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        // Without it the page has its link.
        let onward = self.onward.and_then(|onward| HeaderValue::try_from(onward).ok());
        headers.extend(onward.map(|onward| (header::REFRESH, onward)));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        let was_told = visit.cookies.value(cookies::FLASH).and_then(|_| cookies::clear(cookies::FLASH));
        for cookie in self.cookies.into_iter().chain(visit.new_browser()).chain(was_told) {
            headers.append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// How long to wait, for a person.
pub fn wait_text(visit: &Visit, wait_s: u64) -> String {
    match wait_s {
        0..=90 => visit.fill("page.seconds", &[("count", &wait_s.max(1).to_string())]),
        _ => visit.fill("page.minutes", &[("count", &wait_s.div_ceil(60).to_string())]),
    }
}

/// 303 to a page of ours, which a browser then fetches anew.
pub fn see_other(visit: &Visit, to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else {
        return visit.message("page.wrong_request").status(StatusCode::BAD_REQUEST).reply(visit);
    };
    let mut response = if visit.by_script {
        // A script goes there as a person would, and not by itself.
        axum::Json(serde_json::json!({ "next": to })).into_response()
    } else {
        (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
    };
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// As [`see_other`], with words for the page there.
pub fn tell_at(visit: &Visit, to: &str, at: &str, flash: Flash) -> Response {
    see_other(visit, to, flash.carried_to(at))
}
