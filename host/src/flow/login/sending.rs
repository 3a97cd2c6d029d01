//! The step of a module that sends: its messages are made in the commit that keeps the step, and handed over after it.

use mfa_sdk::protocol::Cause;

use super::{Outcome, Turn, choice::named, link::NewLink, opening::TOMBSTONE_S, session::AskedFor};
use crate::flow::{
    FlowError, FormStep,
    engine::{Committed, TRIES_MAX},
    messages::{HandedOver, Known, Outgoing, Unsendable, WantedBy, Writing, Written},
    record::{Account, AccountOpen, Document, Factors, Found, Sent, Session, SessionStage, User, key},
    render::{self, Voice},
    token,
};

/// A step that sends ends with its code, so long after the first factor at most.
const LIFETIME_S_MAX: u64 = 600;

impl Turn<'_> {
    /// Keeps a step; none if something changed meanwhile. Messages exist from then on and are handed over.
    pub(super) async fn keep_step(
        &self,
        found: &Found<Session>,
        mut asked: AskedFor,
        user: &Found<User>,
    ) -> Result<Option<Outcome>, FlowError> {
        if asked.messages.is_empty() {
            let committed = self.engine.commit(vec![found.put(&asked.session)], vec![found.unchanged()]).await?;
            return Ok(matches!(committed, Committed::Done).then(|| Outcome::shown(asked.session)));
        }
        let turn = self.engine.queue(&asked.session.open.user).await;
        let account: Found<Account> = self.engine.read(key::account(&asked.session.open.user)).await?;
        let mut counted = account.open();
        let written = match self.write(found, &mut asked, user, &mut counted).await? {
            Ok(written) => written,
            Err(reason) => {
                drop(turn);
                return self.end_with(found.clone(), reason).await.map(Some);
            }
        };
        let Written { messages, mut changes, mut expectations } = written;
        changes.extend([found.put(&asked.session), account.put(&Document { open: counted, secret: () })]);
        expectations.extend([found.unchanged(), account.unchanged(), user.unchanged()]);
        let committed = self.engine.commit(changes, expectations).await?;
        drop(turn);
        match committed {
            Committed::Done => self.handed_over(asked.session, messages).await.map(Some),
            Committed::Conflict => Ok(None),
        }
    }

    /// The messages of a step, for the commit that keeps it, and in the session what has to be known of them; or why
    /// there is no such step. What cannot be sent leaves a step all the same, so that the user can choose another factor.
    pub(super) async fn write(
        &self,
        place: &Found<Session>,
        asked: &mut AskedFor,
        user: &Found<User>,
        counted: &mut AccountOpen,
    ) -> Result<Result<Written, &'static str>, FlowError> {
        let AskedFor { session: next, messages, sent_to, set_up } = asked;
        if messages.is_empty() {
            return Ok(Ok(Written::default()));
        }
        let Some(record) = &user.record else { return Err(FlowError::UnknownFlow) };
        let confirming = record.secret.addresses.confirming(self.now.wall);
        let link = self.new_link(messages);
        let writing = Writing {
            user: &next.open.user,
            language: self.language_of(record),
            place: Some(&place.key),
            known: Known { addresses: &confirming, typed: &[], sent_to },
            link: link.as_ref().map(NewLink::url),
            wanted_by: WantedBy::Login,
            now: self.now.wall,
        };
        let sent_before = counted.sent.clone();
        let mut written = match self.engine.write(std::mem::take(messages), writing, counted).await? {
            Ok(written) => written,
            Err(unsendable) => {
                counted.sent = sent_before;
                return self.note_unsendable(next, unsendable);
            }
        };
        self.lengthen(next, counted, place.record.as_ref(), &written);
        next.secret.sent = Some(Sent {
            messages: written.ids(),
            to: written.sent_to(),
            again_from: self.now.wall.plus_s(self.engine.settings.delivery.resend_wait_s),
            refused: false,
            set_up: set_up.take(),
            link: link.as_ref().map(NewLink::sent),
        });
        if let Some(link) = link {
            let (change, expectation) = self.keep_link(link, next).ok_or(FlowError::UnknownFlow)?;
            written.changes.push(change);
            written.expectations.push(expectation);
        }
        Ok(Ok(written))
    }

    /// The step that was just kept, and what became of its messages.
    pub(super) async fn handed_over(&self, mut next: Session, messages: Vec<Outgoing>) -> Result<Outcome, FlowError> {
        if let Some(undelivered) = undelivered(&next) {
            return Ok(undelivered);
        }
        if messages.is_empty() {
            return Ok(Outcome::shown(next));
        }
        let delivery = self.engine.hand_over(messages).await;
        if delivery == HandedOver::Refused {
            self.note_refused(&mut next).await?;
        }
        Ok(Outcome::Shown { session: Box::new(next), error: None, delivery: Some(delivery) })
    }

    /// The session lives as long as its code, within bounds; another code for the same step changes nothing.
    fn lengthen(&self, next: &mut Session, counted: &mut AccountOpen, former: Option<&Session>, written: &Written) {
        let is_resend = former
            .is_some_and(|former| matches!(former.open.stage, SessionStage::Initialising { cause: Cause::Resend, .. }));
        if is_resend {
            return;
        }
        let list = counted.list_of(&next.secret.grant);
        let open = &mut next.open;
        let code_ends = self.now.wall.plus_s(written.lifetime_s(self.now.wall));
        open.expires_at = open.expires_at.max(code_ends.min(open.created_at.plus_s(LIFETIME_S_MAX)));
        open.retain_until = open.retain_until.max(open.expires_at.plus_s(TOMBSTONE_S));
        for own in list.iter_mut().filter(|own| own.flow == self.flow_hash()) {
            own.until = own.until.max(open.expires_at);
        }
    }

    /// Nothing can be sent, which is no message and a note in the session.
    fn note_unsendable(
        &self,
        next: &mut Session,
        unsendable: Unsendable,
    ) -> Result<Result<Written, &'static str>, FlowError> {
        let SessionStage::Waiting { module } = &next.open.stage else { return Err(FlowError::UnknownFlow) };
        let flow = token::short(self.flow_hash());
        let wait_s = match unsendable {
            Unsendable::NotPermitted => {
                let reason = "it writes to an address that is not this user's and that no administrator listed";
                tracing::error!(target: "audit", event = "module_failed", module, flow, reason);
                return Ok(Err("unknown_error"));
            }
            Unsendable::NotPossible { reason } => {
                tracing::error!(target: "audit", event = "message_not_sent", module, flow, reason);
                self.engine.settings.delivery.resend_wait_s
            }
            Unsendable::TooMany { retry_after_s } => {
                let reason = "the hour has as many messages as it takes";
                tracing::warn!(target: "audit", event = "message_not_sent", module, flow, reason);
                retry_after_s
            }
        };
        next.secret.sent = Some(Sent { again_from: self.now.wall.plus_s(wait_s), refused: true, ..Sent::default() });
        Ok(Ok(Written::default()))
    }

    /// Remembers that the messages of this step will not arrive.
    async fn note_refused(&self, shown: &mut Session) -> Result<(), FlowError> {
        let messages = shown.secret.sent.as_ref().map(|sent| sent.messages.clone());
        for _ in 0..TRIES_MAX {
            let found = self.session().await?;
            let Some(mut session) = found.record.clone() else { return Ok(()) };
            match &mut session.secret.sent {
                Some(sent) if Some(&sent.messages) == messages.as_ref() => sent.refused = true,
                _ => return Ok(()),
            }
            if let Committed::Done = self.engine.commit(vec![found.put(&session)], vec![found.unchanged()]).await? {
                *shown = session;
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }

    /// What became of the messages, when more can be asked for, and what else the user has.
    pub(super) async fn tell_delivery(
        &self,
        session: &Session,
        delivery: Option<HandedOver>,
        voice: Voice<'_>,
        step: &mut FormStep,
    ) -> Result<(), FlowError> {
        let Some(sent) = &session.secret.sent else { return Ok(()) };
        step.resend_at = Some(sent.again_from);
        let delivery = if sent.refused { Some(HandedOver::Refused) } else { delivery };
        step.delivery = delivery.map(HandedOver::word);
        if matches!(delivery, Some(HandedOver::Failed | HandedOver::Refused)) {
            step.errors.insert("base".to_owned(), "delivery_failed".to_owned());
            step.error_texts.insert("base".to_owned(), voice.error("delivery_failed"));
        }
        if let Some(number) = self.link_number(session).await? {
            render::add_link_number(step, voice, number);
        }
        let factors: Found<Factors> = self.engine.read(key::factors(&session.open.user)).await?;
        // Most have one, and nothing to choose.
        if factors.open().factors.len() > 1 {
            let (options, _) = self.options(session).await?;
            step.methods = named(options, voice.language);
        }
        Ok(())
    }
}

/// The step of a session whose messages will never arrive: no answer to it is an attempt.
pub(super) fn undelivered(session: &Session) -> Option<Outcome> {
    let refused = session.secret.sent.as_ref().is_some_and(|sent| sent.refused);
    refused.then(|| no_answer(session.clone()))
}

fn no_answer(session: Session) -> Outcome {
    Outcome::Shown { session: Box::new(session), error: None, delivery: Some(HandedOver::Refused) }
}
