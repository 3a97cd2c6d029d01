//! Methods that go away: one, all, or one whose last device was removed.

use mfa_sdk::protocol::Operation;

use super::{
    actor,
    wish::{asked_to_delete, may_delete},
};
use crate::{
    clock::Timestamp,
    flow::{
        Access, Asker, Confirmation, FlowError, Flows,
        engine::{Ask, Committed, Engine, TRIES_MAX, all_for_module},
        messages::{About, Notice},
        proof::Need,
        record::{Document, Enrolment, Factors, FactorsOpen, Found, SentTo, User},
        selection::is_answering,
        setup::{going, reduced},
        token,
    },
    module_host::CallError,
    settings::Methods,
    store::{Change, Expectation},
};

impl Flows {
    /// Removes one method. Needs a fresh proof.
    pub async fn delete_method(
        &self,
        access: &Access,
        module_id: &str,
        given: &Confirmation,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        self.engine.delete_methods(access, Some(module_id), given, asker).await
    }

    /// Removes all methods. Needs a fresh proof.
    pub async fn delete_all_methods(
        &self,
        access: &Access,
        given: &Confirmation,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        self.engine.delete_methods(access, None, given, asker).await
    }
}

impl Engine {
    async fn delete_methods(
        &self,
        access: &Access,
        module: Option<&str>,
        given: &Confirmation,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        let now = self.clock.now().wall;
        let rules = &self.settings.methods;
        let (_, listed) = self.own_factors(access, module, Need::Removal, now).await?;
        may_go(&listed, module, rules)?;
        let asked = asked_to_delete(&listed, module, rules);
        self.use_code(access, asker, &asked, given).await?;
        for _ in 0..TRIES_MAX {
            let (factors, listed) = self.own_factors(access, module, Need::Removal, now).await?;
            may_go(&listed, module, rules)?;
            let still = asked_to_delete(&listed, module, rules);
            if still.is_needed && still.module != asked.module {
                return Err(still.required());
            }
            let user = self.user_in_epoch(&access.user_id, access.user_epoch).await?;
            let user = user.ok_or(FlowError::Unauthenticated)?;
            if let Committed::Done = self.take_away(access, asker, &user, &factors, module).await? {
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }

    /// Removes enrolments in one commit; ways back in go with the last factor they lead back to.
    pub(super) async fn take_away(
        &self,
        access: &Access,
        asker: &Asker,
        user: &Found<User>,
        factors: &Found<Factors>,
        module: Option<&str>,
    ) -> Result<Committed, FlowError> {
        let now = self.clock.now().wall;
        let listed = factors.open();
        let remaining = remaining(&listed, module);
        let ids = listed.factors.iter().map(|factor| factor.module.clone());
        let removed: Vec<String> = ids.filter(|id| remaining.of(id).is_none()).collect();
        let (mut changes, mut expectations, mut enrolments) = self.removal(&access.user_id, &removed).await?;
        for factor in &remaining.factors {
            // What stood in for a factor that goes.
            if listed.of(&factor.module).is_some_and(|former| former.of != factor.of) {
                let enrolment = self.enrolment(&access.user_id, &factor.module).await?;
                changes.extend(reduced(&enrolment, Some(&factor.of)));
                expectations.push(enrolment.unchanged());
                enrolments.push(going(&enrolment, Some(&factor.of)));
            }
        }
        changes.push(factors.put(&Document { open: remaining, secret: () }));
        expectations.extend([factors.unchanged(), user.unchanged()]);
        let gone = enrolments.iter().filter_map(|found| found.record.as_ref());
        let also: Vec<SentTo> = gone.flat_map(|enrolment| enrolment.secret.sent_to.clone()).collect();
        let notice = Notice::factors_removed(&removed);
        let told = self.notices(&notice, About { user, source: Some(asker.address), also: &also, now });
        let committed = self.commit_and_tell(changes, expectations, told).await?;
        if let Committed::Done = committed {
            let (actor, user_id) = (actor(access), &access.user_id);
            tracing::info!(target: "audit", event = "factors_removed", actor, user = user_id, methods = ?removed);
            self.depose(user, enrolments, now).await;
        }
        Ok(committed)
    }

    /// The part of a commit that takes enrolments away.
    pub(in crate::flow) async fn removal(
        &self,
        user: &str,
        modules: &[String],
    ) -> Result<(Vec<Change>, Vec<Expectation>, Vec<Found<Enrolment>>), FlowError> {
        let mut enrolments = Vec::new();
        for module in modules {
            enrolments.push(self.enrolment(user, module).await?);
        }
        let changes = enrolments.iter().filter(|found| found.record.is_some()).map(Found::delete).collect();
        let expectations = enrolments.iter().map(Found::unchanged).collect();
        Ok((changes, expectations, enrolments))
    }

    /// Lets modules know that enrolments are gone. They are gone whatever a module says.
    pub(in crate::flow) async fn depose(&self, user: &Found<User>, enrolments: Vec<Found<Enrolment>>, now: Timestamp) {
        let user_id = user.key.as_str().trim_start_matches("user/");
        for enrolment in enrolments.into_iter().filter_map(|found| found.record) {
            let module = &enrolment.open.module;
            if !self.is_of_type(&enrolment)
                || !self.modules.module(module).is_some_and(|module| is_answering(&module.state))
            {
                continue;
            }
            let seed = token::new_seed();
            let Some(user) = &user.record else { continue };
            let (user_name, addresses) = (&*user.open.name, &user.secret.addresses);
            let ask = Ask { user_id, user_name, addresses, language: "en", seed: &seed, now };
            for enrolment in all_for_module(&enrolment) {
                if let Err(error) = self.ask(module, ask, Operation::Depose { enrolment }).await {
                    tracing::debug!(module, reason = kind_of(&error), "the module took no leave of an enrolment");
                }
            }
        }
    }
}

fn kind_of(error: &CallError) -> &'static str {
    match error {
        CallError::Unsupported => "unsupported",
        _ => "failed",
    }
}

pub(super) fn may_go(listed: &FactorsOpen, module: Option<&str>, rules: &Methods) -> Result<(), FlowError> {
    match module {
        Some(module) => may_delete(listed.of(module), rules),
        // Ways back in go with what they lead back to.
        None => may_delete(listed.factors.iter().filter(|factor| !factor.recovery), rules),
    }
}

fn remaining(listed: &FactorsOpen, module: Option<&str>) -> FactorsOpen {
    let emptied =
        |listed: &FactorsOpen| listed.factors.iter().fold(listed.clone(), |rest, factor| rest.without(&factor.module));
    match module {
        None => emptied(listed),
        Some(module) => {
            let rest = listed.clone().without(module);
            if rest.factors.iter().any(|factor| !factor.recovery) { rest } else { emptied(&rest) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn listed(ids: &[(&str, bool)]) -> FactorsOpen {
        ids.iter().fold(FactorsOpen::default(), |listed, (id, recovery)| listed.with_confirmed(id, id, *recovery, NOW))
    }

    fn ids(listed: &FactorsOpen) -> Vec<&str> {
        listed.factors.iter().map(|factor| factor.module.as_str()).collect()
    }

    #[test]
    fn ways_back_in_go_with_the_last_factor_and_not_before() {
        let three = listed(&[("codes", true), ("a", false), ("b", false)]);
        assert_eq!(ids(&remaining(&three, Some("a"))), ["codes", "b"]);
        assert_eq!(ids(&remaining(&three, Some("codes"))), ["a", "b"]);
        assert!(ids(&remaining(&listed(&[("codes", true), ("a", false)]), Some("a"))).is_empty());
        assert!(ids(&remaining(&three, None)).is_empty());
    }

    #[test]
    fn a_modules_own_words_stay_out_of_the_log() {
        assert_eq!(kind_of(&CallError::Unsupported), "unsupported");
        assert_eq!(kind_of(&CallError::Failed("a secret".to_owned())), "failed");
    }
}
