//! Users as they are shown: never a password, a hash or a code.

use crate::{
    clock::Timestamp,
    flow::record::{Address, FactorsOpen, User},
};

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
    #[serde(default)]
    pub groups: Vec<String>,
    /// After a reset: only the one-time code signs in, and leads to a new password.
    #[serde(default)]
    pub must_change_password: bool,
}

/// A user with everything an admin may know.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct UserDetails {
    #[serde(flatten)]
    pub user: UserView,
    pub display_name: Option<String>,
    pub language: Option<String>,
    pub zone: Option<String>,
    pub local_only: bool,
    /// Until when the one-time code of a reset is good. None after a reset: nothing signs the user in before a new one.
    #[serde(default)]
    pub reset_code_expires_at: Option<Timestamp>,
    pub email: Vec<AddressView>,
    pub phone: Vec<AddressView>,
}

impl std::fmt::Debug for UserDetails {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("UserDetails").field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct AddressView {
    pub value: String,
    pub added_at: Timestamp,
    /// None: it confirms nothing.
    pub proved_at: Option<Timestamp>,
}

/// A text that stands in one answer and nowhere else.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct PrintedOnce(pub String);

impl std::fmt::Debug for PrintedOnce {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PrintedOnce(…)")
    }
}

pub(super) fn view(id: &str, user: &User, factors: &FactorsOpen) -> UserView {
    UserView {
        id: id.to_owned(),
        name: user.open.name.clone(),
        is_active: user.open.is_active,
        is_owner: user.open.is_owner,
        has_password: user.secret.password.is_some(),
        created_at: user.open.created_at,
        methods: factors.factors.iter().map(|factor| factor.module.clone()).collect(),
        groups: user.open.groups.clone(),
        must_change_password: user.open.must_change_password,
    }
}

pub(super) fn details(id: &str, user: &User, factors: &FactorsOpen) -> UserDetails {
    let shown = |list: &[Address]| -> Vec<AddressView> {
        let shown = |address: &Address| AddressView {
            value: address.value.clone(),
            added_at: address.added_at,
            proved_at: address.proved_at,
        };
        list.iter().map(shown).collect()
    };
    UserDetails {
        user: view(id, user, factors),
        display_name: user.open.display_name.clone(),
        language: user.open.language.clone(),
        zone: user.open.zone.clone(),
        local_only: user.open.local_only,
        reset_code_expires_at: user.secret.reset.as_ref().map(|reset| reset.expires_at),
        email: shown(&user.secret.addresses.email),
        phone: shown(&user.secret.addresses.phone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_stage::user;

    #[test]
    fn what_is_logged_of_a_user_has_no_address_and_no_code() {
        let mut ada = user("ada");
        let at = ada.open.created_at;
        ada.secret.addresses.email =
            vec![Address { value: "ada@example.org".to_owned(), added_at: at, proved_at: None, by_code: false }];
        let shown = details("0123", &ada, &FactorsOpen::default());
        assert_eq!(shown.email[0].value, "ada@example.org");
        let logged = format!("{shown:?}");
        assert!(logged.contains("0123") && !logged.contains("example.org"), "{logged}");
        assert_eq!(format!("{:?}", PrintedOnce("ABCD".to_owned())), "PrintedOnce(…)");
    }
}
