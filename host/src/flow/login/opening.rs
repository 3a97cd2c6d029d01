//! From a right first factor to a validation session with its first step, or to the result if no second factor is due.

use mfa_sdk::protocol::Cause;

use super::{
    Outcome, Turn,
    finish::{Finish, Granted},
    first_factor::Vouched,
    session::{AskedFor, ended},
};
use crate::{
    clock::Timestamp,
    flow::{
        FlowError,
        engine::{Committed, TRIES_MAX},
        record::{
            Account, AccountOpen, Document, Factors, Found, Grant, OpenFlow, Session, SessionOpen, SessionSecret,
            SessionStage, User, key,
        },
        selection::{self, Selection},
        token,
    },
    store::{Change, Expectation},
};

/// An ended session stays this long, so that it answers "expired" once and never starts anew.
pub(super) const TOMBSTONE_S: u64 = 600;

/// A session about to be made.
pub struct Start {
    pub vouched: Vouched,
    pub client_id: String,
    pub grant: Grant,
    pub retain_until: Timestamp,
    /// Whether the preselected module is asked at once, without a choice before it.
    pub at_once: bool,
}

impl Start {
    /// A provider may opt out of second factors, but a proof is of the user's factors whatever the provider.
    fn asks_second_factor(&self) -> bool {
        self.vouched.supports_mfa || matches!(self.grant, Grant::Proof { .. })
    }
}

impl Turn<'_> {
    /// After the first factor: the result if no second one is due, else a session and its first step. `place` is where
    /// the session will stand.
    pub(super) async fn start(&self, mut place: Found<Session>, start: Start) -> Result<Outcome, FlowError> {
        let user_id = user_id(&start.vouched);
        for _ in 0..TRIES_MAX {
            if place.record.is_some() {
                return self.show_again(place).await;
            }
            let factors: Found<Factors> = self.engine.read(key::factors(&user_id)).await?;
            let account: Found<Account> = self.engine.read(key::account(&user_id)).await?;
            let modules = self.engine.modules.modules();
            let choice = if start.asks_second_factor() {
                selection::select(&factors.open(), &account.open(), &modules, self.now.wall)
            } else {
                Selection::NotRequired
            };
            let stage = match choice {
                Selection::NotRequired if start.vouched.must_set_password => {
                    SessionStage::SettingPassword { module: None, factor_at: None }
                }
                Selection::NotRequired => {
                    match Box::pin(self.grant_without_second_factor(&start, &place, &factors)).await? {
                        Some(granted) => return Ok(Outcome::Granted { provider: start.vouched.provider, granted }),
                        None => {
                            place = self.session().await?;
                            continue;
                        }
                    }
                }
                Selection::Unavailable { module, reason } => {
                    tracing::error!(target: "audit", event = "login_refused", user = user_id, module, reason);
                    return Ok(self.over(start.vouched, "module_unavailable"));
                }
                Selection::Several { .. } if !start.at_once => SessionStage::Selecting,
                Selection::One(module) | Selection::Several { preselected: module, .. } => {
                    SessionStage::Initialising { module, cause: Cause::First }
                }
            };
            let asked = match &start.vouched.user.record {
                // What a module answers to nobody never happened, so it is asked before anything is stored: one commit
                // instead of two. Its messages are part of that commit. Whoever begins again asks with the same seed.
                Some(user) => self.next_step(self.new_session(&start, stage), user).await?,
                None => return Err(FlowError::UnknownFlow),
            };
            let opened = match asked {
                Ok(asked) => self.open(&start, &place, &factors, asked).await?,
                Err(reason) => Err(reason),
            };
            match opened {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => self.still_same_user(&start.vouched).await?,
                Err(reason) => {
                    self.tell_end(&user_id, reason);
                    return Ok(self.over(start.vouched, reason));
                }
            }
            place = self.session().await?;
        }
        Err(FlowError::Busy)
    }

    /// Stores a new session with its first step and messages, and what it rests on: nobody else's session there, the user
    /// and its factors unchanged, and the user's list of sessions. None if something changed meanwhile; or why there is no
    /// such step.
    async fn open(
        &self,
        start: &Start,
        place: &Found<Session>,
        factors: &Found<Factors>,
        mut asked: AskedFor,
    ) -> Result<Result<Option<Outcome>, &'static str>, FlowError> {
        let user = &start.vouched.user;
        let turn = self.engine.queue(&asked.session.open.user).await;
        // Nothing is counted for messages of a step that another request has made meanwhile.
        if turn.has_waited && self.session().await?.revision != place.revision {
            return Ok(Ok(None));
        }
        let mut account: Found<Account> = self.engine.read(key::account(&asked.session.open.user)).await?;
        let mut counted = account.take_open();
        let (mut changes, mut expectations) = self.enlist(&mut counted, &asked.session).await?;
        let written = match self.write(place, &mut asked, user, &mut counted).await? {
            Ok(written) => written,
            Err(reason) => return Ok(Err(reason)),
        };
        changes.extend(written.changes);
        changes.extend([account.put(&Document { open: counted, secret: () }), place.put(&asked.session)]);
        expectations.extend(written.expectations);
        expectations.extend([account.unchanged(), place.unchanged(), user.unchanged(), factors.unchanged()]);
        let committed = self.engine.commit(changes, expectations).await?;
        drop(turn);
        match committed {
            Committed::Done => self.handed_over(asked.session, written.messages).await.map(|outcome| Ok(Some(outcome))),
            Committed::Conflict => Ok(Ok(None)),
        }
    }

    /// A flow id whose first factor was right but whose second cannot be asked is over.
    fn over(&self, vouched: Vouched, reason: &str) -> Outcome {
        self.engine.end_token(self.flow_hash(), self.forgotten_at(self.now.wall));
        let Vouched { provider, user, .. } = vouched;
        let language = user.record.and_then(|user| user.open.language);
        Outcome::Aborted { provider, reason: reason.to_owned(), language }
    }

    /// A user that changed since the password was checked has to be checked anew.
    async fn still_same_user(&self, vouched: &Vouched) -> Result<(), FlowError> {
        let user: Found<User> = self.engine.read(Some(vouched.user.key.clone())).await?;
        if user.revision == vouched.user.revision { Ok(()) } else { Err(FlowError::Busy) }
    }

    fn new_session(&self, start: &Start, stage: SessionStage) -> Session {
        let user = start.vouched.user.record.as_ref();
        let lifetime_s = self.engine.settings.limits.session_lifetime_s;
        let expires_at = self.now.wall.plus_s(lifetime_s);
        Document {
            open: Box::new(SessionOpen {
                user: user_id(&start.vouched),
                user_epoch: user.map_or(0, |user| user.open.epoch),
                provider: start.vouched.provider.clone(),
                client_id: start.client_id.clone(),
                created_at: self.now.wall,
                expires_at,
                created_boot_ms: self.now.boot_ms,
                boot_id: self.now.boot_id.to_string(),
                retain_until: start.retain_until.max(expires_at.plus_s(TOMBSTONE_S)),
                attempts_used: 0,
                password_at: start.vouched.by_password.then_some(self.now.wall),
                must_set_password: start.vouched.must_set_password,
                language: user.and_then(|user| user.open.language.clone()),
                stage,
            }),
            secret: Box::new(SessionSecret {
                grant: start.grant.clone(),
                seed: token::first_seed(self.flow_hash(), &self.engine.tokens),
                challenge: None,
                form: None,
                poll_not_before: None,
                sent: None,
                advice: None,
            }),
        }
    }

    /// Puts this session into its user's list; when the list is full, the oldest sessions end.
    pub(super) async fn enlist(
        &self,
        counted: &mut AccountOpen,
        session: &Session,
    ) -> Result<(Vec<Change>, Vec<Expectation>), FlowError> {
        let (mut changes, mut expectations) = (Vec::new(), Vec::new());
        let own = OpenFlow { flow: self.flow_hash().to_owned(), until: session.open.expires_at };
        let flows_max = match session.secret.grant {
            Grant::Trial => AccountOpen::TRIALS_MAX,
            Grant::Code { .. } | Grant::Tokens | Grant::Proof { .. } => {
                self.engine.settings.limits.sessions_per_user_max
            }
        };
        for oldest in own.join(counted.list_of(&session.secret.grant), flows_max, self.now.wall) {
            let found: Found<Session> = self.engine.read(key::session(&oldest.flow)).await?;
            if let Some(record) = &found.record {
                changes.push(found.put(&ended(record, "superseded")));
                expectations.push(found.unchanged());
            }
        }
        Ok((changes, expectations))
    }

    async fn grant_without_second_factor(
        &self,
        start: &Start,
        session: &Found<Session>,
        factors: &Found<Factors>,
    ) -> Result<Option<Granted>, FlowError> {
        let record = self.new_session(start, SessionStage::Ended { reason: "passed".to_owned() });
        let finish = Finish::new(self, &record, None);
        let proved = finish.access(self.engine).await?;
        let mut changes = proved.changes;
        let mut expectations = proved.expectations;
        changes.push(session.put(&ended(&record, "passed")));
        expectations.extend([session.unchanged(), start.vouched.user.unchanged(), factors.unchanged()]);
        match self.engine.commit(changes, expectations).await? {
            Committed::Done => {
                finish.tell();
                Ok(Some(proved.granted))
            }
            Committed::Conflict => {
                self.still_same_user(&start.vouched).await?;
                Ok(None)
            }
        }
    }
}

fn user_id(vouched: &Vouched) -> String {
    vouched.user.key.as_str().trim_start_matches("user/").to_owned()
}

#[cfg(test)]
mod tests {
    use mfa_sdk::Message;

    use super::*;
    use crate::flow::{
        messages::HandedOver,
        record::Address,
        test_stage::{NOW, TestStage, asker, user, waiting},
    };

    const ROOM_FOR_ONE: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[channel]]\nname = \"email\"\n\
                                type = \"outbox\"\ntarget = \"email\"\n[delivery]\nmessages_per_hour_max = 1\n";

    /// Opens a login of Ada, whose first step sends a code, once `meanwhile` has given its turn back, if it had to wait.
    async fn opened(stage: &TestStage, flow_id: &str, meanwhile: impl Future<Output = ()>) -> String {
        let (engine, asker) = (&stage.flows.engine, asker());
        let turn = Turn::new(engine, flow_id, &asker);
        let vouched = Vouched {
            user: engine.user_by_id("ada").await.unwrap().unwrap(),
            provider: crate::flow::record::ProviderId { kind: "local".to_owned(), id: None },
            by_password: true,
            must_set_password: false,
            supports_mfa: true,
        };
        let start =
            Start { vouched, client_id: "app".to_owned(), grant: Grant::Tokens, retain_until: NOW, at_once: true };
        let place = turn.session().await.unwrap();
        let factors = engine.read(key::factors("ada")).await.unwrap();
        let messages = vec![Message::code("email", "ada@example.org", "123", 60)];
        let asked = AskedFor { session: waiting("ada", "mail"), messages, sent_to: Vec::new(), set_up: None };
        match tokio::join!(turn.open(&start, &place, &factors, asked), meanwhile).0 {
            Ok(Ok(Some(Outcome::Shown { delivery, .. }))) => delivery.map_or("shown", HandedOver::word).to_owned(),
            Ok(Ok(None)) => "another came first".to_owned(),
            _ => "broken off".to_owned(),
        }
    }

    async fn stage_with_room_for_one() -> TestStage {
        let stage = TestStage::with(ROOM_FOR_ONE);
        let mut ada = user("ada");
        let value = "ada@example.org".to_owned();
        ada.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at: Some(NOW), by_code: false }];
        stage.put("user/ada", &ada).await;
        stage
    }

    #[tokio::test]
    async fn a_login_that_another_request_opened_while_it_waited_takes_no_messages_room() {
        let stage = stage_with_room_for_one().await;
        let held = stage.flows.engine.queue("ada").await;
        let another_opens = async {
            stage.put(&format!("session/{}", token::hash("f")), &waiting("ada", "mail")).await;
            drop(held);
        };
        assert_eq!(opened(&stage, "f", another_opens).await, "another came first");
        assert_eq!(opened(&stage, "g", async {}).await, "sent");
    }

    #[tokio::test]
    async fn a_login_that_waited_for_its_turn_is_opened_then() {
        let stage = stage_with_room_for_one().await;
        let held = stage.flows.engine.queue("ada").await;
        assert_eq!(opened(&stage, "f", async { drop(held) }).await, "sent");
    }

    #[tokio::test]
    async fn who_changed_since_the_password_was_checked_is_checked_anew() {
        let (stage, asker) = (TestStage::new(), asker());
        stage.put("user/ada", &user("ada")).await;
        let turn = Turn::new(&stage.flows.engine, "f", &asker);
        let vouched = Vouched {
            user: stage.flows.engine.user_by_id("ada").await.unwrap().unwrap(),
            provider: crate::flow::record::ProviderId { kind: "local".to_owned(), id: None },
            by_password: true,
            must_set_password: false,
            supports_mfa: true,
        };
        assert!(turn.still_same_user(&vouched).await.is_ok());
        stage.put("user/ada", &user("ada")).await;
        assert!(matches!(turn.still_same_user(&vouched).await, Err(FlowError::Busy)));
    }
}
