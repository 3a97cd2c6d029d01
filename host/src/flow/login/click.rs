//! The click behind a link: it confirms the step of a login that waits elsewhere, and gives the browser it comes from
//! nothing. Where that is not the browser that waits, it shows by two digits that the same person sees both.

use mfa_sdk::{
    protocol::{Answer, Operation, Reply, VerdictReply},
    text::Text,
};
use serde_json::Value;

use super::{
    Turn,
    enrolment::with_data,
    link::{LinkView, NUMBERS_MAX, Standing},
    second_factor::attempts_max,
};
use crate::{
    flow::{
        Asker, FlowError, Flows,
        attempts::{self, Refusal, Target},
        engine::{Ask, Committed, TRIES_MAX, for_module},
        record::{Account, AccountOpen, Document, Enrolment, Factors, Found, Session, key},
        token,
    },
    module_host::ModuleInstance,
};

/// What comes with a click.
pub struct Click {
    /// The two digits as they were typed.
    pub number: Option<String>,
    /// What the browser shows to be known as the one that waits.
    pub waiting: Option<String>,
}

/// What a click came to.
pub enum Clicked {
    /// The login that waits goes on by itself.
    Confirmed,
    /// The number is asked for: none was given, or after a wrong one.
    Number { view: LinkView, is_wrong: bool },
    /// No such link, or not any more.
    Gone,
    /// The login is over: too many wrong numbers.
    Refused,
    /// The login is over: its module gave no answer.
    Failed,
}

/// A click under way: the link, what it is about, and the number if one was spent on it.
struct Confirming<'a> {
    hash: &'a str,
    module: ModuleInstance,
    target: Target,
    is_number_spent: bool,
}

/// What a number came to before it was looked at.
enum Spent {
    /// Which one of this link it is, and whether the flow takes no further.
    Number {
        ordinal: u32,
        is_last: bool,
        is_right: bool,
    },
    Over(Clicked),
}

impl Flows {
    /// "Yes, it was me." The module is asked, and the login passes when its own client asks next.
    pub async fn confirm_link(&self, token: &str, click: Click, asker: &Asker) -> Result<Clicked, FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now();
        let hash = token::hash(token);
        let Some(standing) = engine.standing(&hash, &now).await? else { return Ok(Clicked::Gone) };
        let turn = Turn::of_flow(now, engine, standing.record.open.session.clone(), asker);
        let Some(module) = engine.modules.module(&standing.module) else {
            return turn.break_off(&hash, |account| account).await;
        };
        let recovery = module.description.as_ref().is_some_and(|description| description.recovery);
        let target = Target::login(&module.id, recovery);
        let mut confirming = Confirming { hash: &hash, module, target, is_number_spent: false };
        if engine.is_waiting(&standing, click.waiting.as_deref()) {
            let account: Found<Account> = engine.read(key::account(&standing.session.open.user)).await?;
            return match attempts::permitted(&account.open(), &confirming.target, turn.now.wall) {
                Ok(()) => turn.confirm(&confirming).await,
                Err(Refusal::Locked { retry_after_s }) => Err(FlowError::Throttled { retry_after_s }),
                Err(Refusal::Disabled) => turn.refuse(&hash, "too_many_retry").await,
            };
        }
        let view = engine.view_of(&standing, None);
        let Some(number) = click.number.as_deref().and_then(two_digits) else {
            return Ok(Clicked::Number { view, is_wrong: false });
        };
        let (ordinal, is_last, is_right) = match turn.spend_number(&confirming, number).await? {
            Spent::Number { ordinal, is_last, is_right } => (ordinal, is_last, is_right),
            Spent::Over(clicked) => return Ok(clicked),
        };
        confirming.is_number_spent = true;
        if is_right {
            return turn.confirm(&confirming).await;
        }
        let (user, method) = (&standing.session.open.user, &standing.module);
        let flow = token::short(turn.flow_hash());
        tracing::info!(target: "audit", event = "second_factor_refused", user, method, flow);
        if is_last || ordinal >= NUMBERS_MAX {
            return turn.refuse(&hash, "link_refused").await;
        }
        Ok(Clicked::Number { view, is_wrong: true })
    }
}

impl Turn<'_> {
    /// Spends an attempt durably, before anything follows from the number: of the link, of the flow and of the user. What
    /// the user is told of a wrong one is part of it.
    async fn spend_number(&self, confirming: &Confirming<'_>, number: &str) -> Result<Spent, FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(standing) = self.standing(confirming).await? else { return Ok(Spent::Over(Clicked::Gone)) };
            let turn = self.engine.queue(&standing.session.open.user).await;
            // Others may be looked at this very moment, and one of them may be right.
            if standing.record.open.numbers_given >= NUMBERS_MAX {
                return Ok(Spent::Over(Clicked::Gone));
            }
            let attempts_max = attempts_max(&confirming.module);
            let is_spent = |used: u32| attempts_max > 0 && used >= attempts_max;
            if is_spent(standing.session.open.attempts_used) {
                return Ok(Spent::Over(Clicked::Gone));
            }
            let account: Found<Account> = self.engine.read(key::account(&standing.session.open.user)).await?;
            match attempts::permitted(&account.open(), &confirming.target, self.now.wall) {
                Ok(()) => {}
                Err(Refusal::Locked { retry_after_s }) => return Err(FlowError::Throttled { retry_after_s }),
                Err(Refusal::Disabled) => {
                    drop(turn);
                    return self.refuse(confirming.hash, "too_many_retry").await.map(Spent::Over);
                }
            }
            let counted = attempts::spend(account.open(), &confirming.target, self.now.wall);
            let alarm = attempts::alarm(&counted, &confirming.target);
            let Standing { link, mut record, found, mut session, user, .. } = standing;
            let is_right = token::same(number, &record.secret.number.to_string());
            let also = session.secret.sent.as_ref().map_or(&[][..], |sent| &sent.to);
            let told = self.notices_of_alarm(alarm.filter(|_| !is_right), &confirming.module.id, &user, also);
            record.open.numbers_given += 1;
            session.open.attempts_used += 1;
            let changes =
                vec![link.put(&record), found.put(&session), account.put(&Document { open: counted, secret: () })];
            let expectations = vec![link.unchanged(), found.unchanged(), account.unchanged(), user.unchanged()];
            if let Committed::Done = self.engine.commit_and_tell(changes, expectations, told).await? {
                let is_last = is_spent(session.open.attempts_used);
                return Ok(Spent::Number { ordinal: record.open.numbers_given, is_last, is_right });
            }
        }
        Err(FlowError::Busy)
    }

    /// Asks the module and commits what follows; nothing if anything it rests on changed.
    async fn confirm(&self, confirming: &Confirming<'_>) -> Result<Clicked, FlowError> {
        let module = &confirming.module;
        for _ in 0..TRIES_MAX {
            let Some(standing) = self.standing(confirming).await? else { return Ok(Clicked::Gone) };
            let user = &standing.session.open.user;
            let enrolment = self.engine.enrolment(user, &module.id).await?;
            let factors: Found<Factors> = self.engine.read(key::factors(user)).await?;
            let listed = factors.open();
            let is_active = listed.of(&module.id).is_some_and(|factor| factor.active);
            let secret = &standing.session.secret;
            let usable = |enrolment: &&Enrolment| {
                is_active && secret.is_for(&enrolment.open) && self.engine.is_of_type(enrolment)
            };
            let verdict = match enrolment.record.as_ref().filter(usable) {
                Some(record) => self.ask_by_link(&standing, module, record).await,
                None => None,
            };
            let clicked = match verdict {
                Some(VerdictReply::Accepted { enrolment: changed, advice }) => {
                    let rests_on = (&enrolment, &factors);
                    let standing = Standing { session: advised(standing.session, advice), ..standing };
                    self.keep_confirmed(confirming, standing, rests_on, changed).await?
                }
                Some(VerdictReply::Rejected { challenge, .. } | VerdictReply::Pending { challenge, .. }) => {
                    self.keep_rejected(confirming, standing, challenge).await?
                }
                None => {
                    let refunded = |account| confirming.refund(account);
                    return self.break_off(confirming.hash, refunded).await;
                }
            };
            if let Some(clicked) = clicked {
                return Ok(clicked);
            }
        }
        Err(FlowError::Busy)
    }

    async fn ask_by_link(
        &self,
        standing: &Standing,
        module: &ModuleInstance,
        enrolment: &Enrolment,
    ) -> Option<VerdictReply> {
        let user = standing.user.record.as_ref()?;
        let ask = Ask {
            user_id: &standing.session.open.user,
            user_name: &user.open.name,
            addresses: &user.secret.addresses,
            language: self.language_of(user),
            seed: &standing.record.secret.seed,
            now: self.now.wall,
        };
        let challenge = standing.session.secret.challenge.clone();
        let operation = Operation::Validate { enrolment: for_module(enrolment), challenge, answer: Answer::Link };
        match self.engine.ask(&module.id, ask, operation).await {
            Ok(Reply::Verdict(verdict)) => Some(verdict),
            other => {
                self.report(&module.id, "validate", &other);
                None
            }
        }
    }

    /// One commit: link used, step confirmed, what the module wants kept.
    async fn keep_confirmed(
        &self,
        confirming: &Confirming<'_>,
        standing: Standing,
        (enrolment, factors): (&Found<Enrolment>, &Found<Factors>),
        changed: Option<Value>,
    ) -> Result<Option<Clicked>, FlowError> {
        let Standing { link, found, mut session, user, .. } = standing;
        let _turn = self.engine.queue(&session.open.user).await;
        let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
        if let Some(sent) = session.secret.sent.as_mut().and_then(|sent| sent.link.as_mut()) {
            sent.confirmed_at = Some(self.now.wall);
        }
        session.open.attempts_used = session.open.attempts_used.saturating_sub(confirming.is_number_spent.into());
        let counted = confirming.refund(account.open());
        let mut changes =
            vec![link.delete(), found.put(&session), account.put(&Document { open: counted, secret: () })];
        if let Some(next) =
            changed.and_then(|data| with_data(enrolment, &confirming.module, &confirming.module.id, data))
        {
            changes.push(enrolment.put(&next));
        }
        let mut expectations = vec![link.unchanged(), found.unchanged(), account.unchanged(), user.unchanged()];
        expectations.extend([enrolment.unchanged(), factors.unchanged()]);
        match self.engine.commit(changes, expectations).await? {
            Committed::Conflict => Ok(None),
            Committed::Done => {
                let (user, method) = (&session.open.user, &confirming.module.id);
                let flow = token::short(self.flow_hash());
                tracing::info!(target: "audit", event = "link_confirmed", user, method, flow);
                Ok(Some(Clicked::Confirmed))
            }
        }
    }

    /// The module does not take its link: that is used up, and the login waits for another one or another answer.
    async fn keep_rejected(
        &self,
        confirming: &Confirming<'_>,
        standing: Standing,
        challenge: Option<Value>,
    ) -> Result<Option<Clicked>, FlowError> {
        let Standing { link, found, mut session, user, .. } = standing;
        let _turn = self.engine.queue(&session.open.user).await;
        let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
        session.secret.challenge = challenge.or(session.secret.challenge);
        if let Some(sent) = &mut session.secret.sent {
            sent.link = None;
        }
        session.open.attempts_used = session.open.attempts_used.saturating_sub(confirming.is_number_spent.into());
        let counted = confirming.refund(account.open());
        let changes = vec![link.delete(), found.put(&session), account.put(&Document { open: counted, secret: () })];
        let expectations = vec![link.unchanged(), found.unchanged(), account.unchanged(), user.unchanged()];
        let committed = self.engine.commit(changes, expectations).await?;
        Ok(matches!(committed, Committed::Done).then_some(Clicked::Gone))
    }

    async fn standing(&self, confirming: &Confirming<'_>) -> Result<Option<Standing>, FlowError> {
        self.engine.standing(confirming.hash, &self.now).await
    }

    async fn refuse(&self, hash: &str, reason: &str) -> Result<Clicked, FlowError> {
        let is_ended = self.deny(hash, reason, None, |account| account).await?;
        Ok(if is_ended { Clicked::Refused } else { Clicked::Gone })
    }

    /// No answer of the module: the login ends, and the attempt is given back.
    async fn break_off(&self, hash: &str, change: impl Fn(AccountOpen) -> AccountOpen) -> Result<Clicked, FlowError> {
        let is_ended = self.deny(hash, "unknown_error", None, change).await?;
        Ok(if is_ended { Clicked::Failed } else { Clicked::Gone })
    }
}

impl Confirming<'_> {
    /// The right number was none to be counted as wrong.
    fn refund(&self, account: AccountOpen) -> AccountOpen {
        if self.is_number_spent { attempts::refund(account, &self.target) } else { account }
    }
}

/// The session with what its module has to say to the person, who is told when the login passes.
fn advised(mut session: Session, advice: Option<Text>) -> Session {
    session.secret.advice = advice;
    session
}

/// What can be the number at all; anything else is told without an attempt.
fn two_digits(text: &str) -> Option<&str> {
    let text = text.trim();
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_digits_are_a_number() {
        assert_eq!((two_digits("42"), two_digits(" 07 ")), (Some("42"), Some("07")));
        for text in ["", "4", "421", "4a", "-1", "٤٢", "4 2"] {
            assert_eq!(two_digits(text), None, "{text:?}");
        }
    }
}
