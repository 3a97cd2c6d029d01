//! "I have saved them": what makes issued codes an enrolment. The codes themselves are in the answer before and never
//! in this one.

use std::collections::BTreeMap;

use mfa_sdk::{
    form::{Field, FieldKind, Form},
    protocol,
    text::Text,
};
use serde_json::{Map, Value};

use super::{Turn, ended, handler, issue::check_no_factor};
use crate::{
    flow::{
        FlowError, FormStep, Step,
        engine::{Committed, TRIES_MAX},
        messages::{About, Notice},
        record::{
            Account, Document, Enrolment, EnrolmentOpen, EnrolmentSecret, Factors, FactorsOpen, Found, Setup,
            SetupStage, Unknown, key,
        },
        render::{self, Place},
        token,
    },
    module_host::ModuleInstance,
};

const SAVED: &str = "saved";

/// The question whether the codes are saved; with the codes where they are shown.
pub(super) fn step(
    turn: &Turn<'_>,
    setup: &Setup,
    module: &ModuleInstance,
    codes: Option<&Vec<String>>,
    error: Option<&str>,
) -> FormStep {
    let voice = turn.engine.voice(turn.language());
    let form = match codes {
        Some(codes) => asked().sentence(Text::new(voice.say("step.codes.keep"))).codes("codes", codes.clone()),
        None => asked().sentence(Text::new(voice.say("step.codes.shown_once"))),
    };
    let place = Place {
        flow_id: turn.flow_id,
        handler: handler(&setup.open),
        step_id: "setup",
        voice,
        expires_at: Some(setup.open.expires_at),
    };
    let mut step = render::host_step(place, &form, error);
    let name = module.name_in(turn.language()).to_owned();
    step.title = Some(name.clone());
    step.placeholders.insert("mfa_module_id".to_owned(), module.id.clone());
    step.placeholders.insert("mfa_module_name".to_owned(), name);
    step
}

fn asked() -> Form {
    Form { fields: vec![Field::new(SAVED, FieldKind::Boolean)], ..Form::default() }
}

impl Turn<'_> {
    /// The step of codes that wait to be saved.
    pub(super) fn show_issued(&self, setup: &Setup, error: Option<&str>) -> Result<Step, FlowError> {
        let module = self.engine.modules.module(&setup.open.module).ok_or(FlowError::UnknownFlow)?;
        Ok(Step::Form(step(self, setup, &module, None, error)))
    }

    /// One commit: enrolment kept, way back listed, flow over. Of several batches that wait the one saved first counts.
    pub(super) async fn save(&self, mut found: Found<Setup>, raw: Map<String, Value>) -> Result<Step, FlowError> {
        let fields = asked().normalise(&raw).map_err(FlowError::InvalidInput)?;
        for _ in 0..TRIES_MAX {
            let Some(setup) = &found.record else { return Err(FlowError::UnknownFlow) };
            let (SetupStage::Issued, Some(issued)) = (&setup.open.stage, &setup.secret.issued) else {
                return Err(FlowError::UnknownFlow);
            };
            if fields.get(SAVED) != Some(&Value::Bool(true)) {
                return self.show_issued(setup, Some("not_saved"));
            }
            let turn = self.engine.queue(&setup.open.user).await;
            let user = self.engine.user_in_epoch(&setup.open.user, setup.open.user_epoch).await?;
            let user = user.ok_or(FlowError::UnknownFlow)?;
            let factors: Found<Factors> = self.engine.read(key::factors(&setup.open.user)).await?;
            let listed = factors.open();
            self.require_proof_still(setup, &listed)?;
            check_no_factor(&listed, &setup.open.module)?;
            if !leads_back(&listed, setup.open.of.as_deref()) {
                let detail = "prove the second factor first; the codes lead back to it".to_owned();
                return Err(FlowError::NotPossible { code: "confirm_first", detail });
            }
            if listed.has_way_back(&setup.open.module, setup.open.of.as_deref()) {
                drop(turn);
                return self.end(found, "superseded").await;
            }
            let account: Found<Account> = self.engine.read(key::account(&setup.open.user)).await?;
            let enrolment = self.engine.enrolment(&setup.open.user, &setup.open.module).await?;
            let mut counted = account.open();
            counted.setups.retain(|open| open.flow != self.flow_hash());
            let (module, kind, of) = (&setup.open.module, &setup.open.module_type, setup.open.of.as_deref());
            let changes = vec![
                enrolment.put(&self.with_saved(&enrolment, setup, issued.clone())),
                factors.put(&Document { open: listed.with_way_back(module, kind, of, self.now.wall), secret: () }),
                account.put(&Document { open: counted, secret: () }),
                found.put(&ended(setup, "done")),
            ];
            let mut expectations = vec![found.unchanged(), enrolment.unchanged(), factors.unchanged()];
            expectations.extend([account.unchanged(), user.unchanged()]);
            let source = Some(self.asker.address);
            let about = About { user: &user, source, also: &[], now: self.now.wall };
            let told = self.engine.notices(&Notice::factor_added(module), about);
            if let Committed::Done = self.engine.commit_and_tell(changes, expectations, told).await? {
                let user = &setup.open.user;
                tracing::info!(target: "audit", event = "recovery_set_up", user, method = module, of);
                return Ok(self.created(&setup.open, Vec::new()));
            }
            drop(turn);
            found = match self.own().await? {
                Ok(found) => found,
                Err(over) => return Ok(over),
            };
        }
        Err(FlowError::Busy)
    }

    /// The enrolment with what was issued: for all factors, or beside what is kept for others.
    fn with_saved(&self, former: &Found<Enrolment>, setup: &Setup, issued: protocol::Enrolment) -> Enrolment {
        let (version, data, by_factor) = match &setup.open.of {
            None => (issued.version, issued.data, BTreeMap::new()),
            Some(of) => {
                let others = former.record.as_ref().filter(|former| self.engine.is_of_type(former));
                let mut by_factor = others.map(|former| former.secret.by_factor.clone()).unwrap_or_default();
                let version = issued.version;
                by_factor.insert(of.clone(), issued);
                (version, Value::Null, by_factor)
            }
        };
        Document {
            open: EnrolmentOpen {
                module: setup.open.module.clone(),
                module_type: setup.open.module_type.clone(),
                created_at: self.now.wall,
                set_up: Some(token::short(&self.flow_hash()).to_owned()),
                unknown: Unknown::new(),
            },
            secret: EnrolmentSecret { version, data, by_factor, sent_to: Vec::new() },
        }
    }
}

/// Whether there is a factor the codes stand in for.
fn leads_back(listed: &FactorsOpen, of: Option<&str>) -> bool {
    listed.factors.iter().any(|factor| !factor.recovery && of.is_none_or(|of| factor.module == of))
}
