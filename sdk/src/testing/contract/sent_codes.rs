//! Codes that were sent: right in their own login, for their own user, and for ten minutes.

use serde_json::Value;

use super::{
    Contract, Given, Rule,
    walk::{Walk, no},
};
use crate::{
    adapter::Package,
    protocol::{Reply, VerdictReply},
    testing::Outcome,
};

/// The longest a sent code may live, and a moment.
const SENT_CODE_IS_DEAD_MS: i64 = 600_001;

pub(super) fn rules<M: Package, S>() -> Vec<Rule<M, S>> {
    vec![
        ("a code sent again makes the former one worthless", resent),
        ("a sent code lives ten minutes at most", expired),
        ("a sent code is right only in its own login and for its own user", bound),
        ("a code of one login is none for another", crossed),
    ]
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

fn crossed<M: Package, S>(contract: &Contract<M, S>) -> Result<(), String> {
    let (mut bench, mut hand) = contract.shown()?;
    if !bench.description().sends {
        return Ok(());
    }
    let first = contract.right_answer(&mut bench, &mut hand);
    let former = bench.login.as_ref().and_then(|(_, challenge)| challenge.clone());
    bench.login().map_err(|failure| format!("a second login is not shown: {failure}"))?;
    let second = contract.right_answer(&mut bench, &mut hand);
    if first == Given::Link || second == Given::Link {
        return Ok(());
    }
    no("the code of the first login in the second", bench.give(&first))?;
    bench.keep_challenge(former);
    no("the code of the second login in the first", bench.give(&second))
}
