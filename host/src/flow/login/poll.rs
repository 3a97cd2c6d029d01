//! A step without input that asks whether it may go on: no attempt, but no way round a lock, and never in a hurry.

use serde_json::Value;

use super::{
    Outcome, Turn,
    link::confirmed_at,
    second_factor::{Basis, Guess},
    session::Alive,
};
use crate::{
    clock::Timestamp,
    flow::{
        FlowError,
        attempts::{self, Refusal},
        engine::Committed,
        record::{Account, Found, key},
    },
};

/// How soon a waiting step is asked about again at the earliest, and at the latest, whatever the module wishes.
const POLL_EVERY_MS_MIN: u64 = 500;
const POLL_EVERY_MS_MAX: u64 = 60_000;

impl Turn<'_> {
    /// A step without input asks whether it may go on: no attempt, but not faster than the module said, and no way
    /// round a lock. The question is claimed by a commit before the module hears it, so that many at once are one, and
    /// so that a "no" makes the next one wait as a "not yet" does.
    pub(super) async fn poll(&self, alive: Alive, guess: Guess) -> Result<Outcome, FlowError> {
        let Alive { found, user } = alive;
        let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
        let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
        match attempts::permitted(&account.open(), &guess.target, self.now.wall) {
            Ok(()) => {}
            Err(Refusal::Locked { retry_after_s }) => return Err(FlowError::Throttled { retry_after_s }),
            Err(Refusal::Disabled) => return self.end_with(found, "too_many_retry").await,
        }
        if confirmed_at(session).is_some() {
            return self.decide(guess, Alive { found, user }).await;
        }
        if session.secret.poll_not_before.is_some_and(|moment| self.now.wall < moment) {
            return Ok(Outcome::shown(session.clone()));
        }
        let mut claimed = session.clone();
        claimed.secret.poll_not_before = Some(self.in_ms(POLL_EVERY_MS_MIN));
        match self.engine.commit_last(vec![found.put(&claimed)], vec![found.unchanged()]).await? {
            Some(revision) => {
                let found = Found { revision: Some(revision), record: Some(claimed), ..found };
                self.decide(guess, Alive { found, user }).await
            }
            None => self.show_again(self.session().await?).await,
        }
    }

    fn in_ms(&self, wait_ms: u64) -> Timestamp {
        Timestamp(self.now.wall.0.saturating_add_unsigned(wait_ms))
    }

    /// Not yet: the module is asked again no sooner than it said.
    pub(super) async fn wait(
        &self,
        basis: &Basis<'_>,
        challenge: Option<Value>,
        retry_after_ms: u64,
    ) -> Result<Option<Outcome>, FlowError> {
        let mut next = basis.session.clone();
        next.secret.challenge = challenge.or(next.secret.challenge);
        let wait_ms = retry_after_ms.clamp(POLL_EVERY_MS_MIN, POLL_EVERY_MS_MAX);
        next.secret.poll_not_before = Some(self.in_ms(wait_ms));
        match self.engine.commit(vec![basis.found.put(&next)], vec![basis.found.unchanged()]).await? {
            Committed::Conflict => Ok(None),
            Committed::Done => Ok(Some(Outcome::shown(next))),
        }
    }
}
