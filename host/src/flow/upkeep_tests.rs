//! What time and restarts do to records, to the millisecond.

use super::{
    record::{
        self, AccessSession, AccessStage, AddressProofOpen, AddressProofSecret, Document, InvitationOpen, Restored,
        RestoredOpen, Sent, Session, SessionStage, Setup, SetupStage, Stored, Unknown, User,
    },
    test_stage::{BOOT, Log, NOW, TestStage, access, session, setup, user},
    upkeep::{SWEEP_BATCH, is_flow, session_tombstone, short},
};
use crate::{
    clock::{Now, Timestamp},
    settings::Limits,
    store::{Change, Key, OpenReport},
};

const END: Timestamp = Timestamp(NOW.0 + 60_000);
const AFTER: Timestamp = Timestamp(END.0 + 1);

fn issued(user: &str) -> AccessSession {
    access(user, AccessStage::Issued { code_expires_at: END })
}

fn active(user: &str) -> AccessSession {
    access(user, AccessStage::Active { expires_at: END })
}

async fn stage() -> TestStage {
    let stage = TestStage::new();
    stage.put("user/ada", &user("ada")).await;
    stage
}

async fn left(stage: &TestStage, keys: &[&'static str]) -> Vec<&'static str> {
    let mut left = Vec::new();
    for key in keys {
        if stage.has(key).await {
            left.push(*key);
        }
    }
    left
}

#[tokio::test]
async fn a_sweep_takes_what_is_over_and_not_a_millisecond_sooner() {
    let stage = stage().await;
    let open = InvitationOpen { groups: Vec::new(), created_at: NOW, expires_at: END, unknown: Unknown::new() };
    stage.put("session/s", &session("ada", NOW, END)).await;
    stage.put("setup/t", &setup("ada", Timestamp(END.0 - 600_000))).await;
    stage.put("invitation/i", &Document { open, secret: () }).await;
    stage.put("access/c", &issued("ada")).await;
    stage.put("access/a", &active("ada")).await;
    let proof = AddressProofOpen {
        user: "ada".to_owned(),
        user_epoch: 0,
        kind: "email".to_owned(),
        created_at: NOW,
        expires_at: END,
        created_boot_ms: NOW.0,
        boot_id: BOOT.to_owned(),
        attempts_used: 0,
        unknown: Unknown::new(),
    };
    let secret = AddressProofSecret { value: "a@example.org".to_owned(), mac: String::new(), sent: Sent::default() };
    stage.put("address/p", &Document { open: proof, secret }).await;
    let all = ["session/s", "setup/t", "invitation/i", "access/c", "access/a", "address/p"];
    for (moment, expected) in [(NOW, &all[..]), (END, &all[..]), (AFTER, &[][..])] {
        stage.move_clock_to(moment);
        stage.flows.sweep().await.unwrap();
        assert_eq!(left(&stage, &all).await, expected, "{moment:?}");
    }
}

#[tokio::test]
async fn a_sweep_takes_more_than_one_commit_holds() {
    let stage = stage().await;
    let places: Vec<usize> = (0..=SWEEP_BATCH).collect();
    for batch in places.chunks(100) {
        let over = setup("ada", Timestamp(0)).to_content();
        let put = |place: &usize| Change::Put(stage.key(&format!("setup/{place}")), over.clone());
        stage.flows.engine.store.commit(batch.iter().map(put).collect(), Vec::new()).await.unwrap();
    }
    stage.flows.sweep().await.unwrap();
    assert!(record::scan::<Setup>(&stage.flows.engine.store, "setup/").await.unwrap().is_empty());
}

#[tokio::test]
async fn sessions_of_a_former_epoch_or_of_nobody_go_at_once() {
    let stage = stage().await;
    let mut former: User = user("bob");
    former.open.epoch = 1;
    stage.put("user/bob", &former).await;
    stage.put("access/a", &active("ada")).await;
    stage.put("access/b", &active("bob")).await;
    stage.put("access/n", &active("nobody")).await;
    stage.flows.sweep().await.unwrap();
    assert_eq!(left(&stage, &["access/a", "access/b", "access/n"]).await, ["access/a"]);
}

#[tokio::test]
async fn open_is_what_lives_and_is_wanted() {
    let stage = stage().await;
    stage.put_person("ada", &user("ada"), None).await;
    stage.put_person("bob", &user("bob"), None).await;
    let mut over = session("ada", END, END);
    over.open.stage = SessionStage::Ended { reason: "passed".to_owned() };
    let mut done = setup("ada", END);
    done.open.stage = SetupStage::Ended { reason: "done".to_owned() };
    let mut former = active("ada");
    former.open.user_epoch = 7;
    stage.put("session/open", &session("ada", END, END)).await;
    stage.put("session/over", &over).await;
    stage.put("setup/open", &setup("ada", END)).await;
    stage.put("setup/done", &done).await;
    stage.put("access/open", &active("ada")).await;
    stage.put("access/former", &former).await;
    stage.put("access/issued", &issued("ada")).await;
    let shown = async |name| {
        let views = stage.flows.sessions(name).await.unwrap();
        views.into_iter().map(|view| (view.kind, view.id)).collect::<Vec<_>>()
    };
    let kinds = ["validation", "setup", "access"].map(|kind| (kind.to_owned(), "open".to_owned()));
    assert_eq!(shown(None).await, kinds);
    stage.move_clock_to(END);
    assert_eq!(shown(None).await, kinds, "the last millisecond counts");
    assert_eq!(shown(Some("ada")).await, kinds);
    assert!(shown(Some("bob")).await.is_empty());
    stage.move_clock_to(AFTER);
    assert!(shown(None).await.is_empty());
}

#[tokio::test]
async fn a_clock_before_the_last_commit_ends_what_is_open_and_one_at_it_does_not() {
    for (last_ms, is_ended) in [(NOW.0 - 1, false), (NOW.0, false), (NOW.0 + 1, true)] {
        let stage = stage().await;
        stage.put("session/s", &session("ada", END, END)).await;
        stage.put("setup/t", &setup("ada", END)).await;
        stage.put("access/c", &issued("ada")).await;
        stage.put("access/a", &active("ada")).await;
        let report = OpenReport { last_commit_ms: Some(last_ms), ..OpenReport::default() };
        stage.flows.resume(&report).await.unwrap();
        let remaining = left(&stage, &["session/s", "setup/t", "access/c", "access/a"]).await;
        let tombstone_and_tokens = ["session/s", "access/a"];
        assert_eq!(remaining.len() == 4, !is_ended, "{last_ms}");
        assert_eq!(is_ended, remaining == tombstone_and_tokens, "{last_ms}");
        let store = &stage.flows.engine.store;
        let (_, _, kept) = record::scan::<Session>(store, "session/").await.unwrap().remove(0);
        assert_eq!(is_ended, matches!(kept.open.stage, SessionStage::Ended { .. }));
    }
}

#[test]
fn a_tombstone_outlives_every_flow_id_of_its_time() {
    let now = Now { wall: NOW, boot_ms: 5, boot_id: "boot".into() };
    let limits = Limits::default();
    let kept_s = 2 * limits.first_factor_lifetime_s;
    assert!(kept_s > limits.first_factor_lifetime_s);
    let tombstone = session_tombstone(&now, &limits);
    assert_eq!(tombstone.open.retain_until, NOW.plus_s(kept_s));
    assert!(matches!(tombstone.open.stage, SessionStage::Ended { .. }));
}

#[test]
fn only_flows_are_dropped_and_a_flow_is_named_by_the_beginning_of_its_hash() {
    let key = |parts: &[&str]| Key::new(parts).unwrap();
    for flow in ["session", "setup", "access"] {
        assert!(is_flow(&key(&[flow, "0123456789abcdef"])), "{flow}");
    }
    assert!(!is_flow(&key(&["user", "session"])) && !is_flow(&key(&["factors", "ada"])));
    assert_eq!(short(&key(&["setup", "0123456789abcdef"])), "01234567");
}

#[tokio::test]
async fn after_a_restore_everything_that_was_open_ends_once() {
    let stage = stage().await;
    let open = RestoredOpen { at: NOW, uses_unknown_until: NOW, is_taken_up: false, unknown: Unknown::new() };
    stage.put("restored", &Document { open, secret: () }).await;
    let flows = &stage.flows;
    for (round, is_left) in [("the first start", false), ("each later one", true)] {
        stage.put("access/a", &active("ada")).await;
        stage.put("setup/t", &setup("ada", END)).await;
        flows.resume(&OpenReport::default()).await.unwrap();
        assert_eq!(stage.has("access/a").await, is_left, "{round}");
        assert_eq!(stage.has("setup/t").await, is_left, "{round}");
        assert!(stage.read::<Restored>("restored").await.open.is_taken_up);
        assert!(flows.engine.is_token_too_old(Timestamp(NOW.0 - 1)), "flow ids of before are not taken");
    }
}

#[tokio::test]
async fn a_flow_that_cannot_be_believed_is_dropped_and_any_other_record_stays_refused() {
    let stage = stage().await;
    stage.put("setup/t", &setup("ada", END)).await;
    stage.put("session/s", &session("ada", END, END)).await;
    let tampered = ["setup/t", "session/s", "user/ada"].map(|key| stage.key(key)).to_vec();
    let log = Log::begin();
    stage.flows.resume(&OpenReport { tampered, ..OpenReport::default() }).await.unwrap();
    assert_eq!(left(&stage, &["setup/t", "session/s", "user/ada"]).await, ["session/s", "user/ada"]);
    let kept: Session = stage.read("session/s").await;
    assert!(matches!(kept.open.stage, SessionStage::Ended { .. }), "a tombstone, so that its flow id begins nothing");
    assert_eq!(log.lines_with("tampered_record_dropped").len(), 2);
    let refused = log.lines_with("tampered_record_refused");
    assert!(refused.len() == 1 && refused[0].contains("user/ada"), "{refused:?}");
}
