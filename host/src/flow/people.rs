//! Users and their sessions, as an admin handles them at the command line. Every deed is audited with its actor.

use secrecy::SecretString;

use crate::{clock::Timestamp, store::StoreError};

use super::{Flows, MethodView};

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

/// An open access session, or a validation session in progress.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct SessionView {
    /// `access`, `validation` or `setup`.
    pub kind: String,
    /// Access: the session id. Others: 8 hexadecimal digits of the flow's hash.
    pub id: String,
    pub user: String,
    pub client_id: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub mfa_method_used: Option<String>,
    pub mfa_verified_at: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("a user name has 1 to 128 characters and no control characters")]
    InvalidName,
    #[error("the password is too short: at least {length_min} characters")]
    PasswordTooShort { length_min: usize },
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

impl Flows {
    /// Adds a user with a password for the `local` provider.
    pub async fn add_user(
        &self,
        _actor: &str,
        _name: &str,
        _password: &SecretString,
        _owner: bool,
    ) -> Result<UserView, PeopleError> {
        todo!()
    }

    pub async fn users(&self) -> Result<Vec<UserView>, PeopleError> {
        todo!()
    }

    /// Sets a new password and ends the user's sessions and logins in progress.
    pub async fn set_password(
        &self,
        _actor: &str,
        _name: &str,
        _password: &SecretString,
    ) -> Result<UserView, PeopleError> {
        todo!()
    }

    /// Switches a user on or off; off ends sessions and logins in progress.
    pub async fn set_active(&self, _actor: &str, _name: &str, _active: bool) -> Result<UserView, PeopleError> {
        todo!()
    }

    /// Removes a user and everything of theirs.
    pub async fn remove_user(&self, _actor: &str, _name: &str) -> Result<UserView, PeopleError> {
        todo!()
    }

    /// The methods of a user.
    pub async fn methods_of(&self, _name: &str) -> Result<Vec<MethodView>, PeopleError> {
        todo!()
    }

    /// Removes all enrolments of a user and ends sessions and logins in progress. Returns the ids removed.
    pub async fn reset_methods(&self, _actor: &str, _name: &str) -> Result<Vec<String>, PeopleError> {
        todo!()
    }

    /// All open sessions, or those of one user.
    pub async fn sessions(&self, _name: Option<&str>) -> Result<Vec<SessionView>, PeopleError> {
        todo!()
    }
}
