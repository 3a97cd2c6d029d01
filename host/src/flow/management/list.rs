//! The list of a user's own methods.

use mfa_sdk::protocol::Kind;

use crate::{
    clock::Timestamp,
    flow::{
        Access, FlowError, Flows,
        engine::Engine,
        record::{Account, AccountOpen, Factors, FactorsOpen, Found, key},
        selection::is_answering,
    },
    module_host::{ModuleInstance, ModuleState},
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
    /// What the user calls it.
    pub label: Option<String>,
}

impl Flows {
    /// Every enabled module, and what this user has of it; also what the user has of modules that went away.
    pub async fn methods(&self, access: &Access, language: &str) -> Result<Vec<MethodView>, FlowError> {
        self.engine.methods_of(&access.user_id, language).await
    }
}

impl Engine {
    pub(in crate::flow) async fn methods_of(&self, user: &str, language: &str) -> Result<Vec<MethodView>, FlowError> {
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
            label: factor.label.clone(),
        });
        Ok(configured.chain(gone).collect())
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
        label: factor.and_then(|factor| factor.label.clone()),
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Knowledge => "knowledge",
        Kind::Possession => "possession",
        Kind::Inherence => "inherence",
    }
}
