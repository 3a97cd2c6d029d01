//! HTTP: the login protocol of home-automation clients, and our own API under `/api/`.

mod addresses;
mod body;
mod client_address;
mod connections;
mod error;
mod fences;
mod form;
mod handshake;
mod link;
mod login_api;
mod login_flow;
mod methods;
mod mfa;
mod openapi;
mod outbox;
mod people;
mod recovery_json;
mod routes;
mod same_origin;
mod session;
mod sessions;
mod sources;
mod status;
mod step_json;
mod token;
mod waiting_cookie;

pub use client_address::Client;
pub use connections::serve;
pub use error::Failure;
pub use form::{Form, urlencoded};
pub use openapi::document;
pub use routes::{Route, Site};
pub use same_origin::may_be_our_page;
pub use waiting_cookie::waiting_cookie;
