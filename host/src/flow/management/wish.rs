//! What a user may wish of a method that is set up, and what the list of factors is after it. Pure.

use serde_json::{Map, Value};

use super::Asked;
use crate::{
    flow::{
        FlowError,
        people::is_deceptive,
        proof::Need,
        record::{Factor, FactorsOpen},
    },
    settings::Methods,
};

const LABEL_CHARS_MAX: usize = 255;
const METADATA_BYTES_MAX: usize = 4096;

/// What becomes of a method.
pub enum Wish {
    Activate,
    Deactivate,
    MakePrimary,
    Describe(Words),
}

/// What a user says of a method; what is not given stays, an empty one takes away.
#[derive(Default)]
pub struct Words {
    pub label: Option<String>,
    /// A client's own, of no meaning to the host.
    pub metadata: Option<Map<String, Value>>,
}

impl Wish {
    /// The fresh proof it asks for.
    pub(super) fn need(&self) -> Need {
        match self {
            Self::Deactivate => Need::Removal,
            Self::Activate | Self::MakePrimary | Self::Describe(_) => Need::SetUp,
        }
    }

    /// For the audit log.
    pub(super) fn event(&self) -> &'static str {
        match self {
            Self::Activate => "factor_activated",
            Self::Deactivate => "factor_deactivated",
            Self::MakePrimary => "factor_made_primary",
            Self::Describe(_) => "factor_described",
        }
    }

    /// Whether the user is told out of band: a new name opens no door.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self, Self::Describe(_))
    }

    /// Whose code comes with it.
    pub(super) fn asked(&self, listed: &FactorsOpen, module: &str, rules: &Methods) -> Asked {
        match self {
            Self::Deactivate => {
                let module = askable(listed, module).or_else(|| primary(listed));
                Asked { module, is_needed: rules.deactivate_needs_code }
            }
            Self::MakePrimary => Asked { module: primary(listed), is_needed: rules.primary_needs_code },
            Self::Activate | Self::Describe(_) => Asked { module: None, is_needed: false },
        }
    }

    /// The list after it; with the same epoch if nothing changes.
    ///
    /// # Errors
    /// [`FlowError::NotPossible`] in this state, [`FlowError::Refused`] for words that are none.
    pub(super) fn fulfilled(&self, listed: &FactorsOpen, module: &str) -> Result<FactorsOpen, FlowError> {
        let factor = listed.of(module).ok_or(FlowError::NotFound { what: "such method of yours" })?;
        let mut next = listed.clone();
        next.epoch += 1;
        let has_primary = primary(listed).is_some();
        let changed = next.factors.iter_mut().find(|factor| factor.module == module);
        let changed = changed.ok_or(FlowError::NotFound { what: "such method of yours" })?;
        match self {
            Self::Activate if factor.active => return Ok(listed.clone()),
            Self::Activate => {
                changed.active = true;
                changed.primary = !has_primary && !factor.recovery;
            }
            Self::Deactivate if factor.primary => return Err(is_primary()),
            Self::Deactivate if !factor.active => return Ok(listed.clone()),
            Self::Deactivate => changed.active = false,
            Self::MakePrimary if factor.primary => return Ok(listed.clone()),
            Self::MakePrimary => {
                may_be_primary(factor)?;
                next.factors.iter_mut().for_each(|factor| factor.primary = factor.module == module);
            }
            Self::Describe(words) => {
                let (label, metadata) = (words.label(factor)?, words.metadata(factor)?);
                if label == factor.label && metadata == factor.metadata {
                    return Ok(listed.clone());
                }
                (changed.label, changed.metadata) = (label, metadata);
            }
        }
        Ok(next)
    }
}

impl Words {
    fn label(&self, factor: &Factor) -> Result<Option<String>, FlowError> {
        let Some(label) = &self.label else { return Ok(factor.label.clone()) };
        let label = label.trim();
        if label.chars().count() > LABEL_CHARS_MAX {
            return Err(FlowError::Refused {
                field: "label",
                word: "too_long",
                detail: "A label has at most 255 characters.",
            });
        }
        if label.chars().any(is_deceptive) {
            let detail = "A label is one line without characters that cannot be seen.";
            return Err(FlowError::Refused { field: "label", word: "invalid_characters", detail });
        }
        Ok((!label.is_empty()).then(|| label.to_owned()))
    }

    fn metadata(&self, factor: &Factor) -> Result<Map<String, Value>, FlowError> {
        let Some(metadata) = &self.metadata else { return Ok(factor.metadata.clone()) };
        let bytes = serde_json::to_vec(metadata).map_or(usize::MAX, |text| text.len());
        if bytes > METADATA_BYTES_MAX {
            let detail = "Metadata has at most 4096 bytes as JSON.";
            return Err(FlowError::Refused { field: "metadata", word: "too_long", detail });
        }
        Ok(metadata.clone())
    }
}

/// Whether these may be deleted, by the settings.
///
/// # Errors
/// [`FlowError::NotPossible`].
pub(super) fn may_delete<'a>(factors: impl IntoIterator<Item = &'a Factor>, rules: &Methods) -> Result<(), FlowError> {
    for factor in factors {
        if factor.primary && !rules.delete_primary {
            return Err(is_primary());
        }
        if factor.active && !rules.delete_active {
            let detail = "an active method cannot be deleted; deactivate it first".to_owned();
            return Err(FlowError::NotPossible { code: "is_active", detail });
        }
    }
    Ok(())
}

/// Whose code comes with the deletion of this method, or of all: its own, or the primary's if it cannot be asked.
pub(super) fn asked_to_delete(listed: &FactorsOpen, module: Option<&str>, rules: &Methods) -> Asked {
    let module = module.and_then(|module| askable(listed, module)).or_else(|| primary(listed));
    Asked { module, is_needed: rules.delete_needs_code }
}

/// The method itself, if it can be asked by itself: an inactive one cannot, nor can codes that stand in for one factor
/// each, which are right only where that factor is asked.
fn askable(listed: &FactorsOpen, module: &str) -> Option<String> {
    let own = listed.of(module).filter(|factor| factor.active && factor.of.is_empty());
    own.map(|factor| factor.module.clone())
}

fn primary(listed: &FactorsOpen) -> Option<String> {
    listed.factors.iter().find(|factor| factor.primary).map(|factor| factor.module.clone())
}

fn is_primary() -> FlowError {
    let detail = "this is the primary method; make another one the primary first".to_owned();
    FlowError::NotPossible { code: "is_primary", detail }
}

fn may_be_primary(factor: &Factor) -> Result<(), FlowError> {
    if factor.recovery {
        let detail = "a way back in is no primary method".to_owned();
        return Err(FlowError::NotPossible { code: "is_recovery", detail });
    }
    if !factor.active {
        let detail = "this method is not active; activate it first".to_owned();
        return Err(FlowError::NotPossible { code: "not_active", detail });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn two() -> FactorsOpen {
        let now = Timestamp(1);
        let codes = FactorsOpen::default().with_confirmed("codes", "codes", true, now);
        codes.with_confirmed("a", "a", false, now).with_confirmed("b", "b", false, now)
    }

    fn word(result: Result<FactorsOpen, FlowError>) -> &'static str {
        match result {
            Err(FlowError::NotPossible { code, .. }) => code,
            Err(FlowError::Refused { word, .. }) => word,
            Err(FlowError::NotFound { .. }) => "not_found",
            _ => "granted",
        }
    }

    #[test]
    fn there_is_exactly_one_primary_and_it_is_active_whatever_is_wished() {
        let mut listed = two();
        // Every wish in every order of two rounds.
        for first in 0..9_usize {
            for second in 0..9_usize {
                for (wish, module) in [first, second].map(|step| (step / 3, ["a", "b", "codes"][step % 3])) {
                    let wish = [Wish::Activate, Wish::Deactivate, Wish::MakePrimary].into_iter().nth(wish).unwrap();
                    listed = wish.fulfilled(&listed, module).unwrap_or(listed);
                    let primaries: Vec<_> = listed.factors.iter().filter(|factor| factor.primary).collect();
                    assert_eq!(primaries.len(), 1);
                    assert!(primaries[0].active && !primaries[0].recovery);
                }
            }
        }
    }

    #[test]
    fn the_first_that_is_active_again_becomes_the_primary() {
        let off = Wish::Deactivate.fulfilled(&two(), "b").unwrap().without("a");
        assert!(primary(&off).is_none() && !off.requires_second_factor());
        let codes = Wish::Activate.fulfilled(&Wish::Deactivate.fulfilled(&off, "codes").unwrap(), "codes").unwrap();
        assert_eq!(primary(&codes), None);
        assert_eq!(primary(&Wish::Activate.fulfilled(&codes, "b").unwrap()).as_deref(), Some("b"));
    }

    #[test]
    fn refusals_name_what_stands_in_the_way() {
        let listed = two();
        let off = Wish::Deactivate.fulfilled(&listed, "b").unwrap();
        assert_eq!(word(Wish::Deactivate.fulfilled(&listed, "a")), "is_primary");
        assert_eq!(word(Wish::MakePrimary.fulfilled(&listed, "codes")), "is_recovery");
        assert_eq!(word(Wish::MakePrimary.fulfilled(&off, "b")), "not_active");
        assert_eq!(word(Wish::Activate.fulfilled(&listed, "c")), "not_found");
        // What is so already changes nothing, and no login that rests on the list has to begin again.
        for (wish, module) in [(Wish::Activate, "b"), (Wish::MakePrimary, "a")] {
            assert_eq!(wish.fulfilled(&listed, module).unwrap().epoch, listed.epoch);
        }
        assert_eq!(Wish::Deactivate.fulfilled(&off, "b").unwrap().epoch, off.epoch);
    }

    #[test]
    fn words_are_bounded_and_nothing_in_them_deceives() {
        let listed = two();
        let label = |text: &str| {
            let words = Words { label: Some(text.to_owned()), metadata: None };
            Wish::Describe(words).fulfilled(&listed, "a")
        };
        assert_eq!(label(" My phone ").unwrap().of("a").unwrap().label.as_deref(), Some("My phone"));
        assert_eq!(label(&"ü".repeat(255)).unwrap().epoch, listed.epoch + 1);
        assert_eq!(word(label(&"ü".repeat(256))), "too_long");
        assert_eq!(word(label("phone\u{202e}")), "invalid_characters");
        assert_eq!(label("").unwrap().epoch, listed.epoch, "there was none to take away");
        let metadata = |length: usize| {
            let metadata = Map::from_iter([("k".to_owned(), Value::from("x".repeat(length)))]);
            Wish::Describe(Words { label: None, metadata: Some(metadata) }).fulfilled(&listed, "a")
        };
        // `{"k":"…"}` is 8 bytes around it.
        assert_eq!((word(metadata(4088)), word(metadata(4089))), ("granted", "too_long"));
    }

    #[test]
    fn the_settings_say_what_may_be_deleted_and_whose_code_it_takes() {
        let listed = Wish::Deactivate.fulfilled(&two(), "b").unwrap();
        let may = |module: &str, rules: &Methods| may_delete(listed.of(module), rules).is_ok();
        let all = Methods::default();
        assert!(may("a", &all) && may("b", &all) && may("codes", &all));
        let inactive = Methods { delete_active: false, ..Methods::default() };
        assert!(!may("a", &inactive) && may("b", &inactive) && !may("codes", &inactive));
        let others = Methods { delete_primary: false, ..Methods::default() };
        assert!(!may("a", &others) && may("b", &others) && may("codes", &others));
        let asked = |module| asked_to_delete(&listed, module, &all).module;
        assert_eq!(
            (asked(Some("codes")), asked(Some("b")), asked(None)),
            (Some("codes".into()), Some("a".into()), Some("a".into()))
        );
        assert!(!asked_to_delete(&listed, None, &all).is_needed);
    }

    #[test]
    fn codes_of_single_factors_are_never_asked_by_themselves() {
        let listed = FactorsOpen::default().with_confirmed("a", "a", false, Timestamp(1));
        let rules = Methods { delete_needs_code: true, deactivate_needs_code: true, ..Methods::default() };
        for (of, asked) in [(None, "codes"), (Some("a"), "a")] {
            let listed = listed.clone().with_way_back("codes", "codes", of, Timestamp(1));
            let both =
                [asked_to_delete(&listed, Some("codes"), &rules), Wish::Deactivate.asked(&listed, "codes", &rules)];
            assert!(both.iter().all(|both| both.is_needed && both.module.as_deref() == Some(asked)), "{asked}");
        }
    }
}
