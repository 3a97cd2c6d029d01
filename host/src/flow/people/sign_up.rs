//! People who add themselves: with an invitation, or where anybody may.
//!
//! In a host that is open, a name that is taken has to be refused, so whoever signs up learns that it is. Nothing else
//! tells: the invitation is looked at first, and the name last.

use secrecy::SecretString;

use super::{
    PeopleError, PrintedOnce, UserView,
    add::{NewUser, checked_name},
    id_of, profile,
    view::view,
};
use crate::{
    clock::Timestamp,
    flow::{
        Asker, FlowError, Flows,
        engine::Committed,
        new_password::NewPasswordError,
        record::{Document, FactorsOpen, Found, Invitation, InvitationOpen, Unknown, key},
        token,
    },
    settings::SignUpMode,
};

/// Groups of an invitation: 100 random bits, so that its plain hash can be kept.
const CODE_GROUPS: usize = 5;
/// What sign-ups are throttled under; no user has this name.
const THROTTLE_NAME: &str = "\0sign-up";

/// An invitation that was made.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Invited {
    pub code: PrintedOnce,
    pub expires_at: Timestamp,
    pub groups: Vec<String>,
    /// Whether nobody can sign up as the settings are, not even with this.
    #[serde(default)]
    pub sign_up_is_off: bool,
}

impl Flows {
    /// Makes an invitation for one person.
    pub async fn invite(&self, actor: &str, groups: &[String]) -> Result<Invited, PeopleError> {
        let groups = profile::checked_groups(groups)?;
        let code = token::new_spoken_code(CODE_GROUPS);
        let now = self.engine.clock.now().wall;
        let expires_at = now.plus_s(self.engine.settings.sign_up.invitation_lifetime_s);
        let found: Found<Invitation> = self.engine.read(key::invitation(&hash_of(&code))).await?;
        let open = InvitationOpen { groups: groups.clone(), created_at: now, expires_at, unknown: Unknown::new() };
        let changes = vec![found.put(&Document { open, secret: () })];
        match self.engine.commit(changes, vec![found.unchanged()]).await? {
            Committed::Conflict => Err(PeopleError::Busy),
            Committed::Done => {
                tracing::info!(target: "audit", event = "user_invited", actor, groups = ?groups);
                let sign_up_is_off = self.engine.settings.sign_up.mode == SignUpMode::Off;
                Ok(Invited { code: PrintedOnce(code), expires_at, groups, sign_up_is_off })
            }
        }
    }

    /// Adds the caller as a user. Throttled per source, successes included.
    pub async fn sign_up(
        &self,
        username: &str,
        password: &SecretString,
        invite: Option<&str>,
        asker: &Asker,
    ) -> Result<UserView, FlowError> {
        let mode = self.engine.settings.sign_up.mode;
        if mode == SignUpMode::Off {
            let detail = "Nobody can sign up here. Ask an administrator for an account.";
            return Err(FlowError::Forbidden { code: "sign_up_off", detail });
        }
        let now = self.engine.clock.now();
        let admission = self.engine.throttle.admit(asker.address, THROTTLE_NAME, &now);
        let admission = admission.map_err(|retry_after_s| FlowError::Throttled { retry_after_s })?;
        let done = self.try_sign_up(mode, username, password, invite).await;
        match &done {
            // What was not tried does not count.
            Err(FlowError::Busy | FlowError::Store(_)) => drop(admission),
            // Every user takes room for good, so that a success is as dear as a failure.
            _ => admission.failed(&now),
        }
        done
    }

    async fn try_sign_up(
        &self,
        mode: SignUpMode,
        username: &str,
        password: &SecretString,
        invite: Option<&str>,
    ) -> Result<UserView, FlowError> {
        let engine = &self.engine;
        let name = checked_name(username).map_err(|_| invalid_name())?;
        let mut new = NewUser::default();
        let (mut changes, mut expectations) = (Vec::new(), Vec::new());
        if mode == SignUpMode::Invite || invite.is_some() {
            let found: Found<Invitation> = engine.read(key::invitation(&hash_of(invite.unwrap_or_default()))).await?;
            let now = engine.clock.now().wall;
            let valid = found.record.as_ref().filter(|invitation| now <= invitation.open.expires_at);
            new.groups = valid.ok_or_else(invalid_invite)?.open.groups.clone();
            changes.push(found.delete());
            expectations.push(found.unchanged());
        }
        let phc = engine.new_password(name, password).await.map_err(|error| match error {
            NewPasswordError::Busy => FlowError::Busy,
            NewPasswordError::Refused(refusal) => FlowError::PasswordRefused { field: "password", refusal },
        })?;
        new.password = Some(phc);
        match engine.add_person(name, new, changes, expectations).await {
            Ok((place, user)) => {
                let id = id_of(&place);
                let invited = invite.is_some();
                tracing::info!(target: "audit", event = "user_signed_up", user = id, invited);
                Ok(view(&id, &user, &FactorsOpen::default()))
            }
            Err(PeopleError::NameTaken(_)) if !self.is_taken(name).await? => Err(invalid_invite()),
            Err(PeopleError::NameTaken(_)) => {
                let detail = "This user name cannot be had. Choose another.".to_owned();
                Err(FlowError::NotPossible { code: "name_taken", detail })
            }
            Err(PeopleError::Store(error)) => Err(error.into()),
            Err(_) => Err(FlowError::Busy),
        }
    }

    /// A conflict is of the name, or of an invitation somebody else used at the same moment.
    async fn is_taken(&self, name: &str) -> Result<bool, FlowError> {
        Ok(self.engine.user_by_name(name).await?.is_some())
    }
}

fn hash_of(code: &str) -> String {
    token::hash(&token::folded_spoken_code(code))
}

/// Unknown, used and expired are one answer.
fn invalid_invite() -> FlowError {
    let detail = "This invitation is not valid. Ask for another.";
    FlowError::Forbidden { code: "invalid_invite", detail }
}

fn invalid_name() -> FlowError {
    let error = mfa_sdk::form::FieldError::InvalidCharacters;
    FlowError::InvalidInput([("username".to_owned(), error)].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_found_however_its_code_is_typed() {
        assert_eq!(hash_of("ab1o-z"), hash_of(" AB10Z"));
        assert_ne!(hash_of("AB10Z"), hash_of("AB10Y"));
        assert_eq!(hash_of("").len(), 64);
    }
}
