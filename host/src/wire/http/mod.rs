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
mod status;
mod step_json;
mod token;
mod waiting_cookie;

pub use connections::serve;
pub use openapi::document;
pub use routes::Site;
pub use waiting_cookie::waiting_cookie;
