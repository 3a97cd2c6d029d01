//! The set-up flow: a module's own steps until a factor is proved, then one commit makes it an enrolment.

mod begin;
mod issue;
mod saving;
mod sending;
mod submit;

pub(super) use issue::{going, reduced};

use super::{
    Abort, Access, Asker, Created, FlowError, Handler, IssuedCodes, Step,
    engine::{Committed, Engine, TRIES_MAX},
    lifetime::{self, Life},
    messages::HandedOver,
    record::{Account, AccountOpen, Document, Found, Setup, SetupOpen, SetupStage, key},
    render::{self, Place, Wrong},
    token,
};
use crate::clock::Now;

/// One request in a set-up flow.
struct Turn<'a> {
    engine: &'a Engine,
    access: &'a Access,
    flow_id: &'a str,
    asker: &'a Asker,
    now: Now,
}

impl Turn<'_> {
    fn flow_hash(&self) -> String {
        token::hash(self.flow_id)
    }

    /// The language the caller reads.
    fn language(&self) -> &str {
        self.engine.language_of(self.access, self.asker)
    }

    /// The flow, if it is one of the caller's own that was not ended.
    async fn own_open(&self) -> Result<Found<Setup>, FlowError> {
        let found: Found<Setup> = self.engine.read(key::setup(&self.flow_hash())).await?;
        let Some(setup) = &found.record else { return Err(FlowError::UnknownFlow) };
        let is_own = setup.open.user == self.access.user_id && setup.open.user_epoch == self.access.user_epoch;
        if !is_own || matches!(setup.open.stage, SetupStage::Ended { .. }) {
            return Err(FlowError::UnknownFlow);
        }
        Ok(found)
    }

    /// As [`Turn::own_open`]; the first answer after the end of its life ends it and is told so.
    async fn own(&self) -> Result<Result<Found<Setup>, Step>, FlowError> {
        let found = self.own_open().await?;
        if found.record.as_ref().is_some_and(|setup| is_alive(&setup.open, &self.now)) {
            return Ok(Ok(found));
        }
        self.end(found, "setup_expired").await.map(Err)
    }

    /// Makes the flow a tombstone: nothing of the module stays.
    async fn end(&self, found: Found<Setup>, reason: &str) -> Result<Step, FlowError> {
        self.end_and(found, reason, |account| account).await
    }

    /// As [`Turn::end`], with another change of the account in the same commit.
    async fn end_and(
        &self,
        mut found: Found<Setup>,
        reason: &str,
        change: impl Fn(AccountOpen) -> AccountOpen,
    ) -> Result<Step, FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(setup) = &found.record else { return Err(FlowError::UnknownFlow) };
            if let SetupStage::Ended { .. } = setup.open.stage {
                return Err(FlowError::UnknownFlow);
            }
            let _turn = self.engine.queue(&setup.open.user).await;
            let account: Found<Account> = self.engine.read(key::account(&setup.open.user)).await?;
            let mut counted = change(account.open());
            counted.setups.retain(|open| open.flow != self.flow_hash());
            let changes = vec![found.put(&ended(setup, reason)), account.put(&Document { open: counted, secret: () })];
            let expectations = vec![found.unchanged(), account.unchanged()];
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                return Ok(self.abort(&setup.open, reason));
            }
            found = self.engine.read(key::setup(&self.flow_hash())).await?;
        }
        Err(FlowError::Busy)
    }

    fn abort(&self, setup: &SetupOpen, reason: &str) -> Step {
        Step::Abort(Abort {
            flow_id: self.flow_id.to_owned(),
            handler: handler(setup),
            reason: reason.to_owned(),
            text: self.ended_text(setup, reason),
        })
    }

    /// What the end says to a person: in the host's words for a set-up, else in the module's own, else as of a login.
    fn ended_text(&self, setup: &SetupOpen, reason: &str) -> String {
        let voice = self.engine.voice(self.language());
        match reason {
            "setup_expired" | "superseded" => voice.abort(reason),
            "too_many_retry" => voice.abort("setup_too_many_retry"),
            "unknown_error" => voice.abort("setup_unknown_error"),
            other => {
                let module = self.engine.modules.module(&setup.module);
                let own = module.and_then(|module| render::own_text(other, &module, voice.language));
                own.unwrap_or_else(|| voice.abort(other))
            }
        }
    }

    fn created(&self, setup: &SetupOpen, recovery: Vec<IssuedCodes>) -> Step {
        Step::Created(Created { recovery, ..Created::new(self.flow_id, handler(setup)) })
    }

    /// The step as it stands, in the reader's language.
    fn show(&self, setup: &Setup, error: Option<&Wrong>, delivery: Option<HandedOver>) -> Result<Step, FlowError> {
        let module = self.engine.modules.module(&setup.open.module).ok_or(FlowError::UnknownFlow)?;
        let place = Place {
            flow_id: self.flow_id,
            handler: handler(&setup.open),
            step_id: "setup",
            voice: self.engine.voice(self.language()),
            expires_at: Some(setup.open.expires_at),
        };
        let form = setup.secret.form.clone().unwrap_or_default();
        let mut step = render::module_step(place, &form, &module, error);
        step.delivery = delivery.map(HandedOver::word);
        step.resend_at = setup.secret.sent.as_ref().map(|sent| sent.again_from);
        Ok(Step::Form(step))
    }
}

fn handler(setup: &SetupOpen) -> Handler {
    Handler { kind: setup.module_type.clone(), id: Some(setup.module.clone()) }
}

fn is_alive(setup: &SetupOpen, now: &Now) -> bool {
    let life = Life {
        created_at: setup.created_at,
        expires_at: setup.expires_at,
        created_boot_ms: setup.created_boot_ms,
        boot_id: &setup.boot_id,
    };
    lifetime::is_alive(life, now)
}

fn ended(setup: &Setup, reason: &str) -> Setup {
    let mut ended = setup.clone();
    ended.open.stage = SetupStage::Ended { reason: reason.to_owned() };
    ended.secret.form = None;
    ended.secret.state = None;
    ended.secret.sent = None;
    ended.secret.asked = None;
    ended.secret.typed = Vec::new();
    ended.secret.sent_to = Vec::new();
    ended.secret.issued = None;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::record::OpenFlow;
    use crate::flow::test_stage::{NOW, TestStage, asker, setup, signed_in};

    fn turn<'a>(stage: &'a TestStage, access: &'a Access, asker: &'a Asker) -> Turn<'a> {
        let engine = &stage.flows.engine;
        Turn { engine, access, flow_id: "f", asker, now: engine.clock.now() }
    }

    #[tokio::test]
    async fn a_set_up_is_its_users_own_in_the_same_epoch_until_it_ends() {
        let (stage, asker) = (TestStage::new(), asker());
        stage.put(&format!("setup/{}", token::hash("f")), &setup("ada", NOW.plus_s(60))).await;
        for (whose, is_own) in [(signed_in("ada", 0), true), (signed_in("bob", 0), false), (signed_in("ada", 1), false)]
        {
            let found = turn(&stage, &whose, &asker).own_open().await;
            assert_eq!(found.is_ok(), is_own, "{} {}", whose.user_id, whose.user_epoch);
        }
        let ada = signed_in("ada", 0);
        let turn = turn(&stage, &ada, &asker);
        let ended = turn.end(turn.own_open().await.unwrap(), "cancelled").await;
        assert!(matches!(ended, Ok(Step::Abort(abort)) if abort.reason == "cancelled"));
        assert!(turn.own_open().await.is_err(), "what ended is over");
    }

    #[tokio::test]
    async fn a_set_up_past_its_end_is_told_so_once() {
        let (stage, asker, ada) = (TestStage::new(), asker(), signed_in("ada", 0));
        stage.put(&format!("setup/{}", token::hash("f")), &setup("ada", NOW.plus_s(60))).await;
        stage.move_clock_to(NOW.plus_s(60));
        assert!(matches!(turn(&stage, &ada, &asker).own().await, Ok(Ok(_))));
        stage.move_clock_to(NOW.plus_s(61));
        let told = turn(&stage, &ada, &asker).own().await;
        assert!(matches!(told, Ok(Err(Step::Abort(abort))) if abort.reason == "setup_expired"));
        assert!(matches!(turn(&stage, &ada, &asker).own().await, Err(FlowError::UnknownFlow)));
    }

    #[tokio::test]
    async fn an_end_takes_its_own_set_up_from_the_list_and_no_other() {
        let (stage, asker, ada) = (TestStage::new(), asker(), signed_in("ada", 0));
        let turn = turn(&stage, &ada, &asker);
        stage.put(&format!("setup/{}", turn.flow_hash()), &setup("ada", NOW.plus_s(60))).await;
        let flow = |flow: String| OpenFlow { flow, until: NOW };
        let setups = vec![flow(turn.flow_hash()), flow("other".to_owned())];
        let account = AccountOpen { setups, ..AccountOpen::default() };
        stage.put("account/ada", &Document { open: account, secret: () }).await;
        turn.end(turn.own_open().await.unwrap(), "cancelled").await.map(drop).unwrap();
        let account: Account = stage.read("account/ada").await;
        assert_eq!(account.open.setups, [flow("other".to_owned())]);
    }
}
