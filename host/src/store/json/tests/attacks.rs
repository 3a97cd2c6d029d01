//! Edited, swapped and copied-back records: each is refused, none reads as absent or as it once was.

use std::fs;

use super::*;
use crate::store::{
    contract::{CommitError, StoreError},
    json::files,
};

async fn is_tampered(store: &Store, name: &str) -> bool {
    matches!(store.read(&key(name)).await, Err(StoreError::Tampered(_)))
}

/// Three users, of which anna was written twice.
async fn prepared() -> Place {
    let place = Place::new();
    let (store, _) = place.open();
    write(&store, "session/anna", 1).await;
    store.commit(vec![put("session/anna", 2), put("session/bert", 2)], vec![]).await.unwrap();
    write(&store, "session/cleo", 3).await;
    store.close().await;
    place
}

#[tokio::test]
async fn an_edited_line_refuses_that_record_alone() {
    type Edit = fn(&str) -> String;
    let edits: [Edit; 5] = [
        |line| line.replace("\"user\":\"anna\"", "\"user\":\"mallory\""),
        |line| line.replace("\"revision\":2", "\"revision\":9"),
        |line| line.replace("session/anna", "session/dora"),
        |line| line.replace("session/anna", "session/bert"),
        |line| line.split(",\"value\"").next().unwrap().to_owned() + "}",
    ];
    for fixes in [false, true] {
        for (index, edit) in edits.iter().enumerate() {
            let place = prepared().await;
            place.edit(JOURNAL, |mut lines| {
                let at = line_of(&lines, "session/anna", 1);
                let edited = edit(&lines[at]);
                assert_ne!(edited, lines[at]);
                lines[at] = edited;
                if fixes { fix_checksums(lines) } else { lines }
            });
            let (store, report) = place.open();
            assert_eq!(report.tampered, [key("session/anna")], "edit {index}: {:?}", report.damage);
            assert!(is_tampered(&store, "session/anna").await);
            assert_eq!(number(&store, "session/bert").await, Some(2));
            assert_eq!(number(&store, "session/cleo").await, Some(3));
            assert_eq!(number(&store, "session/dora").await, None);
            assert_eq!(store.scan("").await.unwrap().len(), 2);
            for expectation in [absent("session/anna"), Expectation::At(key("session/anna"), Revision(2))] {
                let refused = store.commit(vec![put("x", 1)], vec![expectation]).await;
                assert!(matches!(refused, Err(CommitError::Conflict(_))));
            }
            // It stays so through a compaction and a restart, until a change without expectation.
            assert!(store.compact().await);
            store.close().await;
            let (store, report) = place.open();
            assert_eq!(report.tampered, [key("session/anna")]);
            assert!(is_tampered(&store, "session/anna").await);
            store.commit(vec![Change::Delete(key("session/anna"))], vec![]).await.unwrap();
            assert_eq!(number(&store, "session/anna").await, None);
            store.close().await;
            assert!(place.open().1.tampered.is_empty());
        }
    }
}

#[tokio::test]
async fn swapped_and_copied_back_lines_are_refused() {
    for fixes in [false, true] {
        let place = prepared().await;
        let good = place.image();
        place.edit(JOURNAL, |mut lines| {
            let (anna, cleo) = (line_of(&lines, "session/anna", 1), line_of(&lines, "session/cleo", 0));
            lines.swap(anna, cleo);
            if fixes { fix_checksums(lines) } else { lines }
        });
        let (store, report) = place.open();
        assert_eq!(report.tampered, [key("session/anna"), key("session/cleo")]);
        assert_eq!(number(&store, "session/bert").await, Some(2));
        store.close().await;

        place.put_back(&good);
        place.edit(JOURNAL, |mut lines| {
            let (older, newer) = (line_of(&lines, "session/anna", 0), line_of(&lines, "session/anna", 1));
            lines[newer] = lines[older].clone();
            if fixes { fix_checksums(lines) } else { lines }
        });
        let (store, report) = place.open();
        assert_eq!(report.tampered, [key("session/anna")]);
        assert!(is_tampered(&store, "session/anna").await);
        store.close().await;
    }
}

#[tokio::test]
async fn a_snapshot_line_is_guarded_as_well() {
    let place = prepared().await;
    let (store, _) = place.open();
    assert!(store.compact().await);
    store.close().await;
    place.edit(&files::snapshot(2), |mut lines| {
        let at = line_of(&lines, "session/bert", 0);
        lines[at] = lines[at].replace("anna", "mallory");
        lines
    });
    let (store, report) = place.open();
    assert_eq!(report.tampered, [key("session/bert")]);
    assert_eq!(number(&store, "session/anna").await, Some(2));
    store.close().await;
    place.edit(&files::snapshot(2), |mut lines| {
        lines.remove(line_of(&lines, "session/cleo", 0));
        lines
    });
    assert!(place.open().1.damage.is_some());
}

#[tokio::test]
async fn removed_batches_and_edited_headers_are_damage() {
    let changes: [fn(Vec<String>) -> Vec<String>; 4] = [
        // A whole batch, header and line, taken out.
        |mut lines| {
            drop(lines.drain(1..3));
            lines
        },
        // A line taken out, and the header made to fit.
        |mut lines| {
            let at = line_of(&lines, "session/anna", 1);
            lines.remove(at);
            lines[at - 1] = lines[at - 1].replace("[\"session/anna\",2],", "");
            fix_checksums(lines)
        },
        // Another name for the line and for its place.
        |lines| fix_checksums(lines.iter().map(|line| line.replace("session/anna", "session/dora")).collect()),
        // An earlier time for the last commit.
        |lines| lines.iter().map(|line| line.replace("\"committed_at\":\"2023", "\"committed_at\":\"2022")).collect(),
    ];
    for (index, change) in changes.iter().enumerate() {
        let place = prepared().await;
        place.edit(JOURNAL, change);
        let (store, report) = place.open();
        assert!(report.damage.is_some(), "change {index}");
        assert!(store.read(&key("session/anna")).await.is_err());
    }
}

#[tokio::test]
async fn other_white_space_is_no_tampering() {
    let place = prepared().await;
    place.edit(JOURNAL, |lines| lines.iter().map(|line| line.replace("\":", "\" : ").replace(",\"", ", \"")).collect());
    let (store, report) = place.open();
    assert!(report.tampered.is_empty() && report.damage.is_none() && report.dropped_tail_bytes == 0, "{report:?}");
    assert_eq!(number(&store, "session/anna").await, Some(2));
    store.close().await;
    assert_eq!(number(&place.open().0, "session/cleo").await, Some(3));
}

#[tokio::test]
async fn a_journal_put_back_is_noticed_and_its_revisions_are_not_given_again() {
    let place = prepared().await;
    let old = fs::read(place.file(JOURNAL)).unwrap();
    let (store, _) = place.open();
    let last = write(&store, "session/anna", 4).await;
    store.close().await;
    let mut mixed = fs::read(place.file(JOURNAL)).unwrap();
    fs::write(place.file(JOURNAL), &old).unwrap();
    let before = place.image();
    for _ in 0..3 {
        let (store, report) = place.open();
        let behind = report.behind.unwrap();
        assert!(
            report.damage.is_none() && behind.known.unwrap().revision == last.0 && behind.reaches.revision < last.0
        );
        assert!(
            matches!(store.read(&key("session/anna")).await, Err(StoreError::RolledBack(found)) if found == behind)
        );
        assert!(store.scan("").await.is_err() && store.commit(vec![put("x", 1)], vec![]).await.is_err());
        assert_eq!(store.check().await.unwrap().behind, Some(behind));
        store.close().await;
        assert_eq!(place.image(), before, "nothing is written before it is acknowledged");
    }
    let (store, report) = place.open_older();
    assert!(report.behind.is_some());
    assert!(write(&store, "session/anna", 5).await > last);
    store.close().await;
    let newer = fs::read(place.file(JOURNAL)).unwrap();
    let (store, report) = place.open();
    assert!(report.behind.is_none());
    store.close().await;

    // A batch of one history does not follow its namesake in the other, although number and revisions would fit.
    let mark = newer[old.len()..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    mixed.extend_from_slice(&newer[old.len() + mark..]);
    fs::write(place.file(JOURNAL), mixed).unwrap();
    assert!(place.open().1.damage.is_some());
}

#[tokio::test]
async fn a_missing_or_forged_anchor_counts_as_rolled_back_and_an_emptied_store_as_damaged() {
    let place = prepared().await;
    let anchor = place.path().join("storage.anchor");
    fs::remove_file(&anchor).unwrap();
    let (store, report) = place.open_older();
    assert!(report.behind.is_some() && report.damage.is_none());
    store.close().await;
    fs::write(&anchor, fs::read_to_string(&anchor).unwrap().replace("\"revision\":", "\"revision\":1")).unwrap();
    assert!(place.open().1.behind.is_some());
    let (store, _) = place.open_older();
    assert_eq!(number(&store, "session/anna").await, Some(2));
    store.close().await;
    assert!(place.open().1.behind.is_none());
    fs::write(place.file(JOURNAL), "{\"journal\":1,\"format\":1}\n").unwrap();
    let other = Place::new();
    for name in [place.file(JOURNAL), anchor] {
        let target = other.path().join(name.strip_prefix(place.path()).unwrap());
        fs::copy(&name, target).unwrap();
    }
    let keys = MasterKey::load(&place.path().join("host.key")).unwrap();
    let (_, report) = Store::open(other.path(), &keys, other.clock()).unwrap();
    assert!(report.damage.is_some(), "an empty store under an anchor that knows better");
    let (_, report) = Store::open(Place::new().path(), &keys, other.clock()).unwrap();
    assert!(report.damage.is_none());
}

#[tokio::test]
async fn another_key_reads_nothing() {
    let place = prepared().await;
    let other = Place::new();
    let (store, report) = Store::open(place.path(), &other.keys, place.clock()).unwrap();
    assert!(report.damage.is_some_and(|reason| reason.contains(other.keys.id())));
    assert!(store.scan("").await.is_err());
}

#[tokio::test]
async fn an_acknowledged_batch_that_was_made_to_look_torn_is_noticed() {
    for begin in ["{\"batch\":3", "{\"key\":\"session/cleo"] {
        let place = prepared().await;
        place.edit(JOURNAL, |lines| {
            lines.into_iter().map(|line| if line.starts_with(begin) { "{torn".to_owned() } else { line }).collect()
        });
        let (store, report) = place.open_older();
        assert!(report.behind.is_some() && report.dropped_tail_bytes > 0);
        assert!(write(&store, "session/cleo", 4).await > Revision(1 << 32));
    }
}

#[tokio::test]
async fn what_an_acknowledgement_writes_comes_with_it_or_not_at_all() {
    let place = prepared().await;
    let old = fs::read(place.file(JOURNAL)).unwrap();
    let (store, _) = place.open();
    write(&store, "session/anna", 4).await;
    store.close().await;
    fs::write(place.file(JOURNAL), &old).unwrap();
    let rolled_back = place.image();
    let changes = |_: &OpenReport| vec![put("restored", 7), Change::Delete(key("session/cleo"))];
    let acknowledged = || place.open_acknowledging(Arc::new(SystemDisk), &changes);
    let (store, _) = acknowledged();
    assert_eq!((number(&store, "restored").await, number(&store, "session/cleo").await), (Some(7), None));
    let last = write(&store, "session/bert", 8).await;
    store.close().await;
    let whole = fs::read(place.file(JOURNAL)).unwrap();
    let (store, report) = acknowledged();
    assert!(report.behind.is_none());
    store.close().await;
    assert_eq!(fs::read(place.file(JOURNAL)).unwrap(), whole, "there was nothing to acknowledge");

    // Cut anywhere in the batch of the acknowledgement, the store is as far back as it was.
    let end =
        whole.len() - whole[old.len()..].rsplit(|byte| *byte == b'\n').skip(1).map(<[u8]>::len).take(2).sum::<usize>();
    for length in [old.len() + 1, old.len() + 40, end - 300] {
        place.put_back(&rolled_back);
        fs::write(place.file(JOURNAL), &whole[..length]).unwrap();
        let (store, report) = place.open();
        assert!(report.behind.is_some() && report.dropped_tail_bytes > 0, "{length}");
        store.close().await;
        let (store, _) = acknowledged();
        assert_eq!(number(&store, "restored").await, Some(7));
        assert_eq!(number(&store, "session/anna").await, Some(2));
        assert!(write(&store, "session/bert", 9).await.0 > 1 << 32 && last.0 > 1 << 32);
        store.close().await;
    }
}
