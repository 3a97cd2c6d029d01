//! Concurrent commits and reads, as they were recorded, have one order that explains every answer. Revisions say the
//! order of the commits; each read and each conflict must find its place in it, between its call and its answer.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    power::{Dice, PowerDisk},
    *,
};
use crate::store::contract::CommitError;

const KEYS: [&str; 3] = ["a", "b", "c"];
const TASKS: u64 = 8;
const CALLS: usize = 120;

/// What a key holds: revision and number.
type Held = Option<(u64, u64)>;

#[derive(Clone, Debug)]
enum Deed {
    /// A number (`None`: deleted) at the key, expected to hold that revision (`None`: absent) before.
    Committed {
        key: usize,
        number: Option<u64>,
        expected: Option<Option<u64>>,
        revision: u64,
    },
    Conflicted {
        key: usize,
        expected: Option<u64>,
    },
    Read {
        key: usize,
        found: Held,
    },
}

#[derive(Clone, Debug)]
struct Call {
    called: usize,
    answered: usize,
    deed: Deed,
}

/// The first call that no order explains.
fn unexplained(calls: &[Call]) -> Option<String> {
    let mut commits: Vec<(u64, &Call)> = Vec::new();
    for call in calls {
        if let Deed::Committed { revision, .. } = call.deed {
            commits.push((revision, call));
        }
    }
    commits.sort_by_key(|(revision, _)| *revision);
    // The states between the commits: the first before any, the last after all.
    let mut states: Vec<[Held; KEYS.len()]> = vec![[None; KEYS.len()]];
    for (place, (revision, call)) in commits.iter().enumerate() {
        let Deed::Committed { key, number, expected, .. } = &call.deed else { continue };
        let mut state = *states.last().unwrap();
        if expected.is_some_and(|expected| state[*key].map(|(revision, _)| revision) != expected) {
            return Some(format!("its expectation did not hold: {call:?}"));
        }
        state[*key] = number.map(|number| (*revision, number));
        states.push(state);
        if let Some((_, later)) = commits[place + 1..].iter().find(|(_, later)| later.answered < call.called) {
            return Some(format!("{later:?} was answered before {call:?} was called"));
        }
    }
    // The others, by their call: each at the first place that suits it, which binds those behind it least.
    let mut others: Vec<&Call> = calls.iter().filter(|call| !matches!(call.deed, Deed::Committed { .. })).collect();
    others.sort_by_key(|call| call.called);
    let mut placed: Vec<(usize, usize)> = Vec::new();
    for call in others {
        let behind = commits.iter().rposition(|(_, commit)| commit.answered < call.called).map_or(0, |place| place + 1);
        let behind = placed
            .iter()
            .filter(|(answered, _)| *answered < call.called)
            .fold(behind, |most, (_, place)| most.max(*place));
        let before = commits.iter().position(|(_, commit)| commit.called > call.answered).unwrap_or(commits.len());
        let place = (behind..=before).find(|place| match &call.deed {
            Deed::Read { key, found } => states[*place][*key] == *found,
            Deed::Conflicted { key, expected } => states[*place][*key].map(|(revision, _)| revision) != *expected,
            Deed::Committed { .. } => false,
        });
        match place {
            Some(place) => placed.push((call.answered, place)),
            None => return Some(format!("no place from {behind} to {before} suits {call:?}")),
        }
    }
    None
}

/// One call on the store, chosen by the dice.
async fn call(store: &Store, dice: &mut Dice, last_seen: &mut [Held; KEYS.len()], new: u64) -> Deed {
    let index = dice.below(KEYS.len());
    let name = KEYS[index];
    if dice.chance(40) {
        let found = store.read(&key(name)).await.unwrap();
        let found = found.map(|found| (found.revision.0, number_in(&found.content)));
        last_seen[index] = found;
        return Deed::Read { key: index, found };
    }
    let expected = last_seen[index].map(|(revision, _)| revision);
    let is_bound = dice.chance(70);
    let expectation = match expected {
        Some(revision) => Expectation::At(key(name), Revision(revision)),
        None => absent(name),
    };
    let number = (!dice.chance(20)).then_some(new);
    let change = number.map_or_else(|| Change::Delete(key(name)), |number| put(name, number));
    match store.commit(vec![change], is_bound.then_some(expectation).into_iter().collect()).await {
        Ok(Revision(revision)) => {
            last_seen[index] = number.map(|number| (revision, number));
            Deed::Committed { key: index, number, expected: is_bound.then_some(expected), revision }
        }
        Err(CommitError::Conflict(_)) => Deed::Conflicted { key: index, expected },
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_commits_and_reads_have_one_order() {
    let place = Place::new();
    let disk = PowerDisk::default();
    opening::create(place.path(), &disk).unwrap();
    let (store, _) = place.open_on(Arc::new(disk), false);
    let ticks = Arc::new(AtomicUsize::new(0));
    let calls = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, ticks, calls) = (store.clone(), ticks.clone(), calls.clone());
            tokio::spawn(async move {
                let mut dice = Dice(task);
                let mut last_seen = [None; KEYS.len()];
                for round in 0..CALLS {
                    let called = ticks.fetch_add(1, Ordering::SeqCst);
                    let deed = call(&store, &mut dice, &mut last_seen, task * 1_000_000 + round as u64).await;
                    let answered = ticks.fetch_add(1, Ordering::SeqCst);
                    calls.lock().unwrap().push(Call { called, answered, deed });
                    if task == 0 && round % 30 == 29 {
                        assert!(store.compact().await);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.close().await;
    let calls = calls.lock().unwrap();
    assert_eq!(unexplained(&calls), None);
    let conflicts = calls.iter().filter(|call| matches!(call.deed, Deed::Conflicted { .. })).count();
    assert!(conflicts > 0, "the tasks never met: nothing was tried");
}

#[test]
fn a_stale_read_a_lost_update_and_a_baseless_conflict_are_unexplained() {
    let call = |called, answered, deed| Call { called, answered, deed };
    let commit = |number, expected, revision| Deed::Committed { key: 0, number: Some(number), expected, revision };
    let first = call(0, 1, commit(1, Some(None), 1));
    let second = call(2, 5, commit(2, Some(Some(1)), 2));
    let read = |called, answered, found| call(called, answered, Deed::Read { key: 0, found });
    let (old, new) = (Some((1, 1)), Some((2, 2)));
    let explained = |others: &[Call]| unexplained(&[&[first.clone(), second.clone()], others].concat()).is_none();
    assert!(explained(&[read(3, 4, old), read(3, 4, new), read(6, 7, new)]));
    assert!(!explained(&[read(6, 7, old)]), "stale");
    assert!(!explained(&[read(3, 4, None)]), "before its time");
    assert!(!explained(&[read(2, 3, new), read(4, 5, old)]), "back again");
    assert!(!explained(&[call(3, 6, commit(3, Some(Some(1)), 3))]), "a lost update");
    assert!(!explained(&[call(6, 7, Deed::Conflicted { key: 0, expected: Some(2) })]), "a baseless conflict");
    assert!(!explained(&[call(6, 7, commit(3, None, 0))]), "an order against time");
}
