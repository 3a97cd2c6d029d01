//! The second factor: spend an attempt durably, ask, and commit the "yes" or tell the "no".

use mfa_sdk::{
    form::Fields,
    protocol::{self, Answer, Operation, Reply, VerdictReply},
    text::Text,
};
use serde_json::{Map, Value};

use super::{
    Outcome, Turn,
    enrolment::{for_module_at, with_data},
    finish::{Finish, Granted, Proved},
    link::confirmed_at,
    recovery::Routed,
    sending,
    session::{Alive, Look, NO_FORM, ended},
    set_password,
};
use crate::{
    flow::{
        FlowError,
        attempts::{self, Alarm, Refusal, Target},
        engine::{Ask, Committed, TRIES_MAX},
        record::{Account, Document, Enrolment, Factors, Found, Grant, Session, SessionOpen, SessionStage, User, key},
        token,
    },
    module_host::ModuleInstance,
};

/// A guess whose attempt is spent.
pub(super) struct Guess {
    /// The module that says whether it is right.
    pub(super) module: ModuleInstance,
    /// The module the step asks, where that is another: the guess is then for a way back in.
    in_place_of: Option<ModuleInstance>,
    fields: Fields,
    pub(super) target: Target,
    /// Which attempt of this flow it is, from 1; a poll is none.
    ordinal: Option<u32>,
    /// What the user is told if the answer is wrong.
    pub(super) alarm: Option<Alarm>,
}

impl Turn<'_> {
    /// Answers the step a session stands at.
    pub(super) async fn answer(&self, found: Found<Session>, raw: Map<String, Value>) -> Result<Outcome, FlowError> {
        let alive = match self.look(found).await? {
            Look::Alive(alive) => alive,
            Look::Over(outcome) => return Ok(outcome),
        };
        let stage = alive.found.record.as_ref().map(|session| session.open.stage.clone());
        match stage {
            Some(SessionStage::Selecting) => self.choose(alive.found, raw).await,
            Some(SessionStage::SettingPassword { .. }) => self.set_password(alive, raw).await,
            Some(SessionStage::Waiting { module }) => self.guess(alive, &module, raw).await,
            _ => self.show_again(alive.found).await,
        }
    }

    pub(super) async fn guess(
        &self,
        mut alive: Alive,
        module: &str,
        raw: Map<String, Value>,
    ) -> Result<Outcome, FlowError> {
        let Some(instance) = self.engine.modules.module(module) else {
            return self.end_with(alive.found, "unknown_error").await;
        };
        let form = alive.found.record.as_ref().and_then(|session| session.secret.form.as_ref()).unwrap_or(&NO_FORM);
        let Some(session) = &alive.found.record else { return Err(FlowError::UnknownFlow) };
        let (judge, in_place_of, fields) = match self.route(session, alive.user.record.as_ref(), form, raw).await? {
            Routed::Asked(fields) => (instance, None, fields),
            Routed::WayBack(module, fields) => (module, Some(instance), fields),
        };
        let recovery = judge.description.as_ref().is_some_and(|description| description.recovery);
        let target = Target::login(&judge.id, recovery);
        let mut guess = Guess { module: judge, in_place_of, fields, target, ordinal: None, alarm: None };
        if guess.fields.is_empty() {
            return self.poll(alive, guess).await;
        }
        let undelivered = alive.found.record.as_ref().filter(|_| !guess.is_way_back()).and_then(sending::undelivered);
        if let Some(undelivered) = undelivered {
            return Ok(undelivered);
        }
        match self.spend(&mut alive, &guess).await? {
            Spent::Attempt { ordinal, alarm } => (guess.ordinal, guess.alarm) = (Some(ordinal), alarm),
            Spent::Over(outcome) => return Ok(outcome),
        }
        self.decide(guess, alive).await
    }

    /// Spends one attempt durably, before the module is asked. However often the commit conflicts, it is one attempt.
    async fn spend(&self, alive: &mut Alive, guess: &Guess) -> Result<Spent, FlowError> {
        let user = alive.found.record.as_ref().map(|session| session.open.user.clone()).unwrap_or_default();
        let mut is_fresh = true;
        for _ in 0..TRIES_MAX {
            let turn = self.engine.queue(&user).await;
            if !std::mem::take(&mut is_fresh) || turn.has_waited {
                alive.found = self.session().await?;
                match self.may_go_on(&alive.found).await? {
                    Some(user) => alive.user = user,
                    None => {
                        drop(turn);
                        return self.end_with(alive.found.clone(), "login_expired").await.map(Spent::Over);
                    }
                }
            }
            let found = &alive.found;
            let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
            if session.open.stage != (SessionStage::Waiting { module: guess.asked().id.clone() }) {
                return Err(FlowError::UnknownFlow);
            }
            if is_spent(session.open.attempts_used, guess.attempts_max()) {
                return Err(FlowError::UnknownFlow);
            }
            let mut account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
            let counted = account.take_open();
            match attempts::permitted(&counted, &guess.target, self.now.wall) {
                Ok(()) => {}
                Err(Refusal::Locked { retry_after_s }) => return Err(FlowError::Throttled { retry_after_s }),
                // The step stays for the factor it asks.
                Err(Refusal::Disabled) if guess.is_way_back() => {
                    return Err(FlowError::Throttled { retry_after_s: 3600 });
                }
                Err(Refusal::Disabled) => {
                    drop(turn);
                    return self.end_with(found.clone(), "too_many_retry").await.map(Spent::Over);
                }
            }
            let counted = attempts::spend(counted, &guess.target, self.now.wall);
            let alarm = attempts::alarm(&counted, &guess.target);
            let mut next = session.clone();
            next.open.attempts_used += 1;
            let ordinal = next.open.attempts_used;
            // The session stands last, so that the revision is its own.
            let changes = vec![account.put(&Document { open: counted, secret: () }), found.put(&next)];
            let expectations = vec![found.unchanged(), account.unchanged()];
            if let Some(revision) = self.engine.commit_last(changes, expectations).await? {
                alive.found = Found { key: found.key.clone(), revision: Some(revision), record: Some(next) };
                return Ok(Spent::Attempt { ordinal, alarm });
            }
        }
        Err(FlowError::Busy)
    }

    /// Asks the module and commits what follows. The first round takes the session as it was written just now and the user
    /// as it was read when the flow was found alive; each further one reads everything the decision rests on. The commit
    /// expects all of it unchanged.
    pub(super) async fn decide(&self, guess: Guess, alive: Alive) -> Result<Outcome, FlowError> {
        let seed = token::new_seed();
        let mut known = Some(alive);
        for _ in 0..TRIES_MAX {
            let Alive { found, user } = match known.take() {
                Some(alive) => alive,
                None => match self.look(self.session().await?).await? {
                    Look::Alive(alive) => alive,
                    Look::Over(outcome) => return Ok(outcome),
                },
            };
            let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
            if session.open.stage != (SessionStage::Waiting { module: guess.asked().id.clone() }) {
                return Err(FlowError::UnknownFlow);
            }
            let enrolment = self.engine.enrolment(&session.open.user, &guess.module.id).await?;
            let factors: Found<Factors> = self.engine.read(key::factors(&session.open.user)).await?;
            let is_active =
                factors.record.as_ref().and_then(|factors| factors.open.of(&guess.module.id)).is_some_and(|factor| {
                    factor.active && (!guess.is_way_back() || factor.stands_in_for(&guess.asked().id))
                });
            let is_asked = |enrolment: &Enrolment| guess.is_way_back() || session.secret.is_for(&enrolment.open);
            let usable = |enrolment: &&Enrolment| is_active && is_asked(enrolment) && self.engine.is_of_type(enrolment);
            let record = enrolment.record.as_ref().filter(usable);
            let Some(record) = record.and_then(|record| for_module_at(record, &guess.asked().id)) else {
                return self.end_with(found, "unknown_error").await;
            };
            let basis = Basis { found: &found, session, user: &user, enrolment: &enrolment, factors: &factors };
            let verdict = match confirmed_at(session).filter(|_| guess.ordinal.is_none()) {
                // The module has said so when the link was confirmed, and what it wanted kept is kept.
                Some(_) => VerdictReply::Accepted { enrolment: None, advice: None },
                None => match self.verdict(&guess, &basis, record, &seed).await {
                    Some(verdict) => verdict,
                    None => return self.fail(found.clone(), &guess).await,
                },
            };
            let decided = match verdict {
                VerdictReply::Accepted { enrolment, advice } => self.accept(&guess, &basis, enrolment, advice).await?,
                // What the step remembers and how it words a no are the asked module's.
                VerdictReply::Rejected { .. } | VerdictReply::Pending { .. } if guess.is_way_back() => {
                    self.reject(&guess, &basis, "invalid_code".to_owned(), None).await?
                }
                VerdictReply::Rejected { error, challenge } => self.reject(&guess, &basis, error, challenge).await?,
                VerdictReply::Pending { challenge, retry_after_ms } if guess.ordinal.is_none() => {
                    self.wait(&basis, challenge, retry_after_ms).await?
                }
                VerdictReply::Pending { challenge, .. } => {
                    self.reject(&guess, &basis, "invalid_code".to_owned(), challenge).await?
                }
            };
            if let Some(outcome) = decided {
                return Ok(outcome);
            }
        }
        Err(FlowError::Busy)
    }

    async fn verdict(
        &self,
        guess: &Guess,
        basis: &Basis<'_>,
        enrolment: protocol::Enrolment,
        seed: &str,
    ) -> Option<VerdictReply> {
        let user = basis.user.record.as_ref()?;
        let ask = Ask {
            user_id: &basis.session.open.user,
            user_name: &user.open.name,
            addresses: &user.secret.addresses,
            language: self.language_of(user),
            seed,
            now: self.now.wall,
        };
        let answer = match guess.ordinal {
            Some(_) => Answer::Form { fields: guess.fields.clone() },
            None => Answer::Poll,
        };
        let challenge = basis.session.secret.challenge.clone().filter(|_| !guess.is_way_back());
        let operation = Operation::Validate { enrolment, challenge, answer };
        match self.engine.ask(&guess.module.id, ask, operation).await {
            Ok(Reply::Verdict(verdict)) => Some(verdict),
            other => {
                self.report(&guess.module.id, "validate", &other);
                None
            }
        }
    }

    /// One commit: code consumed, session passed, access session made; nothing if anything it rests on changed.
    async fn accept(
        &self,
        guess: &Guess,
        basis: &Basis<'_>,
        changed: Option<Value>,
        advice: Option<Text>,
    ) -> Result<Option<Outcome>, FlowError> {
        let _turn = self.engine.queue(&basis.session.open.user).await;
        let mut account: Found<Account> = self.engine.read(key::account(&basis.session.open.user)).await?;
        let mut counted = attempts::forgive(account.take_open(), &guess.target);
        if !matches!(basis.session.secret.grant, Grant::Trial) {
            counted.last_used.insert(guess.module.id.clone(), self.now.wall);
        }
        let confirmed_at = confirmed_at(basis.session).filter(|_| guess.ordinal.is_none());
        let factor_at = confirmed_at.unwrap_or(self.now.wall);
        let finish = Finish::later(self, basis.session, Some(&guess.module.id), Some(factor_at));
        let (proved, next) = if basis.session.open.must_set_password {
            (Proved::nothing_yet(), set_password::due(basis.session, &guess.module.id, factor_at))
        } else {
            counted.sessions.retain(|open| open.flow != self.flow_hash());
            (finish.access(self.engine).await?, ended(basis.session, "passed"))
        };
        let mut changes = proved.changes;
        changes.push(basis.found.put(&next));
        changes.push(account.put(&Document { open: counted, secret: () }));
        if let Some(next) = changed.and_then(|data| with_data(basis.enrolment, &guess.module, &guess.asked().id, data))
        {
            changes.push(basis.enrolment.put(&next));
        }
        let mut expectations = proved.expectations;
        expectations.extend([basis.found.unchanged(), account.unchanged(), basis.user.unchanged()]);
        expectations.extend([basis.enrolment.unchanged(), basis.factors.unchanged()]);
        let mut told = Vec::new();
        if guess.is_way_back() {
            let notices = self.notices_of_way_back(guess, basis, advice.as_ref());
            changes.extend(notices.changes);
            expectations.extend(notices.expectations);
            told = notices.messages;
        }
        if let Committed::Conflict = self.engine.commit(changes, expectations).await? {
            return Ok(None);
        }
        if guess.is_way_back() {
            let (user, method) = (&basis.session.open.user, &guess.module.id);
            tracing::info!(target: "audit", event = "recovery_used", user, method);
            self.engine.post(told);
        }
        if basis.session.open.must_set_password {
            return Ok(Some(Outcome::shown(next)));
        }
        finish.tell();
        let texts = guess.module.description.as_ref().map(|description| &description.texts);
        let language = self.engine.reader(basis.session.open.language.as_deref(), self.asker);
        let advice = advice.zip(texts).map(|(advice, texts)| advice.render(texts, language));
        let provider = basis.session.open.provider.clone();
        Ok(Some(Outcome::Granted { provider, granted: Granted { advice, ..proved.granted } }))
    }

    /// A wrong answer: the attempt is spent already; the last one of the flow ends it.
    async fn reject(
        &self,
        guess: &Guess,
        basis: &Basis<'_>,
        error: String,
        challenge: Option<Value>,
    ) -> Result<Option<Outcome>, FlowError> {
        let (user, method) = (&basis.session.open.user, &guess.module.id);
        let flow = token::short(self.flow_hash());
        tracing::info!(target: "audit", event = "second_factor_refused", user, method, flow);
        self.tell_wrong(guess, basis).await;
        if guess.ordinal.is_some_and(|ordinal| is_spent(ordinal, guess.attempts_max())) {
            return self.end_with(basis.found.clone(), "too_many_retry").await.map(Some);
        }
        let mut next = basis.session.clone();
        if let Some(challenge) = challenge {
            next.secret.challenge = Some(challenge);
            let changes = vec![basis.found.put(&next)];
            if let Committed::Conflict = self.engine.commit(changes, vec![basis.found.unchanged()]).await? {
                return Ok(None);
            }
        }
        Ok(Some(Outcome::wrong(next, error)))
    }

    /// No verdict: the flow ends, and the same commit gives the attempt back to the account.
    async fn fail(&self, found: Found<Session>, guess: &Guess) -> Result<Outcome, FlowError> {
        let SessionOpen { provider, language, .. } = found.record.as_ref().ok_or(FlowError::UnknownFlow)?.open.clone();
        self.end_and(found, "unknown_error", |account| match guess.ordinal {
            Some(_) => attempts::refund(account, &guess.target),
            None => account,
        })
        .await?;
        Ok(Outcome::Aborted { provider, reason: "unknown_error".to_owned(), language })
    }
}

/// What an attempt came to before the module was asked.
enum Spent {
    Attempt { ordinal: u32, alarm: Option<Alarm> },
    Over(Outcome),
}

impl Guess {
    /// The module the step asks.
    fn asked(&self) -> &ModuleInstance {
        self.in_place_of.as_ref().unwrap_or(&self.module)
    }

    fn is_way_back(&self) -> bool {
        self.in_place_of.is_some()
    }

    /// Wrong answers this flow takes: a way back in adds none to those of the step, and the step none to its own.
    fn attempts_max(&self) -> u32 {
        let limits = [attempts_max(self.asked()), attempts_max(&self.module)];
        limits.into_iter().filter(|limit| *limit > 0).min().unwrap_or(0)
    }
}

/// Everything a verdict rests on, as it was read.
pub(super) struct Basis<'a> {
    pub(super) found: &'a Found<Session>,
    pub(super) session: &'a Session,
    pub(super) user: &'a Found<User>,
    pub(super) enrolment: &'a Found<Enrolment>,
    factors: &'a Found<Factors>,
}

/// Wrong answers one flow takes; 0 = no limit in the flow.
pub(super) fn attempts_max(module: &ModuleInstance) -> u32 {
    module.description.as_ref().map_or(3, |description| description.retries_max)
}

/// Whether a flow that took so many wrong answers takes no more.
pub(super) fn is_spent(attempts_used: u32, attempts_max: u32) -> bool {
    attempts_max > 0 && attempts_used >= attempts_max
}

#[cfg(test)]
#[path = "second_factor_tests.rs"]
mod tests;
