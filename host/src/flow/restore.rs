//! After the store was put back to an older state, everything open in it ends: sessions, logins in progress, and what
//! admins handed out. Which of it had ended or been used meanwhile, nobody knows.

use std::collections::BTreeSet;

use super::{
    Flows, PeopleError,
    engine::Committed,
    record::{self, AccessSession, Found, Invitation, MessageRecord, Restored, Stored, User, key},
    storage,
    upkeep::SessionView,
};
use crate::{
    clock::Timestamp,
    store::{Change, Expectation, OpenReport, StoreError},
};

/// What an older state holds open, and what therefore ends when it is taken for the present one.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct OpenThings {
    /// Sessions and logins in progress.
    pub sessions: Vec<SessionView>,
    pub invitations: Vec<InvitationView>,
    /// Names of users who hold the one-time code of a reset.
    pub reset_codes: Vec<String>,
}

/// An invitation without its code, which nobody but its holder has.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct InvitationView {
    pub groups: Vec<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Flows {
    /// What a restore of this store ends.
    pub async fn open_things(&self) -> Result<OpenThings, PeopleError> {
        let sessions = self.sessions(None).await?;
        let store = &self.engine.store;
        let invitations = record::scan::<Invitation>(store, "invitation/").await?.into_iter();
        let invitations = invitations.map(|(_, _, Invitation { open, .. })| InvitationView {
            groups: open.groups,
            created_at: open.created_at,
            expires_at: open.expires_at,
        });
        let users = record::scan::<User>(store, "user/").await?.into_iter();
        let reset: BTreeSet<String> =
            users.filter(|(_, _, user)| user.secret.reset.is_some()).map(|(_, _, user)| user.open.name).collect();
        Ok(OpenThings { sessions, invitations: invitations.collect(), reset_codes: reset.into_iter().collect() })
    }

    /// The record of a restore says until the end whether everything that was open has ended: a crash in between leaves
    /// that to the next start.
    pub(super) async fn take_up_restore(&self, report: &OpenReport) -> Result<(), StoreError> {
        let Some(key) = key::restored() else { return Ok(()) };
        let (store, now) = (&self.engine.store, self.engine.clock.now().wall);
        let mut restored: Restored = match record::read(store, key.clone()).await {
            Ok(Found { record: None, .. }) => return Ok(()),
            Ok(Found { record: Some(restored), .. }) => restored,
            // When that was is not known any more: it counts as now.
            Err(StoreError::Tampered(_)) => storage::restored_now(report, now),
            Err(error) => return Err(error),
        };
        self.engine.refuse_tokens_before(restored.open.at.min(now));
        self.engine.tell_modules_of_restore(storage::credible(restored.open.uses_unknown_until, now));
        if restored.open.is_taken_up {
            return Ok(());
        }
        let reason = "the store was put back to an older state";
        tracing::error!(target: "audit", event = "open_sessions_ended", reason);
        self.end_all_flows().await?;
        self.end_access_sessions().await?;
        self.end_messages().await?;
        self.end_invitations(reason).await?;
        self.end_reset_codes(reason).await?;
        restored.open.is_taken_up = true;
        self.engine.commit(vec![Change::Put(key, restored.to_content())], Vec::new()).await.map(drop)
    }

    /// Which of the sessions in an older copy had ended meanwhile, nobody knows; their users sign in again.
    async fn end_access_sessions(&self) -> Result<(), StoreError> {
        let sessions = record::scan::<AccessSession>(&self.engine.store, "access/").await?;
        self.remove(sessions.into_iter().map(|(key, at, _)| (key, at)).collect()).await
    }

    /// Those in an older copy were sent since, or belong to what has ended.
    async fn end_messages(&self) -> Result<(), StoreError> {
        let messages = record::scan::<MessageRecord>(&self.engine.store, "message/").await?;
        self.remove(messages.into_iter().map(|(key, at, _)| (key, at)).collect()).await
    }

    /// One that was used since would let a second person in.
    async fn end_invitations(&self, reason: &str) -> Result<(), StoreError> {
        let invitations = record::scan::<Invitation>(&self.engine.store, "invitation/").await?;
        if !invitations.is_empty() {
            let (event, count) = ("invitations_ended", invitations.len());
            tracing::error!(target: "audit", event, count, reason, remedy = "invite anew: mfa-host user invite");
        }
        self.remove(invitations.into_iter().map(|(key, at, _)| (key, at)).collect()).await
    }

    /// One that was used since would open the account again, and to whoever found it. The user stays reset, so that
    /// neither the former password nor a code is good: an admin resets them anew. A code that was mailed for a forgotten
    /// password ends too; the password stands beside it, and another can be asked for.
    async fn end_reset_codes(&self, reason: &str) -> Result<(), StoreError> {
        loop {
            let users = record::scan::<User>(&self.engine.store, "user/").await?;
            let holders: Vec<_> = users
                .into_iter()
                .filter(|(_, _, user)| user.secret.reset.is_some() || !user.secret.mailed_codes.is_empty())
                .collect();
            if holders.is_empty() {
                return Ok(());
            }
            // One that changes meanwhile is there again at the next look.
            for (key, at, mut user) in holders {
                let is_reset = user.secret.reset.take().is_some();
                user.secret.mailed_codes.clear();
                let expectations = vec![Expectation::At(key.clone(), at)];
                let changes = vec![Change::Put(key.clone(), user.to_content())];
                if let Committed::Done = self.engine.commit(changes, expectations).await?
                    && is_reset
                {
                    let (event, user) = ("reset_code_ended", key.as_str().trim_start_matches("user/"));
                    tracing::error!(target: "audit", event, user, reason, remedy = "mfa-host user reset NAME");
                }
            }
        }
    }
}
