//! New users: by an admin, by a program that knows them, by themselves.

use secrecy::{ExposeSecret, SecretString};

use super::{PeopleError, UserView, id_of, profile, view::view};
use crate::{
    flow::{
        FlowError, Flows,
        engine::{Committed, Engine},
        record::{Document, FactorsOpen, Found, NameOpen, Unknown, User, UserName, UserOpen, UserSecret, key},
        token,
    },
    provider::Metadata,
    store::{Change, Expectation},
};

const NAME_CHARS_MAX: usize = 128;

/// What a new user begins with.
#[derive(Default)]
pub(super) struct NewUser {
    pub is_owner: bool,
    /// PHC string; without one the `local` provider never signs them in.
    pub password: Option<SecretString>,
    pub display_name: Option<String>,
    pub groups: Vec<String>,
    pub local_only: bool,
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
        let phc = self.engine.new_password(name, password).await?;
        let new = NewUser { is_owner: owner, password: Some(phc), ..NewUser::default() };
        let (found, user) = self.engine.add_person(name, new, Vec::new(), Vec::new()).await?;
        let id = id_of(&found);
        tracing::info!(target: "audit", event = "user_added", actor, user = id, owner);
        Ok(view(&id, &user, &FactorsOpen::default()))
    }
}

impl Engine {
    /// The user and the name in one commit, with what else belongs to it.
    pub(super) async fn add_person(
        &self,
        name: &str,
        new: NewUser,
        mut changes: Vec<Change>,
        mut expectations: Vec<Expectation>,
    ) -> Result<(Found<User>, User), PeopleError> {
        let named: Found<UserName> = self.read(key::user_name(&token::folded_name_hash(name))).await?;
        if named.record.is_some() {
            return Err(PeopleError::NameTaken(name.to_owned()));
        }
        let id = token::new_record_id();
        let place: Found<User> = self.read(key::user(&id)).await?;
        let user: User = Document {
            open: UserOpen {
                name: name.to_owned(),
                is_active: true,
                is_owner: new.is_owner,
                created_at: self.clock.now().wall,
                epoch: 0,
                display_name: new.display_name,
                language: None,
                zone: None,
                groups: new.groups,
                must_change_password: false,
                local_only: new.local_only,
                unknown: Unknown::new(),
            },
            secret: UserSecret {
                password: new.password.map(|phc| phc.expose_secret().to_owned()),
                ..UserSecret::default()
            },
        };
        let index = Document { open: NameOpen { user: id.clone() }, secret: () };
        changes.extend([place.put(&user), named.put(&index)]);
        expectations.extend([place.unchanged(), named.unchanged()]);
        match self.commit(changes, expectations).await? {
            Committed::Conflict => Err(PeopleError::NameTaken(name.to_owned())),
            Committed::Done => {
                self.note_password(&user.secret, None);
                Ok((place, user))
            }
        }
    }

    /// The user a program accepted and the host did not know; none if the name is none of a user's. What the program
    /// says of the user counts now and never again.
    pub(in crate::flow) async fn user_of_program(
        &self,
        name: &str,
        metadata: Metadata,
    ) -> Result<Option<Found<User>>, FlowError> {
        let Ok(name) = checked_name(name) else { return Ok(None) };
        let new = NewUser {
            display_name: metadata.name.as_deref().and_then(|name| profile::display_name(name).ok()),
            groups: metadata.group.into_iter().filter(|group| profile::is_group(group)).collect(),
            local_only: metadata.local_only,
            ..NewUser::default()
        };
        match self.add_person(name, new, Vec::new(), Vec::new()).await {
            Ok((place, _)) => {
                let user = id_of(&place);
                tracing::info!(target: "audit", event = "user_added", actor = "command_line", user);
            }
            // Two logins of one new user at once: one of them adds the user.
            Err(PeopleError::NameTaken(_)) => {}
            Err(PeopleError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(FlowError::Busy),
        }
        self.user_by_name(name).await
    }
}

/// The name without blanks around it. What cannot be seen, or changes the letter before it, would let one name look
/// like another.
pub(super) fn checked_name(name: &str) -> Result<&str, PeopleError> {
    let name = name.trim();
    let length = name.chars().count();
    let fits = (1..=NAME_CHARS_MAX).contains(&length) && !name.chars().any(is_deceptive);
    if fits { Ok(name) } else { Err(PeopleError::InvalidName) }
}

/// Control characters, blanks other than the space, soft hyphens, zero-width and direction marks, combining marks,
/// fillers, tags and variation selectors.
pub(in crate::flow) fn is_deceptive(letter: char) -> bool {
    let is_odd_blank = letter.is_whitespace() && letter != ' ';
    letter.is_control()
        || is_odd_blank
        || matches!(letter,
            '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_look_like_another_is_none() {
        for name in ["ann", " Ann Lee ", "josé", "李小龙", "ann@example.org", "o'neill"] {
            assert!(checked_name(name).is_ok(), "{name}");
        }
        let long = "a".repeat(129);
        for name in [
            "",
            "  ",
            "a\nb",
            "ann\u{200b}",
            "\u{202e}nna",
            "jose\u{301}",
            "a\u{a0}b",
            "a\u{2003}b",
            "\u{feff}a",
            &long,
        ] {
            assert!(checked_name(name).is_err(), "{name:?}");
        }
    }
}
