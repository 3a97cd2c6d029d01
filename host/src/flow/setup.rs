//! The set-up flow: a module's own steps until a factor is proved, then one commit makes it an enrolment.

use serde_json::{Map, Value};

use super::{Access, Asker, FlowError, Flows, Step};

impl Flows {
    /// Starts the set-up of a module. Needs a fresh proof once the user has a factor.
    pub async fn begin_setup(&self, _access: &Access, _module_id: &str, _asker: &Asker) -> Result<Step, FlowError> {
        todo!()
    }

    /// The step again, with the same secret.
    pub async fn show_setup(&self, _access: &Access, _flow_id: &str, _asker: &Asker) -> Result<Step, FlowError> {
        todo!()
    }

    /// Answers a step.
    pub async fn submit_setup(
        &self,
        _access: &Access,
        _flow_id: &str,
        _fields: Map<String, Value>,
        _asker: &Asker,
    ) -> Result<Step, FlowError> {
        todo!()
    }

    /// Ends a set-up flow at the user's wish.
    pub async fn cancel_setup(&self, _access: &Access, _flow_id: &str) -> Result<(), FlowError> {
        todo!()
    }

    /// Starts a proof: the user's password and factor once more, for the session of `access`. Answered like a
    /// login flow with the session's client id; ends in `create_entry` without a result, and the session is fresh.
    pub async fn begin_proof(&self, _access: &Access, _asker: &Asker) -> Result<Step, FlowError> {
        todo!()
    }
}
