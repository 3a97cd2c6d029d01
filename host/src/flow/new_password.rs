//! A new password: checked against the rules and hashed, the same for whoever sets it; and older hashes renewed.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{
    FlowError,
    engine::{Committed, Engine},
    record::{Found, User, UserSecret},
};
use crate::provider::{self, PasswordRefusal};

/// Why there is no new password.
#[derive(Debug, thiserror::Error)]
pub enum NewPasswordError {
    #[error(transparent)]
    Refused(#[from] PasswordRefusal),
    #[error("too many password checks at once")]
    Busy,
}

impl Engine {
    /// The hash of a password for the user of this name.
    pub(super) async fn new_password(
        &self,
        user_name: &str,
        password: &SecretString,
    ) -> Result<SecretString, NewPasswordError> {
        let mut names = vec![user_name.to_owned(), self.settings.name.clone()];
        let host = self.settings.public_url.as_ref().and_then(|url| url.host_str());
        names.extend(host.map(str::to_owned));
        let (settings, directory) = (Arc::clone(&self.settings), self.config_directory.clone());
        let given = password.clone();
        let check = move || provider::check_new_password(&settings.passwords, &directory, &names, &given);
        tokio::task::spawn_blocking(check).await.map_err(|_| NewPasswordError::Busy)??;
        self.passwords.hash(password).await.map_err(|_| NewPasswordError::Busy)
    }

    /// Notes the cost of a hash that is durable now.
    pub(super) fn note_password(&self, secret: &UserSecret, former: Option<&UserSecret>) {
        let phc = |secret: &UserSecret| secret.password.clone().map(SecretString::from);
        if let Some(new) = phc(secret) {
            self.passwords.note(&new, former.and_then(phc).as_ref());
        }
    }

    /// A password that was just right and whose hash was made at another cost is hashed anew. What comes between
    /// is no harm: the next login tries again.
    pub(super) async fn renew_hash(
        &self,
        found: Found<User>,
        password: &SecretString,
    ) -> Result<Found<User>, FlowError> {
        let Some(former) = found.record.as_ref() else { return Ok(found) };
        let outdated = former.secret.password.clone().map(SecretString::from);
        if !outdated.is_some_and(|phc| self.passwords.is_outdated(&phc)) {
            return Ok(found);
        }
        let Ok(phc) = self.passwords.hash(password).await else { return Ok(found) };
        let mut user = former.clone();
        user.secret.password = Some(phc.expose_secret().to_owned());
        if let Committed::Done = self.commit(vec![found.put(&user)], vec![found.unchanged()]).await? {
            self.note_password(&user.secret, Some(&former.secret));
        }
        self.read(Some(found.key.clone())).await
    }
}
