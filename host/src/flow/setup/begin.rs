//! The beginning of a set-up, its step shown again, and its end at the user's wish.

use mfa_sdk::protocol::{Operation, Reply, SetupReply};

use super::{
    Turn, ended, is_alive,
    sending::{Attempt, Shown},
};
use crate::{
    flow::{
        Access, Asker, FlowError, Flows, Step,
        engine::{self, Ask, Committed, TRIES_MAX, for_module},
        proof::Need,
        record::{
            Account, AccountOpen, Asked, Document, Factors, Found, OpenFlow, Setup, SetupOpen, SetupSecret, SetupStage,
            key,
        },
        selection::is_answering,
        token,
    },
    module_host::{ModuleInstance, ModuleState},
    settings::IssueAt,
    store::{Change, Expectation},
};

impl Flows {
    /// Starts the set-up of a module. Needs a fresh proof once the user has a factor. A way back in may stand in for one
    /// `factor` only.
    pub async fn begin_setup(
        &self,
        access: &Access,
        module_id: &str,
        factor: Option<&str>,
        asker: &Asker,
    ) -> Result<Step, FlowError> {
        let instance = self.engine.modules.module(module_id).ok_or(FlowError::NotFound { what: "such module" })?;
        check_answering(&instance)?;
        let flow_id = token::new_flow_id();
        let turn = Turn { engine: &self.engine, access, flow_id: &flow_id, asker, now: self.engine.clock.now() };
        match turn.begin_issue(&instance, factor).await? {
            Some(step) => Ok(step),
            None => turn.begin_beside(&instance).await,
        }
    }

    /// The step again, with the same secret. Looking changes nothing: a flow past its end is unknown here, and only an
    /// answer to it is told why.
    pub async fn show_setup(&self, access: &Access, flow_id: &str, asker: &Asker) -> Result<Step, FlowError> {
        let turn = Turn { engine: &self.engine, access, flow_id, asker, now: self.engine.clock.now() };
        let found = turn.own_open().await?;
        match found.record {
            Some(setup) if is_alive(setup.open.life(), &turn.now) => match setup.open.stage {
                SetupStage::Waiting => turn.show(&setup, None, None),
                SetupStage::Issued => turn.show_issued(&setup, None),
                SetupStage::Beginning | SetupStage::Ended { .. } => Err(FlowError::UnknownFlow),
            },
            _ => Err(FlowError::UnknownFlow),
        }
    }

    /// Ends a set-up flow at the user's wish.
    pub async fn cancel_setup(&self, access: &Access, flow_id: &str) -> Result<(), FlowError> {
        let address = std::net::Ipv4Addr::UNSPECIFIED.into();
        let asker = Asker { address, is_certain: false, is_by_our_name: false, language: String::new(), browser: None };
        let turn = Turn { engine: &self.engine, access, flow_id, asker: &asker, now: self.engine.clock.now() };
        match turn.own().await? {
            Ok(found) => turn.end(found, "cancelled").await.map(drop),
            Err(_) => Ok(()),
        }
    }
}

pub(super) fn check_answering(instance: &ModuleInstance) -> Result<(), FlowError> {
    if is_answering(&instance.state) {
        return Ok(());
    }
    if instance.state == ModuleState::Disabled {
        return Err(FlowError::NotFound { what: "such module" });
    }
    let reason = "it cannot be loaded; an administrator sees why in `mfa-host module list`".to_owned();
    Err(FlowError::ModuleUnavailable { module: instance.id.clone(), reason })
}

impl Turn<'_> {
    /// The first step of a set-up, with the codes of ways back in where the settings want them that early.
    async fn begin_beside(&self, instance: &ModuleInstance) -> Result<Step, FlowError> {
        let mut step = self.begin(instance).await?;
        if let Step::Form(form) = &mut step {
            let listed = self.engine.read::<Factors>(key::factors(&self.access.user_id)).await?.open();
            let batches = self.issue_beside(IssueAt::Create, &instance.id, &listed).await;
            if !batches.is_empty() {
                self.keep(&batches).await?;
                form.recovery_codes = batches.into_iter().map(|batch| batch.shown).collect();
            }
        }
        Ok(step)
    }

    async fn begin(&self, instance: &ModuleInstance) -> Result<Step, FlowError> {
        for _ in 0..TRIES_MAX {
            let user = &self.access.user_id;
            let turn = self.engine.queue(user).await;
            let factors: Found<Factors> = self.engine.read(key::factors(user)).await?;
            let listed = factors.open();
            self.engine.require_proof(self.access, &listed, Need::SetUp, self.now.wall)?;
            let account: Found<Account> = self.engine.read(key::account(user)).await?;
            let counted = account.open();
            let place: Found<Setup> = self.engine.read(key::setup(&self.flow_hash())).await?;
            let setup = self.new_setup(instance);
            let (mut changes, mut expectations) = self.enlist(counted, &account, &setup.open).await?;
            changes.push(place.put(&setup));
            expectations.extend([place.unchanged(), factors.unchanged()]);
            let committed = self.engine.commit(changes, expectations).await?;
            drop(turn);
            if let Committed::Done = committed {
                let found = self.engine.read(key::setup(&self.flow_hash())).await?;
                return self.go_on(found).await;
            }
        }
        Err(FlowError::Busy)
    }

    pub(super) fn new_setup(&self, instance: &ModuleInstance) -> Setup {
        Document {
            open: SetupOpen {
                user: self.access.user_id.clone(),
                user_epoch: self.access.user_epoch,
                module: instance.id.clone(),
                module_type: instance.module_type.clone(),
                access: self.access.session_id.clone(),
                created_at: self.now.wall,
                expires_at: self.now.wall.plus_s(self.engine.settings.limits.setup_lifetime_s),
                created_boot_ms: self.now.boot_ms,
                boot_id: self.now.boot_id.to_string(),
                attempts_used: 0,
                of: None,
                stage: SetupStage::Beginning,
            },
            secret: SetupSecret {
                seed: token::new_seed(),
                form: None,
                state: None,
                issued: None,
                sent: None,
                asked: None,
                typed: Vec::new(),
                sent_to: Vec::new(),
            },
        }
    }

    /// The account with this flow in its list; when the list is full, the oldest flows end.
    async fn enlist(
        &self,
        mut counted: AccountOpen,
        account: &Found<Account>,
        setup: &SetupOpen,
    ) -> Result<(Vec<Change>, Vec<Expectation>), FlowError> {
        let own = OpenFlow { flow: self.flow_hash(), until: setup.expires_at };
        let (mut changes, mut expectations) = self.join(&mut counted, vec![own]).await?;
        changes.push(account.put(&Document { open: counted, secret: () }));
        expectations.push(account.unchanged());
        Ok((changes, expectations))
    }

    /// Adds flows to the account's list, and gives what ends those that had to make room.
    pub(super) async fn join(
        &self,
        counted: &mut AccountOpen,
        flows: Vec<OpenFlow>,
    ) -> Result<(Vec<Change>, Vec<Expectation>), FlowError> {
        let setups_max = self.engine.settings.limits.setups_per_user_max;
        let (mut changes, mut expectations) = (Vec::new(), Vec::new());
        for oldest in flows.into_iter().flat_map(|flow| flow.join(&mut counted.setups, setups_max, self.now.wall)) {
            let found: Found<Setup> = self.engine.read(key::setup(&oldest.flow)).await?;
            if let Some(record) = &found.record {
                changes.push(found.put(&ended(record, "superseded")));
                expectations.push(found.unchanged());
            }
        }
        Ok((changes, expectations))
    }

    /// The step a flow stands at. The module is asked for its first step once what asks is durable; after a crash
    /// in between it is asked again with the same seed, and so shows the same secret.
    pub(super) async fn go_on(&self, mut found: Found<Setup>) -> Result<Step, FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(setup) = found.record.clone() else { return Err(FlowError::UnknownFlow) };
            match setup.open.stage {
                SetupStage::Ended { .. } => return Err(FlowError::UnknownFlow),
                SetupStage::Waiting => return self.show(&setup, None, None),
                SetupStage::Issued => return self.show_issued(&setup, None),
                SetupStage::Beginning => {}
            }
            let enrolment = self.engine.enrolment(&setup.open.user, &setup.open.module).await?;
            let operation = Operation::SetupFlow {
                state: None,
                input: None,
                replaces: enrolment.record.as_ref().filter(|former| self.engine.is_of_type(former)).map(for_module),
            };
            let answer = self.engine.ask(&setup.open.module, self.ask_with(&setup.secret.seed), operation).await;
            let shown = match answer {
                Ok(Reply::Setup(SetupReply::Form { form, state, messages, .. })) => {
                    Shown { form, state, messages, asked: Asked::default(), error: None }
                }
                Ok(Reply::Setup(SetupReply::Abort { reason })) => return self.end(found, &reason).await,
                other => {
                    let flow = self.flow_hash();
                    engine::report_failure(&setup.open.module, "setup_flow", token::short(&flow), &other);
                    return self.end(found, "unknown_error").await;
                }
            };
            if let Some(step) = self.keep_step(&found, &setup, shown, Attempt::None).await? {
                return Ok(step);
            }
            found = self.engine.read(key::setup(&self.flow_hash())).await?;
        }
        Err(FlowError::Busy)
    }

    pub(super) fn ask_with<'b>(&'b self, seed: &'b str) -> Ask<'b> {
        Ask {
            user_id: &self.access.user_id,
            user_name: &self.access.user_name,
            addresses: &self.access.addresses,
            language: self.language(),
            seed,
            now: self.now.wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_stage::{NOW, TestStage, asker, setup, signed_in};

    const PIN: &str = "[[provider]]\ntype = \"local\"\n[limits]\nsetups_per_user_max = 2\n[[module]]\ntype = \"pin\"";

    #[tokio::test]
    async fn a_step_is_shown_again_while_it_waits_and_lives() {
        let (stage, ada, asker) = (TestStage::with(PIN), signed_in("ada", 0), asker());
        let key = format!("setup/{}", token::hash("f"));
        let mut record = setup("ada", NOW.plus_s(60));
        stage.put(&key, &record).await;
        let shown = async || stage.flows.show_setup(&ada, "f", &asker).await;
        stage.move_clock_to(NOW.plus_s(60));
        assert!(matches!(shown().await, Ok(Step::Form(_))));
        stage.move_clock_to(NOW.plus_s(61));
        assert!(matches!(shown().await, Err(FlowError::UnknownFlow)), "and looking ends nothing");
        stage.move_clock_to(NOW);
        assert!(shown().await.is_ok());
        record.open.stage = SetupStage::Beginning;
        stage.put(&key, &record).await;
        assert!(matches!(shown().await, Err(FlowError::UnknownFlow)), "there is no step yet");
    }

    #[test]
    fn a_module_that_is_switched_off_is_none_and_one_that_failed_is_not_available() {
        let module = |state| ModuleInstance {
            id: "pin".to_owned(),
            module_type: "pin".to_owned(),
            name: "Pin".to_owned(),
            state,
            description: None,
            is_named_by_admin: false,
            refused: None,
        };
        assert!(check_answering(&module(ModuleState::Ready)).is_ok());
        let off = check_answering(&module(ModuleState::Disabled));
        assert!(matches!(off, Err(FlowError::NotFound { .. })));
        let failed = ModuleState::Failed { reason: "late".to_owned(), remedy: "wait".to_owned() };
        assert!(matches!(check_answering(&module(failed)), Err(FlowError::ModuleUnavailable { .. })));
    }

    #[tokio::test]
    async fn the_oldest_set_up_gives_way_to_one_too_many() {
        let (stage, ada, asker) = (TestStage::with(PIN), signed_in("ada", 0), asker());
        let engine = &stage.flows.engine;
        let turn = Turn { engine, access: &ada, flow_id: "f", asker: &asker, now: engine.clock.now() };
        let flow = |flow: &str| OpenFlow { flow: flow.to_owned(), until: NOW.plus_s(60) };
        let setups = vec![flow("oldest"), flow("other")];
        let account = Document { open: AccountOpen { setups, ..AccountOpen::default() }, secret: () };
        stage.put("account/ada", &account).await;
        stage.put("setup/oldest", &setup("ada", NOW.plus_s(60))).await;
        let found: Found<Account> = engine.read(key::account("ada")).await.unwrap();
        let own = setup("ada", NOW.plus_s(60));
        let (changes, expectations) = turn.enlist(found.open(), &found, &own.open).await.unwrap();
        engine.store.commit(changes, expectations).await.unwrap();
        let oldest: Setup = stage.read("setup/oldest").await;
        assert!(matches!(oldest.open.stage, SetupStage::Ended { .. }));
        let listed: Account = stage.read("account/ada").await;
        assert_eq!(listed.open.setups, [flow("other"), flow(&turn.flow_hash())]);
    }
}
