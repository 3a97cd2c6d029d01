//! A login that is ended from elsewhere, by its link: whoever waits for it is told at the next question, and then it is
//! over like any other.

use super::{Turn, link::Standing, session::ended};
use crate::flow::{
    Asker, FlowError, Flows,
    engine::{Committed, TRIES_MAX},
    messages::{About, Notice},
    record::{Account, AccountOpen, Document, Found, Grant, Session, SessionStage, key},
    token,
};

/// What somebody said that it was not them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    Login,
    /// A trial or change of factors, by somebody who is signed in.
    Change,
}

impl Flows {
    /// "This was not me": ends the login that waits for this link. False if none does.
    pub async fn deny_link(&self, token: &str, asker: &Asker) -> Result<Option<Denied>, FlowError> {
        let now = self.engine.clock.now();
        let hash = token::hash(token);
        let Some(standing) = self.engine.standing(&hash, &now).await? else { return Ok(None) };
        let turn = Turn::of_flow(now, &self.engine, standing.record.open.session.clone(), asker);
        // Somebody had the user's password, or a session of theirs, and the user says so.
        let (what, notice, event) = match standing.session.secret.grant {
            Grant::Trial => (Denied::Change, Notice::change_denied(), "change_denied"),
            Grant::Code { .. } | Grant::Tokens | Grant::Proof { .. } => {
                (Denied::Login, Notice::login_denied(), "login_denied")
            }
        };
        let is_ended = turn.deny(&hash, "refused_by_user", Some(&notice), |account| account).await?;
        if is_ended {
            let (user, method) = (&standing.session.open.user, &standing.module);
            let (address, flow) = (standing.record.secret.address, token::short(turn.flow_hash()));
            tracing::warn!(target: "audit", event, user, method, %address, flow);
        }
        Ok(is_ended.then_some(what))
    }
}

impl Turn<'_> {
    /// Ends the login that waits for the link of this hash, with another change of the account in the same commit, and
    /// with what the user is told of it. False if none does.
    pub(super) async fn deny(
        &self,
        hash: &str,
        reason: &str,
        notice: Option<&Notice>,
        change: impl Fn(AccountOpen) -> AccountOpen,
    ) -> Result<bool, FlowError> {
        for _ in 0..TRIES_MAX {
            let standing = self.engine.standing(hash, &self.now).await?;
            let Some(Standing { link, record, found, session, user, .. }) = standing else { return Ok(false) };
            let _turn = self.engine.queue(&session.open.user).await;
            let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
            let mut counted = change(account.open());
            counted.leave(self.flow_hash());
            let also = session.secret.sent.as_ref().map_or(&[][..], |sent| &sent.to);
            let source = Some(record.secret.address);
            let about = About { user: &user, source, also, now: self.now.wall };
            let told = notice.map(|notice| self.engine.notices(notice, about)).unwrap_or_default();
            let changes = vec![
                found.put(&denied(&session, reason)),
                link.delete(),
                account.put(&Document { open: counted, secret: () }),
            ];
            // The account of a removed user is gone and stays gone.
            let expectations = vec![found.unchanged(), link.unchanged(), account.unchanged(), user.unchanged()];
            if let Committed::Done = self.engine.commit_and_tell(changes, expectations, told).await? {
                self.tell_end(&session.open.user, reason);
                return Ok(true);
            }
        }
        Err(FlowError::Busy)
    }
}

/// The session when all that is left of it is a reason, for the client that began it.
fn denied(session: &Session, reason: &str) -> Session {
    let mut denied = ended(session, "");
    denied.secret.grant = session.secret.grant.clone();
    denied.open.stage = SessionStage::Denied { reason: reason.to_owned() };
    denied
}
