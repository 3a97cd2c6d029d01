//! "Sign-in and security": what a signed-in person sees and changes of their own. Every change has a page that says what
//! will happen, and a form that does it; to look at a page changes nothing.

mod addresses;
mod changes;
mod codes;
mod confirmation;
mod deed;
mod devices;
mod form;
mod language;
mod method;
mod overview;
mod password;
mod proof;
mod refusal;
mod remove_all;
mod sessions;
mod setup;
mod signed_in;
mod told;
mod trial;

use axum::{
    response::Redirect,
    routing::{get, post},
};

use super::{
    cookies, fields,
    flash::Flash,
    page::{Page, see_other, tell_at},
    program, sign_in,
    step::{POLL_EVERY_S, Said, around, no_news, refused_at},
    visit::Visit,
};
use crate::wire::http::Route;
use signed_in::{Answered, SignedIn};
use told::told;

/// Every page of a signed-in person.
pub fn routes() -> Vec<Route> {
    vec![
        ("get", "/", get(lead_home)),
        ("get", HOME, get(overview::show)),
        ("post", "/profile/sign-out", post(sessions::sign_out)),
        ("get", "/profile/method/{id}", get(method::show)),
        ("get", "/profile/method/{id}/{deed}", get(changes::show).post(changes::answer)),
        ("get", "/profile/device/{id}/{device}/{deed}", get(devices::show).post(devices::answer)),
        ("get", "/profile/setup/{flow_id}", get(setup::show).post(setup::answer)),
        ("get", "/profile/test/{flow_id}", get(trial::show).post(trial::answer)),
        ("get", "/profile/remove-all", get(remove_all::show).post(remove_all::answer)),
        ("get", "/profile/proof", get(proof::show).post(proof::answer)),
        ("get", "/profile/sessions", get(sessions::show).post(sessions::answer)),
        ("get", "/profile/password", get(password::show).post(password::answer)),
        ("get", "/profile/addresses", get(addresses::show).post(addresses::answer)),
        ("get", "/profile/addresses/{flow_id}", get(addresses::show_proof).post(addresses::prove)),
        ("get", "/profile/language", get(language::show).post(language::answer)),
    ]
}

/// Where a person begins.
pub const HOME: &str = "/profile";

/// Who types the bare address is led on; a program that comes by chance learns nothing.
async fn lead_home() -> Redirect {
    Redirect::to(HOME)
}

/// One part of a path, whatever stands in it (RFC 3986 section 2.3).
pub fn segment(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => escaped.push(char::from(byte)),
            other => escaped += &format!("%{other:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_stays_one_part() {
        assert_eq!(segment("a b/../ü?#%."), "a%20b%2F%2E%2E%2F%C3%BC%3F%23%25%2E");
        assert_eq!(segment("totp-2_x~"), "totp-2_x~");
    }
}
