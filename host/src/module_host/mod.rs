//! All distrust: each module runs in a worker process of its own, and only a well-formed answer in time counts.

#[cfg(target_env = "musl")]
compile_error!("modules are shared libraries, which a static musl host cannot load: build for a glibc target");

mod api;
mod apply;
mod check;
mod control;
mod description;
mod elf;
mod failures;
mod inspect;
mod load;
mod lockdown;
mod noise;
mod reply;
mod seccomp;
mod slot;
mod spawner;
mod start;
mod supervisor;
pub mod worker;
mod workers;

pub use api::{CallError, ModuleHost, ModuleInstance, ModuleState, RefusedChange};
pub use apply::Change;
pub use check::quoted;
pub use inspect::{Inspection, file_refusal, inspect};
#[cfg(test)]
pub use supervisor::played::{Play, pause, word};
