//! A wrong answer: what the step shows of it, and what the user is told out of band, in one commit.

use serde_json::Value;

use super::{
    Outcome, Turn, Wrong,
    second_factor::{Basis, Guess, is_spent},
};
use crate::flow::{FlowError, engine::Committed, messages::Written, token};

/// What is said of a wrong answer.
pub(super) struct Refused {
    pub(super) error: Wrong,
    /// What it remembers of this session from now on.
    pub(super) challenge: Option<Value>,
}

impl Refused {
    /// Wrong, in the host's own word.
    pub(super) fn unnamed(challenge: Option<Value>) -> Self {
        Self { error: "invalid_code".into(), challenge }
    }

    /// No code of this way back in. What the step remembers is the asked module's.
    pub(super) fn by_way_back(module: &str) -> Self {
        Self { error: Wrong { word: "invalid_code".to_owned(), said_by: Some(module.to_owned()) }, challenge: None }
    }
}

/// Notices of a wrong answer that no commit has made yet, because another change came first. They are made once.
#[derive(Default)]
pub(super) struct Untold(Option<Written>);

impl Turn<'_> {
    /// The attempt is spent already; the last one of the flow ends it. None if the decision has to be made again.
    pub(super) async fn reject(
        &self,
        guess: &Guess,
        basis: &Basis<'_>,
        Refused { error, challenge }: Refused,
        untold: &mut Untold,
    ) -> Result<Option<Outcome>, FlowError> {
        let told = match untold.0.take() {
            Some(told) => told,
            None => {
                let (user, method) = (&basis.session.open.user, &guess.module.id);
                let flow = token::short(self.flow_hash());
                tracing::info!(target: "audit", event = "second_factor_refused", user, method, flow);
                self.notices_of_wrong(guess, basis)
            }
        };
        if guess.ordinal.is_some_and(|ordinal| is_spent(ordinal, guess.attempts_max())) {
            let reason = "too_many_retry";
            let ended = self.end_and(basis.found.clone(), reason, |account| account, told.clone()).await;
            untold.0 = ended.is_err().then_some(told);
            ended?;
            let provider = basis.session.open.provider.clone();
            return Ok(Some(Outcome::Aborted {
                provider,
                reason: reason.to_owned(),
                language: basis.session.open.language.clone(),
            }));
        }
        let mut next = basis.session.clone();
        let (mut changes, mut expectations) = (Vec::new(), Vec::new());
        if let Some(challenge) = challenge {
            next.secret.challenge = Some(challenge);
            changes.push(basis.found.put(&next));
            expectations.push(basis.found.unchanged());
        }
        if !changes.is_empty() || !told.messages.is_empty() {
            let committed = self.engine.commit_and_tell(changes, expectations, told.clone()).await;
            if !matches!(committed, Ok(Committed::Done)) {
                untold.0 = Some(told);
                return committed.map(|_| None).map_err(Into::into);
            }
        }
        Ok(Some(Outcome::wrong(next, error)))
    }

    /// The flow ended elsewhere before the answer could be refused, and the answer was wrong all the same.
    pub(super) async fn tell_rest(&self, untold: Untold) {
        let Some(told) = untold.0.filter(|told| !told.messages.is_empty()) else { return };
        if let Err(error) = self.engine.commit_and_tell(Vec::new(), Vec::new(), told).await {
            tracing::error!("a notice cannot be kept: {error}");
        }
    }
}
