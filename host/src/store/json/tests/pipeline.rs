//! What is put together while a batch is on its way to the disk: it sees that batch, nobody else does, and it fails
//! with it. The writer runs in the thread of the test, so that a batch stays on its way for as long as the test likes.

use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;

use super::{
    life::Life,
    power::{Dice, Fault, PowerDisk},
    *,
};
use crate::store::{
    contract::{COMMIT_CHANGES_MAX, CommitError, StoreError},
    json::{
        batch::{BATCH_CHANGES, Batch},
        staging::{Answered, Next},
    },
};

struct Line {
    place: Place,
    disk: PowerDisk,
    life: Life,
}

impl Line {
    fn new() -> Self {
        let place = Place::new();
        let disk = PowerDisk::default();
        opening::create(place.path(), &disk).unwrap();
        let (life, _) = Life::begin(&place, &disk).unwrap();
        Self { place, disk, life }
    }

    fn ask(&self, changes: Vec<Change>, expectations: Vec<Expectation>) -> Result<Answered, CommitError> {
        self.life.ask(changes, expectations)
    }

    fn take(&self) -> Batch {
        self.life.next_batch().expect("something waits")
    }

    fn write(&mut self, batch: Batch) -> bool {
        self.life.writer.write(batch).is_ok()
    }

    fn seen(&self, name: &str) -> Option<u64> {
        self.life.records().get(name).map(|(_, number)| *number)
    }

    /// Another start on this disk.
    fn reopened_on(self, disk: PowerDisk) -> Self {
        let Self { place, life, .. } = self;
        drop(life);
        let (life, _) = Life::begin(&place, &disk).unwrap();
        Self { place, disk, life }
    }
}

fn is_open(answered: &mut Answered) -> bool {
    matches!(answered.try_recv(), Err(TryRecvError::Empty))
}

#[test]
fn a_commit_can_expect_what_is_on_its_way_and_reads_cannot_see_it() {
    let mut line = Line::new();
    let mut first = line.ask(vec![put("a", 1)], vec![absent("a")]).unwrap();
    let batch = line.take();
    let mut second = line.ask(vec![put("a", 2)], vec![Expectation::At(key("a"), Revision(1))]).unwrap();
    let mut third = line.ask(vec![Change::Delete(key("a"))], vec![Expectation::At(key("a"), Revision(2))]).unwrap();
    let mut fourth = line.ask(vec![put("b", 4)], vec![absent("a")]).unwrap();
    assert_eq!(line.seen("a"), None);
    assert!([&mut first, &mut second, &mut third, &mut fourth].into_iter().all(is_open));
    assert!(line.write(batch));
    assert_eq!(first.try_recv().unwrap().unwrap(), Revision(1));
    assert_eq!((line.seen("a"), line.seen("b")), (Some(1), None));
    assert!([&mut second, &mut third, &mut fourth].into_iter().all(is_open));
    let batch = line.take();
    assert!(line.write(batch));
    for (mut answered, revision) in [(second, 2), (third, 3), (fourth, 4)] {
        assert_eq!(answered.try_recv().unwrap().unwrap(), Revision(revision));
    }
    assert_eq!((line.seen("a"), line.seen("b")), (None, Some(4)));
    let disk = line.disk.clone();
    let line = line.reopened_on(disk);
    assert_eq!((line.seen("a"), line.seen("b")), (None, Some(4)));
}

#[test]
fn a_conflict_with_what_is_on_its_way_is_told_when_that_is_durable_and_another_at_once() {
    let mut line = Line::new();
    drop(line.ask(vec![put("a", 1)], vec![]).unwrap());
    let batch = line.take();
    assert!(line.write(batch));
    drop(line.ask(vec![put("b", 2)], vec![]).unwrap());
    let batch = line.take();
    let durable = line.ask(vec![put("c", 3)], vec![absent("a")]);
    assert!(matches!(durable, Err(CommitError::Conflict(_))));
    let mut so_far = line.ask(vec![put("c", 3)], vec![absent("b")]).unwrap();
    assert!(line.write(batch));
    assert!(is_open(&mut so_far), "it stands in the next batch");
    let batch = line.take();
    let moment = line.disk.moment();
    assert!(line.write(batch));
    assert!(matches!(so_far.try_recv().unwrap(), Err(CommitError::Conflict(_))));
    assert_eq!(line.disk.moment(), moment, "there was nothing to write");
    assert_eq!(line.seen("c"), None);
}

#[test]
fn what_was_put_on_top_of_a_batch_that_failed_fails_with_it() {
    for (operations, seed) in (0..2).flat_map(|operations| (0..20).map(move |seed| (operations, seed))) {
        let mut line = Line::new();
        let mut first = line.ask(vec![put("a", 1)], vec![]).unwrap();
        let batch = line.take();
        let mut behind = line.ask(vec![put("a", 2)], vec![Expectation::At(key("a"), Revision(1))]).unwrap();
        let mut conflict = line.ask(vec![put("b", 2)], vec![absent("a")]).unwrap();
        // A batch is one write and one sync.
        line.disk.fail_after(operations, Fault::Broken, Dice(seed));
        assert!(!line.write(batch));
        assert!(matches!(first.try_recv().unwrap(), Err(CommitError::Store(StoreError::Poisoned(_)))));
        for lost in [&mut behind, &mut conflict] {
            assert!(matches!(lost.try_recv(), Err(TryRecvError::Closed)), "whoever waits looks for the reason");
        }
        assert!(matches!(line.life.shared.refusal(), StoreError::Poisoned(_)));
        assert!(matches!(line.ask(vec![], vec![]), Err(CommitError::Store(StoreError::Poisoned(_)))));
        assert!(matches!(line.life.writer.staging.next(Duration::ZERO), Next::End));
        let left = line.disk.image().after_power_cut(&mut Dice(seed));
        let line = line.reopened_on(PowerDisk::of(left));
        assert!(matches!(line.seen("a"), None | Some(1)));
        assert_eq!(line.seen("b"), None);
    }
}

#[test]
fn a_commit_is_never_parted_between_two_batches_nor_from_its_answer() {
    // How many more changes the batch takes when the commit of three comes.
    for room in [0, 1, 2, 3, 4] {
        let mut line = Line::new();
        let mut left = BATCH_CHANGES - room;
        while left > 0 {
            let some = left.min(COMMIT_CHANGES_MAX);
            drop(line.ask((0..some).map(|index| put(&format!("k/{index}"), 1)).collect(), vec![]).unwrap());
            left -= some;
        }
        let mut whole = line.ask(["a", "b", "c"].map(|name| put(name, 7)).into(), vec![absent("a")]).unwrap();
        while let Next::Write(batch) = line.life.writer.staging.next(Duration::ZERO) {
            assert!(line.write(batch));
            let seen = ["a", "b", "c"].map(|name| line.seen(name));
            assert!([[None; 3], [Some(7); 3]].contains(&seen), "room for {room}: half a commit is durable: {seen:?}");
            assert_eq!(seen[2].is_some(), !is_open(&mut whole), "room for {room}: durable, and not answered");
        }
    }
}

/// Nobody waits for the memory while a long list is looked through.
#[test]
fn a_list_is_of_one_moment_and_keeps_no_commit_waiting() {
    let mut line = Line::new();
    drop(line.ask(vec![put("k/1", 1), put("k/2", 1), put("kind/3", 1)], vec![]).unwrap());
    let batch = line.take();
    assert!(line.write(batch));
    let shared = line.life.shared.clone();
    let beginning = shared.serving().unwrap().memory.beginning_with("k/");
    drop(line.ask(vec![put("k/0", 2), put("k/1", 2), Change::Delete(key("k/2"))], vec![]).unwrap());
    let batch = line.take();
    assert!(line.write(batch));
    let listed: Vec<_> =
        beginning.records().iter().map(|(key, record)| (key.as_str().to_owned(), record.revision)).collect();
    assert_eq!(listed, [("k/1".to_owned(), 1), ("k/2".to_owned(), 2)]);
    assert_eq!((line.seen("k/1"), line.seen("k/2")), (Some(2), None));
}

#[test]
fn more_than_a_batch_takes_waits_in_its_order() {
    let mut line = Line::new();
    let commits = 40;
    let asked: Vec<_> = (0..commits)
        .map(|number| {
            let changes = (0..COMMIT_CHANGES_MAX).map(|index| put(&format!("k/{index}"), number)).collect();
            line.ask(changes, vec![]).unwrap()
        })
        .collect();
    let mut batches = 0;
    while let Next::Write(batch) = line.life.writer.staging.next(Duration::ZERO) {
        assert!(line.write(batch));
        batches += 1;
    }
    assert!((2..commits).contains(&batches), "{batches}");
    for (mut answered, number) in asked.into_iter().zip(1..) {
        assert_eq!(answered.try_recv().unwrap().unwrap(), Revision(number * COMMIT_CHANGES_MAX as u64));
    }
    assert_eq!(line.seen("k/7"), Some(commits - 1));
}
