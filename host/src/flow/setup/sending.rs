//! The step of a set-up: kept with the messages it sends, and sent again when the user asks for that.

use mfa_sdk::{
    Message,
    form::{FieldKind, Form},
    protocol::{Operation, Reply, SetupReply},
};
use serde_json::{Map, Value};

use super::Turn;
use crate::{
    flow::{
        FlowError, Step,
        attempts::{self, Target},
        engine::{self, Committed, TRIES_MAX, for_module},
        messages::{HandedOver, Known, Unsendable, WantedBy, Writing, Written},
        record::{Account, AccountOpen, Asked, Document, Found, Sent, Setup, SetupSecret, SetupStage, User, key},
        render::Wrong,
        token,
    },
    store::Key,
};

/// Texts of one set-up that are remembered as addresses: those typed last.
const TYPED_MAX: usize = 16;
const TYPED_BYTES_MAX: usize = 254;

/// A step a module gave, not kept yet.
pub(super) struct Shown {
    pub form: Form,
    pub state: Value,
    pub messages: Vec<Message>,
    /// What the module was asked.
    pub asked: Asked,
    pub error: Option<Wrong>,
}

/// What becomes of the attempt that led to a step.
#[derive(Clone, Copy)]
pub(super) enum Attempt<'a> {
    /// Nothing was guessed.
    None,
    /// The input was wrong.
    Spent,
    /// The input was right: it does not count against the user.
    Refunded(&'a Target),
}

/// Whether the message is asked for again, in place of an answer.
pub(super) fn is_resend(fields: &Map<String, Value>) -> bool {
    fields.len() == 1 && fields.get("resend") == Some(&Value::Bool(true))
}

impl Turn<'_> {
    /// Keeps a step; none if something changed meanwhile. What cannot be sent leaves the set-up at the step before, where
    /// another address can be given.
    pub(super) async fn keep_step(
        &self,
        found: &Found<Setup>,
        setup: &Setup,
        shown: Shown,
        attempt: Attempt<'_>,
    ) -> Result<Option<Step>, FlowError> {
        let Shown { form, state, messages, asked, error } = shown;
        let mut next = setup.clone();
        next.open.stage = SetupStage::Waiting;
        let sends = self.engine.modules.sends(&setup.open.module);
        let typed = match attempt {
            _ if !sends => Vec::new(),
            // The form that stands is not the one its input was typed into.
            Attempt::None => setup.secret.typed.clone(),
            Attempt::Spent | Attempt::Refunded(_) => typed(&setup.secret, &asked),
        };
        next.secret = SetupSecret {
            seed: token::new_seed(),
            form: Some(form),
            state: Some(state),
            sent: None,
            asked: None,
            typed: typed.clone(),
            sent_to: setup.secret.sent_to.clone(),
            issued: None,
        };
        let turn = self.engine.queue(&setup.open.user).await;
        let account: Found<Account> = self.engine.read(key::account(&setup.open.user)).await?;
        let mut counted = account.open();
        let mut written = Written::default();
        let mut changes = Vec::new();
        if let Attempt::Refunded(target) = attempt {
            counted = attempts::refund(counted, target);
            next.open.attempts_used = next.open.attempts_used.saturating_sub(1);
        }
        if !messages.is_empty() {
            let user: Found<User> = self.engine.read(key::user(&setup.open.user)).await?;
            match self.write(messages, &user, setup, &typed, &found.key, &mut counted).await? {
                Ok(made) => written = made,
                Err(unsendable) => {
                    drop(turn);
                    return self.stay(found, setup, unsendable, attempt).await;
                }
            }
            written.expectations.push(user.unchanged());
            next.secret.asked = Some(asked);
            next.secret.sent_to.extend(written.sent_to().into_iter().filter(|to| !setup.secret.sent_to.contains(to)));
            next.secret.sent = Some(Sent {
                messages: written.ids(),
                to: written.sent_to(),
                again_from: self.now.wall.plus_s(self.engine.settings.delivery.resend_wait_s),
                refused: false,
                set_up: None,
                // A set-up proves an address by what is typed from it.
                link: None,
            });
        }
        changes.append(&mut written.changes);
        changes.extend([found.put(&next), account.put(&Document { open: counted, secret: () })]);
        let mut expectations = written.expectations;
        expectations.extend([found.unchanged(), account.unchanged()]);
        let committed = self.engine.commit(changes, expectations).await?;
        drop(turn);
        match committed {
            Committed::Conflict => Ok(None),
            Committed::Done if written.messages.is_empty() => self.show(&next, error.as_ref(), None).map(Some),
            Committed::Done => match self.engine.hand_over(written.messages).await {
                HandedOver::Refused => self.go_back(setup, &next).await.map(Some),
                delivery => {
                    let failed = (delivery == HandedOver::Failed).then(|| Wrong::from("delivery_failed"));
                    self.show(&next, failed.as_ref().or(error.as_ref()), Some(delivery)).map(Some)
                }
            },
        }
    }

    async fn write(
        &self,
        messages: Vec<Message>,
        user: &Found<User>,
        setup: &Setup,
        typed: &[String],
        place: &Key,
        counted: &mut AccountOpen,
    ) -> Result<Result<Written, Unsendable>, FlowError> {
        if !self.engine.modules.sends(&setup.open.module) {
            return Ok(Err(Unsendable::NotPermitted));
        }
        let record = user.record.as_ref().ok_or(FlowError::UnknownFlow)?;
        let writing = Writing {
            user: &setup.open.user,
            language: self.engine.reader(record.open.language.as_deref(), self.asker),
            place: Some(place),
            known: Known { addresses: &record.secret.addresses, typed, sent_to: &setup.secret.sent_to },
            link: None,
            wanted_by: WantedBy::SetUp,
            now: self.now.wall,
        };
        self.engine.write(messages, writing, counted).await
    }

    /// Nothing can be sent: the step before stands, and what was given to it cost nothing.
    async fn stay(
        &self,
        found: &Found<Setup>,
        setup: &Setup,
        unsendable: Unsendable,
        attempt: Attempt<'_>,
    ) -> Result<Option<Step>, FlowError> {
        let flow_hash = self.flow_hash();
        let (module, flow) = (&setup.open.module, token::short(&flow_hash));
        if unsendable == Unsendable::NotPermitted {
            let reason = "it writes where it may not";
            tracing::error!(target: "audit", event = "module_failed", module, flow, reason);
            return self.end(found.clone(), "unknown_error").await.map(Some);
        }
        let mut same = setup.clone();
        let mut changes = Vec::new();
        let mut expectations = vec![found.unchanged()];
        if let Attempt::Refunded(target) = attempt {
            let account: Found<Account> = self.engine.read(key::account(&setup.open.user)).await?;
            same.open.attempts_used = same.open.attempts_used.saturating_sub(1);
            changes.push(account.put(&Document { open: attempts::refund(account.open(), target), secret: () }));
            expectations.push(account.unchanged());
        }
        changes.push(found.put(&same));
        if let Committed::Conflict = self.engine.commit(changes, expectations).await? {
            return Ok(None);
        }
        match unsendable {
            Unsendable::TooMany { retry_after_s } => Err(FlowError::Throttled { retry_after_s }),
            Unsendable::NotPossible { reason } => {
                tracing::error!(target: "audit", event = "message_not_sent", module, flow, reason);
                if same.open.stage == SetupStage::Beginning {
                    return self.end(found.clone(), "delivery_failed").await.map(Some);
                }
                self.show(&same, Some(&Wrong::from("delivery_failed")), Some(HandedOver::Refused)).map(Some)
            }
            Unsendable::NotPermitted => Err(FlowError::UnknownFlow),
        }
    }

    /// The messages of a step were refused: the step before stands again.
    async fn go_back(&self, former: &Setup, shown: &Setup) -> Result<Step, FlowError> {
        let messages = shown.secret.sent.as_ref().map(|sent| &sent.messages);
        for _ in 0..TRIES_MAX {
            let found: Found<Setup> = self.engine.read(key::setup(&self.flow_hash())).await?;
            let Some(mut setup) = found.record.clone() else { return Err(FlowError::UnknownFlow) };
            if setup.secret.sent.as_ref().map(|sent| &sent.messages) != messages {
                return Err(FlowError::UnknownFlow);
            }
            if former.open.stage == SetupStage::Beginning {
                return self.end(found, "delivery_failed").await;
            }
            setup.secret = SetupSecret { seed: token::new_seed(), ..former.secret.clone() };
            if let Committed::Done = self.engine.commit(vec![found.put(&setup)], vec![found.unchanged()]).await? {
                return self.show(&setup, Some(&Wrong::from("delivery_failed")), Some(HandedOver::Refused));
            }
        }
        Err(FlowError::Busy)
    }

    /// The messages of the step again, with another code: the module is asked what it was asked before.
    pub(super) async fn send_again(&self, mut found: Found<Setup>) -> Result<Step, FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(setup) = found.record.clone() else { return Err(FlowError::UnknownFlow) };
            let (Some(sent), Some(asked)) = (&setup.secret.sent, setup.secret.asked.clone()) else {
                let detail = "this step sent nothing".to_owned();
                return Err(FlowError::NotPossible { code: "resend_not_supported", detail });
            };
            let wait_ms = sent.again_from.since_ms(self.now.wall);
            if wait_ms > 0 {
                let retry_after_s = u64::try_from(wait_ms).unwrap_or_default().div_ceil(1000);
                return Err(FlowError::Throttled { retry_after_s });
            }
            let module = setup.open.module.clone();
            let enrolment = self.engine.enrolment(&setup.open.user, &module).await?;
            let operation = Operation::SetupFlow {
                state: asked.state.clone(),
                input: asked.input.clone(),
                replaces: enrolment.record.as_ref().filter(|former| self.engine.is_of_type(former)).map(for_module),
            };
            let answer = self.engine.ask(&module, self.ask_with(&setup.secret.seed), operation).await;
            let Ok(Reply::Setup(SetupReply::Form { form, state, messages, error, error_text })) = answer else {
                engine::report_failure(&module, "setup_flow", token::short(&self.flow_hash()), &answer);
                return self.end(found, "unknown_error").await;
            };
            let error = error.map(|word| Wrong { word, text: error_text });
            let shown = Shown { form, state, messages, asked, error };
            if let Some(step) = self.keep_step(&found, &setup, shown, Attempt::None).await? {
                return Ok(step);
            }
            found = self.own_open().await?;
        }
        Err(FlowError::Busy)
    }
}

/// The texts typed in a set-up, the input of this step among them. What a module lets a user choose from is its own word
/// and no address of the user's; nor is what nobody types an address into.
fn typed(secret: &SetupSecret, asked: &Asked) -> Vec<String> {
    let takes_address = |name: &String| {
        let field = secret.form.as_ref().and_then(|form| form.fields.iter().find(|field| field.name == *name));
        field.is_some_and(|field| matches!(field.kind, FieldKind::Text { .. } | FieldKind::Email | FieldKind::Phone))
    };
    let given = asked.input.iter().flatten().filter(|(name, _)| takes_address(name));
    let given = given.filter_map(|(_, value)| value.as_str());
    let given = given.filter(|text| !text.is_empty() && text.len() <= TYPED_BYTES_MAX).map(str::to_owned);
    let mut typed = secret.typed.clone();
    for text in given {
        if !typed.contains(&text) {
            typed.push(text);
        }
    }
    let too_many = typed.len().saturating_sub(TYPED_MAX);
    typed.drain(..too_many);
    typed
}
