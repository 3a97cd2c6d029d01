//! Codes of ways back in: made by their module, shown in one answer, and inert until the user has saved them.

use std::slice;

use mfa_sdk::protocol::{self, Operation, Reply};

use super::{Turn, saving};
use crate::{
    flow::{
        Access, Asker, FlowError, Flows, IssuedCodes, Step,
        engine::{self, Committed, TRIES_MAX},
        messages::{About, Notice, Written},
        proof::Need,
        record::{
            Account, Document, Enrolment, Factors, FactorsOpen, Found, OpenFlow, Setup, SetupOpen, SetupSecret,
            SetupStage, key,
        },
        selection::is_answering,
        token,
    },
    module_host::{CallError, ModuleInstance},
    settings::{IssueAt, RecoveryScope},
    store::{Change, Expectation},
};

/// Codes that were made and not shown yet, and the flow in which they wait to be saved.
pub(super) struct Batch {
    place: Found<Setup>,
    setup: Setup,
    pub(super) shown: IssuedCodes,
}

impl Batch {
    /// The flow in the account's list.
    pub(super) fn open_flow(&self) -> OpenFlow {
        OpenFlow { flow: token::hash(&self.shown.flow_id), until: self.setup.open.expires_at }
    }

    pub(super) fn put(&self) -> (Change, Expectation) {
        (self.place.put(&self.setup), self.place.unchanged())
    }
}

/// Why a user asks for codes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// There are none yet.
    First,
    /// Those there are end at once, whatever becomes of the new ones.
    Renewed,
}

impl Flows {
    /// New codes of a way back in. The former ones are dead when this returns; the new ones count once they are saved.
    pub async fn regenerate(
        &self,
        access: &Access,
        module_id: &str,
        factor: Option<&str>,
        asker: &Asker,
    ) -> Result<IssuedCodes, FlowError> {
        let instance = self.engine.modules.module(module_id).ok_or(FlowError::NotFound { what: "such module" })?;
        super::begin::check_answering(&instance)?;
        if !is_way_back(&instance) {
            let detail = "only a way back in has codes to be made anew".to_owned();
            return Err(FlowError::NotPossible { code: "no_recovery", detail });
        }
        let turn = Turn { engine: &self.engine, access, flow_id: "", asker, now: self.engine.clock.now() };
        match turn.issue_alone(&instance, factor, Wish::Renewed).await? {
            Some(batch) => Ok(batch.shown),
            None => {
                let detail = "this way back in is set up anew instead".to_owned();
                Err(FlowError::NotPossible { code: "issues_nothing", detail })
            }
        }
    }
}

impl Turn<'_> {
    /// The set-up of a way back in: its codes with the question whether they are saved. None if it issues nothing and is
    /// set up by steps of its own.
    pub(super) async fn begin_issue(
        &self,
        instance: &ModuleInstance,
        factor: Option<&str>,
    ) -> Result<Option<Step>, FlowError> {
        if !is_way_back(instance) {
            return match factor {
                None => Ok(None),
                Some(_) => Err(FlowError::InvalidRequest("only a way back in stands in for a factor")),
            };
        }
        let batch = self.issue_alone(instance, factor, Wish::First).await?;
        Ok(batch.map(|batch| {
            let flow = Turn { flow_id: &batch.shown.flow_id, now: self.now.clone(), ..*self };
            Step::Form(saving::step(&flow, &batch.setup, instance, Some(&batch.shown.codes), None))
        }))
    }

    /// Codes of every way back in that does not stand in yet for the factor which is about to be the user's, where the
    /// settings want them now. One that fails keeps nobody from a factor: codes can be made later.
    pub(super) async fn issue_beside(&self, at: IssueAt, factor: &str, listed: &FactorsOpen) -> Vec<Batch> {
        let settings = &self.engine.settings.recovery;
        if settings.issue_at != at || listed.of(factor).is_some() {
            return Vec::new();
        }
        let of = match settings.scope {
            RecoveryScope::User if listed.factors.iter().any(|factor| !factor.recovery) => return Vec::new(),
            RecoveryScope::User => None,
            RecoveryScope::Enrolment => Some(factor),
        };
        // The set-up they come with must not have to make room for them.
        let setups_max = self.engine.settings.limits.setups_per_user_max;
        let batches_max = if at == IssueAt::Create { setups_max.saturating_sub(1) } else { setups_max };
        let mut batches = Vec::new();
        for module in self.engine.modules.modules() {
            if batches.len() >= batches_max {
                break;
            }
            let has_it = check_no_factor(listed, &module.id).is_err() || listed.has_way_back(&module.id, of);
            if !is_way_back(&module) || !is_answering(&module.state) || has_it {
                continue;
            }
            if let Ok(Some(batch)) = self.issue(&module, of).await {
                batches.push(batch);
            }
        }
        batches
    }

    /// Stores batches in flows of their own, for an answer that changes nothing else.
    pub(super) async fn keep(&self, batches: &[Batch]) -> Result<(), FlowError> {
        for _ in 0..TRIES_MAX {
            let _turn = self.engine.queue(&self.access.user_id).await;
            let (changes, expectations) = self.kept(batches).await?;
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }

    /// The part of a commit that stores batches, with the account that lists their flows.
    async fn kept(&self, batches: &[Batch]) -> Result<(Vec<Change>, Vec<Expectation>), FlowError> {
        let account: Found<Account> = self.engine.read(key::account(&self.access.user_id)).await?;
        let mut counted = account.open();
        let (mut changes, mut expectations) =
            self.join(&mut counted, batches.iter().map(Batch::open_flow).collect()).await?;
        let (puts, unchanged): (Vec<_>, Vec<_>) = batches.iter().map(Batch::put).unzip();
        changes.extend(puts);
        changes.push(account.put(&Document { open: counted, secret: () }));
        expectations.extend(unchanged);
        expectations.push(account.unchanged());
        Ok((changes, expectations))
    }

    /// Codes the user asked for. With [`Wish::Renewed`] the commit that stores the new ones removes the former: a lost
    /// answer leaves the user without, and never with codes that should be dead.
    async fn issue_alone(
        &self,
        instance: &ModuleInstance,
        factor: Option<&str>,
        wish: Wish,
    ) -> Result<Option<Batch>, FlowError> {
        let user_id = &self.access.user_id;
        let listed = self.engine.read::<Factors>(key::factors(user_id)).await?.open();
        let of = self.may_issue(instance, factor, wish, &listed)?;
        let Some(batch) = self.issue(instance, of.as_deref()).await? else { return Ok(None) };
        for _ in 0..TRIES_MAX {
            let turn = self.engine.queue(user_id).await;
            let user = self.engine.user_in_epoch(user_id, self.access.user_epoch).await?;
            let user = user.ok_or(FlowError::Unauthenticated)?;
            let factors: Found<Factors> = self.engine.read(key::factors(user_id)).await?;
            let listed = factors.open();
            if self.may_issue(instance, factor, wish, &listed)? != of {
                return Err(FlowError::Busy);
            }
            let enrolment = self.engine.enrolment(user_id, &instance.id).await?;
            let (mut changes, mut expectations) = self.kept(slice::from_ref(&batch)).await?;
            expectations.extend([user.unchanged(), factors.unchanged(), enrolment.unchanged()]);
            let mut former = None;
            let mut told = Written::default();
            if wish == Wish::Renewed && listed.of(&instance.id).is_some() {
                let rest = listed.without_way_back(&instance.id, of.as_deref());
                let stays = rest.of(&instance.id).map(|factor| factor.of.clone());
                changes.push(factors.put(&Document { open: rest, secret: () }));
                changes.extend(reduced(&enrolment, stays.as_deref()));
                former = Some(going(&enrolment, stays.as_deref()));
                let source = Some(self.asker.address);
                let about = About { user: &user, source, also: &[], now: self.now.wall };
                told = self.engine.notices(&Notice::recovery_renewed(), about);
            }
            let committed = self.engine.commit_and_tell(changes, expectations, told).await?;
            drop(turn);
            if let Committed::Done = committed {
                if let Some(former) = former {
                    tracing::info!(target: "audit", event = "recovery_renewed", user = user_id, method = instance.id);
                    self.engine.depose(&user, vec![former], self.now.wall).await;
                }
                return Ok(Some(batch));
            }
        }
        Err(FlowError::Busy)
    }

    /// Whether the user may have codes now, and for which factor.
    fn may_issue(
        &self,
        instance: &ModuleInstance,
        factor: Option<&str>,
        wish: Wish,
        listed: &FactorsOpen,
    ) -> Result<Option<String>, FlowError> {
        let need = if wish == Wish::First { Need::SetUp } else { Need::Removal };
        self.engine.require_proof(self.access, listed, need, self.now.wall)?;
        check_no_factor(listed, &instance.id)?;
        let of = stands_in_for(self.engine.settings.recovery.scope, listed, factor)?;
        if wish == Wish::First && listed.has_way_back(&instance.id, of.as_deref()) {
            let detail = "there are codes already; make new ones with regenerate".to_owned();
            return Err(FlowError::NotPossible { code: "use_regenerate", detail });
        }
        Ok(of)
    }

    /// Asks the module for codes. None if it issues nothing.
    async fn issue(&self, module: &ModuleInstance, of: Option<&str>) -> Result<Option<Batch>, FlowError> {
        let flow_id = token::new_flow_id();
        let place: Found<Setup> = Found::nothing_at(key::setup(&token::hash(&flow_id))).ok_or(FlowError::Busy)?;
        let seed = token::new_seed();
        let (enrolment, codes) = match self.engine.ask(&module.id, self.ask_with(&seed), Operation::Issue {}).await {
            Ok(Reply::Issued { enrolment, codes }) => (enrolment, codes),
            Err(CallError::Unsupported) => return Ok(None),
            other => {
                engine::report_failure(&module.id, "issue", token::short(&token::hash(&flow_id)), &other);
                let reason = "it could not make codes; an administrator sees why in the log".to_owned();
                return Err(FlowError::ModuleUnavailable { module: module.id.clone(), reason });
            }
        };
        let version = module.description.as_ref().map_or(1, |description| description.enrolment_version);
        let setup = self.issued(module, of, protocol::Enrolment { version, data: enrolment });
        let shown = IssuedCodes {
            module: module.id.clone(),
            name: module.name_in(self.language()).to_owned(),
            of: of.map(str::to_owned),
            codes,
            flow_id,
            expires_at: setup.open.expires_at,
        };
        Ok(Some(Batch { place, setup, shown }))
    }

    fn issued(&self, module: &ModuleInstance, of: Option<&str>, enrolment: protocol::Enrolment) -> Setup {
        let Document { open, secret } = self.new_setup(module);
        Document {
            open: SetupOpen { of: of.map(str::to_owned), stage: SetupStage::Issued, ..open },
            secret: SetupSecret { issued: Some(enrolment), ..secret },
        }
    }
}

pub(super) fn is_way_back(instance: &ModuleInstance) -> bool {
    instance.description.as_ref().is_some_and(|description| description.recovery)
}

/// A module that says since the set-up that it is a way back in: its codes would take the place of the factor.
pub(super) fn check_no_factor(listed: &FactorsOpen, module: &str) -> Result<(), FlowError> {
    if listed.of(module).is_none_or(|factor| factor.recovery) {
        return Ok(());
    }
    let detail = "this is a second factor of yours; delete it before you make codes of it".to_owned();
    Err(FlowError::NotPossible { code: "is_factor", detail })
}

/// The factor that codes are to stand in for; none: any of the user's.
fn stands_in_for(
    scope: RecoveryScope,
    listed: &FactorsOpen,
    wanted: Option<&str>,
) -> Result<Option<String>, FlowError> {
    let not_possible =
        |code: &'static str, detail: &str| Err(FlowError::NotPossible { code, detail: detail.to_owned() });
    let mut own = listed.factors.iter().filter(|factor| !factor.recovery).map(|factor| &*factor.module);
    match (scope, wanted) {
        _ if own.clone().next().is_none() => {
            not_possible("no_factor", "a way back in leads back to a second factor; set one up first")
        }
        (RecoveryScope::User, None) => Ok(None),
        (RecoveryScope::User, Some(_)) => {
            not_possible("one_for_all", "one batch of codes stands in for all factors here; name none")
        }
        (RecoveryScope::Enrolment, Some(wanted)) if own.any(|factor| factor == wanted) => Ok(Some(wanted.to_owned())),
        (RecoveryScope::Enrolment, Some(_)) => Err(FlowError::NotFound { what: "such factor of yours" }),
        (RecoveryScope::Enrolment, None) => match (own.next(), own.next()) {
            (Some(only), None) => Ok(Some(only.to_owned())),
            _ => not_possible("which_factor", "each factor has codes of its own here; name one in `factor`"),
        },
    }
}

/// The enrolment of a way back in with what it keeps for these factors only; with none of them it goes.
pub(in crate::flow) fn reduced(enrolment: &Found<Enrolment>, stays: Option<&[String]>) -> Option<Change> {
    let record = enrolment.record.as_ref()?;
    let Some(stays) = stays else { return Some(enrolment.delete()) };
    let mut rest = record.clone();
    rest.secret.by_factor.retain(|factor, _| stays.contains(factor));
    Some(enrolment.put(&rest))
}

/// The rest of it, for its module to take leave of.
pub(in crate::flow) fn going(enrolment: &Found<Enrolment>, stays: Option<&[String]>) -> Found<Enrolment> {
    let mut going = enrolment.clone();
    if let (Some(record), Some(stays)) = (&mut going.record, stays) {
        record.secret.by_factor.retain(|factor, _| !stays.contains(factor));
    }
    going
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn listed(ids: &[&str]) -> FactorsOpen {
        let codes = FactorsOpen::default().with_way_back("codes", "codes", None, Timestamp(0));
        ids.iter().fold(codes, |list, id| list.with_confirmed(id, id, false, Timestamp(0)))
    }

    fn code(of: Result<Option<String>, FlowError>) -> &'static str {
        match of {
            Err(FlowError::NotPossible { code, .. }) => code,
            Err(FlowError::NotFound { .. }) => "not_found",
            _ => "ok",
        }
    }

    #[test]
    fn codes_stand_in_for_a_factor_there_is() {
        use RecoveryScope::{Enrolment, User};
        let (none, one, two) = (listed(&[]), listed(&["a"]), listed(&["a", "b"]));
        assert_eq!(code(stands_in_for(User, &none, None)), "no_factor");
        assert_eq!(code(stands_in_for(Enrolment, &none, Some("codes"))), "no_factor");
        assert_eq!(stands_in_for(User, &two, None).unwrap(), None);
        assert_eq!(code(stands_in_for(User, &two, Some("a"))), "one_for_all");
        assert_eq!(stands_in_for(Enrolment, &one, None).unwrap().as_deref(), Some("a"));
        assert_eq!(code(stands_in_for(Enrolment, &two, None)), "which_factor");
        assert_eq!(stands_in_for(Enrolment, &two, Some("b")).unwrap().as_deref(), Some("b"));
        assert_eq!(code(stands_in_for(Enrolment, &two, Some("codes"))), "not_found");
    }
}
