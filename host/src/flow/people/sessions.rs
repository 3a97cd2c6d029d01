//! A user's own sessions: where they are signed in, and the end of those they do not want any more.

use std::net::IpAddr;

use crate::{
    clock::Timestamp,
    flow::{
        Access, FlowError, Flows,
        access::end_session,
        engine::Committed,
        record::{self, AccessSession, AccessStage, Found, key},
    },
    store::{Change, Expectation, Key, Revision},
};

/// A commit takes only so many changes.
const BATCH: usize = 200;

/// One place where the user is signed in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OwnSession {
    pub id: String,
    /// Whether it is the one that asks.
    pub is_current: bool,
    pub client_id: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Of the login. None in sessions of older builds.
    pub address: Option<IpAddr>,
    /// What the program of the login calls itself.
    pub browser: Option<String>,
    pub mfa_method_used: Option<String>,
    pub mfa_verified_at: Option<Timestamp>,
}

impl Flows {
    /// The caller's open sessions, the newest first.
    pub async fn own_sessions(&self, access: &Access) -> Result<Vec<OwnSession>, FlowError> {
        let now = self.engine.clock.now().wall;
        let mut views: Vec<OwnSession> = Vec::new();
        for (key, _, session) in self.sessions_of(access).await? {
            let AccessStage::Active { expires_at } = session.open.stage else { continue };
            if now <= expires_at {
                views.push(view(id_of(&key), session, expires_at, access));
            }
        }
        views.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(views)
    }

    /// Ends one of the caller's sessions; it may be the one that asks.
    ///
    /// # Errors
    /// [`FlowError::NotFound`] for one that is over, or another user's.
    pub async fn end_session(&self, access: &Access, id: &str) -> Result<(), FlowError> {
        let none = || FlowError::NotFound { what: "such session of yours" };
        let key = key::access(id).ok_or_else(none)?;
        let found: Found<AccessSession> = self.engine.read(Some(key)).await?;
        if !found.record.as_ref().is_some_and(|session| is_of(session, access)) {
            return Err(none());
        }
        end_session(&self.engine, found).await?;
        tracing::info!(target: "audit", event = "session_ended", user = access.user_id, session = id);
        Ok(())
    }

    /// Ends all of the caller's sessions but the one that asks, those included whose tokens nobody has fetched yet. How
    /// many they were.
    pub async fn end_other_sessions(&self, access: &Access) -> Result<usize, FlowError> {
        let mut others = self.sessions_of(access).await?;
        others.retain(|(key, ..)| id_of(key) != access.session_id);
        for batch in others.chunks(BATCH) {
            let changes = batch.iter().map(|(key, ..)| Change::Delete(key.clone())).collect();
            let expectations = batch.iter().map(|(key, at, _)| Expectation::At(key.clone(), *at)).collect();
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                continue;
            }
            // One of them is in use just now: each by itself, as it stands by then.
            for (key, ..) in batch {
                end_session(&self.engine, self.engine.read(Some(key.clone())).await?).await?;
            }
        }
        let (user, count) = (&access.user_id, others.len());
        tracing::info!(target: "audit", event = "other_sessions_ended", user, count);
        Ok(count)
    }

    async fn sessions_of(&self, access: &Access) -> Result<Vec<(Key, Revision, AccessSession)>, FlowError> {
        let mut sessions = record::scan::<AccessSession>(&self.engine.store, "access/").await?;
        sessions.retain(|(_, _, session)| is_of(session, access));
        Ok(sessions)
    }
}

/// A session of an earlier epoch opens nothing any more and waits to be swept away.
fn is_of(session: &AccessSession, access: &Access) -> bool {
    session.open.user == access.user_id && session.open.user_epoch == access.user_epoch
}

fn id_of(key: &Key) -> &str {
    key.as_str().trim_start_matches("access/")
}

fn view(id: &str, session: AccessSession, expires_at: Timestamp, access: &Access) -> OwnSession {
    let came_from = session.secret.came_from;
    OwnSession {
        id: id.to_owned(),
        is_current: id == access.session_id,
        client_id: session.open.client_id,
        created_at: session.open.created_at,
        expires_at,
        address: came_from.as_ref().map(|from| from.address),
        browser: came_from.and_then(|from| from.browser),
        mfa_method_used: session.open.mfa_method_used,
        mfa_verified_at: session.open.mfa_verified_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_stage::{NOW, TestStage, access, signed_in};

    #[tokio::test]
    async fn a_user_sees_and_ends_sessions_of_their_own_epoch_alone() {
        let stage = TestStage::new();
        let open = AccessStage::Active { expires_at: NOW.plus_s(60) };
        for id in ["own", "other"] {
            stage.put(&format!("access/{id}"), &access("ada", open.clone())).await;
        }
        let issued = AccessStage::Issued { code_expires_at: NOW.plus_s(60) };
        stage.put("access/issued", &access("ada", issued)).await;
        stage.put("access/over", &access("ada", AccessStage::Active { expires_at: Timestamp(NOW.0 - 1) })).await;
        stage.put("access/bobs", &access("bob", open.clone())).await;
        let mut former = access("ada", open);
        former.open.user_epoch = 7;
        stage.put("access/former", &former).await;
        let ada = Access { session_id: "own".to_owned(), ..signed_in("ada", 0) };
        let listed = stage.flows.own_sessions(&ada).await.unwrap();
        let listed: Vec<(&str, bool)> = listed.iter().map(|view| (view.id.as_str(), view.is_current)).collect();
        assert_eq!(listed, [("own", true), ("other", false)]);
        for id in ["bobs", "former", "nobody", "../x", ""] {
            let refused = stage.flows.end_session(&ada, id).await;
            assert!(matches!(refused, Err(FlowError::NotFound { .. })), "{id}");
        }
        assert_eq!(stage.flows.end_other_sessions(&ada).await.unwrap(), 3, "the one never fetched is one of them");
        let left = record::scan::<AccessSession>(&stage.flows.engine.store, "access/").await.unwrap();
        let mut left: Vec<&str> = left.iter().map(|(key, ..)| id_of(key)).collect();
        left.sort_unstable();
        assert_eq!(left, ["bobs", "former", "own"]);
        stage.flows.end_session(&ada, "own").await.unwrap();
        assert!(matches!(stage.flows.end_session(&ada, "own").await, Err(FlowError::NotFound { .. })));
    }
}
