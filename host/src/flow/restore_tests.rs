//! What ends when an older state of the records is taken for the present one.

use super::{
    record::{
        AccessStage, Document, InvitationOpen, MessageOpen, MessageRecord, MessageSecret, ResetCode, Restored,
        RestoredOpen, Unknown, User,
    },
    test_stage::{Log, NOW, TestStage, access, session, user},
};
use crate::store::OpenReport;

const OPEN: [&str; 4] = ["access/s", "message/m", "invitation/i", "session/f"];

/// Everything that can be open: a session, a login, a message, an invitation and the code of a reset.
async fn stage() -> TestStage {
    let stage = TestStage::new();
    let mut bob = user("bob");
    bob.secret.reset = Some(ResetCode { phc: "phc".to_owned(), expires_at: NOW.plus_s(60) });
    stage.put("user/ada", &user("ada")).await;
    stage.put("user/bob", &bob).await;
    stage.put("access/s", &access("ada", AccessStage::Active { expires_at: NOW.plus_s(60) })).await;
    stage.put("session/f", &session("ada", NOW.plus_s(60), NOW.plus_s(60))).await;
    let groups = vec!["family".to_owned()];
    let open = InvitationOpen { groups, created_at: NOW, expires_at: NOW.plus_s(60), unknown: Unknown::new() };
    stage.put("invitation/i", &Document { open, secret: () }).await;
    let message: MessageRecord = Document {
        open: MessageOpen {
            user: "ada".to_owned(),
            flow: None,
            channel: "email".to_owned(),
            created_at: NOW,
            dead_at: NOW.plus_s(60),
            tries: 1,
            lease_until: NOW,
            unknown: Unknown::new(),
        },
        secret: MessageSecret {
            waits: None,
            to: "ada@example.org".to_owned(),
            template: "plain".to_owned(),
            language: "en".to_owned(),
            values: [("text".to_owned(), "a text".to_owned())].into(),
        },
    };
    stage.put("message/m", &message).await;
    stage
}

async fn put_restored(stage: &TestStage, is_taken_up: bool) {
    let open = RestoredOpen { at: NOW, uses_unknown_until: NOW.plus_s(5), is_taken_up, unknown: Unknown::new() };
    stage.put("restored", &Document { open, secret: () }).await;
}

#[tokio::test]
async fn after_a_restore_all_that_was_open_ends_once_and_admins_are_told_what_to_do() {
    let (stage, log) = (stage().await, Log::begin());
    put_restored(&stage, false).await;
    stage.flows.resume(&OpenReport::default()).await.unwrap();
    for key in &OPEN[..3] {
        assert!(!stage.has(key).await, "{key}");
    }
    let bob: User = stage.read("user/bob").await;
    assert!(bob.secret.reset.is_none());
    assert_eq!(log.lines_with("invitations_ended").len(), 1);
    let told = log.lines_with("reset_code_ended");
    assert!(told.len() == 1 && told[0].contains("bob"), "{told:?}");
    let restored: Restored = stage.read("restored").await;
    assert!(restored.open.is_taken_up);
    stage.put("access/s", &access("ada", AccessStage::Active { expires_at: NOW.plus_s(60) })).await;
    stage.flows.resume(&OpenReport::default()).await.unwrap();
    assert!(stage.has("access/s").await, "what was made since stays");
}

#[tokio::test]
async fn a_restore_without_invitations_tells_of_none_and_without_a_restore_nothing_ends() {
    let (stage, log) = (stage().await, Log::begin());
    stage.flows.resume(&OpenReport::default()).await.unwrap();
    for key in OPEN {
        assert!(stage.has(key).await, "{key}");
    }
    let stage = TestStage::new();
    put_restored(&stage, false).await;
    stage.flows.resume(&OpenReport::default()).await.unwrap();
    assert!(log.lines_with("invitations_ended").is_empty());
}

#[tokio::test]
async fn what_a_restore_would_end_can_be_seen_before() {
    let stage = stage().await;
    let open = stage.flows.open_things().await.unwrap();
    assert_eq!((open.sessions.len(), open.reset_codes), (2, vec!["bob".to_owned()]));
    let invitation = &open.invitations[0];
    assert_eq!((invitation.groups.join(" "), invitation.expires_at), ("family".to_owned(), NOW.plus_s(60)));
}
