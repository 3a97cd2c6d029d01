//! The choice among several factors of one user, which comes before any of them is asked.

use mfa_sdk::{
    form::{FieldKind, Form},
    protocol::Cause,
    text::Text,
};
use serde_json::{Map, Value};

use super::{Outcome, Turn, begin::field};
use crate::{
    flow::{
        FlowError,
        engine::{Committed, TRIES_MAX},
        record::{Account, Factors, Found, Session, SessionStage, key},
        selection::{self, Selection},
    },
    module_host::ModuleInstance,
};

pub(super) const MODULE_FIELD: &str = "multi_factor_auth_module";

impl Turn<'_> {
    pub(super) async fn choose(
        &self,
        mut found: Found<Session>,
        raw: Map<String, Value>,
    ) -> Result<Outcome, FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(session) = found.record.clone() else { return Err(FlowError::UnknownFlow) };
            if session.open.stage != SessionStage::Selecting {
                return self.show_again(found).await;
            }
            let mut form = self.selection_form(&session).await?;
            let options = select_options(&mut form);
            let fields = form.normalise(&raw).map_err(FlowError::InvalidInput)?;
            let chosen = fields.get(MODULE_FIELD).and_then(Value::as_str).unwrap_or_default();
            if !options.iter().any(|option| option == chosen) {
                return Ok(Outcome::wrong(session, "invalid_auth_module"));
            }
            let mut next = session;
            next.open.stage = SessionStage::Initialising { module: chosen.to_owned(), cause: Cause::First };
            let done = self.engine.commit(vec![found.put(&next)], vec![found.unchanged()]).await?;
            found = self.session().await?;
            if let Committed::Done = done {
                return self.initialise(found).await;
            }
        }
        Err(FlowError::Busy)
    }

    /// The choice among the user's modules, the primary preselected.
    pub(super) async fn selection_form(&self, session: &Session) -> Result<Form, FlowError> {
        let (options, preselected) = self.options(session).await?;
        let options = named(options, self.voice(session.open.language.as_deref()).language);
        let options = options.into_iter().map(|(module, name)| (module, Text::new(name))).collect();
        let mut choice = field(MODULE_FIELD, FieldKind::Select { options });
        choice.default = Some(preselected.into());
        Ok(Form { fields: vec![choice], ..Form::default() })
    }

    /// The modules this session may use, in the order of the settings, and the preselected one.
    pub(super) async fn options(&self, session: &Session) -> Result<(Vec<ModuleInstance>, String), FlowError> {
        let factors: Found<Factors> = self.engine.read(key::factors(&session.open.user)).await?;
        let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
        let listed = factors.open();
        let counted = account.open();
        let modules = self.engine.modules.modules();
        let (ids, preselected) = match selection::select(&listed, &counted, &modules, self.now.wall) {
            Selection::One(module) => (vec![module.clone()], module),
            Selection::Several { options, preselected } => (options, preselected),
            Selection::NotRequired | Selection::Unavailable { .. } => (Vec::new(), String::new()),
        };
        Ok((modules.into_iter().filter(|module| ids.contains(&module.id)).collect(), preselected))
    }
}

/// Ids and names of modules, for those who read this language.
pub(super) fn named(modules: Vec<ModuleInstance>, language: &str) -> Vec<(String, String)> {
    let named = |module: ModuleInstance| {
        let name = module.name_in(language).to_owned();
        (module.id, name)
    };
    modules.into_iter().map(named).collect()
}

/// Takes the options out of the form, so that a choice outside of them is answered by the step and not as bad input.
fn select_options(form: &mut Form) -> Vec<String> {
    let Some(choice) = form.fields.first_mut() else { return Vec::new() };
    match std::mem::replace(&mut choice.kind, FieldKind::Text { length_max: 64 }) {
        FieldKind::Select { options } => options.into_iter().map(|(value, _)| value).collect(),
        _ => Vec::new(),
    }
}
