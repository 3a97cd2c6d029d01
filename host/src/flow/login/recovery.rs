//! Ways back in at a login step: which of them stand in for the factor that is asked, and which input is for one.

use mfa_sdk::{
    form::{Field, FieldError, FieldErrors, FieldKind, Fields, Form},
    protocol::{Operation, Reply},
};
use serde_json::{Map, Value};

use super::{Turn, choice::named};
use crate::{
    flow::{
        FlowError, WayBack,
        engine::Ask,
        record::{Factors, Session, SessionStage, User, key},
        selection::is_answering,
    },
    module_host::ModuleInstance,
};

/// Beside a module's own fields every login step takes this one.
pub const CODE_FIELD: &str = "recovery_code";
/// And this one, where a code could be for several.
pub(super) const MODULE_FIELD: &str = "recovery_module";

/// Whom an input is for. Never for two.
pub(super) enum Routed {
    /// The module the step asks.
    Asked(Fields),
    /// A way back in.
    WayBack(ModuleInstance, Fields),
}

/// The inputs of ways back in, taken out of what was sent.
struct Wish {
    code: Option<Value>,
    module: Option<String>,
}

impl Wish {
    fn taken_from(raw: &mut Map<String, Value>) -> Self {
        let code = raw.remove(CODE_FIELD).filter(|code| !is_empty(code));
        let module = raw.remove(MODULE_FIELD).filter(|_| code.is_some());
        Self { code, module: module.and_then(|module| module.as_str().map(str::to_owned)) }
    }
}

impl Turn<'_> {
    /// Whom the input of a step is for. `recovery_code` is for a way back in; and so is a text that breaks the rule of
    /// the asked module's only field and fits exactly one of them.
    pub(super) async fn route(
        &self,
        session: &Session,
        user: Option<&User>,
        form: &Form,
        mut raw: Map<String, Value>,
    ) -> Result<Routed, FlowError> {
        let Wish { code, module } = Wish::taken_from(&mut raw);
        let Some(code) = code else {
            let errors = match form.normalise(&raw) {
                Ok(fields) => return Ok(Routed::Asked(fields)),
                Err(errors) => errors,
            };
            let Some(text) = misfit(form, &raw, &errors) else { return Err(FlowError::InvalidInput(errors)) };
            let (mut fitting, _) = Box::pin(self.fitting(session, user, text, None)).await?;
            return match (fitting.pop(), fitting.is_empty()) {
                (Some((module, fields)), true) => Ok(Routed::WayBack(module, fields)),
                _ => Err(FlowError::InvalidInput(errors)),
            };
        };
        let besides = raw.into_iter().filter(|(_, value)| !is_empty(value));
        let besides: FieldErrors = besides.map(|(name, _)| (shown(name), FieldError::Unexpected)).collect();
        if !besides.is_empty() {
            return Err(FlowError::InvalidInput(besides));
        }
        let (mut fitting, error) = Box::pin(self.fitting(session, user, &code, module.as_deref())).await?;
        match (fitting.pop(), fitting.is_empty()) {
            (Some((module, fields)), true) => Ok(Routed::WayBack(module, fields)),
            (Some(_), false) => Err(refused(MODULE_FIELD, FieldError::Required)),
            (None, _) => Err(refused(CODE_FIELD, error)),
        }
    }

    /// The ways back in that take this text, and why others do not.
    async fn fitting(
        &self,
        session: &Session,
        user: Option<&User>,
        text: &Value,
        wanted: Option<&str>,
    ) -> Result<(Vec<(ModuleInstance, Fields)>, FieldError), FlowError> {
        let mut fitting = Vec::new();
        let mut error = FieldError::Unexpected;
        let all = self.ways_back(session).await?;
        for module in all.into_iter().filter(|module| wanted.is_none_or(|wanted| module.id == wanted)) {
            let Some(form) = self.form_of(&module, session, user).await else { continue };
            let Some(field) = only_text(&form) else { continue };
            match form.normalise(&Map::from_iter([(field.name.clone(), text.clone())])) {
                Ok(fields) => fitting.push((module, fields)),
                Err(errors) => error = errors.values().next().copied().unwrap_or(error),
            }
        }
        Ok((fitting, error))
    }

    /// The ways back in that stand in for the factor this session asks, in the order of the settings.
    pub(super) async fn ways_back(&self, session: &Session) -> Result<Vec<ModuleInstance>, FlowError> {
        let SessionStage::Waiting { module: asked } = &session.open.stage else { return Ok(Vec::new()) };
        let mut modules = self.engine.modules.modules();
        modules.retain(|module| {
            module.description.as_ref().is_some_and(|description| description.recovery)
                && is_answering(&module.state)
                && module.id != *asked
        });
        if modules.is_empty() {
            return Ok(modules);
        }
        let listed = self.engine.read::<Factors>(key::factors(&session.open.user)).await?.open();
        modules.retain(|module| {
            listed.of(&module.id).is_some_and(|factor| {
                factor.active && factor.stands_in_for(asked) && factor.module_type == module.module_type
            })
        });
        Ok(modules)
    }

    /// The same as they are offered beside a step.
    pub(super) async fn offered(&self, session: &Session) -> Result<Vec<WayBack>, FlowError> {
        let language = self.voice(session.open.language.as_deref()).language;
        let modules = named(self.ways_back(session).await?, language).into_iter();
        Ok(modules.map(|(module, name)| WayBack { module, name }).collect())
    }

    async fn form_of(&self, module: &ModuleInstance, session: &Session, user: Option<&User>) -> Option<Form> {
        match self.engine.fixed_step(&module.id, self.now.wall).await {
            Ok(Some(form)) => return Some(Form::clone(&form)),
            Ok(None) => {}
            Err(error) => {
                self.report(&module.id, "input_schema", &Err(error));
                return None;
            }
        }
        let user = user?;
        let ask = Ask {
            user_id: &session.open.user,
            user_name: &user.open.name,
            addresses: &user.secret.addresses,
            language: self.language_of(user),
            seed: &session.secret.seed,
            now: self.now.wall,
        };
        match self.engine.ask(&module.id, ask, Operation::InputSchema {}).await {
            Ok(Reply::Form { form, .. }) => Some(form),
            other => {
                self.report(&module.id, "input_schema", &other);
                None
            }
        }
    }
}

/// The only field a form cannot do without, if what it takes is written as a text.
pub(super) fn only_text(form: &Form) -> Option<&Field> {
    let mut fields = form.fields.iter().filter(|field| field.required);
    match (fields.next(), fields.next()) {
        (Some(field), None) if !matches!(field.kind, FieldKind::Boolean) => Some(field),
        _ => None,
    }
}

/// The text that stands alone in the form's only field and breaks its rule.
fn misfit<'a>(form: &Form, raw: &'a Map<String, Value>, errors: &FieldErrors) -> Option<&'a Value> {
    let field = only_text(form)?;
    let text = raw.get(&field.name).filter(|text| !is_empty(text))?;
    let is_alone = raw.iter().all(|(name, value)| *name == field.name || is_empty(value));
    (is_alone && errors.keys().all(|name| *name == field.name)).then_some(text)
}

/// A client that shows a field sends it, also when nothing was typed.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn refused(field: &str, error: FieldError) -> FlowError {
    FlowError::InvalidInput(FieldErrors::from([(field.to_owned(), error)]))
}

/// An unknown name is echoed only when it is short enough to be one.
fn shown(name: String) -> String {
    if name.len() <= 64 { name } else { "base".to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn misfits(form: &Form, raw: &Value) -> bool {
        let raw = raw.as_object().unwrap();
        form.normalise(raw).is_err_and(|errors| misfit(form, raw, &errors).is_some())
    }

    #[test]
    fn only_a_text_that_stands_alone_and_breaks_the_rule_may_be_for_another() {
        let six = Form::new().digits("code", 6);
        assert!(misfits(&six, &json!({"code": "abcdefghjk"})));
        assert!(!misfits(&six, &json!({"code": "123 456"})), "it is the asked module's");
        assert!(!misfits(&six, &json!({"code": ""})) && !misfits(&six, &json!({})));
        assert!(!misfits(&six, &json!({"code": "abcdefghjk", "note": "x"})));
        assert!(misfits(&six.clone().boolean("keep").optional(), &json!({"code": "abcdefghjk", "keep": null})));
        let and_a_note = six.clone().text("note", 9).optional();
        assert!(!misfits(&and_a_note, &json!({"code": "abcdefghjk", "note": "x"})), "whoever writes a note means it");
        let two = Form::new().digits("code", 6).text("name", 9);
        assert!(!misfits(&two, &json!({"code": "abcdefghjk", "name": ""})));
        assert!(!misfits(&Form::new().boolean("yes"), &json!({"yes": "abcdefghjk"})));
    }

    #[test]
    fn the_fields_of_ways_back_never_reach_the_asked_module() {
        let taken = |raw: Value| {
            let mut raw = raw.as_object().unwrap().clone();
            let Wish { code, module } = Wish::taken_from(&mut raw);
            (code, module, raw.len())
        };
        assert_eq!(taken(json!({"recovery_code": "", "code": "1"})), (None, None, 1));
        assert_eq!(taken(json!({"recovery_code": null, "recovery_module": "a"})), (None, None, 0));
        let both = json!({"recovery_code": "c", "recovery_module": "a"});
        assert_eq!(taken(both), (Some(json!("c")), Some("a".to_owned()), 0));
    }
}
