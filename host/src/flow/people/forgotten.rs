//! A forgotten password: a code by mail stands beside the password for half an hour, once. It takes the place of the
//! password and of nothing else: the second factor is asked all the same.

use mfa_sdk::{Message, TargetKind};

use crate::{
    clock::Timestamp,
    flow::{
        Asker, FlowError, Flows,
        engine::{Committed, Engine, TRIES_MAX},
        messages::{Known, Unsendable, WantedBy, Writing, Written},
        record::{Account, AccountOpen, Document, Found, MailedCode, User, key},
        token,
    },
    settings::ForgottenPassword,
};

/// Groups of the code: 60 random bits.
const CODE_GROUPS: usize = 3;
const CODE_LIFETIME_S: u32 = 1800;

impl Flows {
    /// Sends a code to a user who forgot the password. Whether there is such a user, and one who can be written to,
    /// the caller does not learn: the answer comes before anything is looked up.
    pub fn forgot_password(&self, name: &str, asker: &Asker) -> Result<(), FlowError> {
        let engine = &self.engine;
        if engine.settings.passwords.forgotten == ForgottenPassword::Off {
            return Err(FlowError::NotFound { what: "way to a forgotten password here; ask your administrator" });
        }
        let now = engine.clock.now();
        let admission = engine.throttle.admit(asker.address, name, &now);
        // Each request counts as a wrong password would: nobody goes through names, or floods a mailbox.
        admission.map_err(|retry_after_s| FlowError::Throttled { retry_after_s })?.failed(&now);
        let (engine, name, asker) = (Engine::clone(engine), name.to_owned(), asker.clone());
        tokio::spawn(async move {
            if let Err(error) = engine.mail_code(&name, &asker, now.wall).await {
                tracing::error!("a code for a forgotten password was not sent: {error}");
            }
        });
        Ok(())
    }
}

impl Engine {
    async fn mail_code(&self, name: &str, asker: &Asker, now: Timestamp) -> Result<(), FlowError> {
        for _ in 0..TRIES_MAX {
            let Some(found) = self.user_by_name(name).await? else {
                tracing::info!(target: "audit", event = "forgotten_password", outcome = "unknown", address = %asker.address);
                return Ok(());
            };
            let user_id = found.key.as_str().trim_start_matches("user/").to_owned();
            let _turn = self.queue(&user_id).await;
            let Some(mut user) = found.record.clone().filter(may_be_mailed) else {
                return self.note(&user_id, "not_possible", asker);
            };
            let account: Found<Account> = self.read(key::account(&user_id)).await?;
            let mut counted = account.open();
            let code = token::new_spoken_code(CODE_GROUPS);
            let written = match self.write_code(&user_id, &user, &code, asker, &mut counted, now).await? {
                Ok(written) => written,
                Err(outcome) => return self.note(&user_id, outcome, asker),
            };
            let mac = self.messages.code_mac(
                "forgotten password",
                &token::folded_name_hash(&user.open.name),
                &token::folded_spoken_code(&code),
            );
            let code = MailedCode { mac, expires_at: now.plus_s(CODE_LIFETIME_S.into()) };
            code.join(&mut user.secret.mailed_codes, now);
            let changes = vec![found.put(&user), account.put(&Document { open: counted, secret: () })];
            let expectations = vec![found.unchanged(), account.unchanged()];
            if let Committed::Done = self.commit_and_tell(changes, expectations, written).await? {
                return self.note(&user_id, "sent", asker);
            }
        }
        Err(FlowError::Busy)
    }

    fn note(&self, user: &str, outcome: &str, asker: &Asker) -> Result<(), FlowError> {
        tracing::info!(target: "audit", event = "forgotten_password", outcome, user, address = %asker.address);
        Ok(())
    }

    /// The code to every mail address that may confirm who the user is and that takes a mail now, or what the log says
    /// of it if none does.
    async fn write_code(
        &self,
        user_id: &str,
        user: &User,
        code: &str,
        asker: &Asker,
        counted: &mut AccountOpen,
        now: Timestamp,
    ) -> Result<Result<Written, &'static str>, FlowError> {
        let Some(channel) = self.delivery.channels().find(|channel| channel.target == TargetKind::Email) else {
            return Ok(Err("no_address"));
        };
        let addresses = user.secret.addresses.confirming(now);
        let message = |to: &str| {
            Message::new(&channel.name, to, "password_code")
                .with("code", code)
                .with("minutes", CODE_LIFETIME_S / 60)
                .lives_s(CODE_LIFETIME_S)
        };
        let messages: Vec<Message> = addresses.email.iter().map(|address| message(&address.value)).collect();
        if messages.is_empty() {
            return Ok(Err("no_address"));
        }
        let writing = Writing {
            user: user_id,
            language: self.reader(user.open.language.as_deref(), asker),
            place: None,
            known: Known { addresses: &addresses, typed: &[], sent_to: &[] },
            link: None,
            wanted_by: WantedBy::Anybody,
            now,
        };
        Ok(self.write(messages, writing, counted).await?.map_err(|unsendable| match unsendable {
            Unsendable::TooMany { .. } => "too_many_messages",
            Unsendable::NotPermitted | Unsendable::NotPossible { .. } => "no_address",
        }))
    }
}

/// After an admin's reset the admin's code is the only way.
fn may_be_mailed(user: &User) -> bool {
    user.open.is_active && user.secret.password.is_some() && user.secret.reset.is_none()
}

#[cfg(test)]
#[path = "forgotten_tests.rs"]
mod tests;
