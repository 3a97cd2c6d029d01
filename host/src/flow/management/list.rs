//! The list of a user's own methods.

use mfa_sdk::protocol::{Description, Kind};

use crate::{
    clock::Timestamp,
    flow::{
        Access, Asker, FlowError, Flows,
        engine::Engine,
        login,
        record::{Account, AccountOpen, Factors, FactorsOpen, Found, key},
        render::Voice,
        selection::is_answering,
    },
    module_host::{ModuleInstance, ModuleState},
    settings::{ModuleSettings, Strength},
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
    /// `basic`, `good`, `strong`; none of a way back in, and while the module cannot be loaded.
    pub strength: Option<String>,
    /// The same in words.
    pub strength_text: Option<String>,
    pub created_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub setup_message: Option<String>,
    /// What the user calls it.
    pub label: Option<String>,
}

impl Flows {
    /// Every enabled module, and what this user has of it; also what the user has of modules that went away.
    pub async fn methods(&self, access: &Access, asker: &Asker) -> Result<Vec<MethodView>, FlowError> {
        self.engine.methods_of(&access.user_id, self.engine.language_of(access, asker)).await
    }

    /// The module whose logins are stamped with this word.
    pub fn module_stamped(&self, stamp: &str) -> Option<String> {
        let mut modules = self.engine.modules.modules().into_iter();
        modules.find(|module| login::stamp(&self.engine, &module.id) == stamp).map(|module| module.id)
    }

    /// How a factor ranks, in words; none of a way back in and of what is not there.
    pub fn strength_in_words(&self, module: &str, language: &str) -> Option<String> {
        let module = self.engine.modules.module(module)?;
        let own = module.description.as_ref().filter(|own| !own.recovery)?;
        let configured = self.engine.settings.modules.iter().find(|configured| configured.id() == module.id);
        let key = format!("step.strength.{}", strength_word(strength(own, configured)));
        Some(self.engine.words().say(language, &key).to_owned())
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
        let configured = modules.iter().filter(shown).map(|module| {
            let configured = self.settings.modules.iter().find(|configured| configured.id() == module.id);
            view(module, configured, &listed, &counted, self.voice(language))
        });
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
            strength: None,
            strength_text: None,
            created_at: Some(factor.created_at),
            last_used_at: counted.last_used.get(&factor.module).copied(),
            setup_message: None,
            label: factor.label.clone(),
        });
        Ok(configured.chain(gone).collect())
    }
}

fn view(
    module: &ModuleInstance,
    configured: Option<&ModuleSettings>,
    listed: &FactorsOpen,
    counted: &AccountOpen,
    voice: Voice<'_>,
) -> MethodView {
    let factor = listed.of(&module.id);
    let description = module.description.as_ref();
    // Of what is set up, the list says what it counts as.
    let says_so = description.is_some_and(|description| description.recovery);
    let is_way_back = factor.map_or(says_so, |factor| factor.recovery);
    let strength = description.filter(|_| !is_way_back).map(|own| strength(own, configured));
    MethodView {
        id: module.id.clone(),
        module_type: module.module_type.clone(),
        name: module.name_in(voice.language).to_owned(),
        is_available: is_answering(&module.state),
        is_setup: factor.is_some(),
        is_active: factor.is_some_and(|factor| factor.active),
        is_primary: factor.is_some_and(|factor| factor.primary),
        kind: description.map(|description| kind_word(description.kind).to_owned()),
        sends: description.is_some_and(|description| description.sends),
        recovery: is_way_back,
        strength: strength.map(|strength| strength_word(strength).to_owned()),
        strength_text: strength.map(|strength| voice.say(&format!("step.strength.{}", strength_word(strength)))),
        created_at: factor.map(|factor| factor.created_at),
        // What was used before it was set up was another.
        last_used_at: factor.and_then(|factor| {
            let used_at = counted.last_used.get(&module.id).copied();
            used_at.filter(|used_at| *used_at >= factor.created_at)
        }),
        setup_message: description.and_then(|description| {
            description.setup_message.as_ref().map(|message| message.render(&description.texts, voice.language))
        }),
        label: factor.and_then(|factor| factor.label.clone()),
    }
}

/// What the admin says of it; else what it rests on, where the admin's word for that raises and the module's own lowers.
fn strength(own: &Description, configured: Option<&ModuleSettings>) -> Strength {
    let said = configured.and_then(|configured| configured.strength);
    let is_had = configured.and_then(|configured| configured.kind).is_some_and(|kind| kind != Kind::Knowledge);
    said.unwrap_or(if is_had && own.kind != Kind::Knowledge && !own.sends { Strength::Good } else { Strength::Basic })
}

fn strength_word(strength: Strength) -> &'static str {
    match strength {
        Strength::Basic => "basic",
        Strength::Good => "good",
        Strength::Strong => "strong",
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
    use mfa_sdk::protocol::Reply;

    use super::*;
    use crate::flow::{record::Document, test_stage::TestStage};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn listed(ids: &[(&str, bool)]) -> FactorsOpen {
        ids.iter().fold(FactorsOpen::default(), |listed, (id, recovery)| listed.with_confirmed(id, id, *recovery, NOW))
    }

    fn module(id: &str, state: ModuleState) -> ModuleInstance {
        let (id, module_type, name) = (id.to_owned(), "totp".to_owned(), "Authenticator".to_owned());
        ModuleInstance { id, module_type, name, state, description: None, is_named_by_admin: false, refused: None }
    }

    #[test]
    fn a_method_shows_what_its_user_has_of_it() {
        let two = listed(&[("a", false), ("b", false)]);
        let counted = AccountOpen { last_used: [("a".to_owned(), NOW)].into(), ..AccountOpen::default() };
        let words = crate::words::Words::built_in();
        let voice = Voice { words: &words, language: "en" };
        let shown = |id: &str, state| view(&module(id, state), None, &two, &counted, voice);
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
    }

    #[test]
    fn a_stamp_is_traced_to_the_method_whose_logins_bear_it() {
        let settings = "[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"pin\"\n[[module]]\ntype = \"codes\"\n\
                        recovery = true\n";
        let codes = Description::new("codes", "Codes", Kind::Possession).recovery(true).stamp("on_paper");
        let described = [Description::new("pin", "Pin", Kind::Knowledge), codes];
        let stage = TestStage::playing(settings, &described, |_, _| Reply::Unsupported {});
        let method_of = |stamp: &str| stage.flows.module_stamped(stamp);
        assert_eq!(method_of("pin").as_deref(), Some("pin"));
        assert_eq!(method_of("on_paper").as_deref(), Some("codes"));
        assert_eq!(method_of("gone"), None);
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
