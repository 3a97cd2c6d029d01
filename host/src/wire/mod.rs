//! What the outside speaks: HTTP, the control socket and the command line. No decisions.

pub mod cli;
pub mod control;
pub mod current;
pub mod http;
pub mod pages;
