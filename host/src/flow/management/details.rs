//! One method with all there is to say of it, its module's own words included.

use mfa_sdk::protocol::{CodeTimes, Device, Operation, Overview, Reply, SetupReply};
use serde_json::{Map, Value};

use super::MethodView;
use crate::{
    clock::Timestamp,
    flow::{
        Access, Asker, Field, FlowError, Flows,
        engine::{Ask, Engine, by_factor},
        record::{Enrolment, Factors, Found, key},
        render, token,
    },
    module_host::ModuleInstance,
};

/// A method as its user sees it, in full.
pub struct MethodDetails {
    pub method: MethodView,
    /// A client's own.
    pub metadata: Map<String, Value>,
    /// How long codes are good, if they are codes of a time.
    pub code: Option<CodeTimes>,
    /// What the first step of a set-up asks for; none while the module does not say.
    pub setup_fields: Option<Vec<Field>>,
    /// Of what is set up; none while the module does not say.
    pub overview: Option<OverviewView>,
}

/// What is set up, in the module's words and the reader's language.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OverviewView {
    pub summary: Option<String>,
    pub devices: Vec<DeviceView>,
    /// Whether the user should do something soon.
    pub low: bool,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct DeviceView {
    pub id: String,
    pub name: String,
    /// None if nobody wrote it down.
    pub created_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

impl Flows {
    /// One method and what the caller has of it. What its module does not answer is left out.
    pub async fn method_details(
        &self,
        access: &Access,
        module: &str,
        asker: &Asker,
    ) -> Result<MethodDetails, FlowError> {
        let engine = &self.engine;
        let methods = engine.methods_of(&access.user_id, engine.language_of(access, asker)).await?;
        let method = methods.into_iter().find(|method| method.id == module);
        let method = method.ok_or(FlowError::NotFound { what: "such method" })?;
        let factors: Found<Factors> = engine.read(key::factors(&access.user_id)).await?;
        let metadata = factors.open().of(module).map(|factor| factor.metadata.clone()).unwrap_or_default();
        let none = MethodDetails { method, metadata, code: None, setup_fields: None, overview: None };
        let Some(instance) = engine.modules.module(module).filter(|_| none.method.is_available) else {
            return Ok(none);
        };
        let user = engine.user_in_epoch(&access.user_id, access.user_epoch).await?;
        let user = user.ok_or(FlowError::Unauthenticated)?;
        let enrolment = engine.enrolment(&access.user_id, module).await?;
        let seed = token::new_seed();
        let ask = Ask { seed: &seed, ..engine.about(access, &user, asker) };
        let (code, setup_fields, overview) = tokio::join!(
            engine.code_times(&instance, ask),
            engine.setup_fields(&instance, ask),
            engine.overview_view(&instance, ask, &enrolment),
        );
        Ok(MethodDetails { code, setup_fields, overview, ..none })
    }
}

impl Engine {
    async fn code_times(&self, module: &ModuleInstance, ask: Ask<'_>) -> Option<CodeTimes> {
        match self.ask(&module.id, ask, Operation::InputSchema {}).await {
            Ok(Reply::Form { code, .. }) => code,
            _ => None,
        }
    }

    /// The fields alone: what else the step shows is the secret of a set-up that never began.
    async fn setup_fields(&self, module: &ModuleInstance, ask: Ask<'_>) -> Option<Vec<Field>> {
        let operation = Operation::SetupFlow { state: None, input: None, replaces: None };
        match self.ask(&module.id, ask, operation).await {
            Ok(Reply::Setup(SetupReply::Form { form, .. })) => {
                Some(render::fields(&form, module, self.voice(ask.language)))
            }
            _ => None,
        }
    }

    async fn overview_view(
        &self,
        module: &ModuleInstance,
        ask: Ask<'_>,
        enrolment: &Found<Enrolment>,
    ) -> Option<OverviewView> {
        let record = enrolment.record.as_ref().filter(|record| self.is_of_type(record))?;
        let texts = &module.description.as_ref()?.texts;
        let mut sentences = Vec::new();
        let mut view = OverviewView { summary: None, devices: Vec::new(), low: false };
        for (factor, kept) in by_factor(record) {
            let Overview { summary, devices, low } = self.overview_of(&module.id, ask, kept).await.ok()?;
            let summary = summary.map(|summary| summary.render(texts, ask.language));
            sentences.extend(summary.map(|summary| match factor {
                Some(factor) => format!("{}: {summary}", self.name_of(factor, ask.language)),
                None => summary,
            }));
            view.devices.extend(devices.into_iter().map(DeviceView::from));
            view.low |= low;
        }
        view.summary = (!sentences.is_empty()).then(|| sentences.join(" "));
        Some(view)
    }

    /// A module as users who read this language know it; one that went away by its id.
    pub(in crate::flow) fn name_of(&self, module: &str, language: &str) -> String {
        self.modules.module(module).map_or_else(|| module.to_owned(), |module| module.name_in(language).to_owned())
    }
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        Self {
            id: device.id,
            name: device.name,
            created_at: Some(Timestamp(device.created_at_ms)).filter(|moment| moment.0 > 0),
            last_used_at: device.last_used_at_ms.map(Timestamp),
        }
    }
}
