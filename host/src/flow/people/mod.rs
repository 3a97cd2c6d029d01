//! Users: added, shown, changed, reset, invited; by an admin, by an owner over HTTP, or by themselves. Every deed is
//! audited with its actor.

mod add;
mod addresses;
mod change;
mod forgotten;
mod own;
mod owners;
mod profile;
mod reset;
mod sessions;
mod sign_up;
mod view;

pub(super) use add::is_deceptive;
pub use addresses::{AddressKind, AddressStep};
pub use own::OwnChanges;
pub use profile::UserChanges;
pub use reset::UserReset;
pub use sessions::OwnSession;
pub use sign_up::Invited;
pub use view::{PrintedOnce, UserDetails, UserView};

use super::{
    FlowError, Flows,
    engine::Engine,
    new_password::NewPasswordError,
    record::{Found, User},
};
use crate::{provider::PasswordRefusal, store::StoreError};

/// Which user is meant.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// As they sign in.
    Name(&'a str),
    Id(&'a str),
}

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("a user name has 1 to 128 characters, and no control, invisible or combining ones")]
    InvalidName,
    #[error("{field}: {problem}")]
    InvalidProfile { field: &'static str, word: &'static str, problem: &'static str },
    #[error(transparent)]
    PasswordRefused(PasswordRefusal),
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

impl From<NewPasswordError> for PeopleError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Refused(refusal) => Self::PasswordRefused(refusal),
            NewPasswordError::Busy => Self::Busy,
        }
    }
}

impl Flows {
    pub(super) async fn user_named(&self, name: &str) -> Result<(String, Found<User>, User), PeopleError> {
        self.engine.person(Who::Name(name)).await
    }
}

impl Engine {
    /// The user's id, the record as read, and the user.
    async fn person(&self, who: Who<'_>) -> Result<(String, Found<User>, User), PeopleError> {
        let (found, told) = match who {
            Who::Name(name) => (self.user_by_name(name).await?, name),
            Who::Id(id) => (self.user_by_id(id).await?, id),
        };
        let unknown = || PeopleError::UnknownUser(told.to_owned());
        let found = found.ok_or_else(unknown)?;
        let user = found.record.clone().ok_or_else(unknown)?;
        Ok((id_of(&found), found, user))
    }
}

fn id_of(found: &Found<User>) -> String {
    found.key.as_str().trim_start_matches("user/").to_owned()
}

#[cfg(test)]
mod addresses_tests;
#[cfg(test)]
mod people_tests;
