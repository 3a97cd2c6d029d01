//! Answers that are not right, and right ones in the wrong place: never "yes".

use serde_json::{Map, Value, json};

use super::{
    Contract, Given, Rule,
    walk::{Walk, no},
};
use crate::{
    adapter::Package,
    form::{FieldKind, Fields},
    protocol::{Answer, Kind, Reply, VerdictReply},
    testing::{Failure, Outcome, SetupOutcome},
};

/// The longest a sent code may live, and a moment.
const SENT_CODE_IS_DEAD_MS: i64 = 600_001;

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("a right answer is accepted", right),
        ("a wrong answer is rejected", wrong),
        ("garbage is never accepted and never a panic", garbage),
        ("garbage in a set-up is never a panic", garbage_in_setup),
        ("a poll or a link that nobody waits for is never accepted", unexpected),
        ("what was accepted is not accepted again", once),
        ("a code sent again makes the former one worthless", resent),
        ("a sent code lives ten minutes at most", expired),
        ("a sent code is right only in its own login and for its own user", bound),
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
fn oddities() -> Vec<Value> {
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

fn garbage_in_setup<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    for odd in oddities() {
        let mut bench = contract.bench()?;
        let begun = match bench.begin_setup() {
            // A way back in that issues has no steps of its own.
            Err(Failure::Unsupported) if bench.description().recovery => return Ok(()),
            begun => begun.map_err(|failure| failure.to_string())?,
        };
        let fields = begun.form().map(|form| form.fields.clone()).unwrap_or_default();
        let filled: Map<String, Value> = fields.iter().map(|field| (field.name.clone(), odd.clone())).collect();
        let raw: Fields = filled.clone().into_iter().collect();
        let state = bench.setup.as_ref().map(|(_, state)| state.clone());
        for outcome in [bench.fill(Value::Object(filled)), bench.set_up(state, Some(raw))] {
            match outcome {
                Err(Failure::Failed(message)) if message.starts_with("panicked") => return Err(message),
                Err(failure @ (Failure::WrongReply | Failure::MissingText(_))) => return Err(failure.to_string()),
                Ok(SetupOutcome::Done) if !fields.iter().any(|field| takes_anything(&field.kind)) => {
                    return Err(format!("{odd} sets it up"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn takes_anything(kind: &FieldKind) -> bool {
    matches!(
        kind,
        FieldKind::Text { .. } | FieldKind::Password { .. } | FieldKind::Code { .. } | FieldKind::Digits { .. }
    )
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

fn resent<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    if !bench.description().sends {
        return Ok(());
    }
    let former = contract.right_answer(&mut bench, &mut hand);
    bench.resend().map_err(|failure| format!("it cannot be sent again: {failure}"))?;
    let newest = contract.right_answer(&mut bench, &mut hand);
    if former != Given::Link {
        no("the former code", bench.give(&former))?;
    }
    match bench.give(&newest) {
        Ok(Outcome::Accepted) => Ok(()),
        other => Err(format!("the newest code is answered {other:?}")),
    }
}

fn expired<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    if !bench.description().sends {
        return Ok(());
    }
    let given = contract.right_answer(&mut bench, &mut hand);
    bench.advance_ms(SENT_CODE_IS_DEAD_MS);
    no("a code older than that", bench.give(&given))
}

fn bound<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (Walk { given, exchanges, accepted, .. }, bench) = contract.walked()?;
    if !bench.description().sends || *given == Given::Link {
        return Ok(());
    }
    let request = exchanges.get(*accepted).map(|exchange| &exchange.request).ok_or("nothing was accepted")?;
    let [mut without, mut foreign] = [request.clone(), request.clone()];
    without["challenge"] = Value::Null;
    foreign["context"]["mac_key"] = Value::from("f".repeat(64));
    for (what, request) in [("a code without its challenge", without), ("a code of another user", foreign)] {
        match serde_json::from_str(&bench.raw(&request.to_string())) {
            Ok(Reply::Verdict(VerdictReply::Accepted { .. })) => return Err(format!("{what} is accepted")),
            Ok(Reply::Failed { message }) if message.starts_with("panicked") => return Err(message),
            Ok(_) => {}
            Err(_) => return Err(format!("{what} is not answered")),
        }
    }
    Ok(())
}
