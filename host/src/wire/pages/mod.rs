//! Pages for people with a browser: signing in, and everything about one's own sign-in. Each is made here, works without
//! script, loads nothing from elsewhere, and decides nothing: it asks the flows as any other client does.

mod brand;
mod cookies;
mod fields;
mod files;
mod flash;
mod look;
mod nowhere;
mod page;
mod profile;
mod program;
mod reached;
mod sign_in;
mod step;
mod visit;

use axum::routing::get;

pub use look::Look;
pub use nowhere::page as nowhere;

use super::http::Route;

/// Every page. They are no part of the documented interface for programs.
pub fn routes() -> Vec<Route> {
    vec![
        ("get", "/auth/authorize", get(sign_in::show).post(sign_in::answer)),
        ("get", "/auth/forgotten", get(sign_in::forgotten::show).post(sign_in::forgotten::answer)),
        ("get", "/static/{file}", get(files::serve)),
    ]
    .into_iter()
    .chain(profile::routes())
    .collect()
}
