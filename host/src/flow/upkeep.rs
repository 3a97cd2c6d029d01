//! What time and restarts do to sessions: resume after a start, sweep what has expired, and the list of what is open.

use super::{
    FlowError, Flows, PeopleError,
    record::{
        self, AccessSession, AccessStage, AddressProof, Document, Found, Grant, Invitation, ProviderId, Session,
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
pub(super) const SWEEP_BATCH: usize = 200;

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
        self.take_up_restore(report).await?;
        self.take_up_messages(true).await
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

    pub(super) async fn end_all_flows(&self) -> Result<(), StoreError> {
        let store = &self.engine.store;
        self.engine.refuse_tokens_before(self.engine.clock.now().wall);
        for (key, at, _) in record::scan::<Session>(store, "session/").await? {
            let _ = self.engine.commit(vec![self.dropped(&key)], vec![Expectation::At(key, at)]).await?;
        }
        let mut gone: Vec<(Key, Revision)> = Vec::new();
        gone.extend(record::scan::<Setup>(store, "setup/").await?.into_iter().map(|(key, at, _)| (key, at)));
        gone.extend(record::scan::<AddressProof>(store, "address/").await?.into_iter().map(|(key, at, _)| (key, at)));
        let issued = record::scan::<AccessSession>(store, "access/").await?.into_iter();
        let issued = issued.filter(|(_, _, access)| matches!(access.open.stage, AccessStage::Issued { .. }));
        gone.extend(issued.map(|(key, at, _)| (key, at)));
        self.remove(gone).await
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
        self.engine.messages.forget_silent(now);
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
        let proofs = record::scan::<AddressProof>(store, "address/").await?.into_iter();
        let proofs = proofs.filter(|(_, _, proof)| now > proof.open.expires_at).map(|(key, at, _)| (key, at));
        self.remove(proofs.collect()).await?;
        self.remove(self.silent_targets(now).await?).await?;
        self.remove(self.dead_links(now).await?).await?;
        self.take_up_messages(false).await?;
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
    pub(super) async fn remove(&self, gone: Vec<(Key, Revision)>) -> Result<(), StoreError> {
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
            let is_over = matches!(session.open.stage, SessionStage::Denied { .. } | SessionStage::Ended { .. });
            let is_open = !is_over && now <= session.open.expires_at;
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

pub(super) fn session_tombstone(now: &Now, limits: &Limits) -> Session {
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
            language: None,
            stage: SessionStage::Ended { reason: "dropped".to_owned() },
        },
        secret: SessionSecret {
            grant: Grant::Tokens,
            seed: String::new(),
            challenge: None,
            form: None,
            poll_not_before: None,
            sent: None,
        },
    }
}

/// Flows, their links and access sessions can be dropped: their user signs in again. Anything else stays and stays refused.
pub(super) fn is_flow(key: &Key) -> bool {
    ["session/", "setup/", "access/", "address/", "link/"].iter().any(|prefix| key.as_str().starts_with(prefix))
}

pub(super) fn short(key: &Key) -> String {
    let hash = key.as_str().rsplit('/').next().unwrap_or_default();
    super::token::short(hash).to_owned()
}
