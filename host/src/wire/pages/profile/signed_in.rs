//! Who is signed in with this browser, and the forms they send. Without a session the way leads to the sign-in and back.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{Method, StatusCode, request::Parts},
    response::Response,
};
use minijinja::{Value, context};

use super::{HOME, Page, Visit, cookies, proof, see_other, sign_in::Ask};
use crate::{
    clock::{Timestamp, zoned},
    flow::{Access, FlowError, Flows, MethodView, Need, UserDetails},
    wire::http::Form,
};

/// A request of a signed-in person.
pub struct SignedIn {
    pub visit: Visit,
    pub access: Access,
    pub user: UserDetails,
}

/// A form that a signed-in person sent from a page of ours.
pub struct Answered {
    pub me: SignedIn,
    pub form: BTreeMap<String, String>,
}

impl FromRequestParts<Flows> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, flows: &Flows) -> Result<Self, Response> {
        let mut visit = Visit::from_request_parts(parts, flows).await?;
        let access = match access_of(&visit).await {
            Ok(access) => access,
            Err(FlowError::Unauthenticated) => return Err(to_sign_in(&visit, parts)),
            Err(error) => return Err(Page::of_error(&visit, error).reply(&visit)),
        };
        let user = match flows.own_details(&access).await {
            Ok(user) => user,
            Err(_) => return Err(Page::of_error(&visit, FlowError::Busy).reply(&visit)),
        };
        visit.bind_forms_to(&access.session_id);
        visit.speak(user.language.as_deref());
        visit.asker.language.clone_from(&visit.language);
        Ok(Self { visit, access, user })
    }
}

impl FromRequest<Flows> for Answered {
    type Rejection = Response;

    async fn from_request(request: Request, flows: &Flows) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let me = SignedIn::from_request_parts(&mut parts, flows).await?;
        let form = match Form::from_request(Request::from_parts(parts, body), flows).await {
            Ok(Form(form)) => form,
            Err(failure) => {
                return Err(me.visit.message("page.wrong_request").status(failure.status).reply(&me.visit));
            }
        };
        match me.visit.check_form(form.get("form_tag").map(String::as_str)) {
            Ok(()) => Ok(Self { me, form }),
            Err(page) => Err(page.reply(&me.visit)),
        }
    }
}

async fn access_of(visit: &Visit) -> Result<Access, FlowError> {
    let token = visit.cookies.value(cookies::SESSION).ok_or(FlowError::Unauthenticated)?;
    visit.flows.authenticate_browser(token).await
}

/// To the sign-in of the own pages, which leads back here. What was sent is not sent on: the page is shown anew.
fn to_sign_in(visit: &Visit, parts: &Parts) -> Response {
    let path = match parts.uri.path() {
        "/profile/sign-out" => HOME,
        path if parts.method != Method::GET => path,
        path => parts.uri.path_and_query().map_or(path, |path| path.as_str()),
    };
    see_other(visit, &Ask::of_own_pages(visit, path).start(), cookies::clear(cookies::SESSION))
}

impl SignedIn {
    /// A page with the frame of all pages of a signed-in person.
    pub fn page(&self, template: &'static str, context: Value) -> Page {
        let user = self.user.display_name.as_ref().unwrap_or(&self.access.user_name);
        self.visit.page(template, context! { user, home => HOME, ..context })
    }

    /// What became of something, and the way on.
    pub fn message(&self, title: &str, text: &str, links: &[(&str, String)]) -> Page {
        let links: Vec<Value> = links.iter().map(|(address, words)| context! { address => *address, words }).collect();
        self.page("page_profile_message.html", context! { title, text, links })
    }

    /// As [`SignedIn::message`] for what is not there.
    pub fn nothing(&self, key: &str) -> Response {
        let links = [(HOME, self.visit.say("page.profile.back"))];
        let (title, text) = (self.visit.say(&format!("{key}.title")), self.visit.say(&format!("{key}.text")));
        self.message(&title, &text, &links).status(StatusCode::NOT_FOUND).reply(&self.visit)
    }

    /// Day and minute in the person's zone.
    pub fn moment(&self, moment: Timestamp) -> String {
        zoned(moment, self.user.zone.as_deref())
    }

    /// The session as it is after what this request did.
    pub async fn access_again(&self) -> Result<Access, FlowError> {
        access_of(&self.visit).await
    }

    pub async fn methods(&self) -> Result<Vec<MethodView>, FlowError> {
        self.visit.flows.methods(&self.access, &self.visit.asker).await
    }

    /// The proof is asked for before a form is filled, not after.
    ///
    /// # Errors
    /// The way to it, which leads on to `next`.
    pub async fn prove_first(&self, need: Need, next: &str) -> Result<(), Box<Response>> {
        match self.visit.flows.proof_is_fresh(&self.access, need).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Box::new(see_other(&self.visit, &proof::address(next), None))),
            Err(error) => Err(Box::new(Page::of_error(&self.visit, error).reply(&self.visit))),
        }
    }
}
