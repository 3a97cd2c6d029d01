//! Torn batches at every byte, and crashes between the steps of a compaction.

use std::fs;

use super::*;
use crate::store::{contract::StoreError, json::files};

#[tokio::test]
async fn a_last_batch_cut_at_any_byte_is_dropped_whole() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    store.close().await;
    let before = place.image();
    let (store, _) = place.open();
    let lost = store.commit(vec![put("a", 2), put("b", 2)], vec![]).await.unwrap();
    store.close().await;
    let whole = fs::read(place.file(JOURNAL)).unwrap();
    let start = before[&place.file(JOURNAL)].len();
    for end in start..whole.len() {
        // The anchor is the one from before: a batch that was never acknowledged is in no anchor.
        place.put_back(&before);
        fs::write(place.file(JOURNAL), &whole[..end]).unwrap();
        let (store, report) = place.open();
        assert_eq!(report.dropped_tail_bytes, (end - start) as u64, "cut at {end}");
        assert!(report.damage.is_none() && report.behind.is_none() && report.tampered.is_empty());
        assert_eq!((number(&store, "a").await, number(&store, "b").await), (Some(1), None));
        store.close().await;
        let (store, again) = place.open();
        assert_eq!(again.dropped_tail_bytes, 0);
        assert_eq!((number(&store, "a").await, number(&store, "b").await), (Some(1), None));
        if end > start {
            assert!(write(&store, "b", 3).await > lost, "a revision came back");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn zeros_holes_and_garbage_at_the_end_are_dropped() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    store.close().await;
    let before = place.image();
    let start = before[&place.file(JOURNAL)].len();
    let (store, _) = place.open();
    store.commit(vec![put("a", 2), put("b", 2)], vec![]).await.unwrap();
    store.close().await;
    let whole = fs::read(place.file(JOURNAL)).unwrap();
    let mut tails = vec![vec![0; 4096], [&[b'\n'; 700][..], &[0; 9]].concat(), b"}{\xff\n garbage".to_vec()];
    for hole in (start..whole.len()).step_by(64) {
        let mut tail = whole[start..].to_vec();
        let end = (hole - start + 64).min(tail.len());
        tail[hole - start..end].fill(0);
        tails.push(tail);
    }
    for tail in tails {
        place.put_back(&before);
        let bytes = [&whole[..start], &tail].concat();
        fs::write(place.file(JOURNAL), bytes).unwrap();
        let (store, report) = place.open();
        assert_eq!(report.dropped_tail_bytes, tail.len() as u64);
        assert!(report.damage.is_none(), "{:?}", report.damage);
        assert_eq!((number(&store, "a").await, number(&store, "b").await), (Some(1), None));
        store.close().await;
    }
}

#[tokio::test]
async fn the_room_that_a_killed_host_leaves_behind_is_no_tail_and_serves_again() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    // A kill leaves the files as they are at this moment.
    let killed = place.image();
    store.close().await;
    assert!(fs::read(place.file(JOURNAL)).unwrap().len() + 500 < killed[&place.file(JOURNAL)].len());
    place.put_back(&killed);
    let (store, report) = place.open();
    assert_eq!((report.dropped_tail_bytes, report.damage), (0, None));
    write(&store, "a", 2).await;
    assert_eq!(fs::read(place.file(JOURNAL)).unwrap().len(), killed[&place.file(JOURNAL)].len());
    store.close().await;
    assert_eq!(number(&place.open().0, "a").await, Some(2));
}

#[tokio::test]
async fn an_unreadable_batch_before_a_good_one_is_damage_and_nothing_is_written() {
    let place = Place::new();
    let (store, _) = place.open();
    for number in 1..4 {
        write(&store, "a", number).await;
    }
    store.close().await;
    let bytes = fs::read(place.file(JOURNAL)).unwrap();
    let middle = bytes.len() / 2;
    let header = |batch| String::from_utf8_lossy(&bytes).find(&format!("{{\"batch\":{batch}")).unwrap();
    // The last two: up to the very header of the batch that is good, which then begins no line.
    let (second, third) = (header(2), header(3));
    for span in [middle..middle + 1, middle..middle + 200, second..third, second + 30..third] {
        let mut broken = bytes.clone();
        broken[span].fill(0);
        fs::write(place.file(JOURNAL), &broken).unwrap();
        let before = place.image();
        let (store, report) = place.open();
        assert!(report.damage.is_some());
        assert!(matches!(store.read(&key("a")).await, Err(StoreError::Damaged(_))));
        assert!(matches!(store.read(&key("nobody")).await, Err(StoreError::Damaged(_))));
        assert!(store.scan("").await.is_err());
        assert!(store.commit(vec![put("a", 9)], vec![]).await.is_err());
        store.close().await;
        assert_eq!(place.image(), before);
    }
}

#[tokio::test]
async fn missing_files_and_newer_formats_are_damage() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    assert!(store.compact().await);
    write(&store, "a", 2).await;
    store.close().await;
    let good = place.image();
    let (snapshot, journal) = (place.file(&files::snapshot(2)), place.file(&files::journal(2)));
    let newer = |path: &Path| {
        let text = fs::read_to_string(path).unwrap().replacen("\"format\":1", "\"format\":2", 1);
        fs::write(path, text).unwrap();
    };
    let harms: [&dyn Fn(); 6] = [
        &|| fs::remove_file(&snapshot).unwrap(),
        &|| fs::remove_file(&journal).unwrap(),
        &|| [&snapshot, &journal].into_iter().for_each(|path| fs::remove_file(path).unwrap()),
        &|| newer(&snapshot),
        &|| newer(&journal),
        &|| fs::write(&snapshot, &good[&snapshot][..good[&snapshot].len() - 1]).unwrap(),
    ];
    for (index, harm) in harms.iter().enumerate() {
        place.put_back(&good);
        harm();
        let (store, report) = place.open();
        assert!(report.damage.is_some(), "harm {index}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_crash_between_any_two_steps_of_a_compaction_loses_nothing() {
    let place = Place::new();
    let (store, _) = place.open();
    for number in 0..600 {
        write(&store, &format!("k/{}", number % 300), number).await;
    }
    store.commit(vec![Change::Delete(key("k/7"))], vec![]).await.unwrap();
    store.close().await;
    let old = place.image();
    let (store, _) = place.open();
    assert!(store.compact().await);
    let last = write(&store, "k/8", 1000).await;
    store.close().await;
    let new = place.image();
    assert!(!new.contains_key(&place.file(JOURNAL)), "the former segment is gone");
    let (snapshot, journal) = (place.file(&files::snapshot(2)), place.file(&files::journal(2)));
    let unfinished = place.file(&files::unfinished_snapshot(2));
    let first_line = fs::read(&journal).unwrap().split_inclusive(|byte| *byte == b'\n').next().unwrap().to_vec();
    let with = |files: &[(&PathBuf, &[u8])]| {
        let mut image = old.clone();
        image.extend(files.iter().map(|(path, bytes)| ((*path).clone(), bytes.to_vec())));
        image
    };
    let half = &new[&snapshot][..new[&snapshot].len() / 2];
    let mut images = vec![
        (with(&[(&journal, b"")]), false),
        (with(&[(&journal, &first_line[..5])]), false),
        (with(&[(&journal, &first_line)]), false),
        (with(&[(&journal, &new[&journal])]), true),
        (with(&[(&journal, &new[&journal]), (&unfinished, half)]), true),
        (with(&[(&journal, &new[&journal]), (&unfinished, &new[&snapshot])]), true),
        (with(&[(&journal, &new[&journal]), (&snapshot, &new[&snapshot])]), true),
        (new.clone(), true),
    ];
    images.push((with(&[(&journal, &first_line), (&snapshot, &new[&snapshot])]), false));
    for (index, (image, has_last)) in images.iter().enumerate() {
        place.put_back(image);
        let (store, report) = place.open();
        assert!(report.damage.is_none() && report.behind.is_none(), "image {index}: {:?}", report.damage);
        assert_eq!(number(&store, "k/8").await, Some(if *has_last { 1000 } else { 308 }), "image {index}");
        assert_eq!(number(&store, "k/7").await, None);
        assert_eq!(number(&store, "k/299").await, Some(599));
        assert_eq!(store.scan("k/").await.unwrap().len(), 299);
        assert!(write(&store, "k/1", 1).await >= last);
        assert!(store.compact().await);
        store.close().await;
        assert_eq!(place.image().len(), 3, "one snapshot, one segment, one anchor");
    }
}

#[tokio::test]
async fn a_second_crash_while_a_torn_batch_is_dropped_changes_nothing() {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "a", 1).await;
    store.close().await;
    let before = place.image();
    let start = before[&place.file(JOURNAL)].len();
    let (store, _) = place.open();
    let lost = store.commit(vec![put("a", 2), put("b", 2)], vec![]).await.unwrap();
    store.close().await;
    let mut torn = fs::read(place.file(JOURNAL)).unwrap();
    torn.pop();
    place.put_back(&before);
    fs::write(place.file(JOURNAL), &torn).unwrap();
    place.open().0.close().await;
    let mark = fs::read(place.file(JOURNAL)).unwrap().split_off(start);
    let mut images: Vec<Vec<u8>> = Vec::new();
    for end in (start..torn.len()).step_by(7) {
        // The zeros arrived up to here.
        images.push([&torn[..start], &vec![0; end - start], &torn[end..]].concat());
    }
    for end in (0..=mark.len()).step_by(3).chain([mark.len() - 1, mark.len()]) {
        // The mark arrived up to here.
        images.push([&torn[..start], &mark[..end], &vec![0; torn.len() - start - end]].concat());
    }
    for image in images {
        place.put_back(&before);
        fs::write(place.file(JOURNAL), image).unwrap();
        let (store, report) = place.open();
        assert!(report.damage.is_none() && report.behind.is_none(), "{:?}", report.damage);
        assert_eq!((number(&store, "a").await, number(&store, "b").await), (Some(1), None));
        assert!(write(&store, "b", 3).await > lost);
        store.close().await;
    }
}
