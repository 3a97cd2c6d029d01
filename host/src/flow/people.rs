//! Users as an admin handles them at the command line. Every deed is audited with its actor.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{
    FlowError, Flows, MethodView,
    engine::{Committed, TRIES_MAX},
    record::{
        self, Account, AccountOpen, Count, Document, Factors, FactorsOpen, Found, NameOpen, Unknown, User, UserName,
        UserOpen, UserSecret, key,
    },
    token,
};
use crate::{clock::Timestamp, store::StoreError};

const NAME_CHARS_MAX: usize = 128;

/// A user without secrets.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct UserView {
    pub id: String,
    pub name: String,
    pub is_active: bool,
    pub is_owner: bool,
    pub has_password: bool,
    pub created_at: Timestamp,
    /// Ids of enrolled modules.
    pub methods: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("a user name has 1 to 128 characters and no control characters")]
    InvalidName,
    #[error("the password is too short: at least {length_min} characters")]
    PasswordTooShort { length_min: usize },
    #[error("the password is too long: at most 1024 bytes")]
    PasswordTooLong,
    #[error("there is already a user {0:?}")]
    NameTaken(String),
    #[error("there is no user {0:?}")]
    UnknownUser(String),
    #[error("{0:?} is the only owner that is switched on; make another owner first")]
    LastOwner(String),
    #[error("the user changed meanwhile; try again")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FlowError> for PeopleError {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Store(error) => Self::Store(error),
            _ => Self::Busy,
        }
    }
}

impl Flows {
    /// Adds a user with a password for the `local` provider.
    pub async fn add_user(
        &self,
        actor: &str,
        name: &str,
        password: &SecretString,
        owner: bool,
    ) -> Result<UserView, PeopleError> {
        let name = checked_name(name)?;
        self.check_password(password)?;
        let phc = self.engine.passwords.hash(password).await.map_err(|_| PeopleError::Busy)?;
        let named: Found<UserName> = self.engine.read(key::user_name(&token::folded_name_hash(name))).await?;
        if named.record.is_some() {
            return Err(PeopleError::NameTaken(name.to_owned()));
        }
        let id = token::new_record_id();
        let place: Found<User> = self.engine.read(key::user(&id)).await?;
        let user: User = Document {
            open: UserOpen {
                name: name.to_owned(),
                is_active: true,
                is_owner: owner,
                created_at: self.engine.clock.now().wall,
                epoch: 0,
                unknown: Unknown::new(),
            },
            secret: UserSecret { password: Some(phc.expose_secret().to_owned()) },
        };
        let index = Document { open: NameOpen { user: id.clone() }, secret: () };
        let changes = vec![place.put(&user), named.put(&index)];
        match self.engine.commit(changes, vec![place.unchanged(), named.unchanged()]).await? {
            Committed::Conflict => Err(PeopleError::NameTaken(name.to_owned())),
            Committed::Done => {
                tracing::info!(target: "audit", event = "user_added", actor, user = id, owner);
                Ok(view(&id, &user, &FactorsOpen::default()))
            }
        }
    }

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

    /// Sets a new password and ends the user's sessions and logins in progress.
    pub async fn set_password(
        &self,
        actor: &str,
        name: &str,
        password: &SecretString,
    ) -> Result<UserView, PeopleError> {
        self.check_password(password)?;
        let phc = self.engine.passwords.hash(password).await.map_err(|_| PeopleError::Busy)?;
        self.change_user(actor, "password_set", name, |user| {
            user.secret.password = Some(phc.expose_secret().to_owned());
            user.open.epoch += 1;
        })
        .await
    }

    /// Switches a user on or off; off ends sessions and logins in progress.
    pub async fn set_active(&self, actor: &str, name: &str, active: bool) -> Result<UserView, PeopleError> {
        if !active {
            self.keep_an_owner(name).await?;
        }
        let event = if active { "user_enabled" } else { "user_disabled" };
        self.change_user(actor, event, name, |user| {
            user.open.is_active = active;
            user.open.epoch += 1;
        })
        .await
    }

    /// Removes a user and everything of theirs.
    pub async fn remove_user(&self, actor: &str, name: &str) -> Result<UserView, PeopleError> {
        self.keep_an_owner(name).await?;
        for _ in 0..TRIES_MAX {
            let (id, found, user) = self.user_named(name).await?;
            let named: Found<UserName> = self.engine.read(key::user_name(&token::folded_name_hash(name))).await?;
            let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
            let account: Found<Account> = self.engine.read(key::account(&id)).await?;
            let listed = factors.open();
            let enrolled: Vec<String> = listed.factors.iter().map(|factor| factor.module.clone()).collect();
            let (mut changes, mut expectations, enrolments) = self.engine.removal(&id, &enrolled).await?;
            changes.extend([found.delete(), named.delete()]);
            changes.extend(factors.record.is_some().then(|| factors.delete()));
            changes.extend(account.record.is_some().then(|| account.delete()));
            expectations.extend([found.unchanged(), named.unchanged(), factors.unchanged(), account.unchanged()]);
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
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

    /// Removes all enrolments of a user and ends sessions and logins in progress. Returns the ids removed.
    pub async fn reset_methods(&self, actor: &str, name: &str) -> Result<Vec<String>, PeopleError> {
        for _ in 0..TRIES_MAX {
            let (id, found, mut user) = self.user_named(name).await?;
            let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
            let account: Found<Account> = self.engine.read(key::account(&id)).await?;
            let listed = factors.open();
            let enrolled: Vec<String> = listed.factors.iter().map(|factor| factor.module.clone()).collect();
            let emptied = enrolled.iter().fold(listed, |rest, module| rest.without(module));
            let (mut changes, mut expectations, enrolments) = self.engine.removal(&id, &enrolled).await?;
            user.open.epoch += 1;
            let counted = account.open();
            let cleared =
                AccountOpen { last_used: counted.last_used, unknown: counted.unknown, ..AccountOpen::default() };
            changes.extend([
                found.put(&user),
                factors.put(&Document { open: emptied, secret: () }),
                account.put(&Document { open: cleared, secret: () }),
            ]);
            expectations.extend([found.unchanged(), factors.unchanged(), account.unchanged()]);
            if let Committed::Done = self.engine.commit(changes, expectations).await? {
                tracing::info!(target: "audit", event = "factors_reset", actor, user = id, methods = ?enrolled);
                self.engine.depose(&found, enrolments, self.engine.clock.now().wall).await;
                return Ok(enrolled);
            }
        }
        Err(PeopleError::Busy)
    }

    async fn change_user(
        &self,
        actor: &str,
        event: &str,
        name: &str,
        change: impl Fn(&mut User),
    ) -> Result<UserView, PeopleError> {
        for _ in 0..TRIES_MAX {
            let (id, found, mut user) = self.user_named(name).await?;
            change(&mut user);
            if let Committed::Done = self.engine.commit(vec![found.put(&user)], vec![found.unchanged()]).await? {
                tracing::info!(target: "audit", event, actor, user = id);
                let factors: Found<Factors> = self.engine.read(key::factors(&id)).await?;
                return Ok(view(&id, &user, &factors.open()));
            }
        }
        Err(PeopleError::Busy)
    }

    pub(super) async fn user_named(&self, name: &str) -> Result<(String, Found<User>, User), PeopleError> {
        let found = self.engine.user_by_name(name).await?;
        let found = found.ok_or_else(|| PeopleError::UnknownUser(name.to_owned()))?;
        let user = found.record.clone().ok_or_else(|| PeopleError::UnknownUser(name.to_owned()))?;
        Ok((found.key.as_str().trim_start_matches("user/").to_owned(), found, user))
    }

    /// A host without an owner that is switched on could not be administered by anybody who signs in.
    async fn keep_an_owner(&self, name: &str) -> Result<(), PeopleError> {
        let (id, _, user) = self.user_named(name).await?;
        if !user.open.is_owner || !user.open.is_active {
            return Ok(());
        }
        let users = self.users().await?;
        let others = users.iter().any(|other| other.id != id && other.is_owner && other.is_active);
        if others { Ok(()) } else { Err(PeopleError::LastOwner(name.to_owned())) }
    }

    fn check_password(&self, password: &SecretString) -> Result<(), PeopleError> {
        let length_min = self.engine.settings.limits.password_length_min;
        let password = password.expose_secret();
        if password.chars().count() < length_min {
            return Err(PeopleError::PasswordTooShort { length_min });
        }
        if password.len() > 1024 { Err(PeopleError::PasswordTooLong) } else { Ok(()) }
    }
}

fn checked_name(name: &str) -> Result<&str, PeopleError> {
    let name = name.trim();
    let length = name.chars().count();
    let fits = (1..=NAME_CHARS_MAX).contains(&length) && !name.chars().any(char::is_control);
    if fits { Ok(name) } else { Err(PeopleError::InvalidName) }
}

fn view(id: &str, user: &User, factors: &FactorsOpen) -> UserView {
    UserView {
        id: id.to_owned(),
        name: user.open.name.clone(),
        is_active: user.open.is_active,
        is_owner: user.open.is_owner,
        has_password: user.secret.password.is_some(),
        created_at: user.open.created_at,
        methods: factors.factors.iter().map(|factor| factor.module.clone()).collect(),
    }
}
