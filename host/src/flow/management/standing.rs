//! Activate, deactivate, make primary, describe: changes of the list of factors alone.

use super::{Wish, actor};
use crate::flow::{
    Access, Asker, Confirmation, FlowError, Flows, MethodView,
    engine::{Committed, TRIES_MAX},
    login::code_required,
    messages::Written,
    record::Document,
};

impl Flows {
    /// Does as the caller wishes with a method of theirs; the method as it is then. Needs a fresh proof.
    pub async fn change_method(
        &self,
        access: &Access,
        module: &str,
        wish: Wish,
        given: &Confirmation,
        asker: &Asker,
    ) -> Result<MethodView, FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now().wall;
        let rules = &engine.settings.methods;
        let (_, listed) = engine.own_factors(access, Some(module), wish.need(), now).await?;
        // What is refused anyway, or changes nothing, costs no code.
        let asked = wish.asked(&listed, module, rules);
        let is_change = wish.fulfilled(&listed, module)?.epoch != listed.epoch;
        if is_change {
            engine.use_code(access, asker, &asked, given).await?;
        }
        for _ in 0..TRIES_MAX {
            let turn = engine.queue(&access.user_id).await;
            let (factors, listed) = engine.own_factors(access, Some(module), wish.need(), now).await?;
            let next = wish.fulfilled(&listed, module)?;
            if next.epoch == listed.epoch {
                // Its module is asked about it.
                drop(turn);
                return self.own_method(access, module, asker).await;
            }
            let still = wish.asked(&listed, module, rules);
            if still.is_needed && (still.module != asked.module || !is_change) {
                return Err(code_required());
            }
            let user = engine.user_in_epoch(&access.user_id, access.user_epoch).await?;
            let user = user.ok_or(FlowError::Unauthenticated)?;
            let enrolment = engine.enrolment(&access.user_id, module).await?;
            let mut told = match wish.is_told() {
                true => engine.notice_of_change(module, &user, &enrolment, asker),
                false => Written::default(),
            };
            told.changes.push(factors.put(&Document { open: next, secret: () }));
            told.expectations.extend([factors.unchanged(), user.unchanged()]);
            let committed = engine.commit(told.changes, told.expectations).await?;
            drop(turn);
            if let Committed::Done = committed {
                engine.post(told.messages);
                let (event, actor, user) = (wish.event(), actor(access), &access.user_id);
                tracing::info!(target: "audit", event, actor, user, method = module);
                return self.own_method(access, module, asker).await;
            }
        }
        Err(FlowError::Busy)
    }

    async fn own_method(&self, access: &Access, module: &str, asker: &Asker) -> Result<MethodView, FlowError> {
        let methods = self.methods(access, asker).await?;
        let method = methods.into_iter().find(|method| method.id == module);
        method.ok_or(FlowError::NotFound { what: "such method of yours" })
    }
}
