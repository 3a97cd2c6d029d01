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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_stage::{TestStage, user};

    fn owner(is_active: bool, is_owner: bool) -> User {
        let mut user = user("somebody");
        (user.open.is_active, user.open.is_owner) = (is_active, is_owner);
        user
    }

    #[tokio::test]
    async fn the_last_owner_who_is_switched_on_stays_one() {
        let stage = TestStage::new();
        let engine = &stage.flows.engine;
        stage.put("user/ada", &owner(true, true)).await;
        let last = engine.without_owner("ada", &owner(true, true)).await;
        assert!(matches!(last, Err(PeopleError::LastOwner(_))));
        stage.put("user/off", &owner(false, true)).await;
        stage.put("user/plain", &owner(true, false)).await;
        assert!(engine.without_owner("ada", &owner(true, true)).await.is_err(), "neither of these is one");
        for who_is_none in [owner(true, false), owner(false, true)] {
            let (changes, expectations) = engine.without_owner("plain", &who_is_none).await.unwrap();
            assert!(changes.is_empty() && expectations.is_empty());
        }
        stage.put("user/bob", &owner(true, true)).await;
        for epoch in 1..=2 {
            let (changes, expectations) = engine.without_owner("ada", &owner(true, true)).await.unwrap();
            assert_eq!((changes.len(), expectations.len()), (1, 1));
            engine.store.commit(changes, expectations).await.unwrap();
            let owners: Found<Owners> = engine.read(key::owners()).await.unwrap();
            assert_eq!(owners.open().epoch, epoch, "each such change is seen by the next");
        }
    }
}
