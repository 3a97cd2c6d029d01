//! A damaged store and what is made of it: nothing that was not written, nothing older without a word, and in the end a
//! store that opens.

use std::fs;

use super::{power::Dice, short_disk::ShortDisk, *};
use crate::store::{
    contract::{RepairDeed, RepairError, Repaired, StoreError},
    json::{memory::Entry, repair},
};

const NAMES: [&str; 8] = ["user/a", "user/b", "user/c", "factors/a", "factors/b", "session/a", "session/b", "access/a"];

/// What each record was at each of its changes; `None` is its deletion.
type History = BTreeMap<&'static str, Vec<(u64, Option<u64>)>>;

fn repair_on(place: &Place, disk: ShortDisk) -> Result<Repaired, RepairError> {
    repair::repair(place.path(), &place.keys, &place.path().join("aside"), Arc::new(disk))
}

fn repair(place: &Place) -> Result<Repaired, RepairError> {
    repair_on(place, ShortDisk::endless())
}

fn open(place: &Place) -> (Store, OpenReport) {
    place.open_on(Arc::new(ShortDisk::endless()), false)
}

/// A store with batches of one and of several changes, deletions, and perhaps a snapshot and a range of revisions that leaps.
/// Beside it, its files as they were on the way.
async fn with_history(dice: &mut Dice) -> (Place, History, Vec<(PathBuf, Vec<u8>)>) {
    let place = Place::new();
    let mut older = Vec::new();
    let mut history = History::new();
    let mut value = 0;
    let lives = 1 + dice.below(3);
    for life in 0..lives {
        let (store, _) = open(&place);
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
        older.extend(store_files(&place).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())));
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
    (place, history, older)
}

fn store_files(place: &Place) -> Vec<PathBuf> {
    place.image().into_keys().filter(|path| path.extension().is_some_and(|kind| kind == "jsonl")).collect()
}

/// Harms one file somewhere, as a disk, a program or a person would.
fn harm(place: &Place, dice: &mut Dice, older: &[(PathBuf, Vec<u8>)]) {
    if dice.chance(20) {
        let (path, bytes) = &older[dice.below(older.len())];
        fs::write(path, bytes).unwrap();
        return;
    }
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
        (key.to_string(), Some((record.revision, number_in(&found.content))))
    });
    entries.collect()
}

/// What was repaired, whether something was lost, and how many records are refused: so that no test proves nothing.
async fn assert_honest(seed: u64) -> (bool, bool, bool) {
    let mut dice = Dice(seed);
    let (place, history, older) = with_history(&mut dice).await;
    for _ in 0..1 + dice.below(3) {
        harm(&place, &mut dice, &older);
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
    let (store, report) = open(&place);
    assert!(report.damage.is_none(), "seed {seed}: {:?}", report.damage);
    assert_eq!(report.behind.is_some(), repaired.behind.is_some(), "seed {seed}");
    assert_eq!(
        store.read(&key("user/a")).await.is_err_and(|error| matches!(error, StoreError::RolledBack(_))),
        repaired.behind.is_some(),
        "seed {seed}"
    );
    store.close().await;
    let (store, _) = open_older(&place);
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
    let (store, report) = open(&place);
    assert!(report.damage.is_none() && report.behind.is_none(), "seed {seed}: {report:?}");
    store.close().await;
    (repaired.deed == RepairDeed::Repaired, !repaired.lost.is_empty(), !repaired.tampered.is_empty())
}

#[tokio::test]
async fn whatever_was_harmed_a_repair_is_honest() {
    let (mut repaired, mut lossless, mut lost, mut refused) = (0, 0, 0, 0);
    for seed in 0..300 {
        let (is_repaired, has_loss, has_refused) = assert_honest(seed).await;
        repaired += usize::from(is_repaired);
        lossless += usize::from(is_repaired && !has_loss);
        lost += usize::from(has_loss);
        refused += usize::from(is_repaired && has_refused);
    }
    assert!(repaired > 100 && lossless > 20 && lost > 50 && refused > 20, "{repaired} {lossless} {lost} {refused}");
}

fn open_older(place: &Place) -> (Store, OpenReport) {
    place.open_acknowledging(Arc::new(ShortDisk::endless()), &|_| Vec::new())
}

/// Three changes of three users, in batches of their own.
async fn prepared() -> Place {
    let place = Place::new();
    let (store, _) = open(&place);
    write(&store, "user/a", 1).await;
    write(&store, "user/b", 2).await;
    write(&store, "user/a", 3).await;
    write(&store, "user/c", 4).await;
    store.close().await;
    place
}

/// The place of the header of this batch.
fn header_of(lines: &[String], batch: u64) -> usize {
    lines.iter().position(|line| line.starts_with(&format!("{{\"batch\":{batch},"))).unwrap()
}

#[tokio::test]
async fn a_line_that_is_gone_refuses_its_record_and_nothing_is_lost() {
    let place = prepared().await;
    place.edit(JOURNAL, |mut lines| {
        let at = line_of(&lines, "user/a", 1);
        lines[at] = "\0\0\0".to_owned();
        lines
    });
    assert!(open(&place).1.damage.is_some());
    let repaired = repair(&place).unwrap();
    assert_eq!(
        (repaired.deed, repaired.records, &repaired.tampered[..]),
        (RepairDeed::Repaired, 3, &[key("user/a")][..])
    );
    assert!(repaired.lost.is_empty() && repaired.behind.is_none());
    let (store, _) = open(&place);
    assert!(matches!(store.read(&key("user/a")).await, Err(StoreError::Tampered(_))), "never as it was before");
    assert_eq!((number(&store, "user/b").await, number(&store, "user/c").await), (Some(2), Some(4)));
    store.close().await;
    let again = repair(&place).unwrap();
    assert_eq!((again.deed, again.tampered.len()), (RepairDeed::NothingToDo, 1));
}

#[tokio::test]
async fn lines_without_their_header_prove_themselves() {
    let place = prepared().await;
    place.edit(JOURNAL, |mut lines| {
        let at = header_of(&lines, 2);
        lines[at] = "{torn".to_owned();
        lines
    });
    let repaired = repair(&place).unwrap();
    assert!(repaired.lost.is_empty() && repaired.tampered.is_empty() && repaired.behind.is_none(), "{repaired:?}");
    let (store, _) = open(&place);
    assert_eq!((number(&store, "user/a").await, number(&store, "user/b").await), (Some(3), Some(2)));
}

#[tokio::test]
async fn a_batch_that_is_gone_is_told_and_nothing_is_served_before_it_is_acknowledged() {
    let place = prepared().await;
    place.edit(JOURNAL, |mut lines| {
        let at = header_of(&lines, 3);
        drop(lines.drain(at..at + 2));
        lines
    });
    let repaired = repair(&place).unwrap();
    assert!(repaired.lost.iter().any(|loss| loss.what.contains("the changes 3 to 4 all but 1")), "{repaired:?}");
    assert!(repaired.behind.is_some());
    for _ in 0..2 {
        let (store, report) = open(&place);
        assert!(report.behind.is_some() && store.read(&key("user/b")).await.is_err());
        store.close().await;
        assert_eq!(repair(&place).unwrap().deed, RepairDeed::NothingToDo, "a repair acknowledges nothing");
    }
    let (store, _) = open_older(&place);
    assert_eq!((number(&store, "user/a").await, number(&store, "user/c").await), (Some(1), Some(4)));
}

#[tokio::test]
async fn a_header_behind_zeros_counts_though_the_anchor_knows_nothing_of_it() {
    let place = prepared().await;
    let anchor = fs::read(place.path().join("storage.anchor")).unwrap();
    let (store, _) = open(&place);
    write(&store, "user/b", 5).await;
    write(&store, "user/c", 6).await;
    store.close().await;
    fs::write(place.path().join("storage.anchor"), anchor).unwrap();
    let mut bytes = fs::read(place.file(JOURNAL)).unwrap();
    let header = |batch| String::from_utf8_lossy(&bytes).find(&format!("{{\"batch\":{batch},")).unwrap();
    let (fifth, sixth) = (header(5), header(6));
    bytes[fifth..sixth].fill(0);
    fs::write(place.file(JOURNAL), bytes).unwrap();
    assert!(open(&place).1.damage.is_some());
    let repaired = repair(&place).unwrap();
    assert!(!repaired.lost.is_empty() && repaired.behind.is_some(), "{repaired:?}");
    let (store, _) = open_older(&place);
    assert_eq!((number(&store, "user/b").await, number(&store, "user/c").await), (Some(2), Some(6)));
}

#[tokio::test]
async fn what_was_deleted_does_not_come_back_through_a_damaged_place() {
    let place = Place::new();
    let (store, _) = open(&place);
    write(&store, "user/a", 1).await;
    store.commit(vec![Change::Delete(key("user/a"))], vec![]).await.unwrap();
    let old = fs::read_to_string(place.file(JOURNAL)).unwrap();
    let line = old.lines().find(|line| line.starts_with("{\"key\":\"user/a\"")).unwrap().to_owned();
    write(&store, "user/b", 2).await;
    write(&store, "user/b", 3).await;
    write(&store, "user/c", 4).await;
    store.close().await;
    place.edit(JOURNAL, |mut lines| {
        let at = header_of(&lines, 4);
        lines.splice(at..=at, [line.clone(), line.clone()]);
        lines
    });
    let repaired = repair(&place).unwrap();
    assert!(repaired.lost.is_empty(), "its true lines are there: {repaired:?}");
    let (store, _) = open(&place);
    assert_eq!((number(&store, "user/a").await, number(&store, "user/b").await), (None, Some(3)));
}

#[tokio::test]
async fn another_key_and_a_newer_format_are_left_alone() {
    let place = prepared().await;
    let other = MasterKey::create(&place.path().join("other.key")).unwrap();
    let before = place.image();
    let aside = place.path().join("aside");
    let refused = Store::repair(place.path(), &other, &aside).unwrap_err();
    assert!(matches!(&refused, RepairError::Hopeless { reason, .. } if reason.contains(other.id())), "{refused}");
    assert!(place.image() == before && !aside.exists());
    place.edit(JOURNAL, |lines| lines.iter().map(|line| line.replace("\"format\":1", "\"format\":2")).collect());
    let before = place.image();
    assert!(repair(&place).unwrap_err().to_string().contains("newer"));
    assert!(place.image() == before && !aside.exists());
    let place = prepared().await;
    let (store, _) = open(&place);
    assert!(repair(&place).unwrap_err().to_string().contains("holds the store"));
    store.close().await;
}

#[tokio::test]
async fn a_repair_that_ends_anywhere_loses_nothing_and_is_done_by_the_next() {
    for operations in 0.. {
        let place = prepared().await;
        place.edit(JOURNAL, |mut lines| {
            let at = header_of(&lines, 3);
            drop(lines.drain(at..at + 2));
            lines
        });
        let damaged = fs::read(place.file(JOURNAL)).unwrap();
        let disk = ShortDisk::of(operations);
        let ended = repair_on(&place, disk);
        let aside = place.path().join("aside").join(JOURNAL);
        if ended.is_ok() {
            assert!(operations > 8 && fs::read(aside).unwrap() == damaged);
            return;
        }
        let kept =
            fs::read(place.file(JOURNAL)).ok().filter(|bytes| *bytes == damaged).or_else(|| fs::read(&aside).ok());
        assert_eq!(kept.as_ref(), Some(&damaged), "after {operations} operations");
        if place.path().join(".storage").is_dir() && !aside.exists() {
            assert!(open(&place).1.damage.is_some(), "after {operations} operations");
        }
        let again = repair(&place).unwrap();
        let (store, report) = open(&place);
        assert!(
            report.damage.is_none() && report.behind.is_some() && again.behind.is_some(),
            "{operations}: {again:?}"
        );
        store.close().await;
        let (store, _) = open_older(&place);
        assert_eq!((number(&store, "user/a").await, number(&store, "user/b").await), (Some(1), Some(2)));
        store.close().await;
    }
}
