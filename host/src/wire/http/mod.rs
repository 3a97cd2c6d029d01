//! HTTP: the login protocol of home-automation clients, and our own API under `/api/`.

mod body;
mod client_address;
mod connections;
mod error;
mod fences;
mod form;
mod login_api;
mod login_flow;
mod methods;
mod mfa;
mod openapi;
mod outbox;
mod people;
mod routes;
mod session;
mod status;
mod step_json;
mod token;

pub use connections::serve;
pub use openapi::document;
pub use routes::Site;
