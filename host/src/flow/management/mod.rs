//! A user's own methods: what there is, what becomes of each, and which of its devices stay.
//!
//! Every change asks for a fresh proof, whatever the settings; `[methods]` asks for more, never for less.

mod details;
mod devices;
mod list;
mod needed;
mod removal;
mod standing;
mod wish;

pub use details::{DeviceView, MethodDetails, OverviewView};
pub use list::MethodView;
pub use needed::{Deed, NeededCode};
pub use wish::{Wish, Words};

use super::{
    Access, Asker, Confirmation, FlowError,
    engine::Engine,
    proof::Need,
    record::{Factors, FactorsOpen, Found, key},
};
use crate::{clock::Timestamp, module_host::CallError};

/// The code of a method that comes with a change.
struct Asked {
    /// Whose code it is; none if the user has no method that could be asked.
    module: Option<String>,
    /// Whether the change is refused without one.
    is_needed: bool,
}

impl Asked {
    /// The refusal of a change that came without it.
    fn required(&self) -> FlowError {
        FlowError::CodeRequired { method: self.module.clone().unwrap_or_default() }
    }
}

impl Engine {
    /// The caller's list of factors, which holds this module, after a proof that is fresh enough for `need`.
    async fn own_factors(
        &self,
        access: &Access,
        module: Option<&str>,
        need: Need,
        now: Timestamp,
    ) -> Result<(Found<Factors>, FactorsOpen), FlowError> {
        let factors: Found<Factors> = self.read(key::factors(&access.user_id)).await?;
        let listed = factors.open();
        if module.is_some_and(|module| listed.of(module).is_none()) {
            return Err(FlowError::NotFound { what: "such method of yours" });
        }
        self.require_proof(access, &listed, need, now)?;
        Ok((factors, listed))
    }

    /// Uses up the code that came with a change. One that came although none is needed has to be right as well.
    async fn use_code(
        &self,
        access: &Access,
        asker: &Asker,
        asked: &Asked,
        given: &Confirmation,
    ) -> Result<(), FlowError> {
        match &asked.module {
            Some(_) if given.is_empty() && asked.is_needed => Err(asked.required()),
            Some(module) if !given.is_empty() => self.confirm(access, asker, module, given).await,
            _ => Ok(()),
        }
    }
}

/// How the audit log names the caller.
fn actor(access: &Access) -> String {
    format!("user:{}", access.user_id)
}

/// Why a module's answer cannot be had. Its own words may hold a secret and stay out.
fn unavailable(module: &str, error: &CallError) -> FlowError {
    let reason = match error {
        CallError::Failed(_) => "it says it failed; its own log may say why".to_owned(),
        error => error.to_string(),
    };
    FlowError::ModuleUnavailable { module: module.to_owned(), reason }
}

#[cfg(test)]
mod played_tests;
#[cfg(test)]
mod removal_tests;
