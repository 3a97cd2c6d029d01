//! Records in, records out: one atomic, durable commit with expectations. Knows no domain word.

mod contract;

pub use contract::{
    Change, CommitError, Content, Expectation, Key, KeyError, OpenError, OpenReport, Revision, Store, StoreError,
    Versioned,
};
