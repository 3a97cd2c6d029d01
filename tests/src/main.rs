//! Everything about mfa-host that is proved from outside: over HTTP, at the command line, through module files and
//! the store's files. One binary; `cargo xtask test` builds what it needs and says where it lies.

mod cli;
mod command_line;
mod crash;
mod doctor;
mod expiry;
mod factors;
mod fixtures;
mod harness;
mod input;
mod ledger;
mod live;
mod login_flow;
mod module_calls;
mod modules;
mod openapi;
mod passwords;
mod people;
mod plain_login;
mod providers;
mod replay;
mod secrets;
mod setup_flow;
mod sign_up;
mod storage;
mod store;
mod tamper;
mod terminal;
mod throttle;
mod tokens;
mod trusted_networks;
