//! What a user is told besides the answer to the request, once it is durable: today the audit log alone hears of it.

use mfa_sdk::text::Text;

use super::engine::Engine;

impl Engine {
    /// A way back in let the user in; the advice is what its module says of what is left.
    pub(super) fn recovery_used(&self, user: &str, method: &str, advice: Option<&Text>) {
        let advice = advice.map(|advice| &*advice.key);
        tracing::info!(target: "audit", event = "recovery_used", user, method, advice);
    }

    /// The former codes of a way back in are dead.
    pub(super) fn recovery_renewed(&self, user: &str, method: &str) {
        tracing::info!(target: "audit", event = "recovery_renewed", user, method);
    }
}
