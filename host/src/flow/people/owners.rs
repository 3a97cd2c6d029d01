//! The last owner stays: a host without one that is switched on could not be administered by anybody who signs in.

use super::PeopleError;
use crate::{
    flow::{
        engine::Engine,
        record::{self, Document, Found, Owners, User, key},
    },
    store::{Change, Expectation},
};

impl Engine {
    /// The part of a commit that takes this user from the owners, if they are one. Every such change writes one
    /// record: of two at once the second looks again, and what the scan saw was still so when the first was durable.
    pub(super) async fn without_owner(
        &self,
        id: &str,
        user: &User,
    ) -> Result<(Vec<Change>, Vec<Expectation>), PeopleError> {
        if !user.open.is_owner || !user.open.is_active {
            return Ok((Vec::new(), Vec::new()));
        }
        let owners: Found<Owners> = self.read(key::owners()).await?;
        let users = record::scan::<User>(&self.store, "user/").await?;
        let is_other =
            |key: &str, user: &User| key.trim_start_matches("user/") != id && user.open.is_owner && user.open.is_active;
        if !users.iter().any(|(key, _, user)| is_other(key.as_str(), user)) {
            return Err(PeopleError::LastOwner(user.open.name.clone()));
        }
        let mut next = owners.open();
        next.epoch += 1;
        Ok((vec![owners.put(&Document { open: next, secret: () })], vec![owners.unchanged()]))
    }
}
