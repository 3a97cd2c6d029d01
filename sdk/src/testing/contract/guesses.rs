//! Answers that are not right, no more right, or right for somebody else: never "yes".

use serde_json::{Map, Value, json};

use super::{
    Contract, Given, Rule,
    walk::{Walk, no},
};
use crate::{
    adapter::Package,
    form::{FieldKind, Fields},
    protocol::{Answer, Kind},
    testing::{Bench, Outcome},
};

/// Where the random streams of another user begin; no rule makes so many calls that it gets there.
const STRANGERS_SEED: u64 = 1 << 32;

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("a right answer is accepted", right),
        ("a wrong answer is rejected", wrong),
        ("garbage is never accepted and never a panic", garbage),
        ("a poll or a link that nobody waits for is never accepted", unexpected),
        ("what was accepted is not accepted again", once),
        ("an answer cut short, lengthened or in another script is not right", mangled),
        ("what is right for one user is not for another", foreign),
    ]
}

fn right<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    contract.walked().map(drop)
}

fn wrong<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    let waits = bench.login.as_ref().is_some_and(|(form, _)| !form.fields.iter().any(|field| field.required));
    for _ in 0..3 {
        let given = contract.wrong_answer(&mut bench, &mut hand);
        match bench.answer(given) {
            Ok(Outcome::Rejected { .. }) => {}
            Ok(Outcome::Pending { .. }) if waits => {}
            Ok(Outcome::BadInput(errors)) => return Err(format!("it does not fit the form: {errors:?}")),
            Ok(other) => return Err(format!("it is answered {other:?}")),
            Err(failure) => return Err(failure.to_string()),
        }
    }
    Ok(())
}

/// What no form asks for.
pub(super) fn oddities() -> Vec<Value> {
    let mut oddities = vec![Value::Null, json!(0), json!(-1), json!(1.5), json!(u64::MAX), json!([]), json!({})];
    let texts = ["", " ", "\u{0}", "\u{feff}", "１２３４５６", "٤٥٦", "' OR '1'='1", "{code}", "é", "🔑🔑🔑", "-", "+"];
    oddities.extend(texts.map(Value::from));
    oddities.extend([64, 1_024, 1_025, 70_000].map(|length| Value::from("x".repeat(length))));
    oddities
}

fn garbage<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, _) = contract.shown()?;
    let form = bench.login.as_ref().map(|(form, _)| form.clone()).unwrap_or_default();
    let mut names: Vec<String> = form.fields.iter().map(|field| field.name.clone()).collect();
    names.push("a_field_nobody_has".to_owned());
    for name in &names {
        for odd in oddities() {
            let shown: String = odd.to_string().chars().take(20).collect();
            let what = format!("{name} = {shown}");
            no(&what, bench.answer(json!({ name.as_str(): odd.clone() })))?;
            no(&what, bench.give_raw(Answer::Form { fields: Fields::from([(name.clone(), odd)]) }))?;
        }
    }
    no("no field at all", bench.answer(Value::Object(Map::new())))?;
    no("no field at all", bench.give_raw(Answer::Form { fields: Fields::new() }))
}

fn unexpected<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    let expects_link = contract.right_answer(&mut bench, &mut hand) == Given::Link;
    no("a poll", bench.poll())?;
    no("a second poll", bench.poll())?;
    if expects_link { Ok(()) } else { no("a link", bench.follow_link()) }
}

fn once<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { given, .. }, mut bench) = contract.walked()?;
    // What one knows stays right, and a link is another one in another login.
    if bench.description().kind == Kind::Knowledge || *given == Given::Link {
        return Ok(());
    }
    bench.login().map_err(|failure| failure.to_string())?;
    no("the same answer in the next login", bench.give(given))
}

fn mangled<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    let Given::Fields(Value::Object(given)) = contract.right_answer(&mut bench, &mut hand) else { return Ok(()) };
    let form = bench.login.as_ref().map(|(form, _)| form.clone()).unwrap_or_default();
    // Free text may be read with some kindness; what is a code may not.
    let is_code = |kind: &FieldKind| {
        matches!(kind, FieldKind::Digits { .. } | FieldKind::Code { .. } | FieldKind::Password { .. })
    };
    for field in form.fields.iter().filter(|field| is_code(&field.kind)) {
        let Some(right) = given.get(&field.name).and_then(Value::as_str) else { continue };
        for (what, other) in manglings(right) {
            let mut given = given.clone();
            given.insert(field.name.clone(), Value::from(other));
            no(what, bench.answer(Value::Object(given.clone())))?;
            no(what, bench.give_raw(Answer::Form { fields: given.into_iter().collect() }))?;
        }
    }
    Ok(())
}

/// What is nearly right.
fn manglings(right: &str) -> Vec<(&'static str, String)> {
    let digits_from = |first: u32| -> String {
        let other = |digit: char| digit.to_digit(10).and_then(|digit| char::from_u32(first + digit)).unwrap_or(digit);
        right.chars().map(other).collect()
    };
    let length = right.chars().count();
    let mut manglings = vec![
        ("an answer without its first character", right.chars().skip(1).collect()),
        ("an answer without its last character", right.chars().take(length.saturating_sub(1)).collect()),
        ("an answer with a character in front", format!("0{right}")),
        ("an answer with a character behind", format!("{right}0")),
        ("an answer with itself behind", format!("{right}{right}")),
        ("an answer in wide digits", digits_from(0xff10)),
        ("an answer in Arabic digits", digits_from(0x0660)),
    ];
    manglings.retain(|(_, other)| other != right);
    manglings
}

fn foreign<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    // Two people may know the same.
    if bench.description().kind == Kind::Knowledge {
        return Ok(());
    }
    let given = contract.right_answer(&mut bench, &mut hand);
    if given == Given::Link {
        return Ok(());
    }
    let (mut other, _) = contract.enrolled_in(contract.stranger()?)?;
    other.at(bench.context.now_ms);
    other.login().map_err(|failure| format!("the login step of another user is not shown: {failure}"))?;
    no("the answer of one user", other.give(&given))
}

impl<M: Package, S> Contract<M, S> {
    /// A bench of another user, with another key and other randomness.
    pub(super) fn stranger(&self) -> Result<Bench<M>, String> {
        let mut bench = self.bench()?;
        let mut user = bench.context.user.clone();
        (user.id, user.name) = ("2".to_owned(), "bob".to_owned());
        bench.user(user).seed(STRANGERS_SEED).mac_key("f".repeat(64));
        Ok(bench)
    }
}
