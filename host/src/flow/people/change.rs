//! What an admin does to a user: look, password, on and off, remove, unlock, take factors away.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{
    PeopleError, UserDetails, UserView, Who,
    view::{details, view},
};
use crate::flow::{
    Flows, MethodView,
    engine::{Committed, TRIES_MAX},
    messages::{About, Notice},
    record::{self, Account, AccountOpen, Count, Document, Factors, Found, User, UserName, key},
    token,
};

impl Flows {
    pub async fn users(&self) -> Result<Vec<UserView>, PeopleError> {
        let mut users = Vec::new();
        for (key, _, user) in record::scan::<User>(&self.engine.store, "user/").await? {
            let id = key.as_str().trim_start_matches("user/");
            let factors: Found<Factors> = self.engine.read(key::factors(id)).await?;
            users.push(view(id, &user, &factors.open()));
        }
        users.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(users)
    }

    /// One user with addresses.
    pub async fn user_details(&self, who: Who<'_>) -> Result<UserDetails, PeopleError> {
        let (id, _, user) = self.engine.person(who).await?;
        let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
        Ok(details(&id, &user, &factors.open()))
    }

    /// Sets a new password and ends the user's sessions and logins in progress.
    pub async fn set_password(
        &self,
        actor: &str,
        name: &str,
        password: &SecretString,
    ) -> Result<UserView, PeopleError> {
        let (_, _, user) = self.user_named(name).await?;
        let phc = self.engine.new_password(&user.open.name, password).await?;
        let former = user.secret.clone();
        let done = self
            .change_user(actor, "password_set", &Notice::password_changed(), name, |user| {
                user.secret.password = Some(phc.expose_secret().to_owned());
                user.secret.reset = None;
                user.secret.mailed_codes.clear();
                user.open.must_change_password = false;
                user.open.epoch += 1;
            })
            .await?;
        self.engine.passwords.note(&phc, former.password.map(SecretString::from).as_ref());
        Ok(done)
    }

    /// Switches a user on or off; off ends sessions and logins in progress.
    pub async fn set_active(&self, actor: &str, name: &str, active: bool) -> Result<UserView, PeopleError> {
        let event = if active { "user_enabled" } else { "user_disabled" };
        for _ in 0..TRIES_MAX {
            let (id, found, mut user) = self.user_named(name).await?;
            let (mut changes, mut expectations) =
                if active { (Vec::new(), Vec::new()) } else { self.engine.without_owner(&id, &user).await? };
            user.open.is_active = active;
            user.open.epoch += 1;
            changes.push(found.put(&user));
            expectations.push(found.unchanged());
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                tracing::info!(target: "audit", event, actor, user = id);
                let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
                return Ok(view(&id, &user, &factors.open()));
            }
        }
        Err(PeopleError::Busy)
    }

    /// Removes a user and everything of theirs.
    pub async fn remove_user(&self, actor: &str, name: &str) -> Result<UserView, PeopleError> {
        for _ in 0..TRIES_MAX {
            let (id, found, user) = self.user_named(name).await?;
            // Or the user's own logins would make this commit fail over and over.
            let turn = self.engine.queue(&id).await;
            let named: Found<UserName> = self.engine.read(key::user_name(&token::folded_name_hash(name))).await?;
            let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
            let account: Found<Account> = self.engine.read(key::account(&id)).await?;
            let listed = factors.open();
            let enrolled: Vec<String> = listed.factors.iter().map(|factor| factor.module.clone()).collect();
            let (mut changes, mut expectations) = self.engine.without_owner(&id, &user).await?;
            let (deleted, unchanged, enrolments) = self.engine.removal(&id, &enrolled).await?;
            changes.extend(deleted);
            changes.extend([found.delete(), named.delete()]);
            changes.extend(factors.record.is_some().then(|| factors.delete()));
            changes.extend(account.record.is_some().then(|| account.delete()));
            expectations.extend(unchanged);
            expectations.extend([found.unchanged(), named.unchanged(), factors.unchanged(), account.unchanged()]);
            let committed = self.engine.commit(changes, expectations).await?;
            drop(turn);
            if let Committed::Done = committed {
                tracing::info!(target: "audit", event = "user_removed", actor, user = id);
                self.engine.depose(&found, enrolments, self.engine.clock.now().wall).await;
                return Ok(view(&id, &user, &listed));
            }
        }
        Err(PeopleError::Busy)
    }

    /// Forgets the user's wrong answers; what they set up and their sessions stay.
    pub async fn unlock(&self, actor: &str, name: &str) -> Result<UserView, PeopleError> {
        for _ in 0..TRIES_MAX {
            let (id, found, user) = self.user_named(name).await?;
            let _turn = self.engine.queue(&id).await;
            let account: Found<Account> = self.engine.read(key::account(&id)).await?;
            let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
            let counted = AccountOpen { wrong: BTreeMap::new(), wrong_in_all: Count::default(), ..account.open() };
            let changes = vec![account.put(&Document { open: counted, secret: () })];
            let expectations = vec![account.unchanged(), found.unchanged()];
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                tracing::info!(target: "audit", event = "user_unlocked", actor, user = id);
                return Ok(view(&id, &user, &factors.open()));
            }
        }
        Err(PeopleError::Busy)
    }

    /// The methods of a user.
    pub async fn methods_of(&self, name: &str) -> Result<Vec<MethodView>, PeopleError> {
        let (id, _, _) = self.user_named(name).await?;
        Ok(self.engine.methods_of(&id, "en").await?)
    }

    async fn change_user(
        &self,
        actor: &str,
        event: &str,
        notice: &Notice,
        name: &str,
        change: impl Fn(&mut User),
    ) -> Result<UserView, PeopleError> {
        for _ in 0..TRIES_MAX {
            let (id, found, mut user) = self.user_named(name).await?;
            change(&mut user);
            let about = About { user: &found, source: None, also: &[], now: self.engine.clock.now().wall };
            let told = self.engine.notices(notice, about);
            let (changes, expectations) = (vec![found.put(&user)], vec![found.unchanged()]);
            if let Committed::Done = self.engine.commit_and_tell(changes, expectations, told).await? {
                tracing::info!(target: "audit", event, actor, user = id);
                let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
                return Ok(view(&id, &user, &factors.open()));
            }
        }
        Err(PeopleError::Busy)
    }
}
