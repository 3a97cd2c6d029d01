//! Sends messages that are durable, again until they are worth nothing any more, and forgets them afterwards. At least
//! once: a crash between "accepted by the other side" and "forgotten" repeats a message under the same id.

use std::time::Duration;

use super::{Due, Outgoing};
use crate::{
    clock::{Now, Timestamp},
    delivery::{self, MessageId, Parcel, SendError},
    flow::{
        FlowError, Flows,
        engine::{Committed, Engine},
        lifetime::is_alive,
        record::{
            self, AddressProof, Found, MessageRecord, Session, SessionOpen, SessionStage, Setup, SetupOpen, SetupStage,
            Target, key,
        },
    },
    store::{Change, Key, Revision, StoreError},
    unbroken::Unbroken,
};

/// How long messages that are done with are gathered, to be erased by one commit.
const GATHERING: Duration = Duration::from_millis(20);
/// The longest wait between two tries.
const WAIT_S_MAX: u64 = 60;

/// What became of messages while somebody waited; of several, the worst, and refused only if all of them are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HandedOver {
    /// The other side has taken them.
    Sent,
    /// Nobody knows yet.
    Queued,
    /// Not taken; it is tried again.
    Failed,
    /// Refused for good.
    Refused,
}

impl HandedOver {
    /// As clients are told: `sent`, `queued`, `failed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Queued => "queued",
            Self::Failed | Self::Refused => "failed",
        }
    }
}

impl Flows {
    /// Tries again what is due; `serve` calls it all the time.
    pub fn send_due(&self) {
        for due in self.engine.messages.due(|| self.engine.clock.now().wall) {
            tokio::spawn(Engine::clone(&self.engine).deliver_again(due));
        }
    }

    /// Waits until nothing is being sent, `limit` at most. What is cut off is sent by the next start.
    pub async fn finish_sending(&self, limit: Duration) {
        let mut under_way = self.engine.messages.under_way.subscribe();
        let _ = tokio::time::timeout(limit, under_way.wait_for(|count| *count == 0)).await;
    }

    /// What a former run left, or a failed commit: messages that nobody is trying to send. At the start nobody else works
    /// on this store, so all leases are void.
    pub(in crate::flow) async fn take_up_messages(&self, at_start: bool) -> Result<(), StoreError> {
        let now = self.engine.clock.now().wall;
        for (key, _, message) in record::scan::<MessageRecord>(&self.engine.store, "message/").await? {
            let id = key.as_str().trim_start_matches("message/");
            if at_start || (message.open.lease_until < now && !self.engine.messages.is_waiting(id)) {
                self.engine.messages.try_again(id, message.open.tries, now);
            }
        }
        Ok(())
    }

    /// Records of addresses nothing was sent to for an hour.
    pub(in crate::flow) async fn silent_targets(&self, now: Timestamp) -> Result<Vec<(Key, Revision)>, StoreError> {
        let targets = record::scan::<Target>(&self.engine.store, "target/").await?.into_iter();
        let silent = targets.filter(|(_, _, target)| {
            let mut sent = target.open.sent.clone();
            super::quota::forget(&mut sent, now);
            sent.is_empty()
        });
        Ok(silent.map(|(key, at, _)| (key, at)).collect())
    }
}

impl Engine {
    /// Sends what a commit has just made, and says what became of it within the time a person waits for a page.
    pub async fn hand_over(&self, messages: Vec<Outgoing>) -> HandedOver {
        let mut messages = messages.into_iter();
        let Some(first) = messages.next() else { return HandedOver::Sent };
        let others: Vec<_> = messages.map(|message| tokio::spawn(self.clone().deliver(message))).collect();
        // Here, and on its own only if nobody waits for it any more.
        let first = Unbroken::new(self.clone().deliver(first));
        let worst = async {
            let mut all = vec![first.await];
            for other in others {
                // A task that broke says nothing; its message is still there.
                all.push(other.await.unwrap_or(HandedOver::Queued));
            }
            worst_of(&all)
        };
        let wait = Duration::from_millis(self.settings.delivery.hand_over_wait_ms);
        tokio::time::timeout(wait, worst).await.unwrap_or(HandedOver::Queued)
    }

    /// Sends what a commit has just made, and waits for nothing.
    pub fn post(&self, messages: Vec<Outgoing>) {
        for message in messages {
            tokio::spawn(self.clone().deliver(message));
        }
    }

    /// One try of a message whose lease is held.
    async fn deliver(self, message: Outgoing) -> HandedOver {
        let _under_way = UnderWay::begin(&self);
        let tried = self.send(&message).await;
        let open = &message.record.open;
        let again_at = match &tried {
            Err(SendError::Failed { retry_after_s, .. }) => {
                let wait_s = retry_after_s.unwrap_or(0).max(1 << open.tries.min(6)).min(WAIT_S_MAX);
                Some(self.clock.now().wall.plus_s(wait_s)).filter(|again_at| *again_at <= open.dead_at)
            }
            _ => None,
        };
        let (channel, user, tries) = (&open.channel, &open.user, open.tries);
        let flow = open.flow.as_deref().unwrap_or("none");
        match &tried {
            Ok(()) => tracing::info!(target: "audit", event = "message_sent", channel, user, flow, tries),
            Err(reason) => {
                let event = if again_at.is_some() { "message_delayed" } else { "message_not_sent" };
                tracing::warn!(target: "audit", event, channel, user, flow, tries, %reason);
            }
        }
        match again_at {
            Some(again_at) => self.messages.try_again(&message.id, open.tries, again_at),
            None => self.forget(&message.id),
        }
        match (tried, again_at) {
            (Ok(()), _) => HandedOver::Sent,
            (Err(_), Some(_)) => HandedOver::Failed,
            (Err(_), None) => HandedOver::Refused,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<(), SendError> {
        let record = &message.record;
        let secret = &record.secret;
        let (template, language, values) = (secret.template.clone(), secret.language.clone(), secret.values.clone());
        let message_id = MessageId::new(message.id.clone()).ok_or_else(|| SendError::refused("it has no id"))?;
        let (channel, to) = (record.open.channel.clone(), secret.to.clone());
        let message = delivery::Message { template, language, values };
        self.delivery.send(Parcel { channel, to, message, message_id, at: record.open.created_at }).await
    }

    /// Another try: only of a message that still exists and that somebody waits for.
    async fn deliver_again(self, due: Due) {
        match self.lease(&due).await {
            Ok(Some(record)) => drop(self.deliver(Outgoing { id: due.id, record }).await),
            Ok(None) => {}
            Err(error) => tracing::warn!("a message waits for the next start: {error}"),
        }
    }

    /// Takes a message for one try, by a commit; none if there is nothing to send, or if another sender took it since it
    /// was put in line: that one holds the lease, and puts it in line again if it fails.
    async fn lease(&self, Due { id, tries }: &Due) -> Result<Option<MessageRecord>, FlowError> {
        let now = self.clock.now();
        let found: Found<MessageRecord> = self.read(key::message(id)).await?;
        let Some(mut record) = found.record.clone().filter(|record| record.open.tries == *tries) else {
            return Ok(None);
        };
        if now.wall > record.open.dead_at || !self.is_awaited(id, &record, &now).await? {
            let (channel, user) = (&record.open.channel, &record.open.user);
            tracing::info!(target: "audit", event = "message_withdrawn", channel, user, tries = record.open.tries);
            self.forget(id);
            return Ok(None);
        }
        record.open.tries += 1;
        record.open.lease_until = self.lease_until(&record.open.channel, now.wall);
        match self.commit(vec![found.put(&record)], vec![found.unchanged()]).await? {
            Committed::Done => Ok(Some(record)),
            Committed::Conflict => Ok(None),
        }
    }

    /// Whether the flow a message belongs to lives and still stands at the step it is of. A notice waits for nobody.
    async fn is_awaited(&self, id: &str, record: &MessageRecord, now: &Now) -> Result<bool, FlowError> {
        let Some(place) = &record.secret.waits else { return Ok(true) };
        let waiting = match place.split_once('/') {
            Some(("session", flow)) => {
                let session: Found<Session> = self.read(key::session(flow)).await?;
                let waits = |open: &SessionOpen| matches!(open.stage, SessionStage::Waiting { .. });
                let session =
                    session.record.filter(|session| waits(&session.open) && is_alive(session.open.life(), now));
                session.and_then(|session| Some((session.open.user, session.open.user_epoch, session.secret.sent?)))
            }
            Some(("setup", flow)) => {
                let setup: Found<Setup> = self.read(key::setup(flow)).await?;
                let waits = |open: &SetupOpen| open.stage == SetupStage::Waiting;
                let setup = setup.record.filter(|setup| waits(&setup.open) && is_alive(setup.open.life(), now));
                setup.and_then(|setup| Some((setup.open.user, setup.open.user_epoch, setup.secret.sent?)))
            }
            Some(("address", flow)) => {
                let proof: Found<AddressProof> = self.read(key::address_proof(flow)).await?;
                let proof = proof.record.filter(|proof| is_alive(proof.open.life(), now));
                proof.map(|proof| (proof.open.user, proof.open.user_epoch, proof.secret.sent))
            }
            _ => None,
        };
        let Some((user, epoch, sent)) = waiting else { return Ok(false) };
        Ok(sent.messages.iter().any(|message| message == id) && self.user_in_epoch(&user, epoch).await?.is_some())
    }

    /// Has a message erased that is done with, together with others.
    fn forget(&self, id: &str) {
        if key::message(id).is_some_and(|key| self.messages.take_done(key)) {
            tokio::spawn(self.clone().erase(UnderWay::begin(self)));
        }
    }

    async fn erase(self, _under_way: UnderWay) {
        loop {
            tokio::time::sleep(GATHERING).await;
            let Some(done) = self.messages.next_done() else { return };
            if let Err(error) = self.commit(done.into_iter().map(Change::Delete).collect(), Vec::new()).await {
                tracing::warn!("messages that are done with stay for now: {error}");
            }
        }
    }
}

/// What another of them carried may arrive: then an answer can be right, and it is no more than a failure.
fn worst_of(outcomes: &[HandedOver]) -> HandedOver {
    match outcomes.iter().copied().max() {
        Some(HandedOver::Refused) if outcomes.iter().any(|outcome| *outcome != HandedOver::Refused) => {
            HandedOver::Failed
        }
        worst => worst.unwrap_or(HandedOver::Sent),
    }
}

/// Counts work on messages as under way for as long as it exists.
struct UnderWay(Engine);

impl UnderWay {
    fn begin(engine: &Engine) -> Self {
        engine.messages.under_way.send_modify(|count| *count += 1);
        Self(engine.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.messages.under_way.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::{
        record::{Document, MessageSecret, Sent},
        test_stage::{NOW, TestStage, session, user},
    };

    /// A login that waits for ten seconds, and its message `m`, which is worth sending for ten minutes.
    async fn waiting_for_a_message() -> TestStage {
        let stage = TestStage::new();
        stage.put("user/ada", &user("ada")).await;
        let mut record = session("ada", NOW.plus_s(10), NOW.plus_s(600));
        record.open.stage = SessionStage::Waiting { module: "sms".to_owned() };
        record.secret.sent = Some(Sent { messages: vec!["m".to_owned()], ..Sent::default() });
        stage.put("session/f", &record).await;
        let open = json!({
            "user": "ada", "channel": "gate", "created_at": NOW, "dead_at": NOW.plus_s(600), "tries": 1,
            "lease_until": NOW.plus_s(30),
        });
        let secret = MessageSecret {
            waits: Some("session/f".to_owned()),
            to: "+4930123456".to_owned(),
            template: "code".to_owned(),
            language: "en".to_owned(),
            values: std::collections::BTreeMap::new(),
        };
        let message: MessageRecord = Document { open: serde_json::from_value(open).unwrap(), secret };
        stage.put("message/m", &message).await;
        stage
    }

    fn due(tries: u32) -> Due {
        Due { id: "m".to_owned(), tries }
    }

    #[tokio::test]
    async fn who_finds_that_another_sender_took_a_message_leaves_it_alone() {
        let stage = waiting_for_a_message().await;
        let engine = &stage.flows.engine;
        let taken = engine.lease(&due(1)).await.unwrap().map(|record| record.open.tries);
        assert_eq!(taken, Some(2));
        assert!(engine.lease(&due(1)).await.unwrap().is_none(), "it is being sent");
        assert!(stage.has("message/m").await, "and its sender still needs it");
        assert!(engine.lease(&due(2)).await.unwrap().is_some(), "which puts it in line again itself");
    }

    #[tokio::test]
    async fn what_nobody_can_answer_any_more_is_not_sent() {
        let stage = waiting_for_a_message().await;
        stage.move_clock_to(NOW.plus_s(10));
        assert!(stage.flows.engine.lease(&due(1)).await.unwrap().is_some(), "the last moment");
        stage.move_clock_to(Timestamp(NOW.plus_s(10).0 + 1));
        assert!(stage.flows.engine.lease(&due(2)).await.unwrap().is_none(), "the login has run out");
        stage.flows.finish_sending(Duration::from_secs(5)).await;
        assert!(!stage.has("message/m").await, "it is withdrawn");

        let stage = waiting_for_a_message().await;
        let mut later = user("ada");
        later.open.epoch = 1;
        stage.put("user/ada", &later).await;
        assert!(stage.flows.engine.lease(&due(1)).await.unwrap().is_none(), "its user's logins were ended");
    }

    #[tokio::test]
    async fn what_is_done_with_while_another_is_erased_is_erased_after_it() {
        let stage = waiting_for_a_message().await;
        let message = stage.flows.engine.read::<MessageRecord>(key::message("m")).await.unwrap().record.unwrap();
        let ids: Vec<String> = (0..500).map(|number| format!("m{number}")).collect();
        for id in &ids {
            stage.put(&format!("message/{id}"), &message).await;
        }
        for id in ids.iter().chain(&ids) {
            stage.flows.engine.forget(id);
        }
        stage.flows.finish_sending(Duration::from_secs(60)).await;
        for id in &ids {
            assert!(!stage.has(&format!("message/{id}")).await, "{id}");
        }
        assert!(stage.has("message/m").await);
        stage.flows.engine.forget("m");
        stage.flows.finish_sending(Duration::from_secs(60)).await;
        assert!(!stage.has("message/m").await, "who comes after the last begins anew");
    }

    #[test]
    fn a_step_is_refused_only_if_nothing_of_it_can_arrive() {
        use HandedOver::{Failed, Queued, Refused, Sent};
        for (outcomes, told) in [
            (&[][..], Sent),
            (&[Sent, Queued], Queued),
            (&[Failed, Sent], Failed),
            (&[Refused], Refused),
            (&[Refused, Refused], Refused),
            (&[Refused, Sent], Failed),
            (&[Queued, Refused], Failed),
        ] {
            assert_eq!(worst_of(outcomes), told, "{outcomes:?}");
        }
    }
}
