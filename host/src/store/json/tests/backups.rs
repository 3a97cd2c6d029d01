//! Looks at the files, backups of a store that runs, and their way back.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::store::contract::BackupError;

#[tokio::test]
async fn a_backup_is_one_moment_and_comes_back_as_an_older_copy() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    write(&store, "gone", 1).await;
    store.commit(vec![Change::Delete(key("gone"))], vec![]).await.unwrap();
    let file = place.path().join("backup");
    let report = store.backup(&file).await.unwrap();
    assert_eq!(report.records, 1);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(store.backup(&file).await, Err(BackupError::Taken(_))));
    assert!(matches!(store.backup(&place.file("mine")).await, Err(BackupError::Inside(_))));
    let last = write(&store, "a", 2).await;
    let aside = place.path().join("aside");
    let restore = |replaces| Store::restore(place.path(), &place.keys, &file, &aside, replaces);
    assert!(restore(true).is_err(), "the store is in use");
    store.close().await;
    assert!(matches!(restore(false), Err(BackupError::Live(_))));
    let before = place.image();
    let bytes = fs::read(&file).unwrap();
    for harmed in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2], b"", b"a text\n"] {
        fs::write(&file, harmed).unwrap();
        assert!(matches!(restore(true), Err(BackupError::Refused { .. })));
        assert_eq!(place.image(), before, "a backup that is none changes nothing");
    }
    fs::write(&file, &bytes).unwrap();
    assert_eq!(restore(true).unwrap().records, 1);
    assert!(aside.join(JOURNAL).is_file());
    assert!(place.open().1.behind.is_some());
    let (store, report) = place.open_older();
    assert!(report.behind.is_some() && report.damage.is_none() && report.tampered.is_empty());
    assert_eq!((number(&store, "a").await, number(&store, "gone").await), (Some(1), None));
    let first = write(&store, "a", 3).await;
    assert!(first > last, "a revision came back");
    store.close().await;
    let (store, report) = place.open();
    assert!(report.behind.is_none());
    store.close().await;
    let again = place.path().join("again");
    Store::restore(place.path(), &place.keys, &file, &again, true).unwrap();
    let (store, _) = place.open_older();
    assert!(write(&store, "a", 4).await > first, "the same backup twice gives no revision twice");
}

#[tokio::test]
async fn a_backup_of_now_ends_what_is_open_as_well_and_another_key_opens_none() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    let file = place.path().join("backup");
    store.backup(&file).await.unwrap();
    store.close().await;
    let other = MasterKey::create(&place.path().join("other.key")).unwrap();
    let aside = place.path().join("aside");
    let refused = Store::restore(place.path(), &other, &file, &aside, true);
    assert!(matches!(refused, Err(BackupError::Refused { .. })));
    Store::restore(place.path(), &place.keys, &file, &aside, true).unwrap();
    assert!(place.open().1.behind.is_some(), "nothing was written since, and yet");
}

#[tokio::test]
async fn a_restore_that_cannot_move_the_store_away_leaves_it_as_it_was() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    let file = place.path().join("backup");
    store.backup(&file).await.unwrap();
    write(&store, "a", 2).await;
    store.close().await;
    let aside = place.path().join("aside");
    fs::create_dir_all(aside.join("taken")).unwrap();
    assert!(Store::restore(place.path(), &place.keys, &file, &aside, true).is_err());
    let (store, report) = place.open();
    assert!(report.behind.is_none(), "{:?}", report.behind);
    assert_eq!(number(&store, "a").await, Some(2));
}

#[tokio::test]
async fn a_check_sees_what_a_running_host_no_longer_reads_and_changes_nothing() {
    let place = Place::new();
    let (store, _) = place.open();
    for number in 1..5 {
        write(&store, "a", number).await;
    }
    let good = store.check().await.unwrap();
    assert_eq!((good.damage, good.records, good.behind), (None, 1, None));
    let with_room = fs::read(place.file(JOURNAL)).unwrap();
    let whole = [with_room.trim_ascii_end(), b"\n"].concat();
    fs::write(place.file(JOURNAL), &whole[..whole.len() - 700]).unwrap();
    assert!(store.check().await.unwrap().damage.is_some(), "an acknowledged change is missing");
    fs::write(place.file(JOURNAL), &whole).unwrap();
    assert!(Store::check_stopped(place.path(), &place.keys).is_err(), "the store is in use");
    store.close().await;
    let torn = [&whole[..], b"{\"batch\":"].concat();
    fs::write(place.file(JOURNAL), torn).unwrap();
    let before = place.image();
    let report = Store::check_stopped(place.path(), &place.keys).unwrap();
    assert_eq!((report.damage, report.unfinished_bytes, report.records), (None, 9, 1));
    fs::write(place.file(JOURNAL), &whole[..200]).unwrap();
    assert!(Store::check_stopped(place.path(), &place.keys).unwrap().behind.is_some());
    place.put_back(&before);
    fs::write(place.file(JOURNAL), [&whole[..300], &[0; 40], &whole[340..]].concat()).unwrap();
    let before = place.image();
    assert!(Store::check_stopped(place.path(), &place.keys).unwrap().damage.is_some());
    assert_eq!(place.image(), before);
}
