//! Commits, conflicts, limits, and what a reopened store says.

use crate::store::StoreError;
use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::store::contract::{COMMIT_CHANGES_MAX, CommitError, OpenError, RECORD_BYTES_MAX};

#[tokio::test]
async fn records_survive_and_revisions_rise() {
    let place = Place::new();
    let (store, report) = place.open();
    assert!(report.behind.is_none() && report.damage.is_none() && report.last_commit_ms.is_none());
    let first = write(&store, "user/anna", 1).await;
    let second = store.commit(vec![put("user/anna", 2), put("user/bert", 3)], vec![]).await.unwrap();
    assert_eq!((first, second), (Revision(1), Revision(3)));
    store.commit(vec![Change::Delete(key("user/bert"))], vec![]).await.unwrap();
    let plain = Content::new(&json!(null), &json!(null)).unwrap();
    store.commit(vec![Change::Put(key("plain"), plain.clone())], vec![]).await.unwrap();
    store.close().await;
    assert!(store.read(&key("user/anna")).await.is_err());

    let (store, report) = place.open();
    assert_eq!(report.last_commit_ms, Some(1_700_000_000_000));
    assert_eq!(report.dropped_tail_bytes, 0);
    assert!(report.behind.is_none());
    assert_eq!(number(&store, "user/anna").await, Some(2));
    assert_eq!(number(&store, "user/bert").await, None);
    let found = store.read(&key("plain")).await.unwrap().unwrap().content;
    assert_eq!(found, plain);
    assert_eq!(found.secret::<Option<u64>>().unwrap(), None);
    assert_eq!(write(&store, "user/c", 4).await, Revision(6));
    let names: Vec<_> =
        store.scan("user/").await.unwrap().into_iter().map(|(key, _)| key.as_str().to_owned()).collect();
    assert_eq!(names, ["user/anna", "user/c"]);
}

#[tokio::test]
async fn of_two_commits_with_one_expectation_one_wins() {
    let place = Place::new();
    let (store, _) = place.open();
    let (left, right) = tokio::join!(
        store.commit(vec![put("a", 1)], vec![absent("a")]),
        store.commit(vec![put("a", 2)], vec![absent("a")]),
    );
    assert!(left.is_ok() != right.is_ok());
    let at = store.read(&key("a")).await.unwrap().unwrap().revision;
    let expects = || vec![Expectation::At(key("a"), at)];
    assert_eq!(store.commit(vec![], expects()).await.unwrap(), at);
    store.commit(vec![put("a", 3)], expects()).await.unwrap();
    assert!(matches!(store.commit(vec![put("b", 4)], expects()).await, Err(CommitError::Conflict(_))));
    assert_eq!(number(&store, "b").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_committers_lose_no_update() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "counter", 0).await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let found = store.read(&key("counter")).await.unwrap().unwrap();
                    let next = number_in(&found.content) + 1;
                    let expectation = Expectation::At(key("counter"), found.revision);
                    match store.commit(vec![put("counter", next)], vec![expectation]).await {
                        Ok(_) => break,
                        Err(CommitError::Conflict(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(number(&store, "counter").await, Some(64));
    store.close().await;
    assert_eq!(number(&place.open().0, "counter").await, Some(64));
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_written() {
    let place = Place::new();
    let (store, _) = place.open();
    let large = Content::new(&"x".repeat(RECORD_BYTES_MAX), &()).unwrap();
    let refused = store.commit(vec![Change::Put(key("a"), large)], vec![]).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::TooLarge { .. }))));
    let many = (0..=COMMIT_CHANGES_MAX).map(|index| put(&format!("a{index}"), 1)).collect();
    assert!(matches!(store.commit(many, vec![]).await, Err(CommitError::Store(StoreError::TooLarge { .. }))));
    assert_eq!(write(&store, "a", 1).await, Revision(1));
}

#[tokio::test]
async fn a_second_host_and_a_missing_store_are_refused() {
    let place = Place::new();
    let (store, _) = place.open();
    assert!(matches!(Store::open(place.path(), &place.keys, place.clock()), Err(OpenError::Locked(_))));
    store.close().await;
    assert!(matches!(Store::create(place.path()), Err(OpenError::AlreadyThere(_))));
    let (store, _) = place.open();
    store.close().await;
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open(empty.path(), &place.keys, place.clock()), Err(OpenError::Missing(_))));
}

#[tokio::test]
async fn files_are_private_and_hold_no_secret_in_the_clear() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "session/ab12", 1).await;
    assert!(store.compact().await);
    write(&store, "session/ab13", 2).await;
    store.close().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path().join(".storage")), 0o700);
    let mut lines = String::new();
    for (path, bytes) in place.image() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        lines += std::str::from_utf8(&bytes).unwrap();
    }
    assert!(lines.contains("\"user\":\"anna\"") && !lines.contains("hidden"));
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[tokio::test]
async fn what_was_deleted_is_off_the_disk_within_the_hour() {
    let place = Place::new();
    let (store, _) = place.open_on(Arc::new(SystemDisk), true);
    write(&store, "setup/ab12", 1).await;
    write(&store, "user/anna", 2).await;
    place.set_clock(1_700_000_001_000, 1_001_000);
    store.commit(vec![Change::Delete(key("setup/ab12"))], vec![]).await.unwrap();
    place.set_clock(1_700_003_500_000, 4_500_000);
    // The writer looks after each commit, and the store ends only when a compaction has.
    write(&store, "user/bert", 3).await;
    write(&store, "user/bert", 4).await;
    store.close().await;
    for (path, bytes) in place.image() {
        assert!(!String::from_utf8_lossy(&bytes).contains("setup/ab12"), "{}", path.display());
    }
    assert_eq!(number(&place.open().0, "user/anna").await, Some(2));
}
