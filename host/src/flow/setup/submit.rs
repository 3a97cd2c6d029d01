//! An answer to a set-up step: an attempt is spent durably before the module is asked, and a proved factor becomes
//! an enrolment in one commit that replaces any former one.

use std::collections::BTreeMap;

use mfa_sdk::{
    form::Fields,
    protocol::{Operation, Reply, SetupReply},
};
use serde_json::{Map, Value};

use super::{
    Turn, ended,
    issue::Batch,
    sending::{self, Attempt, Shown},
};
use crate::{
    flow::{
        Access, Asker, FlowError, Flows, Step,
        attempts::{self, Refusal, Target},
        engine::{self, Committed, TRIES_MAX, for_module},
        messages::{About, Notice},
        proof::Need,
        record::{
            AccessSession, Account, Asked, Document, Enrolment, EnrolmentOpen, EnrolmentSecret, Factors, FactorsOpen,
            Found, Setup, SetupStage, Unknown, key,
        },
        render::Wrong,
        token,
    },
    module_host::ModuleInstance,
    settings::IssueAt,
};

impl Flows {
    /// Answers a step.
    pub async fn submit_setup(
        &self,
        access: &Access,
        flow_id: &str,
        fields: Map<String, Value>,
        asker: &Asker,
    ) -> Result<Step, FlowError> {
        let turn = Turn { engine: &self.engine, access, flow_id, asker, now: self.engine.clock.now() };
        match turn.own().await? {
            Err(over) => Ok(over),
            Ok(found) => match found.record.as_ref().map(|setup| &setup.open.stage) {
                Some(SetupStage::Waiting) if sending::is_resend(&fields) => turn.send_again(found).await,
                Some(SetupStage::Waiting) => turn.submit(found, fields).await,
                Some(SetupStage::Issued) => turn.save(found, fields).await,
                _ => turn.go_on(found).await,
            },
        }
    }
}

impl Turn<'_> {
    async fn submit(&self, found: Found<Setup>, raw: Map<String, Value>) -> Result<Step, FlowError> {
        let Some(setup) = &found.record else { return Err(FlowError::UnknownFlow) };
        let module = self.engine.modules.module(&setup.open.module).ok_or(FlowError::UnknownFlow)?;
        let form = setup.secret.form.clone().unwrap_or_default();
        let fields = form.normalise(&raw).map_err(FlowError::InvalidInput)?;
        let target = Target::setup(&module.id);
        let ordinal = self.spend(&module, &target).await?;
        self.decide(&module, fields, &target, ordinal).await
    }

    /// Spends one attempt durably and says which one of this flow it is.
    async fn spend(&self, module: &ModuleInstance, target: &Target) -> Result<u32, FlowError> {
        for _ in 0..TRIES_MAX {
            let _turn = self.engine.queue(&self.access.user_id).await;
            let found: Found<Setup> = self.engine.read(key::setup(&self.flow_hash())).await?;
            let Some(setup) = &found.record else { return Err(FlowError::UnknownFlow) };
            let attempts_max = attempts_max(module);
            if setup.open.stage != SetupStage::Waiting || setup.open.attempts_used >= attempts_max {
                return Err(FlowError::UnknownFlow);
            }
            let account: Found<Account> = self.engine.read(key::account(&setup.open.user)).await?;
            let counted = account.open();
            match attempts::permitted(&counted, target, self.now.wall) {
                Ok(()) => {}
                Err(Refusal::Locked { retry_after_s }) => return Err(FlowError::Throttled { retry_after_s }),
                Err(Refusal::Disabled) => return Err(FlowError::Throttled { retry_after_s: 3600 }),
            }
            let counted = attempts::spend(counted, target, self.now.wall);
            let mut next = setup.clone();
            next.open.attempts_used += 1;
            let changes = vec![found.put(&next), account.put(&Document { open: counted, secret: () })];
            let expectations = vec![found.unchanged(), account.unchanged()];
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                return Ok(next.open.attempts_used);
            }
        }
        Err(FlowError::Busy)
    }

    async fn decide(
        &self,
        module: &ModuleInstance,
        fields: Fields,
        target: &Target,
        ordinal: u32,
    ) -> Result<Step, FlowError> {
        for _ in 0..TRIES_MAX {
            let found = match self.own().await? {
                Ok(found) => found,
                Err(over) => return Ok(over),
            };
            let Some(setup) = &found.record else { return Err(FlowError::UnknownFlow) };
            if setup.open.stage != SetupStage::Waiting {
                return Err(FlowError::UnknownFlow);
            }
            let enrolment = self.engine.enrolment(&setup.open.user, &module.id).await?;
            let operation = Operation::SetupFlow {
                state: setup.secret.state.clone(),
                input: Some(fields.clone()),
                replaces: enrolment.record.as_ref().filter(|former| self.engine.is_of_type(former)).map(for_module),
            };
            let answer = self.engine.ask(&module.id, self.ask_with(&setup.secret.seed), operation).await;
            let decided = match answer {
                Ok(Reply::Setup(SetupReply::Done { enrolment: data })) => {
                    self.enrol(&found, setup, &enrolment, module, data, target).await?
                }
                Ok(Reply::Setup(SetupReply::Form { error: Some(_), .. })) if ordinal >= attempts_max(module) => {
                    return self.end(found, "too_many_retry").await;
                }
                Ok(Reply::Setup(SetupReply::Form { form, state, messages, error, error_text })) => {
                    let error = error.map(|word| Wrong { word, text: error_text });
                    let asked = Asked { state: setup.secret.state.clone(), input: Some(fields.clone()) };
                    let attempt = if error.is_some() { Attempt::Spent } else { Attempt::Refunded(target) };
                    let shown = Shown { form, state, messages, asked, error };
                    self.keep_step(&found, setup, shown, attempt).await?
                }
                Ok(Reply::Setup(SetupReply::Abort { reason })) => return self.end(found, &reason).await,
                other => {
                    let flow = self.flow_hash();
                    engine::report_failure(&module.id, "setup_flow", token::short(&flow), &other);
                    let refund = |account| attempts::refund(account, target);
                    return self.end_and(found, "unknown_error", refund).await;
                }
            };
            if let Some(step) = decided {
                return Ok(step);
            }
        }
        Err(FlowError::Busy)
    }

    /// What was proof enough when the set-up began is none for a factor that came since: who knows only the password
    /// could keep a set-up waiting, and finish it beside the user's first factor.
    pub(super) fn require_proof_still(&self, setup: &Setup, listed: &FactorsOpen) -> Result<(), FlowError> {
        let at = |moment| self.engine.require_proof(self.access, listed, Need::SetUp, moment);
        at(setup.open.created_at).or_else(|_| at(self.now.wall))
    }

    /// One commit: enrolment kept, factor listed, flow over, the session's proof fresh.
    async fn enrol(
        &self,
        found: &Found<Setup>,
        setup: &Setup,
        enrolment: &Found<Enrolment>,
        module: &ModuleInstance,
        data: Value,
        target: &Target,
    ) -> Result<Option<Step>, FlowError> {
        let now = self.now.wall;
        let description = module.description.as_ref().ok_or(FlowError::UnknownFlow)?;
        let factors: Found<Factors> = self.engine.read(key::factors(&setup.open.user)).await?;
        let batches = match description.recovery {
            true => Vec::new(),
            false => self.issue_beside(IssueAt::Confirm, &module.id, &factors.open()).await,
        };
        let _turn = self.engine.queue(&setup.open.user).await;
        let user = self.engine.user_in_epoch(&setup.open.user, setup.open.user_epoch).await?;
        let user = user.ok_or(FlowError::UnknownFlow)?;
        let account: Found<Account> = self.engine.read(key::account(&setup.open.user)).await?;
        let access: Found<AccessSession> = self.engine.read(key::access(&setup.open.access)).await?;
        let record: Enrolment = Document {
            open: EnrolmentOpen {
                module: module.id.clone(),
                module_type: module.module_type.clone(),
                created_at: now,
                set_up: Some(token::short(&self.flow_hash()).to_owned()),
                unknown: Unknown::new(),
            },
            secret: EnrolmentSecret {
                version: description.enrolment_version,
                data,
                by_factor: BTreeMap::new(),
                sent_to: setup.secret.sent_to.clone(),
            },
        };
        let listed = factors.open();
        self.require_proof_still(setup, &listed)?;
        let listed = listed.with_confirmed(&module.id, &module.module_type, description.recovery, now);
        let counted = account.open();
        let counted = attempts::forgive(counted, target);
        // Guesses at what was set up before say nothing of what is set up now.
        let mut counted = attempts::forgive(counted, &Target::login(&module.id, description.recovery));
        counted.setups.retain(|open| open.flow != self.flow_hash());
        let flows = batches.iter().map(Batch::open_flow).collect();
        let (mut changes, mut expectations) = self.join(&mut counted, flows).await?;
        let (puts, absent): (Vec<_>, Vec<_>) = batches.iter().map(Batch::put).unzip();
        changes.extend(puts);
        expectations.extend(absent);
        changes.extend([
            enrolment.put(&record),
            factors.put(&Document { open: listed, secret: () }),
            account.put(&Document { open: counted, secret: () }),
            found.put(&ended(setup, "done")),
        ]);
        expectations.extend([found.unchanged(), enrolment.unchanged(), factors.unchanged()]);
        expectations.extend([account.unchanged(), user.unchanged()]);
        let notice = match enrolment.record {
            Some(_) => Notice::factor_changed(&module.id),
            None => Notice::factor_added(&module.id),
        };
        let about = About { user: &user, source: Some(self.asker.address), also: &setup.secret.sent_to, now };
        let told = self.engine.notices(&notice, about);
        if let Some(mut session) = access.record.clone() {
            session.open.factor_at = Some(now);
            changes.push(access.put(&session));
            expectations.push(access.unchanged());
        }
        match self.engine.commit_and_tell(changes, expectations, told).await? {
            Committed::Conflict => Ok(None),
            Committed::Done => {
                let (user, method) = (&setup.open.user, &module.id);
                tracing::info!(target: "audit", event = "factor_set_up", user, method);
                let recovery = batches.into_iter().map(|batch| batch.shown).collect();
                Ok(Some(self.created(&setup.open, recovery)))
            }
        }
    }
}

/// Wrong inputs one set-up takes; a module without a limit in its login flow has the default one here.
fn attempts_max(module: &ModuleInstance) -> u32 {
    match module.description.as_ref().map_or(3, |description| description.retries_max) {
        0 => 5,
        limit => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_stage::{NOW, TestStage, asker, setup, signed_in};

    #[tokio::test]
    async fn each_answer_is_one_attempt_and_after_the_last_there_is_none() {
        let stage = TestStage::with("[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"");
        let (engine, ada, asker) = (&stage.flows.engine, signed_in("ada", 0), asker());
        let turn = Turn { engine, access: &ada, flow_id: "f", asker: &asker, now: engine.clock.now() };
        let key = format!("setup/{}", turn.flow_hash());
        let (module, target) = (engine.modules.module("pin").unwrap(), Target::setup("pin"));
        let mut record = setup("ada", NOW.plus_s(60));
        stage.put(&key, &record).await;
        let attempts_max = attempts_max(&module);
        for ordinal in 1..=attempts_max {
            assert_eq!(turn.spend(&module, &target).await.unwrap(), ordinal);
        }
        assert!(matches!(turn.spend(&module, &target).await, Err(FlowError::UnknownFlow)));
        let account: Account = stage.read("account/ada").await;
        assert_eq!(account.open.wrong["setup.pin"].in_a_row, attempts_max);
        record.open.stage = SetupStage::Beginning;
        stage.put(&key, &record).await;
        assert!(matches!(turn.spend(&module, &target).await, Err(FlowError::UnknownFlow)), "nothing is asked yet");
    }
}
