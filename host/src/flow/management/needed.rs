//! What a change will ask for, told before it is wished: the fresh proof, and the code where `[methods]` wants one.

use super::{Wish, removal::may_go, wish::asked_to_delete};
use crate::flow::{
    Access, Asker, FlowError, Flows,
    proof::Need,
    record::{Factors, Found, key},
};

/// A change of methods that is thought of.
pub enum Deed {
    Wish(Wish),
    Delete,
}

/// Whose code comes with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededCode {
    pub module: String,
    pub name: String,
    /// Whether a trial has to be begun first, which sends it.
    pub sends: bool,
}

impl Deed {
    /// The fresh proof it asks for.
    pub fn need(&self) -> Need {
        match self {
            Self::Wish(wish) => wish.need(),
            Self::Delete => Need::Removal,
        }
    }
}

impl Flows {
    /// The code this change of a method (or, with none named, of all) asks for; none if it needs none.
    ///
    /// # Errors
    /// What keeps the change from being possible at all, as the change itself would say it.
    pub async fn code_for(
        &self,
        access: &Access,
        module: Option<&str>,
        deed: &Deed,
        asker: &Asker,
    ) -> Result<Option<NeededCode>, FlowError> {
        let engine = &self.engine;
        let factors: Found<Factors> = engine.read(key::factors(&access.user_id)).await?;
        let (listed, rules) = (factors.open(), &engine.settings.methods);
        let asked = match (deed, module) {
            (Deed::Wish(wish), Some(module)) => {
                wish.fulfilled(&listed, module)?;
                wish.asked(&listed, module, rules)
            }
            (Deed::Wish(_), None) => return Err(FlowError::NotFound { what: "such method of yours" }),
            (Deed::Delete, module) => {
                if module.is_some_and(|module| listed.of(module).is_none()) {
                    return Err(FlowError::NotFound { what: "such method of yours" });
                }
                may_go(&listed, module, rules)?;
                asked_to_delete(&listed, module, rules)
            }
        };
        let Some(module) = asked.module.filter(|_| asked.is_needed) else { return Ok(None) };
        let name = engine.name_of(&module, engine.language_of(access, asker));
        let sends = engine.modules.sends(&module);
        Ok(Some(NeededCode { module, name, sends }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        flow::{
            record::{Document, FactorsOpen},
            test_stage::{TestStage, asker, signed_in},
        },
    };

    #[tokio::test]
    async fn a_change_says_before_it_is_wished_whose_code_it_takes() {
        let settings = "[[provider]]\ntype = \"local\"\n[methods]\ndelete_needs_code = true\ndelete_primary = false";
        let stage = TestStage::with(settings);
        let listed = FactorsOpen::default().with_confirmed("a", "a", false, Timestamp(1));
        let listed = listed.with_confirmed("b", "b", false, Timestamp(1));
        stage.put("factors/ada", &Document { open: listed, secret: () }).await;
        let ada = signed_in("ada", 0);
        let needed = async |module: Option<&str>, deed: Deed| stage.flows.code_for(&ada, module, &deed, &asker()).await;
        let of_b = needed(Some("b"), Deed::Delete).await.unwrap();
        assert_eq!(of_b.map(|code| (code.module, code.sends)), Some(("b".to_owned(), false)));
        assert_eq!(needed(Some("b"), Deed::Wish(Wish::MakePrimary)).await.unwrap(), None);
        for module in [Some("a"), None] {
            let refused = needed(module, Deed::Delete).await;
            assert!(matches!(refused, Err(FlowError::NotPossible { code: "is_primary", .. })), "{module:?}");
        }
        assert!(matches!(needed(Some("c"), Deed::Delete).await, Err(FlowError::NotFound { .. })));
        assert!(matches!(needed(None, Deed::Wish(Wish::Activate)).await, Err(FlowError::NotFound { .. })));
        assert_eq!((Deed::Delete.need(), Deed::Wish(Wish::Activate).need()), (Need::Removal, Need::SetUp));
    }
}
