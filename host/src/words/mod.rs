//! Every sentence the host says, by language: built in, and replaced one by one by `DIR/translations/<language>.json`.
//! This room knows no domain word of others: keys are texts to it, and a sentence is what somebody asks for by its key.
//! The templates that sentences stand in are read here as well.

mod asked;
mod built_in;
mod files;
mod problem;
mod room;
mod templates;
mod translation;

pub use files::files_in;
pub use problem::{Place, Problem};
pub use room::{ENGLISH, Words, filled};
pub use templates::{Rules, Templates, reason_of};
