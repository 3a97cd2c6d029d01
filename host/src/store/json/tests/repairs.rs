//! A damaged store and what is made of it: nothing that was not written, nothing older without a word, and in the end a
//! store that opens.

use std::fs;

use super::{power::Dice, *};
use crate::store::{
    contract::{RepairDeed, RepairError, Repaired, StoreError},
    json::memory::Entry,
};

const NAMES: [&str; 8] = ["user/a", "user/b", "user/c", "factors/a", "factors/b", "session/a", "session/b", "access/a"];

/// What each record was at each of its changes; `None` is its deletion.
type History = BTreeMap<&'static str, Vec<(u64, Option<u64>)>>;

fn repair(place: &Place) -> Result<Repaired, RepairError> {
    let aside = place.path().join("aside");
    let _ = fs::remove_dir_all(&aside);
    Store::repair(place.path(), &place.keys, &aside)
}

/// A store with batches of one and of several changes, deletions, and perhaps a snapshot and a range of revisions that leaps.
async fn with_history(dice: &mut Dice) -> (Place, History) {
    let place = Place::new();
    let mut history = History::new();
    let mut value = 0;
    let lives = 1 + dice.below(3);
    for life in 0..lives {
        let (store, _) = place.open();
        for _ in 0..4 + dice.below(12) {
            let mut changes = Vec::new();
            let mut wanted = Vec::new();
            for _ in 0..1 + dice.below(4) {
                value += 1;
                let name = NAMES[dice.below(NAMES.len())];
                let is_deleted = dice.chance(20);
                changes.push(if is_deleted { Change::Delete(key(name)) } else { put(name, value) });
                wanted.push((name, (!is_deleted).then_some(value)));
            }
            let Revision(last) = store.commit(changes, vec![]).await.unwrap();
            let first = last + 1 - wanted.len() as u64;
            for (revision, (name, number)) in (first..).zip(wanted) {
                history.entry(name).or_default().push((revision, number));
            }
        }
        if dice.chance(40) {
            assert!(store.compact().await);
        }
        store.close().await;
        if life + 1 < lives && dice.chance(30) {
            // A torn write: the next life begins with a leap.
            let is_journal = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("journal");
            let path = store_files(&place).into_iter().rfind(is_journal).unwrap();
            let torn = [&*fs::read(&path).unwrap(), b"{\"batch\":"].concat();
            fs::write(path, torn).unwrap();
        }
    }
    (place, history)
}

fn store_files(place: &Place) -> Vec<PathBuf> {
    place.image().into_keys().filter(|path| path.extension().is_some_and(|kind| kind == "jsonl")).collect()
}

/// Harms one file somewhere, as a disk, a program or a person would.
fn harm(place: &Place, dice: &mut Dice) {
    let paths = store_files(place);
    if paths.is_empty() {
        return;
    }
    let path = &paths[dice.below(paths.len())];
    let mut bytes = fs::read(path).unwrap();
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len());
    let longest = [4, 64, 512, 4096][dice.below(4)];
    let length = 1 + dice.below(longest);
    let end = (at + length).min(bytes.len());
    match dice.below(8) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at..end].fill(0),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => bytes[at..end].fill_with(|| dice.below(256) as u8),
        5 => {
            let copy = bytes[at..end].to_vec();
            let to = dice.below(bytes.len());
            drop(bytes.splice(to..to, copy));
        }
        6 => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            let (one, two) = (dice.below(lines.len()), dice.below(lines.len()));
            lines.swap(one, two);
            bytes = lines.concat();
        }
        _ => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            lines.remove(dice.below(lines.len()));
            bytes = lines.concat();
        }
    }
    if dice.chance(3) {
        fs::remove_file(path).unwrap();
    } else {
        fs::write(path, bytes).unwrap();
    }
}

/// What the store makes of each record once it is served.
fn entries(store: &Store) -> BTreeMap<String, Option<(u64, u64)>> {
    let state = store.shared.serving().unwrap();
    let entries = state.memory.entries().map(|(key, entry)| {
        let Entry::Live(record) = entry else { return (key.to_string(), None) };
        let found = record.unseal(&store.shared.sealer, key).unwrap();
        let number = found.content.open["number"].as_u64().unwrap();
        assert_eq!(found.content, content(number));
        (key.to_string(), Some((record.revision, number)))
    });
    entries.collect()
}

/// What was repaired, whether something was lost, and how many records are refused: so that no test proves nothing.
async fn assert_honest(seed: u64) -> (bool, bool, bool) {
    let mut dice = Dice(seed);
    let (place, history) = with_history(&mut dice).await;
    for _ in 0..1 + dice.below(3) {
        harm(&place, &mut dice);
    }
    let before = place.image();
    let repaired = match repair(&place) {
        Ok(repaired) => repaired,
        Err(RepairError::Hopeless { .. }) => {
            assert_eq!(place.image(), before, "seed {seed}: a repair that fails changes nothing");
            return (false, false, false);
        }
        Err(error) => panic!("seed {seed}: {error}"),
    };
    if repaired.deed == RepairDeed::NothingToDo {
        assert_eq!(place.image(), before, "seed {seed}: there was nothing to repair");
    } else {
        for (path, bytes) in before.iter().filter(|(path, _)| !path.ends_with("storage.anchor")) {
            let kept = fs::read(place.path().join("aside").join(path.file_name().unwrap()));
            assert_eq!(kept.ok().as_ref(), Some(bytes), "seed {seed}: the damaged files are kept");
        }
    }
    assert!(repaired.lost.is_empty() || repaired.behind.is_some(), "seed {seed}: a loss is to be acknowledged");
    let (store, report) = place.open();
    assert!(report.damage.is_none(), "seed {seed}: {:?}", report.damage);
    assert_eq!(report.behind.is_some(), repaired.behind.is_some(), "seed {seed}");
    assert_eq!(store.read(&key("user/a")).await.is_err_and(|error| matches!(error, StoreError::RolledBack(_))),
        repaired.behind.is_some(), "seed {seed}");
    store.close().await;
    let (store, _) = place.open_older();
    let found = entries(&store);
    for (name, live) in found.iter().filter_map(|(name, live)| Some((name, (*live)?))) {
        let written = history[&**name].iter().any(|(revision, number)| (*revision, *number) == (live.0, Some(live.1)));
        assert!(written, "seed {seed}: {name} {live:?} was never written");
    }
    if repaired.behind.is_none() {
        for (name, changes) in &history {
            let (revision, number) = changes.last().unwrap();
            match found.get(*name) {
                Some(None) => {}
                Some(Some(live)) => assert_eq!((live.0, Some(live.1)), (*revision, *number), "seed {seed}: {name}"),
                None => assert_eq!(*number, None, "seed {seed}: {name} is gone without a word"),
            }
        }
    }
    let last = history.values().flatten().map(|(revision, _)| *revision).max().unwrap();
    assert!(write(&store, "user/a", 1_000_000).await.0 > last, "seed {seed}: a revision would come again");
    store.close().await;
    let (store, report) = place.open();
    assert!(report.damage.is_none() && report.behind.is_none(), "seed {seed}: {report:?}");
    store.close().await;
    (repaired.deed == RepairDeed::Repaired, !repaired.lost.is_empty(), !repaired.tampered.is_empty())
}

#[tokio::test]
async fn whatever_was_harmed_a_repair_is_honest() {
    let (mut repaired, mut lossless, mut lost, mut refused) = (0, 0, 0, 0);
    for seed in 0..400 {
        let (is_repaired, has_loss, has_refused) = assert_honest(seed).await;
        repaired += usize::from(is_repaired);
        lossless += usize::from(is_repaired && !has_loss);
        lost += usize::from(has_loss);
        refused += usize::from(is_repaired && has_refused);
    }
    assert!(repaired > 100 && lossless > 20 && lost > 50 && refused > 20, "{repaired} {lossless} {lost} {refused}");
}
