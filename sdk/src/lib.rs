//! What an author imports to write an mfa-host module.

pub mod abi;
pub mod form;
pub mod message;
pub mod protocol;
pub mod text;
