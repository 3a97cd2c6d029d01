//! What the outside speaks: HTTP and the command line. No decisions.

pub mod cli;
pub mod http;
