//! The last step of a login with a one-time code: a new password, without which the code gives nothing.

use std::collections::BTreeMap;

use mfa_sdk::form::{FieldKind, Form};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{
    Outcome, Turn,
    begin::field,
    finish::Finish,
    session::{Alive, Look, ended},
};
use crate::{
    clock::Timestamp,
    flow::{
        FlowError, FormStep,
        engine::{Committed, TRIES_MAX},
        messages::{About, Notice},
        new_password::NewPasswordError,
        record::{Account, Document, Found, Session, SessionStage, key},
        render::{self, Place},
    },
    provider::PasswordRefusal,
};

const NEW_PASSWORD: &str = "new_password";

fn form() -> Form {
    // Longer than any password that is taken, so that one is told apart from bad input.
    let fields = vec![field(NEW_PASSWORD, FieldKind::Password { length_max: 4096 })];
    Form { fields, ..Form::default() }
}

/// The step; an error is the word of a [`PasswordRefusal`].
pub(super) fn step(place: Place<'_>, error: Option<&str>) -> FormStep {
    let voice = place.voice;
    let mut step = render::host_step(place, &form(), None);
    if let Some(word) = error {
        step.errors = BTreeMap::from([(NEW_PASSWORD.to_owned(), word.to_owned())]);
        step.error_texts = BTreeMap::from([(NEW_PASSWORD.to_owned(), voice.error(word))]);
    }
    step
}

/// The session after its second factor, when the new password is all that is left.
pub(super) fn due(session: &Session, module: &str, factor_at: Timestamp) -> Session {
    let mut next = ended(session, "");
    next.secret.grant = session.secret.grant.clone();
    next.open.stage = SessionStage::SettingPassword { module: Some(module.to_owned()), factor_at: Some(factor_at) };
    next
}

impl Turn<'_> {
    /// One commit: new password, code used up, sessions of before ended, access session made.
    pub(super) async fn set_password(&self, alive: Alive, raw: Map<String, Value>) -> Result<Outcome, FlowError> {
        let fields = form().normalise(&raw).map_err(FlowError::InvalidInput)?;
        let given = fields.get(NEW_PASSWORD).and_then(Value::as_str).unwrap_or_default();
        let password = SecretString::from(given);
        let Alive { found, user } = alive;
        let Some(session) = found.record else { return Err(FlowError::UnknownFlow) };
        let name = user.record.ok_or(FlowError::UnknownFlow)?.open.name;
        let phc = match self.engine.new_password(&name, &password).await {
            Ok(phc) => phc,
            Err(NewPasswordError::Busy) => return Err(FlowError::Busy),
            Err(NewPasswordError::Refused(refusal)) => {
                if let PasswordRefusal::NoBlocklist { .. } = &refusal {
                    tracing::error!("no password can be set: {refusal}");
                }
                return Ok(Outcome::wrong(session, refusal.word()));
            }
        };
        self.keep_password(&phc).await
    }

    async fn keep_password(&self, phc: &SecretString) -> Result<Outcome, FlowError> {
        for _ in 0..TRIES_MAX {
            let found = match self.look(self.session().await?).await? {
                Look::Alive(alive) => alive.found,
                Look::Over(outcome) => return Ok(outcome),
            };
            let Some(session) = &found.record else { return Err(FlowError::UnknownFlow) };
            let SessionStage::SettingPassword { module, factor_at } = &session.open.stage else {
                return Err(FlowError::UnknownFlow);
            };
            let _turn = self.engine.queue(&session.open.user).await;
            let place = self.engine.user_in_epoch(&session.open.user, session.open.user_epoch).await?;
            let place = place.ok_or(FlowError::Busy)?;
            let Some(former) = &place.record else { return Err(FlowError::UnknownFlow) };
            let mut user = former.clone();
            user.secret.password = Some(phc.expose_secret().to_owned());
            user.secret.reset = None;
            user.secret.forgotten = None;
            user.open.must_change_password = false;
            user.open.epoch += 1;
            let mut passed = session.clone();
            passed.open.user_epoch = user.open.epoch;
            passed.open.password_at = Some(self.now.wall);
            let finish = Finish::later(self, &passed, module.as_deref(), *factor_at);
            let proved = finish.access(self.engine).await?;
            let account: Found<Account> = self.engine.read(key::account(&session.open.user)).await?;
            let mut changes = proved.changes;
            let mut expectations = proved.expectations;
            changes.extend([found.put(&ended(&passed, "passed")), place.put(&user)]);
            if let Some(record) = &account.record {
                let mut counted = record.open.clone();
                counted.sessions.retain(|open| open.flow != self.flow_hash());
                changes.push(account.put(&Document { open: counted, secret: () }));
            }
            expectations.extend([found.unchanged(), place.unchanged(), account.unchanged()]);
            let about = About { user: &place, source: Some(self.asker.address), also: &[], now: self.now.wall };
            let told = self.engine.notices(&Notice::password_changed(), about);
            changes.extend(told.changes);
            expectations.extend(told.expectations);
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                self.engine.note_password(&user.secret, Some(&former.secret));
                self.engine.post(told.messages);
                let user = &session.open.user;
                tracing::info!(target: "audit", event = "password_changed", user, by = "one_time_code");
                finish.tell();
                let provider = session.open.provider.clone();
                return Ok(Outcome::Granted { provider, granted: proved.granted });
            }
        }
        Err(FlowError::Busy)
    }
}
