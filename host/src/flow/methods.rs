//! A user's own methods: list and delete.

use mfa_sdk::protocol::{Kind, Operation};

use super::{
    Access, FlowError, Flows,
    engine::{Ask, Committed, Engine, TRIES_MAX, for_module},
    proof::Need,
    record::{Account, AccountOpen, Document, Enrolment, Factors, FactorsOpen, Found, User, key},
    selection::is_answering,
    token,
};
use crate::{
    clock::Timestamp,
    module_host::{ModuleInstance, ModuleState},
    store::{Change, Expectation},
};

/// A module as its user sees it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct MethodView {
    pub id: String,
    #[serde(rename = "type")]
    pub module_type: String,
    pub name: String,
    pub is_available: bool,
    pub is_setup: bool,
    pub is_active: bool,
    pub is_primary: bool,
    /// `knowledge`, `possession`, `inherence`; none while the module cannot be loaded.
    pub kind: Option<String>,
    pub sends: bool,
    pub recovery: bool,
    pub created_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub setup_message: Option<String>,
}

impl Flows {
    /// Every enabled module, and what this user has of it; also what the user has of modules that went away.
    pub async fn methods(&self, access: &Access, language: &str) -> Result<Vec<MethodView>, FlowError> {
        self.engine.methods_of(&access.user_id, language).await
    }

    /// Removes one method. Needs a fresh proof.
    pub async fn delete_method(&self, access: &Access, module_id: &str) -> Result<(), FlowError> {
        self.engine.delete_methods(access, Some(module_id)).await
    }

    /// Removes all methods. Needs a fresh proof.
    pub async fn delete_all_methods(&self, access: &Access) -> Result<(), FlowError> {
        self.engine.delete_methods(access, None).await
    }
}

impl Engine {
    pub(super) async fn methods_of(&self, user: &str, language: &str) -> Result<Vec<MethodView>, FlowError> {
        let factors: Found<Factors> = self.read(key::factors(user)).await?;
        let account: Found<Account> = self.read(key::account(user)).await?;
        let listed = factors.open();
        let counted = account.open();
        let modules = self.modules.modules();
        let shown = |module: &&ModuleInstance| module.state != ModuleState::Disabled || listed.of(&module.id).is_some();
        let configured = modules.iter().filter(shown).map(|module| view(module, &listed, &counted, language));
        let gone = listed.factors.iter().filter(|factor| !modules.iter().any(|module| module.id == factor.module));
        let gone = gone.map(|factor| MethodView {
            id: factor.module.clone(),
            module_type: factor.module_type.clone(),
            name: factor.module.clone(),
            is_available: false,
            is_setup: true,
            is_active: factor.active,
            is_primary: factor.primary,
            kind: None,
            sends: false,
            recovery: factor.recovery,
            created_at: Some(factor.created_at),
            last_used_at: counted.last_used.get(&factor.module).copied(),
            setup_message: None,
        });
        Ok(configured.chain(gone).collect())
    }

    /// Removes enrolments in one commit; ways back in go with the last factor they lead back to.
    async fn delete_methods(&self, access: &Access, module: Option<&str>) -> Result<(), FlowError> {
        let now = self.clock.now().wall;
        let user_id = &access.user_id;
        for _ in 0..TRIES_MAX {
            let factors: Found<Factors> = self.read(key::factors(user_id)).await?;
            let listed = factors.open();
            if module.is_some_and(|module| listed.of(module).is_none()) {
                return Err(FlowError::NotFound { what: "such method of yours" });
            }
            self.require_proof(access, &listed, Need::Removal, now)?;
            let user = self.user_in_epoch(user_id, access.user_epoch).await?.ok_or(FlowError::Unauthenticated)?;
            let remaining = remaining(&listed, module);
            let removed: Vec<String> = listed
                .factors
                .iter()
                .map(|factor| factor.module.clone())
                .filter(|id| remaining.of(id).is_none())
                .collect();
            let (mut changes, mut expectations, enrolments) = self.removal(user_id, &removed).await?;
            changes.push(factors.put(&Document { open: remaining, secret: () }));
            expectations.extend([factors.unchanged(), user.unchanged()]);
            if let Committed::Done = self.commit(changes, expectations).await? {
                tracing::info!(target: "audit", event = "factors_removed", user = user_id, methods = ?removed);
                self.depose(&user, enrolments, now).await;
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }

    /// The part of a commit that takes enrolments away.
    pub(super) async fn removal(
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
    pub(super) async fn depose(&self, user: &Found<User>, enrolments: Vec<Found<Enrolment>>, now: Timestamp) {
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
            if let Err(error) = self.ask(module, ask, Operation::Depose { enrolment: for_module(&enrolment) }).await {
                tracing::debug!(module, reason = kind_of(&error), "the module took no leave of an enrolment");
            }
        }
    }
}

fn kind_of(error: &crate::module_host::CallError) -> &'static str {
    match error {
        crate::module_host::CallError::Unsupported => "unsupported",
        _ => "failed",
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

fn view(module: &ModuleInstance, listed: &FactorsOpen, counted: &AccountOpen, language: &str) -> MethodView {
    let factor = listed.of(&module.id);
    let description = module.description.as_ref();
    MethodView {
        id: module.id.clone(),
        module_type: module.module_type.clone(),
        name: module.name.clone(),
        is_available: is_answering(&module.state),
        is_setup: factor.is_some(),
        is_active: factor.is_some_and(|factor| factor.active),
        is_primary: factor.is_some_and(|factor| factor.primary),
        kind: description.map(|description| kind_word(description.kind).to_owned()),
        sends: description.is_some_and(|description| description.sends),
        recovery: description.is_some_and(|description| description.recovery),
        created_at: factor.map(|factor| factor.created_at),
        last_used_at: counted.last_used.get(&module.id).copied(),
        setup_message: description.and_then(|description| {
            description.setup_message.as_ref().map(|message| message.render(&description.texts, language))
        }),
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Knowledge => "knowledge",
        Kind::Possession => "possession",
        Kind::Inherence => "inherence",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flow::test_stage::TestStage, module_host::CallError};

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

    fn module(id: &str, state: ModuleState) -> ModuleInstance {
        let (id, module_type, name) = (id.to_owned(), "totp".to_owned(), "Authenticator".to_owned());
        ModuleInstance { id, module_type, name, state, description: None, refused: None }
    }

    #[test]
    fn a_method_shows_what_its_user_has_of_it() {
        let two = listed(&[("a", false), ("b", false)]);
        let counted = AccountOpen { last_used: [("a".to_owned(), NOW)].into(), ..AccountOpen::default() };
        let shown = |id: &str, state| view(&module(id, state), &two, &counted, "en");
        let a = shown("a", ModuleState::Ready);
        assert!(a.is_available && a.is_setup && a.is_active && a.is_primary);
        assert_eq!((a.created_at, a.last_used_at), (Some(NOW), Some(NOW)));
        let b = shown("b", ModuleState::Disabled);
        assert!(!b.is_available && b.is_setup && b.is_active && !b.is_primary && b.last_used_at.is_none());
        let c = shown("c", ModuleState::Ready);
        assert!(c.is_available && !c.is_setup && !c.is_active && !c.is_primary && c.created_at.is_none());
        assert_eq!((c.id.as_str(), c.module_type.as_str(), c.name.as_str()), ("c", "totp", "Authenticator"));
    }

    #[test]
    fn words_for_people_are_those_of_the_protocol() {
        let kinds = [Kind::Knowledge, Kind::Possession, Kind::Inherence];
        assert_eq!(kinds.map(kind_word), ["knowledge", "possession", "inherence"]);
        assert_eq!(kind_of(&CallError::Unsupported), "unsupported");
        assert_eq!(kind_of(&CallError::Failed("a secret".to_owned())), "failed");
    }

    #[tokio::test]
    async fn methods_are_those_of_the_settings_and_then_what_the_user_has_of_modules_that_went_away() {
        let settings = r#"
            [[provider]]
            type = "local"

            [[module]]
            type = "totp"

            [[module]]
            type = "pin"
            enabled = false

            [[module]]
            type = "hotp"
            enabled = false
        "#;
        let stage = TestStage::with(settings);
        let three = listed(&[("pin", false), ("gone", false), ("totp", false)]);
        stage.put("factors/ada", &Document { open: three, secret: () }).await;
        let shown = async |user: &str| {
            let methods = stage.flows.engine.methods_of(user, "en").await.unwrap();
            methods.into_iter().map(|method| (method.id, method.is_setup)).collect::<Vec<_>>()
        };
        let of =
            |methods: &[(&str, bool)]| methods.iter().map(|(id, has)| ((*id).to_owned(), *has)).collect::<Vec<_>>();
        assert_eq!(shown("ada").await, of(&[("totp", true), ("pin", true), ("gone", true)]));
        assert_eq!(shown("bob").await, of(&[("totp", false)]), "what is switched off is shown to whom it belongs");
    }
}
