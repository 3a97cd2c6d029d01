//! What time and restarts do to sessions: resume after a start, sweep what has expired, and the list of what is open.

use super::{
    FlowError, Flows, PeopleError,
    record::{
        self, AccessSession, AccessStage, Document, Found, Grant, Invitation, ProviderId, Restored, Session,
        SessionOpen, SessionSecret, SessionStage, Setup, SetupStage, Stored, User, key,
    },
};
use crate::{
    clock::{Now, Timestamp},
    settings::Limits,
    store::{Change, Expectation, Key, OpenReport, Revision, StoreError},
};

/// An expired set-up stays this long, so that its user is told once.
const SETUP_TOMBSTONE_S: u64 = 600;
/// Records one sweep commit removes.
const SWEEP_BATCH: usize = 200;

/// An open access session, or a validation session or set-up in progress.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct SessionView {
    /// `access`, `validation` or `setup`.
    pub kind: String,
    /// Access: the session id. Others: 8 hexadecimal digits of the flow's hash.
    pub id: String,
    pub user: String,
    pub client_id: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub mfa_method_used: Option<String>,
    pub mfa_verified_at: Option<Timestamp>,
}

impl Flows {
    /// Once after the store was opened: tampered flows are dropped; after older records were put back, or with a clock
    /// earlier than the last commit, every open flow ends. On a store that serves nothing there is nothing to take up.
    pub async fn resume(&self, report: &OpenReport) -> Result<(), StoreError> {
        match self.health().await {
            Err(StoreError::Damaged(_) | StoreError::RolledBack(_)) => return Ok(()),
            health => health?,
        }
        for key in report.tampered.iter().filter(|key| is_flow(key)) {
            tracing::error!(target: "audit", event = "tampered_record_dropped", record = %key);
            let _ = self.engine.commit(vec![self.dropped(key)], Vec::new()).await?;
        }
        for key in report.tampered.iter().filter(|key| !is_flow(key)) {
            tracing::error!(target: "audit", event = "tampered_record_refused", record = %key);
        }
        let now = self.engine.clock.now().wall;
        if report.last_commit_ms.is_some_and(|last_ms| now.0 < last_ms) {
            let reason = "the clock is earlier than the last commit";
            tracing::error!(target: "audit", event = "open_sessions_ended", reason);
            self.end_all_flows().await?;
        }
        self.take_up_restore(report).await
    }

    /// The record of a restore says until the end whether everything that was open has ended: a crash in between leaves
    /// that to the next start.
    async fn take_up_restore(&self, report: &OpenReport) -> Result<(), StoreError> {
        let Some(key) = key::restored() else { return Ok(()) };
        let (store, now) = (&self.engine.store, self.engine.clock.now().wall);
        let mut restored: Restored = match record::read(store, key.clone()).await {
            Ok(Found { record: None, .. }) => return Ok(()),
            Ok(Found { record: Some(restored), .. }) => restored,
            // When that was is not known any more: it counts as now.
            Err(StoreError::Tampered(_)) => super::storage::restored_now(report, now),
            Err(error) => return Err(error),
        };
        self.engine.refuse_tokens_before(restored.open.at.min(now));
        self.engine.tell_modules_of_restore(super::storage::credible(restored.open.uses_unknown_until, now));
        if restored.open.is_taken_up {
            return Ok(());
        }
        let reason = "the store was put back to an older state";
        tracing::error!(target: "audit", event = "open_sessions_ended", reason);
        self.end_all_flows().await?;
        self.end_access_sessions().await?;
        restored.open.is_taken_up = true;
        self.engine.commit(vec![Change::Put(key, restored.to_content())], Vec::new()).await.map(drop)
    }

    /// What takes the place of a record that cannot be believed. A session leaves a tombstone, so that its flow id
    /// does not begin anew.
    fn dropped(&self, key: &Key) -> Change {
        if !key.as_str().starts_with("session/") {
            return Change::Delete(key.clone());
        }
        let tombstone = session_tombstone(&self.engine.clock.now(), &self.engine.settings.limits);
        Change::Put(key.clone(), tombstone.to_content())
    }

    async fn end_all_flows(&self) -> Result<(), StoreError> {
        let store = &self.engine.store;
        self.engine.refuse_tokens_before(self.engine.clock.now().wall);
        for (key, at, _) in record::scan::<Session>(store, "session/").await? {
            let _ = self.engine.commit(vec![self.dropped(&key)], vec![Expectation::At(key, at)]).await?;
        }
        let mut gone: Vec<(Key, Revision)> = Vec::new();
        gone.extend(record::scan::<Setup>(store, "setup/").await?.into_iter().map(|(key, at, _)| (key, at)));
        let issued = record::scan::<AccessSession>(store, "access/").await?.into_iter();
        let issued = issued.filter(|(_, _, access)| matches!(access.open.stage, AccessStage::Issued { .. }));
        gone.extend(issued.map(|(key, at, _)| (key, at)));
        self.remove(gone).await
    }

    /// Which of the sessions in an older copy had ended meanwhile, nobody knows; their users sign in again.
    async fn end_access_sessions(&self) -> Result<(), StoreError> {
        let sessions = record::scan::<AccessSession>(&self.engine.store, "access/").await?;
        self.remove(sessions.into_iter().map(|(key, at, _)| (key, at)).collect()).await
    }

    /// Learns what the stored password hashes cost, so that a name nobody has costs the same; `serve` calls it once.
    pub async fn learn_password_costs(&self) -> Result<(), StoreError> {
        for (_, _, user) in record::scan::<User>(&self.engine.store, "user/").await? {
            if let Some(phc) = user.secret.password {
                self.engine.passwords.note(&phc.into(), None);
            }
        }
        Ok(())
    }

    /// Removes what has expired from memory and disk; `serve` calls it once a minute.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.engine.clock.now().wall;
        self.engine.forget_ended_tokens(now);
        let store = &self.engine.store;
        let sessions = record::scan::<Session>(store, "session/").await?.into_iter();
        let sessions = sessions.filter(|(_, _, session)| now > session.open.retain_until).map(|(key, at, _)| (key, at));
        self.remove(sessions.collect()).await?;
        let setups = record::scan::<Setup>(store, "setup/").await?.into_iter();
        let setups = setups
            .filter(|(_, _, setup)| now > setup.open.expires_at.plus_s(SETUP_TOMBSTONE_S))
            .map(|(key, at, _)| (key, at));
        self.remove(setups.collect()).await?;
        let invitations = record::scan::<Invitation>(store, "invitation/").await?.into_iter();
        let invitations = invitations.filter(|(_, _, invitation)| now > invitation.open.expires_at);
        self.remove(invitations.map(|(key, at, _)| (key, at)).collect()).await?;
        let mut gone = Vec::new();
        for (key, at, access) in record::scan::<AccessSession>(store, "access/").await? {
            let expires_at = match access.open.stage {
                AccessStage::Issued { code_expires_at } => code_expires_at,
                AccessStage::Active { expires_at } => expires_at,
            };
            if now > expires_at || !self.is_of_its_user(&access).await? {
                gone.push((key, at));
            }
        }
        self.remove(gone).await
    }

    async fn is_of_its_user(&self, access: &AccessSession) -> Result<bool, StoreError> {
        let Some(key) = key::user(&access.open.user) else { return Ok(false) };
        let user: Found<User> = match record::read(&self.engine.store, key).await {
            Err(StoreError::Tampered(_)) => return Ok(true),
            other => other?,
        };
        Ok(user.record.is_some_and(|user| user.open.epoch == access.open.user_epoch))
    }

    /// What changed since it was looked at is left for the next sweep.
    async fn remove(&self, gone: Vec<(Key, Revision)>) -> Result<(), StoreError> {
        for batch in gone.chunks(SWEEP_BATCH) {
            let changes = batch.iter().map(|(key, _)| Change::Delete(key.clone())).collect();
            let expectations = batch.iter().map(|(key, at)| Expectation::At(key.clone(), *at)).collect();
            let _ = self.engine.commit(changes, expectations).await?;
        }
        Ok(())
    }

    /// All open sessions, or those of one user.
    pub async fn sessions(&self, name: Option<&str>) -> Result<Vec<SessionView>, PeopleError> {
        let only = match name {
            Some(name) => Some(self.user_named(name).await?.0),
            None => None,
        };
        let is_wanted = |user: &str| only.as_deref().is_none_or(|only| only == user);
        let now = self.engine.clock.now().wall;
        let mut views = Vec::new();
        for (key, _, session) in self.open_records::<Session>("session/").await? {
            let is_open = !matches!(session.open.stage, SessionStage::Ended { .. }) && now <= session.open.expires_at;
            if is_open && is_wanted(&session.open.user) {
                let client_id = Some(session.open.client_id.clone());
                let life = (session.open.created_at, Some(session.open.expires_at));
                views.push(self.view("validation", short(&key), &session.open.user, client_id, life).await?);
            }
        }
        for (key, _, setup) in self.open_records::<Setup>("setup/").await? {
            let is_open = !matches!(setup.open.stage, SetupStage::Ended { .. }) && now <= setup.open.expires_at;
            if is_open && is_wanted(&setup.open.user) {
                let life = (setup.open.created_at, Some(setup.open.expires_at));
                views.push(self.view("setup", short(&key), &setup.open.user, None, life).await?);
            }
        }
        for (key, _, access) in self.open_records::<AccessSession>("access/").await? {
            let AccessStage::Active { expires_at } = access.open.stage else { continue };
            if now <= expires_at && is_wanted(&access.open.user) && self.is_of_its_user(&access).await? {
                let id = key.as_str().trim_start_matches("access/").to_owned();
                let life = (access.open.created_at, Some(expires_at));
                let client_id = Some(access.open.client_id.clone());
                let mut view = self.view("access", id, &access.open.user, client_id, life).await?;
                view.mfa_method_used = access.open.mfa_method_used.clone();
                view.mfa_verified_at = access.open.mfa_verified_at;
                views.push(view);
            }
        }
        Ok(views)
    }

    async fn open_records<T: Stored>(&self, prefix: &str) -> Result<Vec<(Key, Revision, T)>, StoreError> {
        record::scan(&self.engine.store, prefix).await
    }

    async fn view(
        &self,
        kind: &str,
        id: String,
        user: &str,
        client_id: Option<String>,
        (created_at, expires_at): (Timestamp, Option<Timestamp>),
    ) -> Result<SessionView, PeopleError> {
        let found: Result<Found<User>, FlowError> = self.engine.read(key::user(user)).await;
        let name = found.ok().and_then(|found| found.record).map_or_else(|| user.to_owned(), |user| user.open.name);
        Ok(SessionView {
            kind: kind.to_owned(),
            id,
            user: name,
            client_id,
            created_at,
            expires_at,
            mfa_method_used: None,
            mfa_verified_at: None,
        })
    }
}

fn session_tombstone(now: &Now, limits: &Limits) -> Session {
    Document {
        open: SessionOpen {
            user: String::new(),
            user_epoch: 0,
            provider: ProviderId { kind: String::new(), id: None },
            client_id: String::new(),
            created_at: now.wall,
            expires_at: now.wall,
            created_boot_ms: now.boot_ms,
            boot_id: now.boot_id.to_string(),
            retain_until: now.wall.plus_s(2 * limits.first_factor_lifetime_s),
            attempts_used: 0,
            password_at: None,
            must_set_password: false,
            stage: SessionStage::Ended { reason: "dropped".to_owned() },
        },
        secret: SessionSecret {
            grant: Grant::Tokens,
            seed: String::new(),
            challenge: None,
            form: None,
            poll_not_before: None,
        },
    }
}

/// Flows and access sessions can be dropped: their user signs in again. Anything else stays and stays refused.
fn is_flow(key: &Key) -> bool {
    ["session/", "setup/", "access/"].iter().any(|prefix| key.as_str().starts_with(prefix))
}

fn short(key: &Key) -> String {
    let hash = key.as_str().rsplit('/').next().unwrap_or_default();
    super::token::short(hash).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        record::Unknown,
        record::{InvitationOpen, User},
        test_stage::{NOW, TestStage, access, session, setup, user},
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
        let all = ["session/s", "setup/t", "invitation/i", "access/c", "access/a"];
        for (moment, expected) in [(NOW, &all[..]), (END, &all[..]), (AFTER, &[][..])] {
            stage.move_clock_to(moment);
            stage.flows.sweep().await.unwrap();
            assert_eq!(left(&stage, &all).await, expected, "{moment:?}");
        }
    }

    #[tokio::test]
    async fn a_sweep_takes_more_than_one_commit_holds() {
        let stage = stage().await;
        for place in 0..=SWEEP_BATCH {
            stage.put(&format!("setup/{place}"), &setup("ada", Timestamp(0))).await;
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
        stage.put("user/bob", &user("bob")).await;
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
}
