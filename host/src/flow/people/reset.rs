//! Resets: an admin takes away what opens a user's door, and never sees or sets what opens it next.

use secrecy::ExposeSecret;

use super::{PeopleError, PrintedOnce, UserView, Who, view::view};
use crate::{
    clock::Timestamp,
    flow::{
        Flows,
        engine::{Committed, TRIES_MAX},
        messages::{About, Notice, Written},
        record::{Account, AccountOpen, Document, Factors, Found, ResetCode, SentTo, key},
        token,
    },
};

/// Groups of a one-time code: 60 random bits.
const CODE_GROUPS: usize = 3;
/// Life of a one-time code.
const CODE_LIFETIME_S: u64 = 24 * 3600;

/// What a reset came to.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct UserReset {
    pub user: UserView,
    /// For the user's hand: with the user name it leads to a new password, once.
    pub code: PrintedOnce,
    pub expires_at: Timestamp,
    /// Ids of the modules whose enrolments are gone.
    pub removed: Vec<String>,
}

/// What a reset takes away.
struct Taken {
    password: Option<ResetCode>,
    factors: bool,
}

impl Flows {
    /// Removes all enrolments of a user and ends sessions and logins in progress. Returns the ids removed.
    pub async fn reset_methods(&self, actor: &str, name: &str) -> Result<Vec<String>, PeopleError> {
        let (_, removed) = self.take(actor, Who::Name(name), &Taken { password: None, factors: true }).await?;
        Ok(removed)
    }

    /// From now on the password opens nothing, and a one-time code leads to a new one. With `factors` the enrolments go
    /// too. Ends sessions and logins in progress; a code of an earlier reset is dead.
    pub async fn reset_user(&self, actor: &str, who: Who<'_>, factors: bool) -> Result<UserReset, PeopleError> {
        let code = token::new_spoken_code(CODE_GROUPS);
        let folded = token::folded_spoken_code(&code).into();
        let phc = self.engine.passwords.hash(&folded).await.map_err(|_| PeopleError::Busy)?;
        let expires_at = self.engine.clock.now().wall.plus_s(CODE_LIFETIME_S);
        let password = Some(ResetCode { phc: phc.expose_secret().to_owned(), expires_at });
        let (user, removed) = self.take(actor, who, &Taken { password, factors }).await?;
        Ok(UserReset { user, code: PrintedOnce(code), expires_at, removed })
    }

    async fn take(&self, actor: &str, who: Who<'_>, taken: &Taken) -> Result<(UserView, Vec<String>), PeopleError> {
        for _ in 0..TRIES_MAX {
            let (id, found, mut user) = self.engine.person(who).await?;
            let turn = self.engine.queue(&id).await;
            let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
            let account: Found<Account> = self.engine.read(key::account(&id)).await?;
            let mut listed = factors.open();
            let enrolled = listed.factors.iter().map(|factor| factor.module.clone());
            let enrolled: Vec<String> = enrolled.filter(|_| taken.factors).collect();
            let (mut changes, mut expectations, enrolments) = self.engine.removal(&id, &enrolled).await?;
            user.open.epoch += 1;
            if let Some(code) = &taken.password {
                user.secret.password = None;
                user.secret.mailed_codes.clear();
                user.secret.reset = Some(code.clone());
                user.open.must_change_password = true;
            }
            if taken.factors {
                listed = enrolled.iter().fold(listed, |rest, module| rest.without(module));
                let counted = account.open();
                let cleared =
                    AccountOpen { last_used: counted.last_used, unknown: counted.unknown, ..AccountOpen::default() };
                changes.push(factors.put(&Document { open: listed.clone(), secret: () }));
                changes.push(account.put(&Document { open: cleared, secret: () }));
            }
            changes.push(found.put(&user));
            expectations.extend([found.unchanged(), factors.unchanged(), account.unchanged()]);
            let gone = enrolments.iter().filter_map(|found| found.record.as_ref());
            let also: Vec<SentTo> = gone.flat_map(|enrolment| enrolment.secret.sent_to.clone()).collect();
            let about = About { user: &found, source: None, also: &also, now: self.engine.clock.now().wall };
            let mut told = Written::default();
            let of_factors = (taken.factors && !enrolled.is_empty()).then(Notice::factors_reset);
            for notice in of_factors.into_iter().chain(taken.password.as_ref().map(|_| Notice::password_reset())) {
                told.extend(self.engine.notices(&notice, about));
            }
            let committed = self.engine.commit_and_tell(changes, expectations, told).await?;
            drop(turn);
            if let Committed::Done = committed {
                if taken.factors {
                    tracing::info!(target: "audit", event = "factors_reset", actor, user = id, methods = ?enrolled);
                }
                if taken.password.is_some() {
                    tracing::info!(target: "audit", event = "password_reset", actor, user = id);
                }
                self.engine.depose(&found, enrolments, self.engine.clock.now().wall).await;
                return Ok((view(&id, &user, &listed), enrolled));
            }
        }
        Err(PeopleError::Busy)
    }
}
