//! What users do about themselves: a new password, the name they are shown by, language and zone.
//!
//! Their addresses are not among it: a new one has to be proved first, and that takes a message.

use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};

use super::{PeopleError, UserChanges, UserDetails, Who};
use crate::{
    flow::{
        Access, Asker, FlowError, Flows,
        engine::{Committed, Engine, TRIES_MAX},
        login::ended,
        messages::{About, Notice},
        new_password::NewPasswordError,
        proof::Need,
        record::{AccessSession, Account, Document, Factors, Found, Session, SessionStage, UserSecret, key},
    },
    provider::{Expected, PasswordRefusal},
    store::{Change, Expectation},
};

/// Where the new password stands in the request.
const NEW_PASSWORD: &str = "new_password";

/// A commit takes only so many changes.
const OPEN_LOGINS_MAX: usize = 100;

/// What a user may change of their own; what is not given stays, an empty text takes away.
#[derive(Clone, Default)]
pub struct OwnChanges {
    pub display_name: Option<String>,
    pub language: Option<String>,
    pub zone: Option<String>,
}

impl Flows {
    /// Who the caller is, with addresses.
    pub async fn own_details(&self, access: &Access) -> Result<UserDetails, PeopleError> {
        self.user_details(Who::Id(&access.user_id)).await
    }

    /// Changes what the caller may change alone.
    pub async fn change_own(&self, access: &Access, changes: OwnChanges) -> Result<UserDetails, PeopleError> {
        let OwnChanges { display_name, language, zone } = changes;
        let changes = UserChanges { display_name, language, zone, ..UserChanges::default() };
        let actor = format!("user:{}", access.user_id);
        self.change_profile(&actor, Who::Id(&access.user_id), &changes).await
    }

    /// A new password for the caller, who gives the former one and, with a factor, a fresh proof of it. Throttled like
    /// a login. Logins in progress end; with `end_others` all other sessions do too.
    pub async fn change_own_password(
        &self,
        access: &Access,
        old: &SecretString,
        new: &SecretString,
        end_others: bool,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now();
        let factors: Found<Factors> = engine.read(key::factors(&access.user_id)).await?;
        engine.require_proof(access, &factors.open(), Need::NewPassword, now.wall)?;
        let user = engine.user_in_epoch(&access.user_id, access.user_epoch).await?;
        let user = user.and_then(|user| user.record).ok_or(FlowError::Unauthenticated)?;
        let Some(phc) = user.secret.password.clone().map(SecretString::from) else {
            let detail = "this user has no password here".to_owned();
            return Err(FlowError::NotPossible { code: "no_password", detail });
        };
        let admission = engine.throttle.admit(asker.address, &user.open.name, &now);
        let admission = admission.map_err(|retry_after_s| FlowError::Throttled { retry_after_s })?;
        if !engine.passwords.verify(old, Expected::Hash(&phc)).await.map_err(|_| FlowError::Busy)? {
            admission.failed(&now);
            tracing::info!(target: "audit", event = "password_change_refused", user = access.user_id, address = %asker.address);
            return Err(FlowError::InvalidAuth);
        }
        admission.passed();
        if old.expose_secret() == new.expose_secret() {
            return Err(FlowError::PasswordRefused { field: NEW_PASSWORD, refusal: PasswordRefusal::Unchanged });
        }
        let hashed = engine.new_password(&user.open.name, new).await.map_err(|error| match error {
            NewPasswordError::Busy => FlowError::Busy,
            NewPasswordError::Refused(refusal) => FlowError::PasswordRefused { field: NEW_PASSWORD, refusal },
        })?;
        engine.keep_own_password(access, &user.secret, &hashed, end_others, asker.address).await
    }
}

impl Engine {
    async fn keep_own_password(
        &self,
        access: &Access,
        checked: &UserSecret,
        phc: &SecretString,
        end_others: bool,
        source: IpAddr,
    ) -> Result<(), FlowError> {
        let now = self.clock.now().wall;
        for _ in 0..TRIES_MAX {
            let _turn = self.queue(&access.user_id).await;
            let found = self.user_in_epoch(&access.user_id, access.user_epoch).await?;
            let found = found.ok_or(FlowError::Unauthenticated)?;
            let Some(mut user) = found.record.clone() else { return Err(FlowError::Unauthenticated) };
            // Somebody else set another meanwhile: the one that was checked is not the former one any more.
            if user.secret.password != checked.password {
                return Err(FlowError::Busy);
            }
            let factors: Found<Factors> = self.read(key::factors(&access.user_id)).await?;
            self.require_proof(access, &factors.open(), Need::NewPassword, now)?;
            let own: Found<AccessSession> = self.read(key::access(&access.session_id)).await?;
            let mut session = own.record.clone().ok_or(FlowError::Unauthenticated)?;
            user.secret.password = Some(phc.expose_secret().to_owned());
            user.secret.mailed_codes.clear();
            if end_others {
                user.open.epoch += 1;
                session.open.user_epoch = user.open.epoch;
            }
            session.open.password_at = Some(now);
            let (mut changes, mut expectations) = match end_others {
                true => (Vec::new(), Vec::new()),
                false => self.without_open_logins(&access.user_id).await?,
            };
            changes.extend([found.put(&user), own.put(&session)]);
            expectations.extend([found.unchanged(), own.unchanged(), factors.unchanged()]);
            let about = About { user: &found, source: Some(source), also: &[], now };
            let told = self.notices(&Notice::password_changed(), about);
            if let Committed::Done = self.commit_and_tell(changes, expectations, told).await? {
                self.note_password(&user.secret, Some(checked));
                let user = &access.user_id;
                tracing::info!(target: "audit", event = "password_changed", user, by = "user", end_others);
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }

    /// The part of a commit that ends a user's logins in progress: their first factor may have been a password that
    /// is none any more.
    async fn without_open_logins(&self, user: &str) -> Result<(Vec<Change>, Vec<Expectation>), FlowError> {
        let account: Found<Account> = self.read(key::account(user)).await?;
        let (mut changes, mut expectations) = (Vec::new(), vec![account.unchanged()]);
        let mut counted = account.open();
        // A trial is none: it came after a login and gives nothing.
        if counted.sessions.len() > OPEN_LOGINS_MAX {
            let detail = "too many logins are in progress; end the other sessions as well".to_owned();
            return Err(FlowError::NotPossible { code: "too_many_logins", detail });
        }
        for open in counted.sessions.drain(..) {
            let found: Found<Session> = self.read(key::session(&open.flow)).await?;
            if let Some(session) = found.record.as_ref().filter(|session| is_open(&session.open.stage)) {
                changes.push(found.put(&ended(session, "password_changed")));
                expectations.push(found.unchanged());
            }
        }
        if account.record.is_some() {
            changes.push(account.put(&Document { open: counted, secret: () }));
        }
        Ok((changes, expectations))
    }
}

fn is_open(stage: &SessionStage) -> bool {
    !matches!(stage, SessionStage::Ended { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        record::{AccountOpen, OpenFlow},
        test_stage::{NOW, TestStage, session},
    };

    #[tokio::test]
    async fn logins_in_progress_end_with_the_password_and_only_so_many_at_once() {
        let stage = TestStage::new();
        let engine = &stage.flows.engine;
        let mut over = session("ada", NOW, NOW);
        over.open.stage = SessionStage::Ended { reason: "passed".to_owned() };
        stage.put("session/open", &session("ada", NOW, NOW)).await;
        stage.put("session/over", &over).await;
        let flow = |name: &str| OpenFlow { flow: name.to_owned(), until: NOW };
        let account = |sessions| Document { open: AccountOpen { sessions, ..AccountOpen::default() }, secret: () };
        let (none, _) = engine.without_open_logins("ada").await.unwrap();
        assert!(none.is_empty(), "no account, nothing to change");
        let gone = (2..OPEN_LOGINS_MAX).map(|place| flow(&format!("gone{place}")));
        let full: Vec<OpenFlow> = [flow("open"), flow("over")].into_iter().chain(gone).collect();
        stage.put("account/ada", &account(full.clone())).await;
        let (changes, expectations) = engine.without_open_logins("ada").await.unwrap();
        assert_eq!((changes.len(), expectations.len()), (2, 2), "the open one and the account");
        engine.store.commit(changes, expectations).await.unwrap();
        let ended: Found<Session> = engine.read(key::session("open")).await.unwrap();
        let stage_now = ended.record.map(|session| session.open.stage);
        assert_eq!(stage_now, Some(SessionStage::Ended { reason: "password_changed".to_owned() }));
        let left: Found<Account> = engine.read(key::account("ada")).await.unwrap();
        assert!(left.open().sessions.is_empty());

        let one_more = full.into_iter().chain([flow("one more")]).collect();
        stage.put("account/ada", &account(one_more)).await;
        let refused = engine.without_open_logins("ada").await;
        assert!(matches!(refused, Err(FlowError::NotPossible { code: "too_many_logins", .. })));
    }
}
