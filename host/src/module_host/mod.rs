//! All distrust: each module runs in a worker process of its own, and only a well-formed answer in time counts.

mod api;

pub use api::{CallError, ModuleHost, ModuleInstance, ModuleState};
