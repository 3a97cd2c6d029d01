//! Which of a user's factors a login may use now. Pure.

use super::{
    attempts::{self, Refusal, Target},
    record::{AccountOpen, FactorsOpen},
};
use crate::{
    clock::Timestamp,
    module_host::{ModuleInstance, ModuleState},
};

/// What stands between the first factor and the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The user has no second factor.
    NotRequired,
    /// One module: it is asked at once.
    One(String),
    /// Several, in the order of the settings; the preselected one is among them.
    Several { options: Vec<String>, preselected: String },
    /// The user has a second factor, but none can be asked now. Never a way in.
    Unavailable { module: String, reason: String },
}

/// The factors a login may choose from.
pub fn select(factors: &FactorsOpen, account: &AccountOpen, modules: &[ModuleInstance], now: Timestamp) -> Selection {
    if !factors.requires_second_factor() {
        return Selection::NotRequired;
    }
    let of_user = of_user(factors, modules);
    let (disabled, mut options): (Vec<String>, Vec<String>) =
        of_user.into_iter().partition(|module| is_disabled(module, account, now));
    if options.is_empty() {
        // No code of such a factor is taken, but its step is where a way back in is asked for.
        options = disabled.into_iter().filter(|module| has_way_back(module, factors, modules)).collect();
    }
    match options.len() {
        0 => unavailable(factors, modules),
        1 => Selection::One(options.remove(0)),
        _ => {
            let primary = factors.factors.iter().find(|factor| factor.primary).map(|factor| &factor.module);
            let preselected = primary.filter(|module| options.contains(module)).unwrap_or(&options[0]).clone();
            Selection::Several { options, preselected }
        }
    }
}

/// Active factors that are no way back in, whose module answers, in the order of the settings.
fn of_user(factors: &FactorsOpen, modules: &[ModuleInstance]) -> Vec<String> {
    modules
        .iter()
        .filter(|module| is_answering(&module.state))
        .filter(|module| {
            factors
                .of(&module.id)
                .is_some_and(|factor| factor.active && !factor.recovery && factor.module_type == module.module_type)
        })
        .map(|module| module.id.clone())
        .collect()
}

fn is_disabled(module: &str, account: &AccountOpen, now: Timestamp) -> bool {
    attempts::permitted(account, &Target::login(module, false), now) == Err(Refusal::Disabled)
}

fn has_way_back(module: &str, factors: &FactorsOpen, modules: &[ModuleInstance]) -> bool {
    let mut ways_back = factors.factors.iter().filter(|factor| factor.active && factor.stands_in_for(module));
    ways_back.any(|factor| {
        let instance = modules.iter().find(|module| module.id == factor.module);
        instance.is_some_and(|module| is_answering(&module.state) && module.module_type == factor.module_type)
    })
}

/// A module that is being started again answers within its deadline.
pub fn is_answering(state: &ModuleState) -> bool {
    matches!(state, ModuleState::Ready | ModuleState::Restarting { .. })
}

fn unavailable(factors: &FactorsOpen, modules: &[ModuleInstance]) -> Selection {
    let required = factors.factors.iter().filter(|factor| factor.active && !factor.recovery);
    let module = required.map(|factor| factor.module.clone()).next().unwrap_or_default();
    let reason = match modules.iter().find(|candidate| candidate.id == module) {
        None => "it is not configured any more".to_owned(),
        Some(instance) if is_answering(&instance.state) => {
            "it is locked after too many wrong codes in a row; an administrator can reset it".to_owned()
        }
        Some(instance) => match &instance.state {
            ModuleState::Disabled => "it is switched off".to_owned(),
            _ => "it cannot be loaded".to_owned(),
        },
    };
    Selection::Unavailable { module, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn module(id: &str, state: ModuleState) -> ModuleInstance {
        ModuleInstance {
            id: id.into(),
            module_type: id.into(),
            name: id.into(),
            state,
            description: None,
            is_named_by_admin: false,
            refused: None,
        }
    }

    fn factors(ids: &[&str]) -> FactorsOpen {
        ids.iter().fold(FactorsOpen::default(), |factors, id| factors.with_confirmed(id, id, false, NOW))
    }

    fn chosen(factors: &FactorsOpen, modules: &[ModuleInstance]) -> Selection {
        select(factors, &AccountOpen::default(), modules, NOW)
    }

    #[test]
    fn options_follow_the_settings_and_the_primary_is_preselected() {
        let modules = [module("b", ModuleState::Ready), module("a", ModuleState::Ready)];
        let several = Selection::Several { options: vec!["b".into(), "a".into()], preselected: "a".into() };
        assert_eq!(chosen(&factors(&["a", "b"]), &modules), several);
        assert_eq!(chosen(&factors(&["a"]), &modules), Selection::One("a".into()));
        assert_eq!(chosen(&factors(&[]), &modules), Selection::NotRequired);
    }

    #[test]
    fn a_module_that_went_away_never_turns_the_second_factor_off() {
        let gone = chosen(&factors(&["a"]), &[]);
        assert!(matches!(gone, Selection::Unavailable { .. }));
        let off = chosen(&factors(&["a"]), &[module("a", ModuleState::Disabled)]);
        assert!(matches!(off, Selection::Unavailable { .. }));
        let other_type = ModuleInstance { module_type: "z".into(), ..module("a", ModuleState::Ready) };
        assert!(matches!(chosen(&factors(&["a"]), &[other_type]), Selection::Unavailable { .. }));
        let one_left = [module("a", ModuleState::Disabled), module("b", ModuleState::Ready)];
        assert_eq!(chosen(&factors(&["a", "b"]), &one_left), Selection::One("b".into()));
    }

    #[test]
    fn the_reason_names_the_module_that_is_missed_and_why() {
        let unavailable = |factors: &FactorsOpen, account: &AccountOpen, modules: &[ModuleInstance]| match select(
            factors, account, modules, NOW,
        ) {
            Selection::Unavailable { module, reason } => (module, reason),
            other => panic!("{other:?}"),
        };
        let (none, a) = (AccountOpen::default(), factors(&["a"]));
        let told = |modules: &[ModuleInstance]| unavailable(&a, &none, modules).1;
        assert!(told(&[module("b", ModuleState::Ready)]).contains("not configured"));
        assert!(told(&[module("b", ModuleState::Ready), module("a", ModuleState::Disabled)]).contains("switched off"));
        let late = ModuleState::Failed { reason: "late".into(), remedy: "wait".into() };
        assert!(told(&[module("a", late)]).contains("cannot be loaded"));
        let target = Target::login("a", false);
        let locked = (0..100).fold(AccountOpen::default(), |account, _| attempts::spend(account, &target, NOW));
        assert!(unavailable(&a, &locked, &[module("a", ModuleState::Ready)]).1.contains("locked"));
        // The first that is missed, which is neither a way back in nor one that is switched off for this user.
        let codes = FactorsOpen::default().with_confirmed("codes", "codes", true, NOW);
        let mut three = codes.with_confirmed("off", "off", false, NOW).with_confirmed("a", "a", false, NOW);
        three.factors.iter_mut().filter(|factor| factor.module == "off").for_each(|factor| factor.active = false);
        assert_eq!(unavailable(&three, &none, &[]).0, "a");
    }

    #[test]
    fn a_factor_that_is_not_active_is_no_choice() {
        let modules = [module("a", ModuleState::Ready), module("b", ModuleState::Ready)];
        let mut both = factors(&["a", "b"]);
        both.factors[0].active = false;
        assert_eq!(chosen(&both, &modules), Selection::One("b".into()));
    }

    #[test]
    fn a_factor_after_a_hundred_wrong_answers_is_asked_only_for_a_way_back() {
        let modules = [module("codes", ModuleState::Ready), module("a", ModuleState::Ready)];
        let target = Target::login("a", false);
        let locked = (0..100).fold(AccountOpen::default(), |account, _| attempts::spend(account, &target, NOW));
        let alone = factors(&["a"]);
        assert!(matches!(select(&alone, &locked, &modules, NOW), Selection::Unavailable { .. }));
        let with_codes = alone.with_way_back("codes", "codes", Some("a"), NOW);
        assert_eq!(select(&with_codes, &locked, &modules, NOW), Selection::One("a".into()));
        let late = [module("codes", ModuleState::Disabled), module("a", ModuleState::Ready)];
        assert!(matches!(select(&with_codes, &locked, &late, NOW), Selection::Unavailable { .. }));
        let of_another = factors(&["a"]).with_way_back("codes", "codes", Some("b"), NOW);
        assert!(matches!(select(&of_another, &locked, &modules, NOW), Selection::Unavailable { .. }));
        // A factor that can be answered goes before it.
        let three = [modules[0].clone(), modules[1].clone(), module("b", ModuleState::Ready)];
        let both = with_codes.with_confirmed("b", "b", false, NOW);
        assert_eq!(select(&both, &locked, &three, NOW), Selection::One("b".into()));
    }

    #[test]
    fn recovery_neither_counts_nor_stands_in_a_selection() {
        let modules = [module("codes", ModuleState::Ready), module("a", ModuleState::Ready)];
        let only_codes = FactorsOpen::default().with_confirmed("codes", "codes", true, NOW);
        assert_eq!(chosen(&only_codes, &modules), Selection::NotRequired);
        assert_eq!(chosen(&only_codes.with_confirmed("a", "a", false, NOW), &modules), Selection::One("a".into()));
    }
}
